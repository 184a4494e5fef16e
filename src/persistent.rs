//! The heap for what outlives an invocation: what initialisation allocates.
//!
//! Small allocations are rounded up to a size class, four to each doubling, and
//! bumped; what is freed goes to the list of its class, and is handed out again
//! first. Large ones have pages of their own, and give them back. Nothing is
//! joined or split: initialisation builds something once, and what counts is
//! that little is left over of it, since all of it belongs to the image that
//! every rewind puts back.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::arena::bump::{MIN_ALIGN, PAGE, place, round_up};
use crate::span::Span;
use crate::{PageSource, Pages};

/// Largest size that has a class.
const LARGEST_SMALL: usize = 32 * 1024;

/// Number of the class of `LARGEST_SMALL`, plus one.
const CLASSES: usize = class(LARGEST_SMALL) + 1;

/// The class of a size from 1 to `LARGEST_SMALL`.
///
/// Up to 64 bytes there is one for each multiple of eight; from there on each
/// doubling has four.
const fn class(size: usize) -> usize {
    if size <= 64 {
        return size.div_ceil(MIN_ALIGN) - 1;
    }
    // The two bits behind the leading one tell the quarters of a doubling apart.
    let last = size - 1;
    let doubling = last.ilog2() as usize;
    let quarter = (last >> (doubling - 2)) & 3;
    (doubling - 6) * 4 + quarter + 8
}

/// The largest size of a class, which is what its members have.
const fn size_of_class(class: usize) -> usize {
    if class < 8 {
        return (class + 1) * MIN_ALIGN;
    }
    let (doubling, quarter) = ((class - 8) / 4 + 6, (class - 8) % 4);
    (quarter + 5) << (doubling - 2)
}

/// A general-purpose allocator over a source of pages, which is one object.
pub(crate) struct Persistent<P: PageSource> {
    /// The unused rest of the last pages taken for small allocations.
    rest: Cell<NonNull<u8>>,
    rest_end: Cell<usize>,
    /// What was freed, by class.
    free: [Cell<Option<NonNull<Freed>>>; CLASSES],
    source: P,
}

/// What lies in a freed allocation.
struct Freed {
    next: Option<NonNull<Freed>>,
}

/// Where a layout belongs.
enum Kind {
    Small(usize),
    /// Bytes of whole pages.
    Large(usize),
}

fn kind(layout: Layout) -> Option<Kind> {
    if layout.align() > PAGE {
        return None;
    }
    if layout.size() <= LARGEST_SMALL && layout.align() <= LARGEST_SMALL {
        return Some(Kind::Small(class(layout.size().max(1))));
    }
    round_up(layout.size(), PAGE).map(Kind::Large)
}

impl<P: PageSource> Persistent<P> {
    pub(crate) const fn new(source: P) -> Self {
        Self {
            rest: Cell::new(NonNull::dangling()),
            rest_end: Cell::new(0),
            free: [const { Cell::new(None) }; CLASSES],
            source,
        }
    }

    /// Memory for `layout`, or null.
    #[cold]
    pub(crate) fn alloc(&self, layout: Layout) -> *mut u8 {
        let found = match kind(layout) {
            None => None,
            Some(Kind::Large(bytes)) => self.source.take(bytes, bytes).map(|pages| pages.start),
            Some(Kind::Small(class)) => self.alloc_small(class, layout.align()),
        };
        found.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    fn alloc_small(&self, class: usize, align: usize) -> Option<NonNull<u8>> {
        let list = &self.free[class];
        // What was freed is good for the least alignment.
        if align <= MIN_ALIGN
            && let Some(freed) = list.get()
        {
            // SAFETY: the list holds freed allocations of this heap, each of
            // which begins with a node.
            list.set(unsafe { freed.read() }.next);
            return Some(freed.cast());
        }
        let size = size_of_class(class);
        if let Some(found) = self.bump(size, align) {
            return Some(found);
        }
        let pages = self.source.take(PAGE, PAGE)?;
        self.rest.set(pages.start);
        self.rest_end.set(pages.start.addr().get() + pages.len);
        self.bump(size, align)
    }

    fn bump(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let rest = self.rest.get();
        let at = rest.addr().get();
        if self.rest_end.get() == 0 {
            return None;
        }
        let placed = place(at, self.rest_end.get(), size, align)?;
        // SAFETY: `at <= start <= end`, which is at most where the pages end.
        unsafe {
            self.rest.set(rest.add(placed.end - at));
            Some(rest.add(placed.start - at))
        }
    }

    /// Takes back what [`alloc`](Self::alloc) returned.
    ///
    /// # Safety
    /// `at` came from this heap for `layout`, and nobody uses it any longer.
    #[cold]
    pub(crate) unsafe fn dealloc(&self, at: NonNull<u8>, layout: Layout) {
        match kind(layout) {
            None => {}
            Some(Kind::Large(len)) => {
                // SAFETY: `alloc` took these pages for this allocation.
                unsafe {
                    self.source.give_back(Pages {
                        start: at,
                        len,
                        zeroed: false,
                    })
                };
            }
            Some(Kind::Small(class)) => {
                let list = &self.free[class];
                let freed = at.cast::<Freed>();
                // SAFETY: a member of any class has eight bytes at least, aligned
                // to eight, and this one is nobody's.
                unsafe { freed.write(Freed { next: list.get() }) };
                list.set(Some(freed));
            }
        }
    }

    /// Makes an allocation larger or smaller: in place where that changes nothing,
    /// else by moving it. Null where there is no memory; then it stays.
    ///
    /// # Safety
    /// As for [`dealloc`](Self::dealloc), unless it returns null. `new` has the
    /// alignment of `old`, and a size.
    #[cold]
    pub(crate) unsafe fn realloc(&self, at: NonNull<u8>, old: Layout, new: Layout) -> *mut u8 {
        match (kind(old), kind(new)) {
            (Some(Kind::Small(before)), Some(Kind::Small(after))) if before == after => {
                return at.as_ptr();
            }
            (Some(Kind::Large(before)), Some(Kind::Large(after))) if before == after => {
                return at.as_ptr();
            }
            _ => {}
        }
        let moved = self.alloc(new);
        if let Some(moved) = NonNull::new(moved) {
            // SAFETY: both have the smaller size, and are apart.
            unsafe {
                moved.copy_from_nonoverlapping(at, old.size().min(new.size()));
                self.dealloc(at, old);
            }
        }
        moved
    }

    /// The addresses of what was taken from the source and never handed out. They
    /// are not handed out later either: what comes next has new pages.
    pub(crate) fn leave_rest(&self) -> Span {
        let end = self.rest_end.replace(0);
        match self.rest.replace(NonNull::dangling()).addr().get() {
            start if start < end => Span::new(start, end),
            _ => Span::EMPTY,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::HeapPages;

    #[test]
    fn a_size_has_the_smallest_class_that_holds_it_and_an_eighth_is_the_most_it_wastes() {
        let mut last = 0;
        let largest = if cfg!(miri) { 1024 } else { LARGEST_SMALL };
        for size in 1..=largest {
            let class = class(size);
            assert!(class == last || class == last + 1, "{size}");
            last = class;
            assert!(size_of_class(class) >= size, "{size}");
            assert!(class == 0 || size_of_class(class - 1) < size, "{size}");
            assert!(size_of_class(class).is_multiple_of(MIN_ALIGN));
            assert!(size_of_class(class) - size < 8.max(size / 4), "{size}");
        }
        assert_eq!(size_of_class(last), largest);
        assert_eq!(size_of_class(CLASSES - 1), LARGEST_SMALL);
    }

    /// One object, as linear memory is: pages are never given back to the system
    /// before the end.
    #[derive(Default)]
    struct Kept {
        taken: Cell<Vec<Pages>>,
        free: Cell<Vec<Pages>>,
    }

    // SAFETY: pages of `HeapPages`, each to one at a time.
    unsafe impl PageSource for Kept {
        fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
            let mut free = self.free.take();
            let found = free.iter().position(|pages| pages.len == needed);
            let found = found.map(|at| free.remove(at));
            self.free.set(free);
            found.or_else(|| {
                let pages = HeapPages.take(needed, wanted)?;
                let mut taken = self.taken.take();
                let Pages { start, len, zeroed } = pages;
                taken.push(Pages { start, len, zeroed });
                self.taken.set(taken);
                Some(pages)
            })
        }

        unsafe fn give_back(&self, pages: Pages) {
            let mut free = self.free.take();
            free.push(pages);
            self.free.set(free);
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            for pages in self.taken.take() {
                // SAFETY: taken there, and nobody uses it any longer.
                unsafe { HeapPages.give_back(pages) };
            }
        }
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn what_was_freed_is_used_again_before_anything_is_taken() {
        let heap = Persistent::new(Kept::default());
        for size in [1, 24, 100, 5_000, 32 * 1024, 40_000, 200_000] {
            let first = heap.alloc(layout(size, 8));
            assert!(!first.is_null());
            for _ in 0..3 {
                // SAFETY: allocated with this layout just before.
                unsafe { heap.dealloc(NonNull::new(first).unwrap(), layout(size, 8)) };
                assert_eq!(heap.alloc(layout(size, 8)), first, "{size}");
            }
        }
    }

    #[test]
    fn many_live_at_once_do_not_overlap_and_keep_what_was_written() {
        let heap = Persistent::new(Kept::default());
        let mut live: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
        let mut state = 1_u64;
        // Miri takes a microsecond for each byte.
        let (rounds, most) = if cfg!(miri) { (40, 8) } else { (20_000, 40) };
        for round in 0..rounds {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let random = (state >> 33) as usize;
            let size = 1 + random % [16, 300, 5_000, 90_000][random % 4];
            let wanted = layout(size, 1 << (random % 7));
            let fill = round as u8;
            if live.len() < most {
                let at = NonNull::new(heap.alloc(wanted)).unwrap();
                assert!(at.addr().get().is_multiple_of(wanted.align()));
                // SAFETY: just allocated.
                unsafe { at.write_bytes(fill, size) };
                live.push((at, wanted, fill));
                continue;
            }
            let (at, had, filled) = live.swap_remove(random % live.len());
            // SAFETY: live, with this layout, and filled.
            unsafe {
                assert!((0..had.size()).all(|i| at.add(i).read() == filled));
                if random.is_multiple_of(3) {
                    let new = layout(size, had.align());
                    let moved = NonNull::new(heap.realloc(at, had, new)).unwrap();
                    let kept = had.size().min(size);
                    assert!((0..kept).all(|i| moved.add(i).read() == filled));
                    moved.write_bytes(fill, size);
                    live.push((moved, new, fill));
                } else {
                    heap.dealloc(at, had);
                }
            }
        }
    }

    #[test]
    fn what_is_left_behind_is_not_handed_out() {
        let heap = Persistent::new(Kept::default());
        let first = heap.alloc(layout(100, 8)).addr();
        let Span { start, end } = heap.leave_rest();
        assert_eq!(start, first + size_of_class(class(100)));
        let next = heap.alloc(layout(100, 8)).addr();
        assert!(!(start..end).contains(&next));
        assert_eq!(Persistent::new(Kept::default()).leave_rest(), Span::EMPTY);
    }

    #[test]
    fn what_no_page_is_aligned_to_is_refused() {
        let heap = Persistent::new(Kept::default());
        assert!(heap.alloc(layout(8, 2 * PAGE)).is_null());
        assert!(!heap.alloc(layout(8, PAGE)).is_null());
    }
}
