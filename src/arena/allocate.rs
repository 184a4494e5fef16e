//! Allocation: the fast path, what happens when a block is full, and the typed
//! methods on top.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;

use super::block::{Block, HEADER};
use super::bump::{self, MIN_ALIGN, PAGE};
use super::{AllocError, Arena, Chain, PageSource};

/// What an allocation got.
struct Slot {
    start: NonNull<u8>,
    /// Address from which on the block was zero when this was placed.
    dirty: usize,
}

impl<P: PageSource> Arena<P> {
    /// Memory for `layout`, its content unspecified. Zero bytes succeed.
    ///
    /// # Errors
    /// [`AllocError::OutOfMemory`] where the source has no pages,
    /// [`AllocError::Budget`] where the budget ends, and [`AllocError::Layout`]
    /// where no address space could hold it.
    ///
    /// ```
    /// use core::alloc::Layout;
    ///
    /// let arena = lavandula::Arena::new();
    /// let at = arena.alloc_layout(Layout::from_size_align(100, 64).unwrap())?;
    /// assert_eq!(at.addr().get() % 64, 0);
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    #[inline(always)]
    pub fn alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        match self.bump(layout) {
            Some(start) => Ok(start),
            None => self.alloc_after_all(layout),
        }
    }

    /// Memory for `layout`, every byte zero.
    ///
    /// Fills only what is dirty: nothing on fresh or scrubbed pages.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    pub fn alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let slot = match self.bump(layout) {
            Some(start) => Slot {
                start,
                dirty: self.chain.get().current.map_or(0, Block::dirty),
            },
            None => self.alloc_slow(layout)?,
        };
        let start = slot.start.addr().get();
        let dirty = slot.dirty.saturating_sub(start).min(layout.size());
        // SAFETY: `dirty` is at most the size of what was just handed out.
        unsafe { slot.start.write_bytes(0, dirty) };
        Ok(slot.start)
    }

    /// Moves `value` into the arena.
    ///
    /// A type that needs `Drop` does not compile here, since the arena would
    /// never drop it.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    ///
    /// ```
    /// let arena = lavandula::Arena::new();
    /// let point = arena.alloc((3, 4))?;
    /// point.0 += 1;
    /// assert_eq!(*point, (4, 4));
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    ///
    /// ```compile_fail
    /// lavandula::Arena::new().alloc(String::from("never dropped"));
    /// ```
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn alloc<T>(&self, value: T) -> Result<&mut T, AllocError> {
        const { needs_no_drop::<T>() };
        let small = const { size_of::<T>() <= PAGE && align_of::<T>() <= MIN_ALIGN };
        let bumped = if small {
            self.bump_small(size_of::<T>())
        } else {
            self.bump(Layout::new::<T>())
        };
        let mut place = match bumped {
            Some(start) => start,
            None => self.alloc_after_all(Layout::new::<T>())?,
        }
        .cast::<T>();
        // SAFETY: the place has the layout of `T`, and nobody else has it; it
        // is written before the reference is made. The reference ends before a
        // reset, which takes `&mut self`.
        unsafe {
            place.write(value);
            Ok(place.as_mut())
        }
    }

    /// Copies a slice into the arena.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> Result<&mut [T], AllocError> {
        let place = self.alloc_layout(Layout::for_value(values))?.cast::<T>();
        // SAFETY: the place has the layout of the slice and is apart from it,
        // since it was just handed out; all elements are written before the
        // reference is made.
        unsafe {
            place.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len());
            Ok(slice::from_raw_parts_mut(place.as_ptr(), values.len()))
        }
    }

    /// A slice of `len` elements, each made by `make` from its index.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn alloc_slice_fill_with<T>(
        &self,
        len: usize,
        mut make: impl FnMut(usize) -> T,
    ) -> Result<&mut [T], AllocError> {
        const { needs_no_drop::<T>() };
        let layout = Layout::array::<T>(len).map_err(|_| AllocError::Layout)?;
        let place = self.alloc_layout(layout)?.cast::<MaybeUninit<T>>();
        // SAFETY: the place has the layout of `len` elements that need not be
        // initialised. Should `make` panic, they are forgotten, which is sound
        // because `T` needs no drop.
        let places = unsafe { slice::from_raw_parts_mut(place.as_ptr(), len) };
        for (index, place) in places.iter_mut().enumerate() {
            place.write(make(index));
        }
        // SAFETY: every element was written.
        Ok(unsafe { slice::from_raw_parts_mut(place.as_ptr().cast(), len) })
    }

    /// `count` times `size` bytes, all zero.
    ///
    /// # Errors
    /// [`AllocError::Layout`] where the product overflows; else as
    /// [`alloc_layout`](Self::alloc_layout).
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn calloc(&self, count: usize, size: usize) -> Result<&mut [u8], AllocError> {
        let bytes = count.checked_mul(size).ok_or(AllocError::Layout)?;
        let layout = Layout::from_size_align(bytes, MIN_ALIGN).map_err(|_| AllocError::Layout)?;
        let start = self.alloc_zeroed(layout)?;
        // SAFETY: `bytes` zeroed bytes were just handed out to nobody else.
        Ok(unsafe { slice::from_raw_parts_mut(start.as_ptr(), bytes) })
    }

    /// A copy of `text`.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn strdup(&self, text: &str) -> Result<&mut str, AllocError> {
        let bytes = self.alloc_slice_copy(text.as_bytes())?;
        // SAFETY: a copy of the bytes of a `str`.
        Ok(unsafe { core::str::from_utf8_unchecked_mut(bytes) })
    }

    /// A copy of at most `max` bytes of `text`, cut at the last boundary of a
    /// character that fits. Reads no further than it copies.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout).
    ///
    /// ```
    /// let arena = lavandula::Arena::new();
    /// assert_eq!(arena.strndup("naïve", 3)?, "na"); // the ï has two bytes
    /// assert_eq!(arena.strndup("naïve", 99)?, "naïve");
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    pub fn strndup(&self, text: &str, max: usize) -> Result<&mut str, AllocError> {
        self.strdup(text.get(..text.floor_char_boundary(max)).unwrap_or(text))
    }

    /// Makes an allocation larger, in place where it is the last one and the
    /// block has room, else by moving it.
    ///
    /// # Safety
    /// `at` was handed out by this arena for `old` since the last reset, or
    /// `old` has no size; `new` is no smaller. The old memory must not be used
    /// afterwards.
    pub(super) unsafe fn grow(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let aligned = at.addr().get().is_multiple_of(new.align());
        if aligned && self.resize_last(at, old.size(), new.size()) {
            return Ok(at);
        }
        let moved = self.alloc_layout(new)?;
        // SAFETY: both have `old.size()` bytes at least, and the new one was
        // just handed out, so they are apart.
        unsafe { moved.copy_from_nonoverlapping(at, old.size()) };
        Ok(moved)
    }

    /// Moves the end of the allocation of `old` bytes at `at`, where it is the
    /// last one of the current block and the new end lies within the block.
    pub(super) fn resize_last(&self, at: NonNull<u8>, old: usize, new: usize) -> bool {
        let Some(current) = self.chain.get().current else {
            return false;
        };
        let cursor = self.cursor.get().addr().get();
        let start = at.addr().get();
        let end = bump::round_up(old, MIN_ALIGN).and_then(|old| start.checked_add(old));
        if old == 0 || end != Some(cursor) || start < current.start().addr().get() {
            return false;
        }
        let Some(placed) = bump::place(start, self.limit.get(), new, MIN_ALIGN) else {
            return false;
        };
        if placed.end < cursor {
            // What lies behind the cursor is dirty now, and this may have been
            // the peak.
            current.fill_to(cursor);
            let mut figures = self.figures.get();
            figures.peak = figures.peak.max(self.used());
            self.figures.set(figures);
        }
        // SAFETY: `placed.end` lies in the current block, by the limit.
        self.cursor.set(unsafe { at.add(placed.end - start) });
        if placed.end < cursor {
            // The limit is never below the cursor, so where the budget was
            // lowered beneath it, it may have to come down with it.
            self.set_limit();
        }
        true
    }

    /// The fast path for a size that is a constant, at most a page, with an
    /// alignment that the cursor has anyway: two loads, an addition, a
    /// comparison and a store.
    #[inline(always)]
    fn bump_small(&self, size: usize) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let size = (size + MIN_ALIGN - 1) & !(MIN_ALIGN - 1);
        // A block ends at least a page below the top of the address space, so
        // this sum cannot wrap.
        if cursor.addr().get() + size > self.limit.get() {
            return None;
        }
        // SAFETY: the end is at most the limit, and the block reaches from below
        // the cursor to there. Without a block only a size of zero comes here.
        self.cursor.set(unsafe { cursor.add(size) });
        Some(cursor)
    }

    /// The fast path for any layout. Where the alignment is a constant, as in
    /// slices and strings, it has nine operations.
    #[inline(always)]
    fn bump(&self, layout: Layout) -> Option<NonNull<u8>> {
        let cursor = self.cursor.get();
        let at = cursor.addr().get();
        let placed = bump::place(at, self.limit.get(), layout.size(), layout.align())?;
        // SAFETY: `at <= start <= end <= limit`, and the block reaches from
        // below the cursor to the limit. Without a block all four are the same,
        // and nothing is added.
        unsafe {
            self.cursor.set(cursor.add(placed.end - at));
            Some(cursor.add(placed.start - at))
        }
    }

    /// What the fast path could not place, or why that cannot be.
    ///
    /// A `Result` of this size would be returned through memory, and make room
    /// on the stack for it part of the fast path of every caller. So the error
    /// takes another way, and is fetched only by those who look at it.
    #[inline(always)]
    fn alloc_after_all(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
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

    /// An allocation that needs another block, or has no size.
    #[cold]
    fn alloc_slow(&self, layout: Layout) -> Result<Slot, AllocError> {
        if layout.size() == 0 {
            return Ok(Slot {
                start: layout.dangling_ptr(),
                dirty: 0,
            });
        }
        let room = bump::worst_case(layout.size(), layout.align()).ok_or(AllocError::Layout)?;
        self.check_budget(layout)?;
        if room > self.block_len - HEADER {
            return self.alloc_dedicated(layout, room);
        }
        self.enter_next_block(layout.size())?;
        // Every regular block has room for what is not larger than a block, so
        // this places it.
        let dirty = self.chain.get().current.map_or(0, Block::dirty);
        match self.bump(layout) {
            Some(start) => Ok(Slot { start, dirty }),
            None => Err(AllocError::Layout),
        }
    }

    /// Refuses what the budget has no room for in the current block, and none
    /// at the start of another one either.
    fn check_budget(&self, layout: Layout) -> Result<(), AllocError> {
        let remaining = self.budget.saturating_sub(self.used());
        // Every block begins at a multiple of a page, so the padding behind its
        // header is known. Alignments above a page are counted generously.
        let requested = match layout.align() {
            align if align <= PAGE => bump::place(HEADER, usize::MAX, layout.size(), align)
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

    /// Leaves the current block for the next one, which is taken from the
    /// source where there is none. Changes nothing where that fails.
    pub(super) fn enter_next_block(&self, requested: usize) -> Result<(), AllocError> {
        let mut chain = self.chain.get();
        let next = match chain.current {
            Some(current) => current.next(),
            None => chain.first,
        };
        let next = match next {
            Some(next) => next,
            None => {
                let block = self.take_block(self.block_len, requested)?;
                match chain.current {
                    Some(current) => current.set_next(Some(block)),
                    None => chain.first = Some(block),
                }
                block
            }
        };

        let mut figures = self.figures.get();
        if let Some(current) = chain.current {
            let cursor = self.cursor.get().addr().get();
            current.fill_to(cursor);
            figures.used_elsewhere += cursor - current.start().addr().get();
            figures.tail_waste += current.end() - cursor;
        }
        figures.free_elsewhere -= next.capacity();
        self.figures.set(figures);

        chain.current = Some(next);
        self.chain.set(chain);
        self.cursor.set(next.start());
        self.set_limit();
        Ok(())
    }

    /// Gives an allocation larger than a block one of its own: a dedicated block
    /// of an earlier request that holds it, or a new one. The current block
    /// stays the current one.
    fn alloc_dedicated(&self, layout: Layout, room: usize) -> Result<Slot, AllocError> {
        let mut chain = self.chain.get();
        let block = match chain.unused_dedicated(room) {
            Some(block) => block,
            None => {
                let len = room
                    .checked_add(HEADER)
                    .and_then(bump::whole_pages)
                    .ok_or(AllocError::Layout)?;
                let block = self.take_block(len, layout.size())?;
                chain.insert_dedicated(block);
                block
            }
        };
        chain.last_dedicated = Some(block);

        let start = block.start();
        let at = start.addr().get();
        let dirty = block.dirty();
        let placed = bump::place(at, block.end(), layout.size(), layout.align());
        // `room` is what the worst alignment needs, and the block has it.
        let placed = placed.ok_or(AllocError::Layout)?;
        block.fill_to(placed.end);

        let mut figures = self.figures.get();
        figures.free_elsewhere -= block.capacity();
        figures.used_elsewhere += placed.end - at;
        figures.tail_waste += block.end() - placed.end;
        self.figures.set(figures);
        self.chain.set(chain);
        // Less of the budget is left for the current block.
        self.set_limit();
        Ok(Slot {
            // SAFETY: `place` keeps it within the block.
            start: unsafe { start.add(placed.start - at) },
            dirty,
        })
    }

    /// A new block of `len` bytes from the source, counted as free.
    fn take_block(&self, len: usize, requested: usize) -> Result<Block, AllocError> {
        let pages = self
            .source
            .take(len)
            .ok_or(AllocError::OutOfMemory { requested })?;
        // SAFETY: the source's promises, and the run is the arena's from here
        // on until it is dropped.
        let block = unsafe { Block::new(pages) };
        let mut figures = self.figures.get();
        figures.committed += len;
        figures.blocks += 1;
        figures.grows += 1;
        figures.free_elsewhere += block.capacity();
        self.figures.set(figures);
        Ok(block)
    }
}

impl Chain {
    /// The smallest dedicated block that is not in use and has `room` bytes of
    /// room, moved to stand right behind those in use.
    ///
    /// Smallest and not first, so that requests of the same sizes find the same
    /// blocks in whatever order they come, and memory stops growing.
    fn unused_dedicated(&mut self, room: usize) -> Option<Block> {
        let mut before = self.last_dedicated;
        let mut best: Option<(Option<Block>, Block)> = None;
        while let Some(block) = self.dedicated_after(before) {
            let smaller = best.is_none_or(|(_, best)| block.capacity() < best.capacity());
            if block.capacity() >= room && smaller {
                best = Some((before, block));
            }
            before = Some(block);
        }
        let (before, block) = best?;
        if before != self.last_dedicated {
            before?.set_next(block.next());
            self.insert_dedicated(block);
        }
        Some(block)
    }

    /// The dedicated block behind `before`, or the first one.
    pub(super) fn dedicated_after(&self, before: Option<Block>) -> Option<Block> {
        before.map_or(self.dedicated, Block::next)
    }

    /// Puts `block` right behind the dedicated blocks in use.
    fn insert_dedicated(&mut self, block: Block) {
        block.set_next(self.dedicated_after(self.last_dedicated));
        match self.last_dedicated {
            Some(last) => last.set_next(Some(block)),
            None => self.dedicated = Some(block),
        }
    }
}

const fn needs_no_drop<T>() {
    assert!(
        !core::mem::needs_drop::<T>(),
        "an arena never drops what it holds: allocate a type without `Drop`, such as `&str` \
         from `strdup` for a `String`, or a slice from `alloc_slice_copy` for a `Vec`"
    );
}
