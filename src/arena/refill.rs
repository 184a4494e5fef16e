//! The slow path: what happens when the current block has no room.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::block::{Block, HEADER, Run};
use super::bump::{self, MIN_ALIGN, PAGE};
use super::chain::Chain;
use super::{AllocError, Arena, PageSource, Pages, Source};

/// What an allocation got.
pub(crate) struct Slot {
    pub(crate) start: NonNull<u8>,
    /// Address from which on the block was zero when this was placed.
    pub(super) dirty: usize,
}

/// Room that surely holds `layout` at the start of a block's, which is a
/// multiple of a header's size.
fn room_for(layout: Layout) -> Option<usize> {
    let align = match layout.align() {
        align if align <= HEADER => MIN_ALIGN,
        align => align,
    };
    bump::worst_case(layout.size(), align)
}

/// The most that an arena takes at once without being asked for it.
///
/// Taking as much as small allocations have needed already keeps the number of
/// `memory.grow` small, each of which costs a host with pooled instances two
/// system calls; the cap keeps what is taken in vain small. Large allocations
/// have no say in it.
pub(super) const LARGEST_STEP: usize = 1 << 20;

/// Bytes of the blocks that a scope begins with.
pub(super) const LEAST_BLOCK: usize = 512;

impl<P: PageSource> Arena<P> {
    /// What the fast path could not place, or why that cannot be.
    ///
    /// A `Result` of this size would be returned through memory, and make room
    /// on the stack for it part of the fast path of every caller. So the error
    /// takes another way, and is fetched only by those who look at it.
    #[inline(always)]
    pub(super) fn alloc_after_all(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        match self.alloc_or_note(layout) {
            Some(start) => Ok(start),
            None => Err(self.failure.get()),
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_or_note(&self, layout: Layout) -> Option<NonNull<u8>> {
        match self.alloc_slow(layout) {
            Ok(slot) => Some(slot.start),
            Err(error) => {
                self.failure.set(error);
                None
            }
        }
    }

    /// An allocation of which it matters what was there before.
    pub(super) fn alloc_slot(&self, layout: Layout) -> Result<Slot, AllocError> {
        match self.bump(layout) {
            Some(start) => Ok(Slot {
                start,
                dirty: self.dirty(),
            }),
            None => self.alloc_slow(layout),
        }
    }

    /// Address from which on the current block is zero.
    pub(super) fn dirty(&self) -> usize {
        self.chain.get().current.map_or(0, Block::dirty)
    }

    /// An allocation that needs more than the current block has, or has no size.
    #[cold]
    fn alloc_slow(&self, layout: Layout) -> Result<Slot, AllocError> {
        if layout.size() == 0 {
            return Ok(Slot {
                start: layout.dangling_ptr(),
                dirty: 0,
            });
        }
        let room = room_for(layout).ok_or(AllocError::Layout)?;
        let allowed = self.check_budget(layout);
        let large = room > self.regular_room();
        if large && allowed.is_ok() {
            let mut chain = self.chain.get();
            if let Some(block) = chain.unused_dedicated(room) {
                return self.place_dedicated(chain, block, layout);
            }
        }
        if allowed.is_ok() && (large || self.chain.get().next_regular().is_none()) {
            self.give_up_unused();
        }
        // Behind what is there already it may need less padding than in another
        // block, so this asks the budget by itself.
        let cursor = self.cursor.get().addr().get();
        if !self.extend_current(cursor, layout) {
            allowed?;
            if large {
                let len = room.checked_add(HEADER).ok_or(AllocError::Layout)?;
                let block = self.take_block(len, len, layout.size())?;
                let mut chain = self.chain.get();
                chain.insert_dedicated(block);
                return self.place_dedicated(chain, block, layout);
            }
            self.enter_next_block(layout)?;
        }
        let dirty = self.dirty();
        match self.bump(layout) {
            Some(start) => Ok(Slot { start, dirty }),
            // Not reached: the block was entered or extended for this.
            None => Err(AllocError::Layout),
        }
    }

    /// Gives back the blocks that are not in use, since none of them is good for
    /// what is needed now: joined with their neighbours they may be. So requests
    /// with different needs do not add up to more memory than the largest has.
    #[cold]
    fn give_up_unused(&self) {
        let Source::Pages(source) = &self.source else {
            return;
        };
        let mut chain = self.chain.get();
        if chain.unused().next().is_none() {
            return;
        }
        let unused = chain.cut_unused();
        self.chain.set(chain);
        for block in unused {
            self.figures.count_out(block.len());
            // SAFETY: the run came from this source, nothing of it is handed
            // out, and the arena has forgotten the block.
            unsafe { source.give_back(Pages::from(block.end_of_use())) };
        }
    }

    /// Room that every regular block of an arena of its own has.
    pub(super) fn regular_room(&self) -> usize {
        (self.block_len - HEADER).saturating_sub(self.held_back.get())
    }

    /// Bytes that the budget has left.
    pub(super) fn remaining_budget(&self) -> usize {
        self.budget
            .saturating_sub(self.used())
            .saturating_sub(self.held_back.get())
    }

    /// Refuses what the budget has no room for at the start of another block.
    fn check_budget(&self, layout: Layout) -> Result<(), AllocError> {
        let remaining = self.remaining_budget();
        // Every block begins at a multiple of a page, so the padding behind its
        // header is known. Alignments above a page are counted generously.
        let requested = match layout.align() {
            align if align <= PAGE => bump::place(HEADER, bump::NO_LIMIT, layout.size(), align)
                .map(|placed| placed.end - HEADER),
            align => bump::worst_case(layout.size(), align),
        };
        match requested {
            Some(requested) if requested <= remaining => Ok(()),
            Some(requested) => Err(AllocError::Budget {
                requested,
                remaining,
            }),
            None => Err(AllocError::Layout),
        }
    }

    /// How many bytes to take for small allocations.
    fn step(&self) -> usize {
        if let Source::Outer(_) = self.source {
            // As much as the scope has already: what it is lent is used by
            // nobody else.
            let had = self.figures.committed.get();
            // Not `clamp`, which can panic.
            return had.max(LEAST_BLOCK).min(self.block_len);
        }
        let step = self.figures.stepped.get();
        // No more than the budget can use.
        let useful = self.remaining_budget().saturating_add(HEADER);
        let step = step.min(useful).max(self.block_len);
        bump::whole_pages(step).unwrap_or(step)
    }

    /// Makes the current block longer, so that `layout` fits at `at`. Only where
    /// no other block follows, which has to be used first.
    #[cold]
    pub(super) fn extend_current(&self, at: usize, layout: Layout) -> bool {
        let chain = self.chain.get();
        let Some(current) = chain.current else {
            return false;
        };
        if current.next().is_some() {
            return false;
        }
        let placed = bump::place(at, bump::NO_LIMIT, layout.size(), layout.align());
        let end = placed.and_then(|placed| placed.end.checked_add(self.held_back.get()));
        let Some(missing) = end.and_then(|end| end.checked_sub(current.end())) else {
            return false;
        };
        // Placed here it may need more padding than the budget was asked for.
        let cursor = self.cursor.get().addr().get();
        let taken = placed.map_or(0, |placed| placed.end.saturating_sub(cursor));
        if missing == 0 || taken > self.remaining_budget() {
            return false;
        }
        let step = self.step();
        let Some(more) = self.extend(current, missing, step.max(missing)) else {
            return false;
        };
        self.figures.committed.add(more);
        self.figures.grows.tick();
        if missing <= step {
            self.figures.step_by(more, LARGEST_STEP);
        }
        self.set_limit();
        true
    }

    /// Makes a block longer by `needed` bytes at least. Returns by how many.
    #[cold]
    pub(super) fn extend(&self, block: Block, needed: usize, wanted: usize) -> Option<usize> {
        let (more, dirty) = match &self.source {
            Source::Pages(source) => {
                let run = Pages {
                    start: block.run_start(),
                    len: block.len(),
                    zeroed: false,
                };
                let needed = bump::whole_pages(needed)?;
                let wanted = bump::whole_pages(wanted)?;
                let added = Run::from(source.take_behind(&run, needed, wanted)?);
                (added.len, added.dirty)
            }
            Source::Outer(lease) => lease.extend(block, needed, wanted)?,
        };
        // SAFETY: the source's promises, or the lease's.
        unsafe { block.extend(more, dirty) };
        Some(more)
    }

    /// Leaves the current block for the next one, which is taken from the
    /// source where there is none. Changes nothing where that fails.
    #[cold]
    pub(super) fn enter_next_block(&self, layout: Layout) -> Result<(), AllocError> {
        let mut chain = self.chain.get();
        let room = room_for(layout).ok_or(AllocError::Layout)?;
        let next = match chain.next_regular() {
            // Too small can only be a block of a scope.
            Some(next) if room <= next.capacity() => next,
            _ => {
                let needed = match self.source {
                    Source::Pages(_) => self.block_len,
                    Source::Outer(_) => room.checked_add(HEADER).ok_or(AllocError::Layout)?,
                };
                let block = self.take_block(needed, self.step().max(needed), layout.size())?;
                self.figures.step_by(block.len(), LARGEST_STEP);
                chain.insert_regular(block);
                block
            }
        };

        if let Some(current) = chain.current {
            let cursor = self.cursor.get().addr().get();
            current.fill_to(cursor);
            let used = cursor - current.start().addr().get();
            self.figures.used_elsewhere.add(used);
            self.figures.tail_waste.add(current.end() - cursor);
        }
        chain.current = Some(next);
        self.chain.set(chain);
        self.cursor.set(next.start());
        self.set_limit();
        Ok(())
    }

    /// Gives an allocation larger than a block one of its own, which stands
    /// right behind the dedicated blocks in use. The current block stays the
    /// current one.
    #[cold]
    fn place_dedicated(
        &self,
        mut chain: Chain,
        block: Block,
        layout: Layout,
    ) -> Result<Slot, AllocError> {
        chain.last_dedicated = Some(block);

        let start = block.start();
        let at = start.addr().get();
        let dirty = block.dirty();
        let placed = bump::place(at, block.end(), layout.size(), layout.align());
        // The block has room for the worst alignment.
        let placed = placed.ok_or(AllocError::Layout)?;
        block.fill_to(placed.end);

        self.figures.used_elsewhere.add(placed.end - at);
        self.figures.tail_waste.add(block.end() - placed.end);
        self.chain.set(chain);
        // Less of the budget is left for the current block.
        self.set_limit();
        Ok(Slot {
            // SAFETY: `place` keeps it within the block.
            start: unsafe { start.add(placed.start - at) },
            dirty,
        })
    }

    /// A new block of at least `needed` bytes, counted as free. `requested` is
    /// what the caller wanted of it.
    #[cold]
    fn take_block(
        &self,
        needed: usize,
        wanted: usize,
        requested: usize,
    ) -> Result<Block, AllocError> {
        let run = match &self.source {
            Source::Pages(source) => {
                let needed = bump::whole_pages(needed).ok_or(AllocError::Layout)?;
                let wanted = bump::whole_pages(wanted).ok_or(AllocError::Layout)?;
                let none = AllocError::OutOfMemory { requested };
                source.take(needed, wanted).ok_or(none)?.into()
            }
            Source::Outer(lease) => lease.take(needed, wanted, requested)?,
        };
        // SAFETY: the promises of the source or of the lease, and the run is the
        // arena's from here on until it is dropped.
        let block = unsafe { Block::new(run) };
        self.figures.count_in(run.len);
        self.figures.grows.tick();
        Ok(block)
    }

    /// To be called before the use goes down: notes it, if it is a peak.
    pub(super) fn note_peak(&self) {
        let peak = self.figures.peak.get().max(self.used());
        self.figures.peak.set(peak);
    }
}
