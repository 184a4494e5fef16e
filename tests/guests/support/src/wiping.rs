//! A general-purpose allocator that leaves nothing readable.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// The platform's allocator, which overwrites with zeros what is freed.
///
/// A handler on it frees what it took and leaves nothing behind by that. What it
/// forgets to free, or keeps in a static, stays: unlike `InvocationHeap`, this one
/// puts nothing back.
pub struct Wiping;

/// Overwrites `bytes` bytes with zeros, in a way that the compiler keeps.
///
/// # Safety
/// The bytes are valid for writes.
unsafe fn wipe(at: *mut u8, bytes: usize) {
    // SAFETY: by the contract.
    unsafe { ptr::write_bytes(at, 0, bytes) };
    // Without this the compiler may drop a write to memory that is freed next. It
    // has to assume that whoever gets this address reads the zeros.
    std::hint::black_box(at);
}

// SAFETY: everything is passed on to `System`, which keeps the contract; the writes
// lie within allocations that the caller has given up.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller gives up `layout.size()` bytes at `at`, which came from
        // `System` with this layout.
        unsafe {
            wipe(at, layout.size());
            System.dealloc(at, layout);
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // `System.realloc` could move the bytes and leave the old ones behind, so it
        // is done by hand.
        if new_size == layout.size() {
            return at;
        }
        // SAFETY: the caller promises that `new_size`, rounded up to the alignment,
        // does not overflow `isize`.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_size` is not zero, by the caller's promise.
        let moved = unsafe { System.alloc(new_layout) };
        if !moved.is_null() {
            // SAFETY: both are valid for the smaller size, and apart.
            unsafe {
                ptr::copy_nonoverlapping(at, moved, layout.size().min(new_size));
                self.dealloc(at, layout);
            }
        }
        moved
    }
}
