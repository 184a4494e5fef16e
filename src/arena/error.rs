//! Why an allocation failed. A failed call changes nothing.

use core::fmt;

/// Why an arena could not do what was asked.
///
/// Small and `Copy`, to be passed up with `?` from every allocation of a handler.
///
/// ```
/// use lavandula::{AllocError, Arena};
///
/// let arena = Arena::new();
/// assert_eq!(arena.calloc(usize::MAX, 8), Err(AllocError::Layout));
/// assert_eq!(arena.used(), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllocError {
    /// The page source has no pages for this many more bytes: linear memory is
    /// at its maximum, or the host denied the growth.
    OutOfMemory {
        /// Bytes of the request that failed.
        requested: usize,
    },
    /// The budget of the arena does not allow it, whatever memory there is.
    Budget {
        /// Bytes that it would have taken, padding included.
        requested: usize,
        /// Bytes that the budget has left.
        remaining: usize,
    },
    /// No address space can hold it: a count times a size that overflows, or a
    /// size near `usize::MAX`.
    Layout,
    /// A block size of zero, not a multiple of eight, or above 1 GiB.
    BlockSize,
    /// A value refused to be formatted. Its `Display` or `Debug` returned an
    /// error that was none of the arena's.
    Format,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory { requested } => {
                write!(f, "no pages left for an allocation of {requested} bytes")
            }
            Self::Budget {
                requested,
                remaining,
            } => {
                write!(
                    f,
                    "the budget has {remaining} bytes left for an allocation of {requested}"
                )
            }
            Self::Layout => f.write_str("the size is larger than any address space"),
            Self::BlockSize => {
                f.write_str("a block size is a multiple of 8 bytes, above 0 and at most 1 GiB")
            }
            Self::Format => f.write_str("a value refused to be formatted"),
        }
    }
}

impl core::error::Error for AllocError {}
