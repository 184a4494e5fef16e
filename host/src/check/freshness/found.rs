//! What was found, in numbers where it holds and in a sentence where it does not.

use std::fmt;

use thiserror::Error;

use super::pristine::Difference;
use super::slot::{End, Unseen};
use crate::failure::Failure;
use crate::limits::MemoryUse;

/// Why freshness does not hold, or is not known.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("{after}, the next instance was not new: {difference}")]
    Stale {
        after: String,
        difference: Difference,
    },
    #[error("{after}, the next instance was not in the same slot, so nothing is known of it")]
    Elsewhere { after: String },
    #[error("{after}, the next instance could not be looked at: {why}")]
    Unseen { after: String, why: Unseen },
    #[error("an instance in a slot that nobody had before could not be looked at: {0}")]
    UnseenAtFirst(Unseen),
    #[error("instances differ even in slots that nobody had before: {0}")]
    Unsteady(Difference),
    #[error("no instance for a request came to be: {0}")]
    NoInstance(Failure),
    #[error("a request of the plan is not valid: {0}")]
    Request(#[from] http::Error),
    #[error("no request was seen to write anything, so nothing is known")]
    NothingWritten,
}

/// What was tried, in numbers. Requests are counted by how they ended, which is
/// not always how they were meant to: a handler may need no more memory, or trap
/// by itself.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) answered: u64,
    pub(super) denied: u64,
    pub(super) trapped: u64,
    pub(super) late: u64,
    pub(super) dropped: u64,
    /// Of all of them, those in an instance that had answered before and was rewound.
    pub(super) rewound: u64,
    /// Ways of putting a slot back.
    pub(super) ways: usize,
    /// Bytes of memory that an instance starts with.
    pub(super) size: usize,
    /// Whether an instance was seen whose memory a request had changed. Without
    /// that, equal memories mean nothing.
    pub(super) written: bool,
    /// Whether there was no time for the rest.
    pub(super) cut: bool,
}

impl Tally {
    /// Counts an end, and says what it was.
    pub(super) fn count(&mut self, end: &End, memory: MemoryUse) -> &'static str {
        let (count, was) = match end {
            // Whatever the handler did then.
            _ if memory.denied > 0 => (&mut self.denied, "was denied memory"),
            End::Dropped => (&mut self.dropped, "was dropped"),
            End::Returned(Ok(_) | Err(Failure::BadResponse(_))) => {
                (&mut self.answered, "was answered")
            }
            End::Returned(Err(Failure::Deadline { .. })) => (&mut self.late, "ran out of time"),
            End::Returned(Err(_)) => (&mut self.trapped, "trapped"),
        };
        *count += 1;
        was
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.answered + self.denied + self.trapped + self.late + self.dropped;
        write!(
            f,
            "{requests} requests in one slot of the pool: {} answered, {} trapped, {} out of time, \
             {} dropped in the middle, {} denied memory; after each one all {} KiB of the next \
             instance were as in a slot never used and what it can grow into was zero, with {} \
             ways of putting a slot back",
            self.answered,
            self.trapped,
            self.late,
            self.dropped,
            self.denied,
            self.size / 1024,
            self.ways
        )?;
        if self.rewound > 0 {
            write!(
                f,
                "; {} of the requests were in an instance that had been rewound",
                self.rewound
            )?;
        }
        if self.cut {
            write!(f, "; there was no time for the rest")?;
        }
        Ok(())
    }
}
