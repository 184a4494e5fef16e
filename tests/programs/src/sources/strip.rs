//! One strip of pages, as linear memory is.

use alloc::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use lavandula::{PageSource, Pages};

use super::Disturbed;
use crate::PAGE;

/// The strip begins at a multiple of this, so that also an allocation with an
/// alignment above a page has the same place in it every time.
const BASE_ALIGN: usize = 4 * PAGE;

/// One object of which pages are taken from the front on. What comes back is
/// joined with its neighbours and handed out again, first of all.
///
/// Written apart from the library's own pool on purpose: with a list beside the
/// pages, of numbers.
pub struct Strip {
    /// What was allocated, a little more than the strip.
    memory: NonNull<u8>,
    /// First byte of the strip.
    base: NonNull<u8>,
    pages: usize,
    /// Pages below this one were taken before.
    top: Cell<usize>,
    /// Runs that came back, in order, none touching the next.
    free: RefCell<Vec<Free>>,
}

#[derive(Clone, Copy)]
struct Free {
    page: usize,
    pages: usize,
    zeroed: bool,
}

impl Strip {
    /// A strip of `pages` pages, all zero.
    pub fn new(pages: usize) -> Self {
        let layout = Self::layout(pages);
        // SAFETY: the layout has a size, since `layout` sees to that.
        let memory = unsafe { alloc_zeroed(layout) };
        let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        let at = memory.addr().get();
        let base = at.next_multiple_of(BASE_ALIGN) - at;
        Self {
            memory,
            // SAFETY: `layout` has room for the alignment in front of the pages.
            base: unsafe { memory.add(base) },
            pages,
            top: Cell::new(0),
            free: RefCell::default(),
        }
    }

    /// Room for the strip at whatever address: a heap that is asked for the
    /// alignment itself writes the zeros, of which most are never looked at. Miri
    /// believes in no alignment that was not asked for.
    fn layout(pages: usize) -> Layout {
        assert!((1..1 << 14).contains(&pages), "from one page to 1 GiB");
        let align = if cfg!(miri) { BASE_ALIGN } else { 16 };
        Layout::from_size_align(pages * PAGE + BASE_ALIGN, align).expect("a gigabyte at most")
    }

    fn run(&self, page: usize, pages: usize, zeroed: bool) -> Pages {
        assert!(page + pages <= self.pages);
        Pages {
            // SAFETY: within the strip, as was just asserted.
            start: unsafe { self.base.add(page * PAGE) },
            len: pages * PAGE,
            zeroed,
        }
    }

    fn page_of(&self, start: usize) -> usize {
        (start - self.base.addr().get()) / PAGE
    }

    /// Takes pages that nobody had before.
    fn fresh(&self, needed: usize, wanted: usize) -> Option<Pages> {
        let top = self.top.get();
        let pages = [wanted / PAGE, needed / PAGE]
            .into_iter()
            .find(|pages| *pages <= self.pages - top)?;
        self.top.set(top + pages);
        Some(self.run(top, pages, true))
    }

    /// Takes pages from the start of the run at `index` of those that came back.
    fn used_before(&self, index: usize, wanted: usize) -> Pages {
        let mut free = self.free.borrow_mut();
        let found = free[index];
        let pages = found.pages.min(wanted / PAGE);
        if pages == found.pages {
            free.remove(index);
        } else {
            free[index].page += pages;
            free[index].pages -= pages;
        }
        self.run(found.page, pages, found.zeroed)
    }
}

// SAFETY: the strip is one allocation, which lives as long as the source, which
// the arenas borrow; every page is handed out to one at a time; `zeroed` is what
// was said when the pages came back, or true for those that nobody had. On no
// target is the allocation at the top of the address space.
unsafe impl PageSource for Strip {
    const ONE_OBJECT: bool = true;

    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        let fits = |free: &Free| free.pages >= needed / PAGE;
        let found = self.free.borrow().iter().position(fits);
        match found {
            Some(index) => Some(self.used_before(index, wanted)),
            None => self.fresh(needed, wanted),
        }
    }

    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        let end = self.page_of(run.start.addr().get()) + run.len / PAGE;
        let fits = |free: &Free| free.page == end && free.pages >= needed / PAGE;
        let found = self.free.borrow().iter().position(fits);
        match found {
            Some(index) => Some(self.used_before(index, wanted)),
            None if end == self.top.get() => self.fresh(needed, wanted),
            None => None,
        }
    }

    unsafe fn give_back(&self, pages: Pages) {
        let mut free = self.free.borrow_mut();
        let page = self.page_of(pages.start.addr().get());
        let mut back = Free {
            page,
            pages: pages.len / PAGE,
            zeroed: pages.zeroed,
        };
        let mut index = free.partition_point(|other| other.page < page);
        if let Some(&after) = free.get(index)
            && back.page + back.pages == after.page
        {
            back.pages += after.pages;
            back.zeroed &= after.zeroed;
            free.remove(index);
        }
        if let Some(&before) = index.checked_sub(1).and_then(|i| free.get(i))
            && before.page + before.pages == back.page
        {
            back.page = before.page;
            back.pages += before.pages;
            back.zeroed &= before.zeroed;
            index -= 1;
            free.remove(index);
        }
        free.insert(index, back);
    }
}

impl Disturbed for Strip {
    fn disturb(&self) -> Option<Pages> {
        self.fresh(PAGE, PAGE)
    }
}

impl Drop for Strip {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and no arena is left,
        // since they borrow the source.
        unsafe { dealloc(self.memory.as_ptr(), Self::layout(self.pages)) }
    }
}
