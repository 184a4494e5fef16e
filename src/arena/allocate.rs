//! Allocation: the fast path, and the typed methods on top.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;

use super::bump::{self, MIN_ALIGN, PAGE};
use super::{AllocError, Arena, PageSource};

impl<P: PageSource> Arena<P> {
    /// Memory for `layout`, which may be uninitialised. Zero bytes succeed.
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
        let slot = self.alloc_slot(layout)?;
        let start = slot.start.addr().get();
        let dirty = slot.dirty.saturating_sub(start).min(layout.size());
        // SAFETY: `dirty` is at most the size of what was just handed out.
        unsafe { slot.start.write_bytes(0, dirty) };
        Ok(slot.start)
    }

    /// Moves `value` into the arena.
    ///
    /// A type that needs `Drop` does not compile here, since the arena would
    /// never drop it: see [`alloc_owned`](Self::alloc_owned) and
    /// [`alloc_deferred`](Self::alloc_deferred).
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
        let small = const { size_of::<T>() < PAGE && align_of::<T>() <= MIN_ALIGN };
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

    /// A slice of `len` elements, each made by `make` from its index. Should
    /// `make` panic, the room stays in use until the reset.
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
    pub(crate) fn bump(&self, layout: Layout) -> Option<NonNull<u8>> {
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
}

const fn needs_no_drop<T>() {
    assert!(
        !core::mem::needs_drop::<T>(),
        "an arena does not drop what it holds: use `alloc_owned` or `alloc_deferred`, or a type \
         without `Drop`, such as the `&str` of `strdup` for a `String`"
    );
}
