//! The global allocator of a handler: nothing that was freed stays readable.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use std::alloc::System;

/// A global allocator that overwrites memory with zeros when it is freed.
///
/// What a handler puts into its [`Arena`](crate::Arena) is scrubbed with the
/// arena. What its libraries allocate, and the values that the host passes in,
/// come from the global allocator; with this one they leave nothing behind
/// either once they are freed:
///
/// ```
/// #[global_allocator]
/// static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();
/// # fn main() {}
/// ```
///
/// Allocations go to the platform's own allocator. A shrunk allocation's tail
/// and the old place of one that moved are overwritten as well.
#[derive(Debug, Default)]
pub struct InvocationHeap;

impl InvocationHeap {
    /// The allocator.
    pub const fn new() -> Self {
        Self
    }
}

/// Overwrites `bytes` bytes with zeros, in a way that the compiler keeps.
///
/// # Safety
/// The bytes are valid for writes.
unsafe fn wipe(at: *mut u8, bytes: usize) {
    // SAFETY: by the contract.
    unsafe { ptr::write_bytes(at, 0, bytes) };
    // Without this the compiler may drop a write to memory that is freed next.
    // It has to assume that whoever gets this address reads the zeros.
    core::hint::black_box(at);
}

// SAFETY: everything is passed on to `System`, which keeps the contract; the
// writes lie within allocations that the caller has given up.
unsafe impl GlobalAlloc for InvocationHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller gives up `layout.size()` bytes at `at`, which came
        // from `System` with this layout.
        unsafe {
            wipe(at, layout.size());
            System.dealloc(at, layout);
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // `System.realloc` could move the bytes and leave the old ones behind, so
        // it is done by hand.
        if new_size == layout.size() {
            return at;
        }
        // SAFETY: the caller promises that `new_size`, rounded up to the
        // alignment, does not overflow `isize`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn reallocation_keeps_the_bytes_in_both_directions() {
        let heap = InvocationHeap::new();
        // SAFETY: each pointer is used with the layout it was allocated with.
        unsafe {
            let at = heap.alloc(layout(64));
            at.write_bytes(7, 64);
            let larger = heap.realloc(at, layout(64), 4096);
            assert!((0..64).all(|i| larger.add(i).read() == 7));
            let smaller = heap.realloc(larger, layout(4096), 16);
            assert!((0..16).all(|i| smaller.add(i).read() == 7));
            heap.dealloc(smaller, layout(16));
        }
    }
}
