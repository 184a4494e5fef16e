//! `lavandula` under another name, for the sample handlers: all of it, but that
//! `InvocationHeap` is std's own allocator here.
//!
//! So the samples are measured with both allocators from the same source, and
//! need no switch for it that people would copy along. With the feature `bare`
//! their `export!` is another one, too: see `bare.rs`.
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub use lavandula::*;

#[cfg(feature = "bare")]
mod bare;

#[cfg(all(feature = "bare", target_arch = "wasm32"))]
#[doc(hidden)]
pub use bare::{Handler, bindings};

use std::alloc::{GlobalAlloc, Layout, System};

/// The allocator that a handler has without a `#[global_allocator]`.
#[derive(Debug, Default)]
pub struct InvocationHeap;

impl InvocationHeap {
    /// The allocator.
    pub const fn new() -> Self {
        Self
    }
}

// SAFETY: `System` keeps the contract, and everything is passed on to it.
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
        // SAFETY: `at` came from `System` with this layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `at` came from `System` with this layout.
        unsafe { System.realloc(at, layout, new_size) }
    }
}
