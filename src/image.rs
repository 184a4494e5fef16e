//! The image: every byte that an instance had after initialisation, kept to be
//! put back after each request.
//!
//! ```text
//!  0        stack     read-only    statics                        heap base    end at the seal
//!  |........|#######|===========|####|first block|#|figures|store|#|-------|#######|........
//!              zero   left alone   ^     zero     ^               ^   zero    put    grown since:
//!                                  put back ......................            back   zero, free
//! ```
//!
//! What lies below the end of memory at the seal is put back, with a few
//! exceptions: the stack and the arena's first block, which a rewind overwrites
//! with zeros; free pages; the figures that the rewind itself works with; and the
//! store, where the image is. Read-only statics are left out as well, which are
//! most of a handler's. What memory has grown by since is overwritten with zeros,
//! and handed out anew as if memory grew only then.
//!
//! None of this is known to the compiler, and it need not be: a rewind runs when
//! no other code of the instance does, and every byte that it writes has a value
//! that this program gave it at one moment. The whole of memory, as far as the
//! program can see it, goes back to that moment. `docs/rewind.md` argues it at
//! length.

use core::cell::UnsafeCell;
use core::ptr;

use crate::arena::linear::{self, Free, SPANS, end_of_memory, grown_to};
use crate::span::{Span, Spans, gaps};
use crate::{AllocError, Arena, DEFAULT_BLOCK_SIZE};

unsafe extern "C" {
    // From the linker. Only their addresses mean something.
    static __global_base: u8;
    static __heap_base: u8;
    static __heap_end: u8;
    static __stack_low: u8;
    static __stack_high: u8;
}

fn address(symbol: *const u8) -> usize {
    symbol.expose_provenance()
}

/// Bytes of the store that is a static. Most images fit: then a seal takes no
/// pages. What is not used of it is never touched.
const STORE: usize = 64 * 1024;

#[repr(C, align(16))]
struct Static<T>(UnsafeCell<T>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
// thread.
unsafe impl<T> Sync for Static<T> {}

static STATIC_STORE: Static<[u8; STORE]> = Static(UnsafeCell::new([0; STORE]));

/// What `lavandula build` looks for in a module, and writes behind it the address
/// where the statics begin that may ever change: the linker puts what is
/// read-only in front of them, which is most of a handler's, and has no name for
/// the border. Without that address all statics are part of the image, which is
/// as good and takes longer.
///
/// It lies among what may change itself.
#[used]
static BORDER: Static<Border> = Static(UnsafeCell::new(Border {
    magic: *b"lavandula: statics that change begin at ",
    address: 0,
}));

#[repr(C)]
struct Border {
    magic: [u8; 40],
    address: u32,
}

/// Address of the first byte of the statics that are put back.
fn writable_from() -> usize {
    let all = address(&raw const __global_base);
    // SAFETY: a static that nobody writes to. Volatile, since a build writes to it
    // when the compiler is done.
    let noted = unsafe { (&raw const (*BORDER.0.get()).address).read_volatile() } as usize;
    if (all..=address((&raw const BORDER).cast())).contains(&noted) {
        noted
    } else {
        all
    }
}

/// Ranges that an image can have: more than there are exceptions.
const RANGES: usize = SPANS + 10;

/// The head of what the platform's `malloc` begins with, in bytes: it writes
/// there before it hands anything out.
const HEAD: usize = 64;

/// What was kept, and where.
#[derive(Clone, Copy)]
pub(crate) struct Image {
    ranges: Spans<RANGES>,
    store: Span,
    /// End of memory when it was taken.
    end: usize,
    /// What was free then, or is from the first rewind on.
    free: Free,
    /// What lies between the statics and the first growth, where all of it was
    /// zero: the platform's `malloc` had not begun.
    untouched: Span,
}

impl Image {
    /// Takes the image of memory as it is, but for `kept`, for the blocks of
    /// `arena`, and for what is free.
    ///
    /// # Errors
    /// [`AllocError::OutOfMemory`] where there are no pages for it.
    pub(crate) fn take(arena: &Arena, kept: [Span; 2]) -> Result<Self, AllocError> {
        let none = |requested| AllocError::OutOfMemory { requested };
        let heap_base = address(&raw const __heap_base);
        let heap = Span::new(
            heap_base.next_multiple_of(8),
            address(&raw const __heap_end),
        );
        let untouched = match heap.len() >= HEAD && is_zero(heap.start, HEAD) {
            true => heap,
            false => Span::EMPTY,
        };
        let stack = Span::new(
            address(&raw const __stack_low),
            address(&raw const __stack_high),
        );
        let fixed = Span::of_static(&STATIC_STORE);

        let mut excluded = Spans::<RANGES>::new();
        let mut exclude = |span| excluded.insert(span).ok_or(none(span.len()));
        let mut free = FreePages::new()?;
        for run in arena.runs() {
            exclude(run)?;
            if run.start >= heap.start {
                // In use by the request that waits for this seal, and free when it
                // was taken back.
                free.add(run).ok_or(none(run.len()))?;
            }
        }
        for span in [stack, fixed, linear::bookkeeping(), untouched] {
            exclude(span)?;
        }
        for span in kept.into_iter().chain(free.spans) {
            exclude(span)?;
        }

        let mut ranges = Spans::<RANGES>::new();
        let mut bytes = 0;
        let mut complete = true;
        let whole = Span::new(writable_from(), end_of_memory());
        gaps(whole, excluded.iter(), |range| {
            bytes += range.len();
            complete &= ranges.insert(range).is_some();
        });
        if !complete {
            return Err(none(bytes));
        }

        // Pages for it lie behind all of that.
        let store = match bytes <= fixed.len() {
            true => Span::new(fixed.start, fixed.start + bytes),
            false => {
                let whole = bytes.next_multiple_of(DEFAULT_BLOCK_SIZE);
                let pages = linear::grow(whole).ok_or(none(bytes))?;
                let start = pages.start.expose_provenance().get();
                Span::new(start, start + pages.len)
            }
        };
        let mut to = store.start;
        for range in ranges.iter() {
            // SAFETY: the store has room for all ranges, and none of them is a part
            // of it.
            unsafe { copy(range.start, to, range.len()) };
            to += range.len();
        }
        Ok(Self {
            ranges,
            store,
            end: end_of_memory(),
            free: free.spans,
            untouched,
        })
    }

    /// Where the image is.
    pub(crate) fn store(&self) -> Span {
        self.store
    }

    /// Whether the platform's `malloc` has begun since then. Whatever it holds is
    /// forgotten.
    pub(crate) fn malloc_began(&self) -> bool {
        self.untouched.len() > 0 && !is_zero(self.untouched.start, HEAD)
    }

    /// Puts everything back. The blocks of `arena` are forgotten but for the
    /// first.
    ///
    /// # Safety
    /// What other code of the instance there is on the stack uses nothing from
    /// memory that was put there since the seal, and will not. The arena is reset
    /// and scrubbed.
    pub(crate) unsafe fn put_back(&self, arena: &mut Arena) {
        // The arena's own blocks are zero by now, but for their headers. The rest
        // of what was handed out may be anybody's.
        let clear = |handed_out: Span| {
            // SAFETY: pages that nobody had at the seal, or only the arena, and
            // that nobody has from now on.
            gaps(handed_out, arena.runs(), |span| unsafe { zero(span) });
        };
        let now = linear::free();
        clear(Span::new(self.end, end_of_memory()));
        for (then, now) in self.free.iter().zip(now).skip(1) {
            if now.start > then.start {
                clear(Span::new(then.start, now.start));
            }
        }
        arena.start_over();

        if self.malloc_began() {
            // SAFETY: what the platform's `malloc` put there is forgotten.
            unsafe { zero(self.untouched) };
        }
        let mut from = self.store.start;
        for range in self.ranges.iter() {
            // SAFETY: as when it was taken. That nobody minds is what the
            // documentation of the module argues.
            unsafe { copy(from, range.start, range.len()) };
            from += range.len();
        }
        let mut free = self.free;
        free[0] = Span::new(self.end, grown_to());
        // SAFETY: all of it is zero: it was when the image was taken, or was made
        // so above. Whatever could refer to it was put back, the pool included.
        unsafe { linear::set_free(free) };
    }
}

/// The free pages at the seal, collected.
struct FreePages {
    spans: Free,
    /// How many of them are there.
    len: usize,
}

impl FreePages {
    /// Empties the pool, as far as there is room.
    fn new() -> Result<Self, AllocError> {
        let mut free = Self {
            spans: [Span::EMPTY; SPANS],
            // The first is the end of memory.
            len: 1,
        };
        // One place is left for blocks of the arena.
        while free.len + 1 < SPANS {
            let Some(pages) = linear::take_pooled() else {
                break;
            };
            let start = pages.start.expose_provenance().get();
            let span = Span::new(start, start + pages.len);
            if !pages.zeroed {
                // SAFETY: just taken, so nobody's.
                unsafe { zero(span) };
            }
            let _ = free.add(span);
        }
        // SAFETY: zero, taken from the pool, and nobody's.
        unsafe { linear::set_free(free.spans) };
        Ok(free)
    }

    /// Adds a span, joined with the last one where they touch.
    fn add(&mut self, span: Span) -> Option<()> {
        let last = self.spans.get_mut(self.len - 1)?;
        if self.len > 1 && last.end == span.start {
            last.end = span.end;
            return Some(());
        }
        *self.spans.get_mut(self.len)? = span;
        self.len += 1;
        Some(())
    }
}

/// Whether `bytes` bytes at `at` are zero.
fn is_zero(at: usize, bytes: usize) -> bool {
    let at = ptr::with_exposed_provenance::<u64>(at);
    // SAFETY: the callers pass what lies in linear memory, aligned, and all of it
    // may be read.
    (0..bytes / 8).all(|i| unsafe { at.add(i).read_volatile() } == 0)
}

/// # Safety
/// Both lie in linear memory, and apart. Nobody has a value in the second that
/// has to stay.
unsafe fn copy(from: usize, to: usize, bytes: usize) {
    let from = ptr::with_exposed_provenance::<u8>(from);
    let to = ptr::with_exposed_provenance_mut::<u8>(to);
    // SAFETY: by the contract.
    unsafe { ptr::copy_nonoverlapping(from, to, bytes) };
}

/// # Safety
/// It lies in linear memory, and nobody has a value there.
unsafe fn zero(span: Span) {
    // SAFETY: by the contract.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(span.start).write_bytes(0, span.len()) };
}

/// Overwrites the whole shadow stack with zeros.
///
/// Handlers keep pieces of requests in local variables, and a returned frame
/// stays readable. `lavandula build` puts the stack first in memory, growing down
/// towards zero, so it cannot run into data.
///
/// # Safety
/// The caller and all of its callers keep nothing there that they still need.
#[inline(always)]
pub(crate) unsafe fn zero_stack() {
    let low = address(&raw const __stack_low).max(16);
    let high = address(&raw const __stack_high);
    // SAFETY: the compiler knows of no object there but in frames, by the
    // contract. It is one `memory.fill`; without optimisation it is a call with a
    // frame in that very range, but what the call still needs by then, the place
    // of its caller's frame, is in a local of WebAssembly and not in memory.
    unsafe { zero(Span::new(low, high)) };
}

/// Overwrites the unused part of the shadow stack with zeros.
#[inline(never)]
pub(crate) fn zero_stack_below() {
    // The only variable here whose address is taken is the only one on the
    // shadow stack, so its address is where the used part begins.
    let top = [0_u64; 2];
    let top = core::hint::black_box(&raw const top).expose_provenance();
    let low = address(&raw const __stack_low).max(16);
    // SAFETY: it lies below the frame of this function and of all its callers,
    // and the compiler knows of no object there. As for the call without
    // optimisation, see `zero_stack`.
    unsafe { zero(Span::new(low, top.max(low))) };
}
