//! The one arena, what the host's numbers mean, and what a module without std has
//! to have.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr::{self, NonNull};
use core::slice;

use lavandula::{AllocError, Arena};

struct OneThread<T>(UnsafeCell<T>);

// SAFETY: without atomics an instance runs on one thread.
unsafe impl<T> Sync for OneThread<T> {}

static ARENA: OneThread<Arena> = OneThread(UnsafeCell::new(Arena::new()));

/// The arena, for the time of one export.
pub fn arena() -> &'static Arena {
    // SAFETY: exports run one after another, and what one has borrowed ends with
    // it; none uses this and `arena_mut` at once.
    unsafe { &*ARENA.0.get() }
}

/// The arena, for the time of one export that uses no other reference to it.
pub fn arena_mut() -> &'static mut Arena {
    // SAFETY: as above.
    unsafe { &mut *ARENA.0.get() }
}

/// Where something was allocated, or zero.
pub fn address<T: ?Sized>(made: Result<NonNull<T>, AllocError>) -> usize {
    made.map_or(0, |at| at.addr().get())
}

/// # Safety
/// `len` bytes at `at` are initialised, and nobody writes to them while they are
/// borrowed.
pub unsafe fn bytes<'a>(at: *const u8, len: usize) -> &'a [u8] {
    if at.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(at, len) }
}

/// # Safety
/// As [`bytes`], and they are UTF-8.
pub unsafe fn text<'a>(at: *const u8, len: usize) -> &'a str {
    // SAFETY: the caller's promises.
    unsafe { str::from_utf8_unchecked(bytes(at, len)) }
}

/// No heap: there is one because the crate `alloc` asks for it.
struct NoHeap;

// SAFETY: it never returns memory.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: NoHeap = NoHeap;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    /// Imported where anything that can panic is linked, and else not.
    safe fn panicked() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    panicked()
}
