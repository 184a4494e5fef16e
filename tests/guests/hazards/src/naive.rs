//! The allocator that is wrong: an arena for each request, and nobody who puts
//! the statics back which refer to it.
//!
//! There are two arenas, which take turns, since the host puts a request into
//! memory before the handler knows of it. So what a request allocated is gone
//! when the one after the next begins.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ptr;

const ARENA: usize = 1 << 20;

/// One for initialisation, which stays, and two that take turns.
const ARENAS: usize = 3;

pub struct NaiveHeap {
    arenas: [UnsafeCell<[u8; ARENA]>; ARENAS],
    used: Cell<usize>,
    current: Cell<usize>,
}

// SAFETY: an instance runs on one thread.
unsafe impl Sync for NaiveHeap {}

impl NaiveHeap {
    pub const fn new() -> Self {
        Self {
            arenas: [const { UnsafeCell::new([0; ARENA]) }; ARENAS],
            used: Cell::new(0),
            current: Cell::new(0),
        }
    }

    /// Begins with the other arena. What it held is overwritten, as a careful
    /// allocator does.
    pub fn turn(&self) {
        let next = if self.current.get() == 1 { 2 } else { 1 };
        self.current.set(next);
        self.used.set(0);
        // SAFETY: within the arena. That somebody may still refer to what is in it
        // is what this is about.
        unsafe { self.start().write_bytes(0xA5, ARENA) };
    }

    fn start(&self) -> *mut u8 {
        self.arenas[self.current.get()].get().cast()
    }
}

// SAFETY: not kept, and on purpose: what is allocated ends before it is freed.
// WebAssembly contains the damage.
unsafe impl GlobalAlloc for NaiveHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.start();
        let at = start.addr() + self.used.get();
        let at = at.next_multiple_of(layout.align()) - start.addr();
        if at + layout.size() > ARENA {
            return ptr::null_mut();
        }
        self.used.set(at + layout.size());
        // SAFETY: within the arena.
        unsafe { start.add(at) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
