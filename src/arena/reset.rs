//! The end of a request: everything is taken back, and what was written goes
//! the way that the policy says.

use super::bump::PAGE;
use super::chain::{Chain, walk};
use super::{Arena, NO_BLOCK, PageSource, Pages, Reset, Scrub, Source};

impl<P: PageSource> Arena<P> {
    /// Takes everything back at once.
    ///
    /// What was [deferred](Self::alloc_deferred) is dropped first. The blocks
    /// are used again in the same order, so that the same requests get the same
    /// addresses. The cost depends neither on how many allocations there were
    /// nor, with [`Scrub::None`], on how large they were.
    ///
    /// Every block is kept, unless [`set_reset`](Self::set_reset) says
    /// otherwise; what becomes of the bytes is up to
    /// [`set_scrub`](Self::set_scrub).
    pub fn reset(&mut self) {
        // SAFETY: `&mut self` leaves no reference to the values.
        unsafe { self.drop_deferred() };
        self.rewind();
        if let (Reset::Retain { limit }, Source::Pages(source)) = (self.reset, &self.source) {
            self.retain(limit, source);
        }
    }

    /// Overwrites with zeros what earlier requests have left in the room that
    /// is free now, and in pages that the source got back. Returns how many bytes
    /// it wrote.
    ///
    /// After a reset this is all that the request handed out and nothing that
    /// was never touched: a mark in each block tells how far it is dirty.
    /// Zeroed allocations profit from it, since they need not fill what is zero.
    /// [`Scrub::Zero`] does the same at every reset; this is for whoever knows
    /// better when.
    ///
    /// ```
    /// use lavandula::{Arena, Scrub};
    ///
    /// let mut arena = Arena::new();
    /// arena.set_scrub(Scrub::None);
    /// arena.strdup("a secret")?;
    /// arena.reset();
    /// assert_eq!(arena.scrub(), 8);
    /// assert_eq!(arena.scrub(), 0);
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    pub fn scrub(&mut self) -> usize {
        let chain = self.chain.get();
        let mut written = 0;
        if let Some(current) = chain.current {
            // SAFETY: `&mut self` and the lifetimes of what the arena hands out
            // leave no reference to anything from the cursor on.
            written += unsafe { current.scrub(self.cursor.get().addr().get()) };
        }
        for block in chain.unused() {
            // SAFETY: nothing is handed out of this block.
            written += unsafe { block.scrub(block.start().addr().get()) };
        }
        if let Source::Pages(source) = &self.source {
            written += source.scrub();
        }
        written
    }

    /// Goes back to the first block, and does what the policy wants to the bytes.
    #[inline]
    fn rewind(&mut self) {
        let chain = *self.chain.get_mut();
        let figures = &self.figures;
        let mut used = figures.used_elsewhere.get();
        if let Some(current) = chain.current {
            let cursor = self.cursor.get().addr().get();
            used += cursor - current.start().addr().get();
            current.fill_to(cursor);
        }
        figures.last_peak.set(figures.peak.get().max(used));
        figures.peak.set(0);
        figures.resets.tick();
        if self.scrub == Scrub::Poison {
            poison(&chain);
        }

        // Most requests have one block, and nothing that moved its limit: neither
        // a budget nor a reserve, which may have come when the cursor was past it.
        let alone = chain.current == chain.first && chain.last_dedicated.is_none();
        if alone && self.budget == usize::MAX && self.reserve == 0 {
            if let Some(first) = chain.first {
                self.cursor.set(first.start());
            }
        } else {
            self.rewind_all();
        }
        if self.scrub == Scrub::Zero {
            self.scrub();
        }
    }

    #[cold]
    fn rewind_all(&mut self) {
        let chain = self.chain.get_mut();
        chain.current = chain.first;
        chain.last_dedicated = None;
        let first = chain.first;
        self.figures.used_elsewhere.set(0);
        self.figures.tail_waste.set(0);
        self.cursor
            .set(first.map_or(NO_BLOCK, |first| first.start()));
        self.held_back.set(self.reserve);
        self.set_limit();
    }

    /// Gives back what is more than `limit` bytes of blocks. Called when nothing
    /// is handed out.
    #[cold]
    fn retain(&self, limit: usize, source: &P) {
        let figures = &self.figures;
        if figures.committed.get() <= limit {
            return;
        }
        let before = self.chain.get();
        let mut chain = Chain::EMPTY;
        let mut left = limit;
        figures.stepped.set(figures.stepped.get().min(limit));

        for block in walk(before.first) {
            // A page of one object can be given back alone, so a block can be
            // cut; but a regular block is as large as they all are.
            if P::ONE_OBJECT && (self.block_len..block.len()).contains(&left) {
                let rest = block.cut(left - left % PAGE);
                figures.committed.subtract(rest.len);
                // SAFETY: whole pages of the source, which is one object, and
                // nothing of them is handed out.
                unsafe { source.give_back(Pages::from(rest)) };
            }
            if block.len() <= left {
                left -= block.len();
                chain.insert_regular(block);
                chain.current = Some(block);
            } else {
                figures.count_out(block.len());
                // SAFETY: the run came from this source, and the arena forgets
                // the block.
                unsafe { source.give_back(Pages::from(block.end_of_use())) };
            }
        }
        chain.current = chain.first;
        for block in walk(before.dedicated) {
            if block.len() <= left {
                left -= block.len();
                chain.insert_dedicated(block);
                chain.last_dedicated = Some(block);
            } else {
                figures.count_out(block.len());
                // SAFETY: as above.
                unsafe { source.give_back(Pages::from(block.end_of_use())) };
            }
        }
        chain.last_dedicated = None;

        self.cursor
            .set(chain.first.map_or(NO_BLOCK, |first| first.start()));
        self.chain.set(chain);
        self.set_limit();
    }
}

/// Overwrites what is handed out of blocks that will not hand it out again.
#[cold]
fn poison(chain: &Chain) {
    let regular = chain.left_behind().chain(chain.current);
    for block in regular.chain(chain.dedicated_in_use()) {
        // SAFETY: the arena is being reset through `&mut`, so nothing refers to
        // what it handed out.
        unsafe { block.overwrite(block.filled(), Scrub::POISON) };
    }
}

impl<P: PageSource> Arena<P> {
    /// Drops what was deferred, and gives every block back, also where a value
    /// panics when it is dropped.
    pub(super) fn end_of_life(&mut self) {
        struct GiveBack<'a, P: PageSource>(&'a mut Arena<P>);

        impl<P: PageSource> Drop for GiveBack<'_, P> {
            fn drop(&mut self) {
                let arena = &mut *self.0;
                if arena.scrub != Scrub::None {
                    arena.rewind();
                } else if let Some(current) = arena.chain.get_mut().current {
                    // For who has the pages next.
                    current.dirty_to(arena.cursor.get().addr().get());
                }
                let chain = arena.chain.take();
                match &arena.source {
                    Source::Pages(source) => {
                        for block in chain.all() {
                            // SAFETY: the run came from this source, and the
                            // arena, the only owner of the block, has forgotten
                            // it.
                            unsafe { source.give_back(Pages::from(block.end_of_use())) };
                        }
                    }
                    Source::Outer(lease) => lease.end(&chain),
                }
            }
        }

        let rest = GiveBack(self);
        // SAFETY: as in `reset`.
        unsafe { rest.0.drop_deferred() };
    }
}

impl<P: PageSource> Drop for Arena<P> {
    fn drop(&mut self) {
        // A scope was ended by `Scope`.
        if let Source::Pages(_) = self.source {
            self.end_of_life();
        }
    }
}
