//! Pages of linear memory: `memory.grow`, what it gave before and is free
//! again, and a pool of what came back.

use core::cell::Cell;
use core::ptr::{self, NonNull};

use super::bump::PAGE;
use super::pages::{PageSource, Pages};
use super::pool::PagePool;
use crate::span::Span;

#[cfg(target_feature = "atomics")]
compile_error!("lavandula needs a WebAssembly module with one thread: build without `atomics`");

/// The linear memory of this WebAssembly instance.
///
/// Pages are taken by `memory.grow` only. The space behind `__heap_base` is left
/// alone, since the platform's `malloc` owns it. Nor are two growths taken to be
/// adjacent: others grow memory too, so a block grows in place only if it ends
/// where memory does. Pages that an arena gave up go to a pool of the instance,
/// on which later arenas draw first.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinearMemory;

/// What 32 bits can address.
const PAGES_OF_ALL_MEMORY: usize = 1 << 16;

/// Spans of free pages that are kept apart from the pool.
pub(crate) const SPANS: usize = 12;

/// Free pages that are all zero, without a node of the pool in them: the first
/// span is what memory was grown by before and would grow by now, the others are
/// elsewhere. Each is handed out from its start.
///
/// They are what a rewind makes of the pages that requests had: memory cannot
/// shrink, but it can look as if it never had grown.
pub(crate) type Free = [Span; SPANS];

struct OneThread<T>(T);

// SAFETY: without atomics (refused above) an instance runs on one thread.
unsafe impl<T> Sync for OneThread<T> {}

static POOL: OneThread<PagePool> = OneThread(PagePool::new());
static FREE: OneThread<[Cell<Span>; SPANS]> = OneThread([const { Cell::new(Span::EMPTY) }; SPANS]);

// SAFETY: `memory.grow` returns pages that nobody had before, zeroed, aligned
// to a page and valid for as long as the instance lives, and all of them may be
// reached through one pointer, since no object of the compiler's is there. What
// it gave before and is free again is as good, by the contract of `set_free`. The
// pool returns pages again after their owner gave them up. A run at the very top
// of the address space is never handed out.
unsafe impl PageSource for LinearMemory {
    const ONE_OBJECT: bool = true;

    #[cold]
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        // What is there comes before what would have to be grown, the beginning
        // of a run at the end of memory included.
        if let Some(pages) = POOL.0.take(needed, wanted) {
            return Some(pages);
        }
        if let Some(pages) = take_free(|free| free.len() >= needed, wanted) {
            return Some(pages);
        }
        let there = POOL.0.len_before(end_of_memory());
        if there > 0 {
            let more = grow(needed - there)?;
            // SAFETY: pages that nobody had before, of the one object.
            unsafe { POOL.0.give_back(more) };
            return POOL.0.take(needed, needed);
        }
        grow(wanted).or_else(|| grow(needed))
    }

    #[cold]
    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        let end = run.start.addr().get() + run.len;
        if end <= heap_base() {
            // A static of the module, which is an object of its own.
            return None;
        }
        if let Some(pages) = POOL.0.take_at(end, needed, wanted) {
            return Some(pages);
        }
        let behind = |free: Span| free.start == end && free.len() >= needed;
        if let Some(pages) = take_free(behind, wanted) {
            return Some(pages);
        }
        if end != end_of_memory() || POOL.0.has(needed) {
            return None;
        }
        // Nobody else runs between the comparison and the growth.
        grow(wanted).or_else(|| grow(needed))
    }

    fn scrub(&self) -> usize {
        POOL.0.scrub()
    }

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: the caller gives up pages of `memory.grow`, which are one object
        // that lives as long as the instance.
        unsafe { POOL.0.give_back(pages) }
    }
}

/// Takes up to `wanted` bytes from the first span behind the first one that
/// `fits`.
fn take_free(fits: impl Fn(Span) -> bool, wanted: usize) -> Option<Pages> {
    let span = FREE.0[1..]
        .iter()
        .find(|span| span.get().len() > 0 && fits(span.get()))?;
    let free = span.get();
    let bytes = free.len().min(wanted);
    span.set(Span::new(free.start + bytes, free.end));
    pages(free.start, bytes)
}

fn pages(start: usize, len: usize) -> Option<Pages> {
    Some(Pages {
        start: NonNull::new(ptr::with_exposed_provenance_mut(start))?,
        len,
        zeroed: true,
    })
}

/// Address behind the last byte that is in use, or may be. Memory of 4 GiB has
/// none, and zero is nobody's.
pub(crate) fn end_of_memory() -> usize {
    let before = FREE.0[0].get();
    match grown_to() {
        there if there == before.end => before.start,
        there => there,
    }
}

/// Address behind the last byte that there is.
pub(crate) fn grown_to() -> usize {
    core::arch::wasm32::memory_size::<0>().wrapping_mul(PAGE)
}

/// Address of the first byte behind the module's statics.
fn heap_base() -> usize {
    unsafe extern "C" {
        /// Only its address means something.
        static __heap_base: u8;
    }
    (&raw const __heap_base).addr()
}

/// Takes a run of the pool, whole, where there is one.
pub(crate) fn take_pooled() -> Option<Pages> {
    POOL.0.take(PAGE, usize::MAX)
}

/// What is free beside the pool.
pub(crate) fn free() -> Free {
    FREE.0.each_ref().map(Cell::get)
}

/// Where that is kept.
pub(crate) fn bookkeeping() -> Span {
    Span::of_static(&FREE)
}

/// Sets what is free beside the pool.
///
/// # Safety
/// The spans are whole pages of linear memory behind the statics, all zero, apart
/// from each other, and nobody else uses them or has them in the pool. The first
/// ends where memory does.
pub(crate) unsafe fn set_free(free: Free) {
    for (place, span) in FREE.0.iter().zip(free) {
        place.set(span);
    }
}

/// Pages from where memory ends.
#[cold]
pub(crate) fn grow(bytes: usize) -> Option<Pages> {
    let before = FREE.0[0].get();
    let there = grown_to();
    // Where another grew memory meanwhile, what is free lies apart.
    let adjacent = before.end == there;
    let (start, missing) = match before.len() {
        free if free >= bytes => (before.start, 0),
        free if adjacent => (before.start, bytes - free),
        _ => (there, bytes),
    };
    // The last page of a memory of 4 GiB is out of reach. What would end there
    // is not taken in the first place, since it could not be given back.
    if (there + missing) / PAGE >= PAGES_OF_ALL_MEMORY {
        return None;
    }
    // A failure is all ones, or next to that where a tool has moved what the module takes
    // for the beginning of memory, as the adapter from Fastly's ABI to components does.
    if missing > 0 && core::arch::wasm32::memory_grow::<0>(missing / PAGE) >= PAGES_OF_ALL_MEMORY {
        return None;
    }
    if start == before.start {
        let end = start + bytes;
        FREE.0[0].set(Span::new(end, before.end.max(end)));
    }
    pages(start, bytes)
}

/// Pages for whoever takes two growths to be adjacent, as the platform's `malloc`
/// does: they are always taken where memory ends.
#[cfg(target_os = "wasi")]
pub(crate) fn grow_at_the_end(bytes: usize) -> Option<NonNull<u8>> {
    let before = FREE.0[0].get();
    if before.end != grown_to() {
        // It lies apart, and is lost until the next rewind.
        FREE.0[0].set(Span::new(grown_to(), grown_to()));
    }
    grow(bytes).map(|pages| pages.start)
}
