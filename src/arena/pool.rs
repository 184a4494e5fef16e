//! Free runs of pages, kept for the next arena: linear memory cannot shrink.

use core::cell::Cell;
use core::ptr::NonNull;

use super::pages::Pages;

/// A list of free runs, in order of address, neighbours joined. The nodes lie
/// in the runs themselves, so the pool needs no memory of its own.
pub(super) struct PagePool {
    first: Cell<Option<NonNull<Run>>>,
}

#[derive(Clone, Copy)]
struct Run {
    next: Option<NonNull<Run>>,
    len: usize,
    /// Whether everything but this node is zero.
    zeroed: bool,
}

impl PagePool {
    pub(super) const fn new() -> Self {
        Self {
            first: Cell::new(None),
        }
    }

    /// Takes up to `wanted` bytes from the start of the first run that has
    /// `needed`.
    pub(super) fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        self.take_where(wanted, |_, run| run.len >= needed)
    }

    /// As [`take`](Self::take), of the run that begins at the address `at`.
    pub(super) fn take_at(&self, at: usize, needed: usize, wanted: usize) -> Option<Pages> {
        self.take_where(wanted, |start, run| start == at && run.len >= needed)
    }

    /// Overwrites with zeros what is not known to be zero. Returns the bytes of
    /// those runs.
    pub(super) fn scrub(&self) -> usize {
        let mut written = 0;
        let mut at = self.first.get();
        while let Some(run) = at {
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            let node = unsafe { run.read() };
            if !node.zeroed {
                let len = node.len - size_of::<Run>();
                // SAFETY: what follows the node in a run belongs to nobody.
                unsafe {
                    run.add(1).cast::<u8>().write_bytes(0, len);
                    run.write(Run {
                        zeroed: true,
                        ..node
                    });
                }
                written += node.len;
            }
            at = node.next;
        }
        written
    }

    /// Whether a run has `needed` bytes.
    pub(super) fn has(&self, needed: usize) -> bool {
        let mut at = self.first.get();
        while let Some(run) = at {
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            let Run { next, len, .. } = unsafe { run.read() };
            if len >= needed {
                return true;
            }
            at = next;
        }
        false
    }

    /// Bytes of the run that ends at the address `end`, zero where none does.
    pub(super) fn len_before(&self, end: usize) -> usize {
        let mut at = self.first.get();
        while let Some(run) = at {
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            let Run { next, len, .. } = unsafe { run.read() };
            if run.addr().get() + len == end {
                return len;
            }
            at = next;
        }
        0
    }

    #[cold]
    fn take_where(&self, wanted: usize, fits: impl Fn(usize, Run) -> bool) -> Option<Pages> {
        let mut before: Option<NonNull<Run>> = None;
        let mut at = self.first.get();
        while let Some(found) = at {
            // SAFETY: a node of the list lies in a free run, which the pool owns.
            let run = unsafe { found.read() };
            if fits(found.addr().get(), run) {
                let taken = run.len.min(wanted);
                let rest = if taken == run.len {
                    run.next
                } else {
                    // SAFETY: `taken < run.len`, so the rest lies within the run;
                    // it is a whole number of pages, so a node fits and is
                    // aligned.
                    let rest = unsafe { found.byte_add(taken) };
                    // SAFETY: as above.
                    unsafe {
                        rest.write(Run {
                            len: run.len - taken,
                            ..run
                        });
                    }
                    Some(rest)
                };
                self.link(before, rest);
                // SAFETY: the run is no longer in the list, and begins with the
                // node.
                unsafe { found.cast::<u8>().write_bytes(0, size_of::<Run>()) };
                return Some(Pages {
                    start: found.cast(),
                    len: taken,
                    zeroed: run.zeroed,
                });
            }
            before = at;
            at = run.next;
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
    #[cold]
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
            zeroed: pages.zeroed,
        };
        if let Some(after) = after
            && run.addr().get() + node.len == after.addr().get()
        {
            // SAFETY: as above. The node in front of the second run is swallowed.
            let joined = unsafe { after.read() };
            // SAFETY: as above.
            unsafe { after.cast::<u8>().write_bytes(0, size_of::<Run>()) };
            node = Run {
                next: joined.next,
                len: node.len + joined.len,
                zeroed: node.zeroed && joined.zeroed,
            };
        }
        if let Some(earlier) = before {
            // SAFETY: as above.
            let Run { len, zeroed, .. } = unsafe { earlier.read() };
            if earlier.addr().get() + len == run.addr().get() {
                run = earlier;
                node.len += len;
                node.zeroed &= zeroed;
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
            Self(HeapPages.take(pages * PAGE, pages * PAGE))
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
        assert!(PagePool::new().take(PAGE, PAGE).is_none());
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
            let whole = pool
                .take(3 * PAGE, 3 * PAGE)
                .expect("three pages in one run");
            assert_eq!(memory.page_of(&whole), 0);
            assert!(pool.take(PAGE, PAGE).is_none());
        }
    }

    #[test]
    fn a_joined_run_is_zero_only_if_all_of_it_is_and_after_a_scrub() {
        for dirty in 0..3 {
            for order in [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2]] {
                let memory = Memory::new(3);
                let pool = PagePool::new();
                for page in order {
                    let mut run = memory.run(page, 1);
                    run.zeroed = page != dirty;
                    if !run.zeroed {
                        // SAFETY: nobody's page yet.
                        unsafe { run.start.write_bytes(0xEE, PAGE) };
                    }
                    give(&pool, run);
                }
                let whole = pool.take(3 * PAGE, 3 * PAGE).unwrap();
                assert!(!whole.zeroed, "{dirty} in {order:?}");
                give(&pool, whole);
                assert_eq!(pool.scrub(), 3 * PAGE);
                assert_eq!(pool.scrub(), 0);
                let whole = pool.take(3 * PAGE, 3 * PAGE).unwrap();
                assert!(whole.zeroed);
                // SAFETY: just taken, and written to by `scrub`.
                let bytes = unsafe { core::slice::from_raw_parts(whole.start.as_ptr(), whole.len) };
                assert!(bytes == std::vec![0; whole.len]);
            }
        }
    }

    #[test]
    fn a_run_is_cut_from_its_start_and_a_hole_is_not_bridged() {
        let memory = Memory::new(5);
        let pool = PagePool::new();
        give(&pool, memory.run(0, 2));
        give(&pool, memory.run(3, 2));
        assert!(pool.take(3 * PAGE, 3 * PAGE).is_none());
        assert_eq!(memory.page_of(&pool.take(PAGE, PAGE).unwrap()), 0);
        assert_eq!(memory.page_of(&pool.take(2 * PAGE, 2 * PAGE).unwrap()), 3);
        assert_eq!(memory.page_of(&pool.take(PAGE, PAGE).unwrap()), 1);
        assert!(pool.take(PAGE, PAGE).is_none());
    }
}
