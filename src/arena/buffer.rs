//! A byte string that grows in the arena: the sink for formatting and writing.

use core::alloc::Layout;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::slice;

use super::bump::MIN_ALIGN;
use super::{AllocError, Arena, DefaultPages, PageSource};

/// Smallest room that a buffer takes.
const FIRST: usize = 64;

/// Bytes in an arena that more are written to.
///
/// While nothing else is allocated it grows in place, without copying; else it
/// moves to twice the room. `write!` works on it, with an [`AllocError`] where
/// there is no room. It implements [`core::fmt::Write`] as well, and
/// `std::io::Write` with the feature `std`, so that serde_json and others write
/// straight into the arena. (The error of the latter has the kind `OutOfMemory`
/// and the [`AllocError`] inside.)
///
/// ```
/// let arena = lavandula::Arena::new();
/// let mut buffer = arena.buffer();
/// buffer.push(b"sum: ")?;
/// write!(buffer, "{} + {} = {}", 1, 2, 1 + 2)?;
/// assert_eq!(buffer.finish(), b"sum: 1 + 2 = 3");
/// # Ok::<(), lavandula::AllocError>(())
/// ```
#[must_use = "`finish` returns what was written"]
pub struct Buffer<'a, P: PageSource = DefaultPages> {
    arena: &'a Arena<P>,
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
    /// Why the last write that failed did.
    failure: Option<AllocError>,
}

impl<P: PageSource> Arena<P> {
    /// An empty buffer. Takes nothing until something is written to it.
    pub fn buffer(&self) -> Buffer<'_, P> {
        Buffer {
            arena: self,
            start: NonNull::dangling(),
            len: 0,
            capacity: 0,
            failure: None,
        }
    }

    /// Text formatted into the arena: `format!` for arenas.
    ///
    /// # Errors
    /// As [`alloc_layout`](Self::alloc_layout), and [`AllocError::Format`] where
    /// a value refuses to be formatted. What was written until then may stay in
    /// use until the reset.
    ///
    /// ```
    /// let arena = lavandula::Arena::new();
    /// let link = arena.alloc_fmt(format_args!("/user/{}?page={}", "lavandula", 2))?;
    /// assert_eq!(link, "/user/lavandula?page=2");
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    #[expect(clippy::mut_from_ref, reason = "each call hands out other bytes")]
    pub fn alloc_fmt(&self, text: fmt::Arguments<'_>) -> Result<&mut str, AllocError> {
        if let Some(text) = text.as_str() {
            return self.strdup(text);
        }
        let mut buffer = self.buffer();
        buffer.write_fmt(text)?;
        // SAFETY: only `write_str` wrote to the buffer.
        Ok(unsafe { core::str::from_utf8_unchecked_mut(buffer.finish()) })
    }
}

impl<'a, P: PageSource> Buffer<'a, P> {
    /// Makes room for `more` bytes behind what is there.
    ///
    /// # Errors
    /// [`AllocError`] where the arena has no room; the buffer is as it was.
    pub fn reserve(&mut self, more: usize) -> Result<(), AllocError> {
        let needed = self.len.checked_add(more).ok_or(AllocError::Layout)?;
        if needed <= self.capacity {
            return Ok(());
        }
        // Doubling keeps the copies of a growing buffer few. Where that much is
        // not to be had, what is needed may be.
        let generous = needed.max(FIRST).max(self.capacity.saturating_mul(2));
        self.grow_to(generous).or_else(|_| self.grow_to(needed))
    }

    fn grow_to(&mut self, capacity: usize) -> Result<(), AllocError> {
        let old = layout(self.capacity)?;
        let new = layout(capacity)?;
        // SAFETY: `start` was handed out by this arena for `old`, or `old` has
        // no size; the buffer uses only the new memory from here on. No reset
        // can lie between, since the buffer borrows the arena.
        self.start = unsafe { self.arena.grow_slot(self.start, old, new) }?.start;
        self.capacity = capacity;
        Ok(())
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), AllocError> {
        self.reserve(bytes.len())
            .inspect_err(|&error| self.failure = Some(error))?;
        // SAFETY: the room was just made, and it is apart from `bytes`: nothing
        // else refers to the memory of this buffer.
        unsafe {
            self.start
                .add(self.len)
                .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        self.len += bytes.len();
        Ok(())
    }

    /// Appends formatted text: what `write!` calls.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), with what was written until then still
    /// there; and [`AllocError::Format`] where a value refuses to be formatted.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<(), AllocError> {
        self.failure = None;
        let written = fmt::Write::write_fmt(self, text);
        // A value may have kept the error to itself.
        match (self.failure, written) {
            (Some(error), _) => Err(error),
            (None, Err(fmt::Error)) => Err(AllocError::Format),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Why the last write that failed did, for writers that turn it into an
    /// error without a cause, as those to a [`core::fmt::Write`] do.
    ///
    /// ```
    /// use core::fmt::Write;
    /// use lavandula::{AllocError, Arena};
    ///
    /// let mut arena = Arena::new();
    /// arena.set_budget(Some(100));
    /// let mut buffer = arena.buffer();
    /// let written = buffer.write_str(&"lavender ".repeat(20));
    /// let why = written.map_err(|_| buffer.failure());
    /// assert!(matches!(why, Err(Some(AllocError::Budget { .. }))));
    /// ```
    pub fn failure(&self) -> Option<AllocError> {
        self.failure
    }

    /// What was written so far.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` were written.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Ends the writing. Room that is left over goes back to the arena where
    /// nothing was allocated behind it.
    pub fn finish(self) -> &'a mut [u8] {
        let this = ManuallyDrop::new(self);
        if this.len == 0 {
            this.arena.free(this.start, this.capacity);
            return &mut [];
        }
        this.arena.resize(this.start, this.capacity, this.len);
        // SAFETY: `len` bytes from `start` were written, and the buffer, the
        // only one to refer to them, is given up.
        unsafe { slice::from_raw_parts_mut(this.start.as_ptr(), this.len) }
    }
}

/// A buffer that is not finished gives its room back to the arena, where nothing
/// was allocated behind it.
impl<P: PageSource> Drop for Buffer<'_, P> {
    fn drop(&mut self) {
        self.arena.free(self.start, self.capacity);
    }
}

fn layout(bytes: usize) -> Result<Layout, AllocError> {
    Layout::from_size_align(bytes, MIN_ALIGN).map_err(|_| AllocError::Layout)
}

impl<P: PageSource> fmt::Write for Buffer<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

#[cfg(feature = "std")]
impl<P: PageSource> std::io::Write for Buffer<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes)
            .map_err(|error| std::io::Error::new(std::io::ErrorKind::OutOfMemory, error))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<P: PageSource> fmt::Debug for Buffer<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
