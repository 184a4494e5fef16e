//! General allocators, which free one allocation at a time: dlmalloc, which is
//! what std brings along on this target, and talc.
//!
//! Each is a static, as it is in a program, and a subject is a name for it. The
//! guest's own data live in a dlmalloc of their own.

use core::alloc::{GlobalAlloc, Layout};
use core::marker::PhantomData;
use core::ptr::NonNull;

use allocator_api2::vec::Vec;

use super::floor::Through;
use crate::cell::Local;
use crate::subject::{Global, Object, Reclaim, Subject, aligned_to_8, out_of_memory, vector};

/// A general allocator that is a static.
pub trait General: 'static {
    /// # Safety
    /// As `GlobalAlloc::alloc`.
    unsafe fn allocate(layout: Layout) -> *mut u8;
    /// # Safety
    /// As `GlobalAlloc::dealloc`.
    unsafe fn free(at: *mut u8, layout: Layout);
    /// # Safety
    /// As `GlobalAlloc::realloc`.
    unsafe fn reallocate(at: *mut u8, layout: Layout, new_size: usize) -> *mut u8;
}

/// Two heaps of the same kind: the guest's own, and the one under test.
macro_rules! dlmalloc {
    ($name:ident, $cell:ident) => {
        static $cell: Local<dlmalloc::Dlmalloc> = Local::new(dlmalloc::Dlmalloc::new());

        impl General for $name {
            #[inline(always)]
            unsafe fn allocate(layout: Layout) -> *mut u8 {
                // SAFETY: one thread, and dlmalloc calls nothing that comes back
                // here, so the reference is the only one; the rest is the
                // caller's promise.
                unsafe { (*$cell.at()).malloc(layout.size(), layout.align()) }
            }

            #[inline(always)]
            unsafe fn free(at: *mut u8, layout: Layout) {
                // SAFETY: as above.
                unsafe { (*$cell.at()).free(at, layout.size(), layout.align()) }
            }

            #[inline(always)]
            unsafe fn reallocate(at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
                // SAFETY: as above.
                unsafe { (*$cell.at()).realloc(at, layout.size(), layout.align(), new_size) }
            }
        }
    };
}

pub struct ForDlmalloc;
struct ForHome;
dlmalloc!(ForDlmalloc, DLMALLOC);
dlmalloc!(ForHome, HOME_HEAP);

/// talc as its documentation recommends it for WebAssembly.
pub struct ForTalc;
static TALC: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

impl General for ForTalc {
    #[inline(always)]
    unsafe fn allocate(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { TALC.alloc(layout) }
    }

    #[inline(always)]
    unsafe fn free(at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { TALC.dealloc(at, layout) }
    }

    #[inline(always)]
    unsafe fn reallocate(at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { TALC.realloc(at, layout, new_size) }
    }
}

/// The handle of a general allocator.
pub struct Heap<G>(PhantomData<G>);

pub type Dlmalloc = Heap<ForDlmalloc>;
pub type Talc = Heap<ForTalc>;

/// Where the guest's own data live.
pub static HOME: Home = Home;
pub struct Home;

impl<G> Heap<G> {
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// What was allocated, or the end.
#[inline(always)]
fn some(at: *mut u8) -> NonNull<u8> {
    match NonNull::new(at) {
        Some(at) => at,
        None => out_of_memory(),
    }
}

impl<G: General> Subject for Heap<G> {
    const RECLAIM: Reclaim = Reclaim::OneByOne;
    type Vector<'a> = Vec<u32, Through<'a, Self>>;

    #[inline(always)]
    fn create() -> Self {
        Self::new()
    }

    fn with_room(_bytes: usize) -> Self {
        Self::new()
    }

    #[inline(always)]
    fn place(&self) -> NonNull<u8> {
        self.layout(Layout::new::<Object>())
    }

    #[inline(always)]
    fn object(&self, value: Object) -> NonNull<u8> {
        let at = self.place();
        // SAFETY: the place was just handed out for an object.
        unsafe { at.cast().write(value) };
        at
    }

    #[inline(always)]
    fn sized(&self, size: usize) -> NonNull<u8> {
        self.layout(aligned_to_8(size))
    }

    #[inline(always)]
    fn layout(&self, layout: Layout) -> NonNull<u8> {
        // SAFETY: no workload asks for zero bytes.
        some(unsafe { G::allocate(layout) })
    }

    #[inline(always)]
    fn text(&self, text: &str) -> NonNull<u8> {
        let at = self.layout(Layout::for_value(text));
        // SAFETY: the memory was just handed out for a text of this length.
        unsafe { at.copy_from_nonoverlapping(NonNull::from(text).cast(), text.len()) };
        at
    }

    #[inline(always)]
    fn zeroed(&self, size: usize) -> NonNull<u8> {
        let at = self.sized(size);
        // SAFETY: `size` bytes were just handed out. Both allocators do the same
        // for memory that they had before.
        unsafe { at.write_bytes(0, size) };
        at
    }

    #[inline(always)]
    fn vector(&self) -> Self::Vector<'_> {
        Vec::new_in(Through(self))
    }

    #[inline(always)]
    unsafe fn free(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: passed on.
        unsafe { G::free(at.as_ptr(), layout) }
    }

    fn reset(&mut self) {}
}

impl<G: General> Global for Heap<G> {
    #[inline]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { G::allocate(layout) }
    }

    #[inline]
    unsafe fn deallocate(&self, at: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { G::free(at, layout) }
    }

    #[inline]
    unsafe fn reallocate(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { G::reallocate(at, layout, new_size) }
    }
}

impl Global for Home {
    #[inline]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { ForHome::allocate(layout) }
    }

    #[inline]
    unsafe fn deallocate(&self, at: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { ForHome::free(at, layout) }
    }

    #[inline]
    unsafe fn reallocate(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { ForHome::reallocate(at, layout, new_size) }
    }
}

vector!(['a, G: General] Vec<u32, Through<'a, Heap<G>>>);
