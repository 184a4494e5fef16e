//! Runs of pages with nothing between them, as those of a heap are.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use lavandula::{PageSource, Pages};

use super::Disturbed;
use crate::PAGE;

/// Each run is an allocation of its own, and freed when it comes back: Miri and
/// a sanitiser see whoever reaches across, or comes too late.
pub struct Separate {
    pages: usize,
    taken: Cell<usize>,
    turn: Cell<bool>,
}

impl Separate {
    /// A source that has `pages` pages.
    pub fn new(pages: usize) -> Self {
        Self {
            pages,
            taken: Cell::new(0),
            turn: Cell::new(false),
        }
    }

    /// A run begins at an odd page or at an even one, in turn: it matters to
    /// alignments above a page, and has to be the same every time. So each
    /// allocation has a page more, in front of the run or behind it.
    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len + PAGE, 2 * PAGE).expect("bounded by `take`")
    }

    fn allocate(&self, len: usize) -> Option<Pages> {
        if len / PAGE > self.pages - self.taken.get() {
            return None;
        }
        // SAFETY: the layout has a size.
        let base = NonNull::new(unsafe { alloc_zeroed(Self::layout(len)) })?;
        self.taken.set(self.taken.get() + len / PAGE);
        let odd = self.turn.replace(!self.turn.get());
        Some(Pages {
            // SAFETY: the allocation is a page longer than the run.
            start: unsafe { base.add(usize::from(odd) * PAGE) },
            len,
            zeroed: true,
        })
    }
}

// SAFETY: each run is part of an allocation of its own, zeroed, aligned to a page
// and freed only when it comes back. On no target is an allocation of at most
// a few megabytes at the top of the address space, since a page lies behind it
// or in front of it.
unsafe impl PageSource for Separate {
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        self.allocate(wanted).or_else(|| self.allocate(needed))
    }

    unsafe fn give_back(&self, pages: Pages) {
        self.taken.set(self.taken.get() - pages.len / PAGE);
        let odd = !pages.start.addr().get().is_multiple_of(2 * PAGE);
        // SAFETY: an allocation begins at an even page, so a run at an odd one
        // has a page in front of it; the layout is the one of `allocate`, since
        // runs come back whole.
        unsafe {
            let base = pages.start.sub(usize::from(odd) * PAGE);
            dealloc(base.as_ptr(), Self::layout(pages.len));
        }
    }
}

impl Disturbed for Separate {
    /// Nothing touches anything here anyway.
    fn disturb(&self) -> Option<Pages> {
        None
    }
}
