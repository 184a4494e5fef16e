//! What a run did, in numbers that are the same wherever it ran.

use alloc::vec::Vec;

use lavandula::{AllocError, Usage};

use crate::PAGE;

/// One operation: what it was, what became of it, and where the arena is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number of the arena or scope.
    pub arena: u32,
    pub outcome: Outcome,
    /// `used`, `peak_used`, `committed`, `tail_waste`, `free`, `blocks`,
    /// `grows`.
    pub usage: [u32; 7],
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to do it with.
    Skipped,
    /// Done, with a number where there is one to tell.
    Done(u32),
    /// An allocation at this address, modulo a page.
    At(u32),
    OutOfMemory {
        requested: u32,
    },
    Budget {
        requested: u32,
        remaining: u32,
    },
    Layout,
    /// Another error, or one of `Allocator`, which does not say which.
    Refused,
}

impl Outcome {
    pub fn at(address: usize) -> Self {
        Self::At((address % PAGE) as u32)
    }

    pub fn error(error: AllocError) -> Self {
        match error {
            AllocError::OutOfMemory { requested } => Self::OutOfMemory {
                requested: number(requested),
            },
            AllocError::Budget {
                requested,
                remaining,
            } => Self::Budget {
                requested: number(requested),
                remaining: number(remaining),
            },
            AllocError::Layout => Self::Layout,
            _ => Self::Refused,
        }
    }

    /// Whether the operation was tried and did nothing.
    pub fn failed(&self) -> bool {
        !matches!(self, Self::Skipped | Self::Done(_) | Self::At(_))
    }

    fn words(self) -> [u32; 3] {
        match self {
            Self::Skipped => [0, 0, 0],
            Self::Done(number) => [1, number, 0],
            Self::At(address) => [2, address, 0],
            Self::OutOfMemory { requested } => [3, requested, 0],
            Self::Budget {
                requested,
                remaining,
            } => [4, requested, remaining],
            Self::Layout => [5, 0, 0],
            Self::Refused => [6, 0, 0],
        }
    }

    fn from_words([kind, first, second]: [u32; 3]) -> Self {
        match kind {
            0 => Self::Skipped,
            1 => Self::Done(first),
            2 => Self::At(first),
            3 => Self::OutOfMemory { requested: first },
            4 => Self::Budget {
                requested: first,
                remaining: second,
            },
            5 => Self::Layout,
            _ => Self::Refused,
        }
    }
}

/// A number that is the same on every target: sizes beyond any memory, which
/// depend on the width of a pointer, are all one.
fn number(bytes: usize) -> u32 {
    if bytes >= 1 << 30 {
        u32::MAX
    } else {
        bytes as u32
    }
}

/// What a run did, operation by operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    pub steps: Vec<Step>,
}

/// Words that a step is written as.
const WORDS: usize = 11;

impl Transcript {
    pub(crate) fn note(&mut self, arena: u32, outcome: Outcome, usage: &Usage) {
        self.steps.push(Step {
            arena,
            outcome,
            usage: [
                usage.used,
                usage.peak_used,
                usage.committed,
                usage.tail_waste,
                usage.free,
                usage.blocks,
                usage.grows,
            ]
            .map(number),
        });
    }

    /// How many operations failed.
    pub fn failed(&self) -> usize {
        let failed = |step: &&Step| step.outcome.failed();
        self.steps.iter().filter(failed).count()
    }

    /// The transcript as bytes, for whoever has no share of this memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.steps.iter().flat_map(|step| {
            let [a, b, c] = step.outcome.words();
            let [u, v, w, x, y, z, t] = step.usage;
            [step.arena, a, b, c, u, v, w, x, y, z, t]
        });
        words.flat_map(u32::to_le_bytes).collect()
    }

    /// The transcript that was written as these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let (steps, _) = words.as_chunks::<WORDS>();
        let step = |&[arena, a, b, c, u, v, w, x, y, z, t]: &[u32; WORDS]| Step {
            arena,
            outcome: Outcome::from_words([a, b, c]),
            usage: [u, v, w, x, y, z, t],
        };
        Self {
            steps: steps.iter().map(step).collect(),
        }
    }
}
