//! Scopes: a piece of a request that ends before the request does.

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use super::block::{Block, HEADER, Run};
use super::bump::{self, MIN_ALIGN};
use super::chain::Chain;
use super::refill::LEAST_BLOCK;
use super::{AllocError, Arena, DefaultPages, PageSource, Source};

/// An arena within an arena: what is allocated in it is taken back when it is
/// dropped, and the outer arena is where it was.
///
/// A scope dereferences to an [`Arena`], so that whatever takes `&Arena` works
/// in it, another scope included. The compiler refuses to let anything of it
/// out; what shall live longer is allocated in the outer arena, which stays
/// usable meanwhile. (Then the scope's memory stays in use until the reset:
/// taking it back would take that along.)
///
/// A scope has blocks that are allocations of the outer arena: a small one to
/// begin with, which grows in place while the outer arena is left alone, and
/// others where it is not. So the outer arena's budget bounds it too, with what
/// its blocks have left over.
///
/// ```
/// use lavandula::{AllocError, Arena};
///
/// fn longest<'a>(arena: &'a Arena, lines: &[&str]) -> Result<&'a mut str, AllocError> {
///     let scratch = arena.scope();
///     let trimmed = scratch.alloc_slice_fill_with(lines.len(), |i| lines[i].trim())?;
///     trimmed.sort_by_key(|line| line.len());
///     arena.strdup(trimmed.last().copied().unwrap_or_default())
/// }
///
/// let arena = Arena::new();
/// {
///     let scope = arena.scope();
///     scope.calloc(100, 1_000)?;
/// }
/// assert_eq!(arena.used(), 0);
/// assert_eq!(longest(&arena, &["a", "  lavender ", "b"])?, "lavender");
/// # Ok::<(), AllocError>(())
/// ```
///
/// ```compile_fail,E0597
/// let arena = lavandula::Arena::new();
/// let text = {
///     let scope = arena.scope();
///     scope.strdup("gone").unwrap()
/// };
/// println!("{text}");
/// ```
///
/// Nor can the scope outlive the arena:
///
/// ```compile_fail,E0597
/// let (scope, arena);
/// arena = lavandula::Arena::new();
/// scope = arena.scope();
/// ```
#[must_use = "a scope ends when it is dropped"]
pub struct Scope<'a, P: PageSource = DefaultPages> {
    inner: Arena<P>,
    /// What the lease points to.
    outer: PhantomData<&'a Arena<P>>,
}

impl<P: PageSource> Arena<P> {
    /// Opens a scope. It ends when it is dropped.
    pub fn scope(&self) -> Scope<'_, P> {
        // A whole block of the scope is what a whole block of the outer arena has
        // room for.
        let block_len = self.regular_room().max(LEAST_BLOCK);
        let lease = Lease {
            outer: NonNull::from(self),
            opened: self.mark(),
            last: Cell::new(self.mark()),
            undisturbed: Cell::new(true),
        };
        let inner = Self::over(Source::Outer(lease), block_len, self.scrub);
        let start = bump::round_up(self.cursor.get().addr().get(), HEADER);
        let rest = start.and_then(|start| self.limit.get().checked_sub(start));
        if rest.is_some_and(|rest| rest >= LEAST_BLOCK) {
            inner.take_first();
        }
        Scope {
            inner,
            outer: PhantomData,
        }
    }

    /// Takes a first block, which the outer arena has room for.
    fn take_first(&self) {
        if let Source::Outer(lease) = &self.source
            && let Ok(run) = lease.take(LEAST_BLOCK, LEAST_BLOCK, LEAST_BLOCK)
        {
            // SAFETY: the lease's promises.
            let block = unsafe { Block::new(run) };
            self.figures.count_in(run.len);
            let mut chain = Chain::EMPTY;
            chain.insert_regular(block);
            chain.current = Some(block);
            self.chain.set(chain);
            self.cursor.set(block.start());
            self.set_limit();
        }
    }

    fn mark(&self) -> Mark {
        let chain = self.chain.get();
        Mark {
            cursor: self.cursor.get(),
            current: chain.current,
            last_dedicated: chain.last_dedicated,
            used_elsewhere: self.figures.used_elsewhere.get(),
            tail_waste: self.figures.tail_waste.get(),
            released: self.figures.released.get(),
        }
    }

    /// Goes back to `mark`. Nothing handed out since is used any longer, and
    /// the blocks know how far they are dirty.
    fn return_to(&self, mark: Mark) {
        let mut chain = self.chain.get();
        chain.current = mark.current;
        chain.last_dedicated = mark.last_dedicated;
        self.chain.set(chain);
        self.figures.used_elsewhere.set(mark.used_elsewhere);
        self.figures.tail_waste.set(mark.tail_waste);
        self.cursor.set(mark.cursor);
        self.set_limit();
    }
}

/// The end of the scope. Here and not in the inner arena's `Drop`, so that the
/// compiler knows that the outer arena has to be there for it.
impl<P: PageSource> Drop for Scope<'_, P> {
    fn drop(&mut self) {
        self.inner.end_of_life();
    }
}

impl<P: PageSource> Deref for Scope<'_, P> {
    type Target = Arena<P>;

    fn deref(&self) -> &Arena<P> {
        &self.inner
    }
}

impl<P: PageSource> fmt::Debug for Scope<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.inner).finish()
    }
}

/// Where an arena's allocations have got to.
#[derive(Clone, Copy, PartialEq)]
struct Mark {
    cursor: NonNull<u8>,
    current: Option<Block>,
    last_dedicated: Option<Block>,
    used_elsewhere: usize,
    tail_waste: usize,
    released: usize,
}

/// What a scope has of its outer arena: plain allocations of it. So nothing
/// that the scope does can move the outer cursor below what was there when it
/// was opened, and a scope that is never dropped leaks no block, but only what
/// it was lent, and only until the reset.
pub(super) struct Lease<P: PageSource> {
    /// Valid for as long as the lease, since the scope that holds it borrows the
    /// outer arena.
    outer: NonNull<Arena<P>>,
    /// Where the outer arena was when the scope was opened.
    opened: Mark,
    /// Where it was when it last lent something.
    last: Cell<Mark>,
    /// Whether it was still there whenever it lent more. Then everything that
    /// it has handed out since the opening is the scope's.
    undisturbed: Cell<bool>,
}

impl<P: PageSource> Lease<P> {
    pub(super) fn outer(&self) -> &Arena<P> {
        // SAFETY: see `outer`; the arena is used through shared references only.
        unsafe { self.outer.as_ref() }
    }

    /// Borrows `wanted` bytes of the outer arena, or at least `needed`, for a
    /// block that is to hold `requested`. The run is as `Block::new` wants it
    /// until the lease ends.
    pub(super) fn take(
        &self,
        needed: usize,
        wanted: usize,
        requested: usize,
    ) -> Result<Run, AllocError> {
        let take = |len: usize| {
            let len = bump::round_up(len, MIN_ALIGN).ok_or(AllocError::Layout)?;
            let layout = Layout::from_size_align(len, HEADER);
            let slot = self
                .outer()
                .alloc_slot(layout.map_err(|_| AllocError::Layout)?)?;
            let start = slot.start.addr().get();
            Ok(Run {
                start: slot.start,
                len,
                dirty: slot.dirty.max(start).min(start + len),
            })
        };
        self.lending(|| {
            match take(self.worth_trying(needed, wanted)) {
                // All that the budget has left, with the padding before it.
                Err(AllocError::Budget { remaining, .. }) if self.of_an_arena() => {
                    take(needed.max(remaining.saturating_sub(HEADER))).or_else(|_| take(needed))
                }
                Err(AllocError::OutOfMemory { .. }) if self.of_an_arena() => take(needed),
                taken => taken,
            }
        })
        .map_err(|error| match error {
            AllocError::OutOfMemory { .. } => AllocError::OutOfMemory { requested },
            AllocError::Budget { remaining, .. } => AllocError::Budget {
                requested,
                remaining,
            },
            other => other,
        })
    }

    /// Makes a block of this lease longer in place. Returns by how many bytes,
    /// and the address from which on they are zero.
    pub(super) fn extend(
        &self,
        block: Block,
        needed: usize,
        wanted: usize,
    ) -> Option<(usize, usize)> {
        let more = bump::round_up(self.worth_trying(needed, wanted), MIN_ALIGN)?;
        let whole = block.len().checked_add(more)?;
        let grow = || self.outer().resize(block.run_start(), block.len(), whole);
        let grown = self.lending(grow)?;
        Some((more, grown.dirty.min(block.end() + more)))
    }

    /// Whether what is lent is an arena's with pages of its own. What a scope of
    /// a scope is lent it asks for once only: if each asked again, the work would
    /// double with every level.
    fn of_an_arena(&self) -> bool {
        matches!(self.outer().source, Source::Pages(_))
    }

    /// What to ask for: from an arena's own pages all that is wanted; from a
    /// scope what it has, unless that is not enough.
    fn worth_trying(&self, needed: usize, wanted: usize) -> usize {
        let outer = self.outer();
        let room = outer.limit.get() - outer.cursor.get().addr().get();
        if self.of_an_arena() && needed > room {
            wanted
        } else {
            // Less the padding before it.
            needed.max(wanted.min(room.saturating_sub(HEADER)))
        }
    }

    /// Does something that makes the outer arena lend more.
    fn lending<R>(&self, lend: impl FnOnce() -> R) -> R {
        if self.outer().mark() != self.last.get() {
            self.undisturbed.set(false);
        }
        let lent = lend();
        self.last.set(self.outer().mark());
        lent
    }

    /// Gives everything back. `chain` are the scope's blocks, of which nothing
    /// is used any longer.
    pub(super) fn end(&self, chain: &Chain) {
        let outer = self.outer();
        if self.undisturbed.get() && outer.mark() == self.last.get() {
            outer.note_peak();
            // The outer blocks that the scope filled are noted as dirty to their
            // ends; the one that it was in knows better.
            if let Some(current) = outer.chain.get().current {
                for block in chain.all() {
                    if current.contains(block.run_start().addr().get()) {
                        current.dirty_to(block.dirty());
                    }
                }
            }
            outer.return_to(self.opened);
        } else {
            for block in chain.all() {
                let run = block.end_of_use();
                outer.free(run.start, run.len);
            }
        }
    }
}
