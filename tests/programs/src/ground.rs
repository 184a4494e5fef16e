//! What arenas stand on: a source of pages, and the books kept of it.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use core::slice;

use lavandula::{Arena, DEFAULT_BLOCK_SIZE, DefaultPages, PageSource, Pages};

use crate::sources::{Disturbed, Plan};
use crate::{PAGE, pattern};

/// Bytes at the start of each run that belong to the arena.
pub const HEADER: usize = 32;

/// What is written to pages that are somebody else's.
const FOREIGN: u8 = 0xF0;

/// What old pages are full of. Not the arena's poison, which it might be taken
/// for.
const SOILED: u8 = 0x5A;

/// Where a program gets its arenas from.
pub trait Ground {
    type Source: PageSource;

    /// An arena whose pages are noted as those of `owner`.
    fn arena(&self, owner: u32) -> Arena<Self::Source>;

    /// Bytes of a block, its header included.
    fn block_size(&self) -> usize {
        DEFAULT_BLOCK_SIZE
    }

    /// The books, where any are kept.
    fn runs(&self) -> Option<&Runs>;

    /// Somebody else takes pages now.
    fn disturb(&self);
}

/// A source whose pages are counted, and with which a plan interferes.
pub struct Recorded<S> {
    source: S,
    plan: Plan,
    requests: Cell<u32>,
    runs: Runs,
}

impl<S: Disturbed> Recorded<S> {
    pub fn new(source: S, plan: Plan) -> Self {
        Self {
            source,
            plan,
            requests: Cell::new(0),
            runs: Runs::default(),
        }
    }

    /// How often arenas have asked for pages.
    pub fn requests(&self) -> u32 {
        self.requests.get()
    }

    fn disturbed(&self) {
        if let Some(pages) = self.source.disturb() {
            // SAFETY: they were just taken, and nobody else has them.
            unsafe { pages.start.write_bytes(FOREIGN, pages.len) };
            self.runs.foreign.borrow_mut().push(pages);
        }
    }

    /// A request for pages, with what the plan does to it.
    fn request(
        &self,
        needed: usize,
        wanted: usize,
        take: impl FnOnce(usize) -> Option<Pages>,
    ) -> Option<Pages> {
        assert!(needed > 0 && needed <= wanted, "{needed} of {wanted}");
        assert!(needed.is_multiple_of(PAGE) && wanted.is_multiple_of(PAGE));
        let number = self.requests.replace(self.requests.get() + 1);
        if self.plan.disturbs(number) {
            self.disturbed();
        }
        if self.plan.fails(number) {
            return None;
        }
        let mut pages = take(if self.plan.frugal { needed } else { wanted })?;
        assert!((needed..=wanted).contains(&pages.len), "{}", pages.len);
        assert!(pages.len.is_multiple_of(PAGE));
        assert!(pages.start.addr().get().is_multiple_of(PAGE));
        assert!(!pages.zeroed || is_zero(&pages), "pages are not zero");
        if self.plan.soils(number) {
            // SAFETY: the pages were just taken.
            unsafe { pages.start.write_bytes(SOILED, pages.len) };
            pages.zeroed = false;
        }
        Some(pages)
    }
}

fn is_zero(pages: &Pages) -> bool {
    // SAFETY: whoever has the pages may read them, and they are initialised.
    let bytes = unsafe { slice::from_raw_parts(pages.start.as_ptr(), pages.len) };
    pattern::all_are(bytes, 0)
}

/// The source as one arena sees it.
pub struct Tap<'a, S> {
    recorded: &'a Recorded<S>,
    owner: u32,
}

// SAFETY: passes on what the source returns, or none of it; a plan only makes
// a weaker claim of what is in it.
unsafe impl<S: Disturbed> PageSource for Tap<'_, S> {
    const ONE_OBJECT: bool = S::ONE_OBJECT;

    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        let source = &self.recorded.source;
        let pages = self
            .recorded
            .request(needed, wanted, |wanted| source.take(needed, wanted))?;
        self.recorded.runs.took(self.owner, &pages);
        Some(pages)
    }

    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        let source = &self.recorded.source;
        self.recorded.runs.has_whole(self.owner, run);
        let pages = self.recorded.request(needed, wanted, |wanted| {
            source.take_behind(run, needed, wanted)
        })?;
        assert_eq!(pages.start.addr().get(), run.start.addr().get() + run.len);
        self.recorded.runs.took_behind(self.owner, run, &pages);
        Some(pages)
    }

    unsafe fn give_back(&self, pages: Pages) {
        assert!(!pages.zeroed || is_zero(&pages), "not zero, as was said");
        self.recorded
            .runs
            .gave_back(self.owner, &pages, S::ONE_OBJECT);
        // SAFETY: passed on.
        unsafe { self.recorded.source.give_back(pages) }
    }
}

impl<'a, S: Disturbed> Ground for &'a Recorded<S> {
    type Source = Tap<'a, S>;

    fn arena(&self, owner: u32) -> Arena<Tap<'a, S>> {
        Arena::with_source(Tap {
            recorded: self,
            owner,
        })
    }

    fn runs(&self) -> Option<&Runs> {
        Some(&self.runs)
    }

    fn disturb(&self) {
        self.disturbed();
    }
}

/// Arenas as [`Arena::with_block_size`] makes them, over the source of the
/// target, of which no books are kept.
pub struct Plain {
    pub block_size: usize,
}

impl Ground for Plain {
    type Source = DefaultPages;

    fn arena(&self, _: u32) -> Arena {
        Arena::with_block_size(self.block_size).expect("the tests give sizes that are valid")
    }

    fn block_size(&self) -> usize {
        self.block_size
    }

    fn runs(&self) -> Option<&Runs> {
        None
    }

    fn disturb(&self) {}
}

/// Which pages are whose.
#[derive(Default)]
pub struct Runs {
    runs: RefCell<Vec<Run>>,
    foreign: RefCell<Vec<Pages>>,
}

#[derive(Clone, Copy)]
struct Run {
    owner: u32,
    start: NonNull<u8>,
    len: usize,
}

impl Run {
    fn end(&self) -> usize {
        self.start.addr().get() + self.len
    }

    fn touches(&self, start: usize, len: usize) -> bool {
        start < self.end() && self.start.addr().get() < start + len
    }

    fn holds(&self, start: usize, len: usize) -> bool {
        start >= self.start.addr().get() && start + len <= self.end()
    }
}

impl Runs {
    fn took(&self, owner: u32, pages: &Pages) {
        self.are_free(pages);
        self.runs.borrow_mut().push(Run {
            owner,
            start: pages.start,
            len: pages.len,
        });
    }

    fn took_behind(&self, owner: u32, run: &Pages, pages: &Pages) {
        self.are_free(pages);
        let mut runs = self.runs.borrow_mut();
        let run = runs
            .iter_mut()
            .find(|known| known.owner == owner && known.start == run.start);
        run.expect("`has_whole` has seen it").len += pages.len;
    }

    /// Nobody has any of these pages.
    fn are_free(&self, pages: &Pages) {
        let start = pages.start.addr().get();
        let taken = |run: &Run| run.touches(start, pages.len);
        assert!(!self.runs.borrow().iter().any(taken), "handed out twice");
        let theirs = |foreign: &Pages| {
            let at = foreign.start.addr().get();
            start < at + foreign.len && at < start + pages.len
        };
        assert!(
            !self.foreign.borrow().iter().any(theirs),
            "somebody else's pages were handed out"
        );
    }

    /// An arena names one of its runs as it is.
    fn has_whole(&self, owner: u32, run: &Pages) {
        let known =
            |known: &Run| known.owner == owner && known.start == run.start && known.len == run.len;
        assert!(
            self.runs.borrow().iter().any(known),
            "grows a run that it does not have"
        );
    }

    fn gave_back(&self, owner: u32, pages: &Pages, pieces: bool) {
        let start = pages.start.addr().get();
        assert!(start.is_multiple_of(PAGE) && pages.len.is_multiple_of(PAGE) && pages.len > 0);
        let mut runs = self.runs.borrow_mut();
        let index = runs
            .iter()
            .position(|run| run.owner == owner && run.holds(start, pages.len))
            .expect("an arena gives back what it has");
        let run = runs[index];
        if run.start == pages.start && run.len == pages.len {
            runs.swap_remove(index);
            return;
        }
        // What an arena keeps is the front, where the header is.
        assert!(pieces, "half of an allocation was given back");
        assert!(run.end() == start + pages.len, "the front was given back");
        runs[index].len -= pages.len;
    }

    /// Bytes that `owner` has.
    pub fn bytes_of(&self, owner: u32) -> usize {
        let runs = self.runs.borrow();
        let theirs = runs.iter().filter(|run| run.owner == owner);
        theirs.map(|run| run.len).sum()
    }

    /// Whether `len` bytes at `start` lie in one run of `owner`, behind the
    /// arena's own words.
    pub fn hold(&self, owner: u32, start: usize, len: usize) -> bool {
        let runs = self.runs.borrow();
        runs.iter()
            .any(|run| run.owner == owner && run.holds(start.wrapping_sub(HEADER), len + HEADER))
    }

    /// Whether all bytes of `start..start + len` that `owner` still has are
    /// `byte`, apart from its own words: where an allocation was, a block may
    /// begin by now.
    ///
    /// # Safety
    /// No reference to them is in use.
    pub unsafe fn all_are(&self, owner: u32, start: usize, len: usize, byte: u8) -> bool {
        let runs = self.runs.borrow();
        runs.iter().filter(|run| run.owner == owner).all(|run| {
            let from = start.max(run.start.addr().get() + HEADER);
            let to = (start + len).min(run.end());
            let Some(len) = to.checked_sub(from) else {
                return true;
            };
            // SAFETY: `from..to` lies in the run, whose pages are initialised
            // and valid for as long as their owner has them; and the caller's
            // promise.
            let bytes = unsafe {
                let at = run.start.add(from - run.start.addr().get());
                slice::from_raw_parts(at.as_ptr(), len)
            };
            pattern::all_are(bytes, byte)
        })
    }

    /// Nobody has written to pages of others.
    pub fn foreign_is_intact(&self) -> bool {
        self.foreign.borrow().iter().all(|pages| {
            // SAFETY: taken for good, written to as a whole, and read by nobody
            // else.
            let bytes = unsafe { slice::from_raw_parts(pages.start.as_ptr(), pages.len) };
            pattern::all_are(bytes, FOREIGN)
        })
    }
}
