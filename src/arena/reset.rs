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
        self.take_back();
        if let (Reset::Retain { limit }, Source::Pages(source)) = (self.reset, &self.source) {
            self.retain(limit, source);
        }
    }

    /// Overwrites with zeros what earlier requests have left in the room that
    /// is free now. Returns how many bytes it wrote.
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
        written
    }

    /// A reset that keeps every block.
    pub(super) fn take_back(&mut self) {
        self.drop_deferred();
        let peak = self.own_use();
        let mut chain = self.chain.get();
        let mut figures = self.figures.get();

        if let Some(current) = chain.current {
            current.fill_to(self.cursor.get().addr().get());
        }
        if self.scrub == Scrub::Poison {
            poison(&chain);
        }
        figures.last_peak = figures.peak.max(peak);
        figures.peak = 0;
        figures.lent = 0;
        figures.resets = figures.resets.wrapping_add(1);
        figures.used_elsewhere = 0;
        figures.tail_waste = 0;
        figures.free_elsewhere = figures.capacity();

        chain.current = chain.first;
        chain.last_dedicated = None;
        match chain.first {
            Some(first) => {
                figures.free_elsewhere -= first.capacity();
                self.cursor.set(first.start());
            }
            None => self.cursor.set(NO_BLOCK),
        }
        self.figures.set(figures);
        self.chain.set(chain);
        self.held_back.set(self.reserve);
        self.set_limit();
        if self.scrub == Scrub::Zero {
            self.scrub();
        }
    }

    /// Gives back what is more than `limit` bytes of blocks. Called when nothing
    /// is handed out.
    #[cold]
    fn retain(&self, limit: usize, source: &P) {
        let mut figures = self.figures.get();
        if figures.committed <= limit {
            return;
        }
        let before = self.chain.get();
        let mut chain = Chain::EMPTY;
        let mut left = limit;
        figures.committed = 0;
        figures.blocks = 0;

        for block in walk(before.first) {
            // A page of one object can be given back alone, so a block can be
            // cut; but a regular block is as large as they all are.
            if P::ONE_OBJECT && (self.block_len..block.len()).contains(&left) {
                let rest = block.cut(left - left % PAGE);
                // SAFETY: whole pages of the source, which is one object, and
                // nothing of them is handed out.
                unsafe { source.give_back(Pages::from(rest)) };
            }
            if block.len() <= left {
                left -= block.len();
                figures.committed += block.len();
                figures.blocks += 1;
                block.set_next(None);
                chain.append_regular(block);
                chain.current = Some(block);
            } else {
                // SAFETY: the run came from this source, and the arena forgets
                // the block.
                unsafe { source.give_back(Pages::from(block.end_of_use())) };
            }
        }
        chain.current = chain.first;
        for block in walk(before.dedicated) {
            if block.len() <= left {
                left -= block.len();
                figures.committed += block.len();
                figures.blocks += 1;
                chain.insert_dedicated(block);
                chain.last_dedicated = Some(block);
            } else {
                // SAFETY: as above.
                unsafe { source.give_back(Pages::from(block.end_of_use())) };
            }
        }
        chain.last_dedicated = None;

        figures.free_elsewhere = figures.capacity();
        match chain.first {
            Some(first) => {
                figures.free_elsewhere -= first.capacity();
                self.cursor.set(first.start());
            }
            None => self.cursor.set(NO_BLOCK),
        }
        self.figures.set(figures);
        self.chain.set(chain);
        self.set_limit();
    }
}

/// Overwrites what is handed out of blocks that will not hand it out again.
fn poison(chain: &Chain) {
    let regular = chain.left_behind().chain(chain.current);
    for block in regular.chain(chain.dedicated_in_use()) {
        // SAFETY: the arena is being reset through `&mut`, so nothing refers to
        // what it handed out.
        unsafe { block.overwrite(block.filled(), Scrub::POISON) };
    }
}

impl<P: PageSource> Drop for Arena<P> {
    fn drop(&mut self) {
        // A scope was ended by `Scope`, and has no blocks any more.
        if let Source::Pages(_) = self.source {
            self.take_back();
        }
        if let Source::Pages(source) = &self.source {
            for block in self.chain.take().all() {
                // SAFETY: the run came from this source, and the arena, the
                // only owner of the block, has forgotten it.
                unsafe { source.give_back(Pages::from(block.end_of_use())) };
            }
        }
    }
}
