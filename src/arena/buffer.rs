//! A byte string that grows in the arena: the sink for formatting and writing.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use core::slice;

use super::bump::MIN_ALIGN;
use super::{AllocError, Arena, DefaultPages, PageSource};

/// Smallest room that a buffer takes.
const FIRST: usize = 64;

/// Bytes in an arena that more are written to.
///
/// While nothing else is allocated it grows in place, without copying; else it
/// moves to twice the room. Implements [`core::fmt::Write`], and
/// `std::io::Write` with the feature `std`, so formatting, serde_json and
/// others write straight into the arena.
///
/// ```
/// use core::fmt::Write;
///
/// let arena = lavandula::Arena::new();
/// let mut buffer = arena.buffer();
/// write!(buffer, "{} + {} = {}", 1, 2, 1 + 2).unwrap();
/// assert_eq!(buffer.finish(), b"1 + 2 = 3");
/// ```
pub struct Buffer<'a, P: PageSource = DefaultPages> {
    arena: &'a Arena<P>,
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
}

impl<P: PageSource> Arena<P> {
    /// An empty buffer. Takes nothing until something is written to it.
    pub fn buffer(&self) -> Buffer<'_, P> {
        Buffer {
            arena: self,
            start: NonNull::dangling(),
            len: 0,
            capacity: 0,
        }
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
        self.start = unsafe { self.arena.grow(self.start, old, new) }?;
        self.capacity = capacity;
        Ok(())
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), AllocError> {
        self.reserve(bytes.len())?;
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

    /// What was written so far.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` were written.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// Ends the writing. Room that is left over goes back to the arena where
    /// nothing was allocated behind it.
    pub fn finish(self) -> &'a mut [u8] {
        if self.len > 0 {
            self.arena.resize_last(self.start, self.capacity, self.len);
        }
        // SAFETY: `len` bytes from `start` were written, and the buffer, the
        // only one to refer to them, is given up.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
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
