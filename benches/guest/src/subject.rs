//! What an allocator has to do to be measured.

use core::alloc::Layout;
use core::ptr::NonNull;

/// The constant small object: 24 bytes, aligned to 8.
pub type Object = [u64; 3];

/// How memory comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reclaim {
    /// All at once, by a reset.
    AtOnce,
    /// Each allocation by itself: a reset is then the sum of all frees, in the
    /// order of allocation.
    OneByOne,
}

/// An allocator under test. Each method is the allocator's most direct way, the
/// one that its own users would take; running out of memory traps.
///
/// What is returned is valid until it is freed or until the next reset.
pub trait Subject: Sized {
    const RECLAIM: Reclaim;

    /// How many times less than measured is done with it: the self-test looks at
    /// every allocation, and need not look at a million.
    const SCALE: usize = 1;

    /// The vector that its users use.
    type Vector<'a>: Vector
    where
        Self: 'a;

    /// As its users create it where they know nothing about what is to come.
    fn create() -> Self;

    /// The same, where up to `bytes` bytes are to come. Only the floor has to know.
    #[inline(always)]
    fn create_for(_bytes: usize) -> Self {
        Self::create()
    }

    /// With one chunk that holds `bytes` bytes, so that there is no second one.
    fn with_room(bytes: usize) -> Self;

    /// Room for one [`Object`], with nothing written to it.
    fn place(&self) -> NonNull<u8>;

    /// An [`Object`] with this value.
    fn object(&self, value: Object) -> NonNull<u8>;

    /// `size` bytes, aligned to 8. The alignment is a constant for the compiler.
    fn sized(&self, size: usize) -> NonNull<u8>;

    /// Memory for a layout of which the compiler knows nothing.
    fn layout(&self, layout: Layout) -> NonNull<u8>;

    /// A copy of a text.
    fn text(&self, text: &str) -> NonNull<u8>;

    /// `size` zeros, aligned to 8.
    fn zeroed(&self, size: usize) -> NonNull<u8>;

    /// A new vector, empty.
    fn vector(&self) -> Self::Vector<'_>;

    /// Frees one allocation, where [`RECLAIM`](Self::RECLAIM) is one by one.
    ///
    /// # Safety
    /// `at` was returned for this layout and is not used any longer.
    unsafe fn free(&self, _at: NonNull<u8>, _layout: Layout) {}

    /// Takes everything back at once. Nothing, where it is taken back one by one.
    fn reset(&mut self);

    /// Zeroes what earlier requests have left, where the allocator can do that.
    fn scrub(&mut self) {}

    /// Bytes that it holds at this moment for later use and for its own purposes,
    /// where it tells.
    fn held(&self) -> Option<usize> {
        None
    }
}

/// A vector in some allocator.
pub trait Vector {
    fn push(&mut self, value: u32);
    fn items(&self) -> &[u32];
}

/// What it takes to stand behind a `#[global_allocator]`. Null is out of memory.
pub trait Global {
    /// # Safety
    /// As `GlobalAlloc::alloc`.
    unsafe fn allocate(&self, layout: Layout) -> *mut u8;
    /// # Safety
    /// As `GlobalAlloc::dealloc`.
    unsafe fn deallocate(&self, at: *mut u8, layout: Layout);
    /// # Safety
    /// As `GlobalAlloc::realloc`.
    unsafe fn reallocate(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8;
}

/// What running out of memory is here, for everybody: the instance ends.
#[cold]
#[inline(never)]
pub fn out_of_memory() -> ! {
    core::arch::wasm32::unreachable()
}

/// The value, or [`out_of_memory`].
#[inline(always)]
pub fn expect<T, E>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(_) => out_of_memory(),
    }
}

/// A layout of `size` bytes, aligned to 8.
#[inline(always)]
pub fn aligned_to_8(size: usize) -> Layout {
    // SAFETY: 8 is a power of two, and no workload asks for sizes near the end
    // of the address space.
    unsafe { Layout::from_size_align_unchecked(size, 8) }
}

/// Implements [`Global`] through an `Allocator` trait, of which there is one for
/// each version of `allocator-api2`, and one of bump-scope's own.
macro_rules! global_through {
    ($($kind:ident)::+, [$($generics:tt)*] $subject:ty, $inner:ident => $allocator:expr) => {
        impl<$($generics)*> $crate::subject::Global for $subject {
            #[inline]
            unsafe fn allocate(&self, layout: core::alloc::Layout) -> *mut u8 {
                let $inner = self;
                match $($kind)::+::allocate(&$allocator, layout) {
                    Ok(at) => at.as_ptr().cast(),
                    Err(_) => core::ptr::null_mut(),
                }
            }

            #[inline]
            unsafe fn deallocate(&self, at: *mut u8, layout: core::alloc::Layout) {
                let $inner = self;
                // SAFETY: the caller's promise is the same as this trait's, and
                // what was allocated is not null.
                unsafe {
                    let at = core::ptr::NonNull::new_unchecked(at);
                    $($kind)::+::deallocate(&$allocator, at, layout);
                }
            }

            #[inline]
            unsafe fn reallocate(
                &self,
                at: *mut u8,
                layout: core::alloc::Layout,
                new_size: usize,
            ) -> *mut u8 {
                let $inner = self;
                // SAFETY: the caller promises that the new size, rounded up to
                // the alignment, fits; that the memory was allocated with
                // `layout`; and which of the two is larger is seen here.
                let moved = unsafe {
                    let at = core::ptr::NonNull::new_unchecked(at);
                    let new =
                        core::alloc::Layout::from_size_align_unchecked(new_size, layout.align());
                    if new_size >= layout.size() {
                        $($kind)::+::grow(&$allocator, at, layout, new)
                    } else {
                        $($kind)::+::shrink(&$allocator, at, layout, new)
                    }
                };
                match moved {
                    Ok(at) => at.as_ptr().cast(),
                    Err(_) => core::ptr::null_mut(),
                }
            }
        }
    };
}
pub(crate) use global_through;

/// Implements [`Vector`] for a vector type with the usual two methods.
macro_rules! vector {
    ([$($generics:tt)*] $vector:ty) => {
        impl<$($generics)*> $crate::subject::Vector for $vector {
            #[inline(always)]
            fn push(&mut self, value: u32) {
                Self::push(self, value);
            }

            #[inline(always)]
            fn items(&self) -> &[u32] {
                self
            }
        }
    };
}
pub(crate) use vector;
