//! Allocations that grow, shrink and are given up before the reset.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::block::{Block, HEADER};
use super::bump::{self, MIN_ALIGN, PAGE};
use super::refill::Slot;
use super::{AllocError, Arena, PageSource, Scrub, Source};

impl<P: PageSource> Arena<P> {
    /// Makes an allocation larger: in place where it is the last one or has a
    /// block of its own, and there is room behind it, else by moving it.
    ///
    /// # Safety
    /// `at` was handed out by this arena for `old` since the last reset, or
    /// `old` has no size; `new` is no smaller. The old memory must not be used
    /// afterwards.
    pub(crate) unsafe fn grow_slot(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<Slot, AllocError> {
        if at.addr().get().is_multiple_of(new.align())
            && (self.is_last(at, old.size()) || self.chain.get().last_dedicated.is_some())
            && let Some(slot) = self.resize(at, old.size(), new.size())
        {
            return Ok(slot);
        }
        let moved = self.alloc_slot(new)?;
        // SAFETY: both have `old.size()` bytes at least, and the new one was
        // just handed out, so they are apart.
        unsafe { moved.start.copy_from_nonoverlapping(at, old.size()) };
        self.free(at, old.size());
        Ok(moved)
    }

    /// Takes back the allocation of `size` bytes at `at`, which nobody uses any
    /// longer: at once where it is the last one or has a block of its own, else
    /// at the reset.
    #[inline]
    pub(crate) fn free(&self, at: NonNull<u8>, size: usize) {
        if size == 0 {
            return;
        }
        if self.is_last(at, size) {
            self.resize_last(at.addr().get(), 0);
        } else if self.chain.get().last_dedicated.is_some() || self.scrub != Scrub::None {
            self.free_elsewhere(at, size);
        }
    }

    #[cold]
    fn free_elsewhere(&self, at: NonNull<u8>, size: usize) {
        match self.dedicated_block_of(at) {
            Some(block) => self.release_dedicated(block),
            None => self.overwrite(at, size),
        }
    }

    /// Moves the end of the allocation of `old` bytes at `at`, where it is the
    /// last one or has a block of its own. `None` where it stays as it is. Does
    /// not end the use of a dedicated block.
    pub(crate) fn resize(&self, at: NonNull<u8>, old: usize, new: usize) -> Option<Slot> {
        if old == 0 {
            return None;
        }
        if self.is_last(at, old) {
            return self.resize_last(at.addr().get(), new);
        }
        if new == 0 {
            return None;
        }
        let block = self.dedicated_block_of(at)?;
        self.resize_dedicated(block, at.addr().get(), new)
    }

    /// Whether the cursor is at the end of the allocation of `size` bytes at
    /// `at`, which is not zero. Then it lies in the current block: no other ends
    /// where that one has its header or what it handed out.
    #[inline(always)]
    pub(crate) fn is_last(&self, at: NonNull<u8>, size: usize) -> bool {
        // An allocation does not reach past the end of the address space, and
        // its padding belongs to it.
        let end = at
            .addr()
            .get()
            .wrapping_add(size)
            .wrapping_add(MIN_ALIGN - 1);
        end & !(MIN_ALIGN - 1) == self.cursor.get().addr().get()
    }

    fn resize_last(&self, start: usize, new: usize) -> Option<Slot> {
        let current = self.chain.get().current?;
        let cursor = self.cursor.get().addr().get();
        let place = || bump::place(start, self.limit.get(), new, MIN_ALIGN);
        let placed = place().or_else(|| {
            let layout = Layout::from_size_align(new, MIN_ALIGN).ok()?;
            self.extend_current(start, layout).then(place)?
        })?;
        let dirty = current.dirty();
        if placed.end < cursor {
            self.note_peak();
            self.overwrite(current.at(placed.end), cursor - placed.end);
            if self.scrub != Scrub::Zero {
                current.dirty_to(cursor);
            }
        }
        self.cursor.set(current.at(placed.end));
        if placed.end < cursor {
            // The limit is never below the cursor, so where the budget was
            // lowered beneath it, it may have to come down with it.
            self.set_limit();
        }
        Some(Slot {
            start: current.at(start),
            dirty,
        })
    }

    #[cold]
    fn resize_dedicated(&self, block: Block, start: usize, new: usize) -> Option<Slot> {
        let filled = block.filled();
        let end = bump::round_up(new, MIN_ALIGN).and_then(|new| start.checked_add(new))?;
        if end.saturating_sub(filled) > self.remaining_budget() {
            return None;
        }
        let mut more = 0;
        if end > block.end() {
            let needed = end - block.end();
            more = self.extend(block, needed, needed)?;
        }
        let dirty = block.dirty();
        if end < filled {
            self.note_peak();
            self.overwrite(block.at(end), filled - end);
        }
        block.fill_to(end);

        let figures = &self.figures;
        if more > 0 {
            figures.committed.add(more);
            figures.grows.tick();
        }
        let room = block.start().addr().get();
        figures.used_elsewhere.subtract(filled - room);
        figures.used_elsewhere.add(end - room);
        figures.tail_waste.subtract(block.end() - more - filled);
        figures.tail_waste.add(block.end() - end);
        self.set_limit();
        Some(Slot {
            start: block.at(start),
            dirty,
        })
    }

    /// Ends the use of a dedicated block, whose allocation nobody uses.
    #[cold]
    fn release_dedicated(&self, block: Block) {
        self.note_peak();
        let room = block.start();
        let used = block.filled() - room.addr().get();
        self.overwrite(room, used);

        let mut chain = self.chain.get();
        chain.release_dedicated(block);
        self.chain.set(chain);
        self.figures.released.tick();
        self.figures.used_elsewhere.subtract(used);
        self.figures.tail_waste.subtract(block.capacity() - used);
        self.set_limit();
    }

    /// The dedicated block in use whose allocation is at `at`, where there is
    /// one. The search takes time in the number of such blocks, which is small
    /// beside the time it takes to fill one.
    fn dedicated_block_of(&self, at: NonNull<u8>) -> Option<Block> {
        let chain = self.chain.get();
        chain.last_dedicated?;
        let at = at.addr().get();
        // Hardly any other allocation is where the room of a block begins, so
        // there is seldom a search in vain. Those with a large alignment need
        // not be there, and are taken back with the reset.
        if let Source::Pages(_) = self.source
            && at % PAGE != HEADER
        {
            return None;
        }
        chain.dedicated_in_use().find(|block| block.contains(at))
    }

    /// Overwrites bytes that were given up, if the policy wants it.
    pub(super) fn overwrite(&self, at: NonNull<u8>, bytes: usize) {
        if let Some(byte) = self.scrub.byte() {
            // SAFETY: the callers pass memory that this arena handed out and
            // that its last user gave up.
            unsafe { at.write_bytes(byte, bytes) };
        }
    }
}
