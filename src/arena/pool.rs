//! Free runs of pages, kept for the next arena: linear memory cannot shrink.

use core::cell::Cell;
use core::ptr::NonNull;

use super::pages::Pages;

/// A list of free runs, in order of address, neighbours joined. The nodes lie
/// in the runs themselves, so the pool needs no memory of its own.
pub(super) struct PagePool {
    first: Cell<Option<NonNull<Run>>>,
}

struct Run {
    next: Option<NonNull<Run>>,
    len: usize,
}

impl PagePool {
    pub(super) const fn new() -> Self {
        Self {
            first: Cell::new(None),
        }
    }

    /// Takes `bytes` from the start of the first run that has them. The pages
    /// are dirty: arenas wrote to them, and so did this list.
    pub(super) fn take(&self, bytes: usize) -> Option<Pages> {
        let mut before: Option<NonNull<Run>> = None;
        let mut at = self.first.get();
        while let Some(run) = at {
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            let Run { next, len } = unsafe { run.read() };
            if len >= bytes {
                let rest = if len == bytes {
                    next
                } else {
                    // SAFETY: `bytes < len`, so the rest lies within the run; it
                    // is a whole number of pages, so a node fits and is aligned.
                    let rest = unsafe { run.byte_add(bytes) };
                    // SAFETY: as above.
                    unsafe {
                        rest.write(Run {
                            next,
                            len: len - bytes,
                        });
                    }
                    Some(rest)
                };
                self.link(before, rest);
                return Some(Pages {
                    start: run.cast(),
                    len: bytes,
                    zeroed: false,
                });
            }
            before = at;
            at = next;
        }
        None
    }

    /// Puts a run back in its place by address, and joins it with its
    /// neighbours where they touch.
    ///
    /// # Safety
    /// The run is whole pages, valid for writes for as long as the pool exists,
    /// and nothing else uses it. Where two runs touch, a pointer to the first
    /// may be used for the second as well: true for linear memory, which is one
    /// object, and for no two allocations of a native heap.
    pub(super) unsafe fn give_back(&self, pages: Pages) {
        let mut before: Option<NonNull<Run>> = None;
        let mut after = self.first.get();
        while let Some(run) = after {
            if run.addr() > pages.start.addr() {
                break;
            }
            before = after;
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            after = unsafe { run.as_ref().next };
        }

        let mut run: NonNull<Run> = pages.start.cast();
        let mut node = Run {
            next: after,
            len: pages.len,
        };
        if let Some(after) = after
            && run.addr().get() + node.len == after.addr().get()
        {
            // SAFETY: as above.
            let joined = unsafe { after.read() };
            node = Run {
                next: joined.next,
                len: node.len + joined.len,
            };
        }
        if let Some(earlier) = before {
            // SAFETY: as above.
            let Run { len, .. } = unsafe { earlier.read() };
            if earlier.addr().get() + len == run.addr().get() {
                run = earlier;
                node.len += len;
                // SAFETY: the node in front is replaced by the joined one.
                unsafe { run.write(node) };
                return;
            }
        }
        // SAFETY: the caller hands over the run, at least one page long and
        // aligned to a page.
        unsafe { run.write(node) };
        self.link(before, Some(run));
    }

    /// Makes `run` follow `before`, or come first.
    fn link(&self, before: Option<NonNull<Run>>, run: Option<NonNull<Run>>) {
        match before {
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            Some(mut before) => unsafe { before.as_mut().next = run },
            None => self.first.set(run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bump::PAGE;
    use super::super::pages::{HeapPages, PageSource};
    use super::*;

    /// One object of `pages` pages, as linear memory is, given back at the end.
    struct Memory(Option<Pages>);

    impl Memory {
        fn new(pages: usize) -> Self {
            Self(HeapPages.take(pages * PAGE))
        }
        fn run(&self, page: usize, pages: usize) -> Pages {
            let whole = self.0.as_ref().unwrap();
            assert!((page + pages) * PAGE <= whole.len);
            Pages {
                // SAFETY: within the object, by the assertion.
                start: unsafe { whole.start.add(page * PAGE) },
                len: pages * PAGE,
                zeroed: false,
            }
        }
        fn page_of(&self, pages: &Pages) -> usize {
            (pages.start.addr().get() - self.0.as_ref().unwrap().start.addr().get()) / PAGE
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: taken from the same source, whole.
            unsafe { HeapPages.give_back(self.0.take().unwrap()) }
        }
    }

    fn give(pool: &PagePool, pages: Pages) {
        // SAFETY: each test gives each page back once, all of one object that
        // outlives the pool.
        unsafe { pool.give_back(pages) }
    }

    #[test]
    fn an_empty_pool_has_nothing() {
        assert!(PagePool::new().take(PAGE).is_none());
    }

    #[test]
    fn neighbours_join_in_whatever_order_they_return() {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let memory = Memory::new(3);
            let pool = PagePool::new();
            for page in order {
                give(&pool, memory.run(page, 1));
            }
            let whole = pool.take(3 * PAGE).expect("three pages in one run");
            assert_eq!(memory.page_of(&whole), 0);
            assert!(pool.take(PAGE).is_none());
        }
    }

    #[test]
    fn a_run_is_cut_from_its_start_and_a_hole_is_not_bridged() {
        let memory = Memory::new(5);
        let pool = PagePool::new();
        give(&pool, memory.run(0, 2));
        give(&pool, memory.run(3, 2));
        assert!(pool.take(3 * PAGE).is_none());
        assert_eq!(memory.page_of(&pool.take(PAGE).unwrap()), 0);
        assert_eq!(memory.page_of(&pool.take(2 * PAGE).unwrap()), 3);
        assert_eq!(memory.page_of(&pool.take(PAGE).unwrap()), 1);
        assert!(pool.take(PAGE).is_none());
    }
}
