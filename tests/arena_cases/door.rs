//! What a door of the arena can be asked for, and how it refuses.

use crate::table::Fault;

/// An arena behind a door, by the order in which they were made.
pub type Arena = usize;

/// Bytes that were handed out.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub arena: Arena,
    pub at: u64,
    pub length: u64,
    /// How many resets the arena had then.
    pub resets: u64,
}

/// A way to call the arena. What a door does not have it refuses as
/// [`Refusal::Unsaid`].
pub trait Door {
    /// The largest number that it takes for a size.
    fn largest_size(&self) -> u64;
    fn create(&mut self, block_size: Option<u64>) -> Result<Arena, Refusal>;
    fn alloc(&mut self, arena: Arena, size: u64, align: Option<u64>) -> Result<Place, Refusal>;
    fn calloc(&mut self, arena: Arena, count: u64, size: u64) -> Result<Place, Refusal>;
    fn strdup(&mut self, arena: Arena, text: &str) -> Result<Place, Refusal>;
    fn strndup(&mut self, arena: Arena, text: &str, max: u64) -> Result<Place, Refusal>;
    fn read(&mut self, place: Place, from: u64, length: u64) -> Result<Vec<u8>, Refusal>;
    fn write(&mut self, place: Place, from: u64, bytes: &[u8]) -> Result<(), Refusal>;
    fn reset(&mut self, arena: Arena) -> Result<(), Refusal>;
    fn free(&mut self, arena: Arena) -> Result<(), Refusal>;
    fn set_budget(&mut self, arena: Arena, bytes: Option<u64>) -> Result<(), Refusal>;
    fn figures(&mut self, arena: Arena) -> Result<Figures, Refusal>;
}

/// The figures of an arena, by all the ways in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// What `used()` and `total_allocated()` say.
    pub told: [u64; 2],
    pub used: u64,
    pub total_allocated: u64,
    pub peak_used: u64,
    pub committed: u64,
    pub tail_waste: u64,
    pub free: u64,
    pub overhead: u64,
    pub blocks: u64,
    pub resets: u64,
    pub grows: u64,
    pub budget: Option<u64>,
}

impl Figures {
    /// A figure by the name that the table has for it. `None` is no budget.
    pub fn figure(&self, name: &str) -> Result<Option<u64>, String> {
        Ok(Some(match name {
            "used" => self.used,
            "total-allocated" => self.total_allocated,
            "peak-used" => self.peak_used,
            "committed" => self.committed,
            "tail-waste" => self.tail_waste,
            "free" => self.free,
            "overhead" => self.overhead,
            "blocks" => self.blocks,
            "resets" => self.resets,
            "grows" => self.grows,
            "budget" => return Ok(self.budget),
            _ => return Err(format!("{name:?} is no figure")),
        }))
    }

    /// What holds after every operation.
    pub fn check(&self) -> Result<(), String> {
        let sum = self.used + self.tail_waste + self.free + self.overhead;
        let holds = self.told == [self.used, self.total_allocated]
            && self.committed == sum
            && self.total_allocated == self.committed - self.overhead
            && self.overhead == self.blocks * 32
            && self.committed.is_multiple_of(65_536)
            && self.peak_used >= self.used
            && self.grows >= self.blocks;
        holds
            .then_some(())
            .ok_or_else(|| format!("the figures contradict each other: {self:?}"))
    }
}

/// How a door says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    OutOfMemory {
        requested: u64,
    },
    Budget {
        requested: u64,
        remaining: u64,
    },
    Layout,
    BlockSize,
    /// An address of nothing that is handed out: WIT does not tell what a reset took
    /// back from what never was.
    StaleAddress,
    /// More bytes than the slice has.
    Outside,
    Freed,
    /// The door has no such thing. No expectation is met by it.
    Unsaid(&'static str),
    /// Nothing that an arena may say.
    Other(String),
}

impl Refusal {
    /// Whether it is this fault.
    pub fn is(&self, fault: Fault) -> bool {
        match self {
            Self::OutOfMemory { .. } => fault == Fault::OutOfMemory,
            Self::Budget { .. } => fault == Fault::Budget,
            Self::Layout => fault == Fault::Layout,
            Self::BlockSize => fault == Fault::BlockSize,
            Self::StaleAddress => matches!(fault, Fault::Stale | Fault::Outside),
            Self::Outside => fault == Fault::Outside,
            Self::Freed => fault == Fault::Freed,
            Self::Unsaid(_) | Self::Other(_) => false,
        }
    }
}
