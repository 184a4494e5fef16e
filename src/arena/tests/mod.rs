//! The arena against the faults of its predecessor and its peers, and against
//! sources that fail. Random programs are in `tests/programs`.

mod adopt;
mod content;
mod limits;
mod original;
mod record;
mod reuse;
mod scopes;
mod values;

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;
use std::format;
use std::vec::Vec;

use super::block::{Block, HEADER};
use super::bump::PAGE;
use super::pool::PagePool;
use super::{AllocError, Arena, HeapPages, PageSource, Pages, Reset, Scrub, Usage};

/// Room of a block of one page.
const ROOM: usize = PAGE - HEADER;

/// A source that counts, and that fails from some request on.
#[derive(Default)]
struct Counting {
    taken: Cell<usize>,
    given_back: Cell<usize>,
    fail_from: Cell<Option<usize>>,
    dirty: bool,
}

impl Counting {
    fn failing_from(request: usize) -> Self {
        Self {
            fail_from: Cell::new(Some(request)),
            ..Self::default()
        }
    }
}

// SAFETY: passes on what `HeapPages` returns; `dirty` only makes a weaker claim.
unsafe impl PageSource for &Counting {
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        let number = self.taken.get();
        if self.fail_from.get().is_some_and(|from| number >= from) {
            return None;
        }
        self.taken.set(number + 1);
        let mut pages = HeapPages.take(needed, wanted)?;
        if self.dirty {
            // SAFETY: the run was just taken.
            unsafe { pages.start.write_bytes(0xA5, pages.len) };
            pages.zeroed = false;
        }
        Some(pages)
    }

    unsafe fn give_back(&self, pages: Pages) {
        self.given_back.set(self.given_back.get() + 1);
        // SAFETY: passed on.
        unsafe { HeapPages.give_back(pages) }
    }
}

/// A source like linear memory: one object, in which runs that are taken one
/// after the other lie one behind the other, unless somebody else takes a page
/// in between.
struct Strip {
    whole: Option<Pages>,
    /// Offset of what nobody has had yet.
    grown: Cell<usize>,
    pool: PagePool,
}

impl Strip {
    fn new(pages: usize) -> Self {
        Self {
            whole: HeapPages.take(pages * PAGE, pages * PAGE),
            grown: Cell::new(0),
            pool: PagePool::new(),
        }
    }

    fn grow(&self, bytes: usize) -> Option<Pages> {
        let whole = self.whole.as_ref()?;
        let at = self.grown.get();
        if bytes > whole.len - at {
            return None;
        }
        self.grown.set(at + bytes);
        Some(Pages {
            // SAFETY: within the object, by the comparison.
            start: unsafe { whole.start.add(at) },
            len: bytes,
            zeroed: true,
        })
    }

    /// Address behind what was ever taken.
    fn top(&self) -> Option<usize> {
        Some(self.whole.as_ref()?.start.addr().get() + self.grown.get())
    }

    /// Somebody else takes a page.
    fn disturb(&self) {
        self.grow(PAGE).unwrap();
    }

    /// Pages that were ever taken.
    fn pages(&self) -> usize {
        self.grown.get() / PAGE
    }
}

// SAFETY: each page of the object is handed out once, or by the pool after it
// came back; all of it is one object.
unsafe impl PageSource for &Strip {
    const ONE_OBJECT: bool = true;

    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        if let Some(pages) = self.pool.take(needed, wanted) {
            return Some(pages);
        }
        let there = self.pool.len_before(self.top()?);
        if there > 0 {
            let more = self.grow(needed - there)?;
            // SAFETY: pages that nobody had before, of the one object.
            unsafe { self.pool.give_back(more) };
            return self.pool.take(needed, needed);
        }
        self.grow(wanted).or_else(|| self.grow(needed))
    }

    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        let end = run.start.addr().get() + run.len;
        if let Some(pages) = self.pool.take_at(end, needed, wanted) {
            return Some(pages);
        }
        if end != self.top()? || self.pool.has(needed) {
            return None;
        }
        self.grow(wanted).or_else(|| self.grow(needed))
    }

    fn scrub(&self) -> usize {
        self.pool.scrub()
    }

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: the caller's promise, and all is one object.
        unsafe { self.pool.give_back(pages) }
    }
}

impl Drop for Strip {
    fn drop(&mut self) {
        if let Some(whole) = self.whole.take() {
            // SAFETY: taken from the same source, whole; the arenas that had
            // pieces of it borrowed this.
            unsafe { HeapPages.give_back(whole) }
        }
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Whether all bytes are `byte`. Compared as a whole, which Miri does at once.
fn all_are(bytes: &[u8], byte: u8) -> bool {
    bytes == std::vec![byte; bytes.len()]
}

fn bytes<P: PageSource>(arena: &Arena<P>, size: usize) -> NonNull<u8> {
    arena.alloc_layout(layout(size, 8)).unwrap()
}

/// An allocation with every byte `byte`. Written as a whole, which Miri does at
/// once.
#[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
fn filled<P: PageSource>(arena: &Arena<P>, size: usize, byte: u8) -> &mut [u8] {
    // SAFETY: `size` bytes that were handed out and written to just now.
    unsafe { core::slice::from_raw_parts_mut(place(arena, size, byte).as_ptr(), size) }
}

/// The same as a place, which can be looked at after its end.
fn place<P: PageSource>(arena: &Arena<P>, size: usize, byte: u8) -> NonNull<u8> {
    let at = bytes(arena, size);
    // SAFETY: handed out just now.
    unsafe { at.write_bytes(byte, size) };
    at
}

/// What lies at an address that the arena still owns.
///
/// # Safety
/// The bytes are initialised, which pages of all sources here are, and nobody
/// writes to them meanwhile.
unsafe fn left_at(at: NonNull<u8>, size: usize) -> Vec<u8> {
    // SAFETY: by the contract.
    unsafe { core::slice::from_raw_parts(at.as_ptr(), size) }.to_vec()
}

#[track_caller]
fn assert_identities<P: PageSource>(arena: &Arena<P>) {
    let usage = arena.usage();
    assert_eq!(
        usage.committed,
        usage.used + usage.tail_waste + usage.free + usage.overhead,
        "{usage:?}"
    );
    assert_eq!(usage.total_allocated, usage.committed - usage.overhead);
    let chain = arena.chain.get();
    let rest = |block: Block| block.end() - arena.cursor.get().addr().get();
    let unused: usize = chain.unused().map(Block::capacity).sum();
    assert_eq!(usage.free, unused + chain.current.map_or(0, rest));
    let blocks = || chain.all();
    assert_eq!(usage.blocks, blocks().count());
    assert_eq!(usage.committed, blocks().map(Block::len).sum());
    assert_eq!(usage.overhead, usage.blocks * HEADER);
    assert_eq!(usage.used, arena.used());
    assert!(usage.peak_used >= usage.used);
    if let super::Source::Pages(_) = arena.source {
        assert_eq!(usage.committed % PAGE, 0);
    }
}
