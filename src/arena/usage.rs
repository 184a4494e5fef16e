//! The figures of an arena, each defined where it is declared.

use super::block::HEADER;

/// What cannot be read off the cursor and the current block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Handed out of blocks other than the current one.
    pub(super) used_elsewhere: usize,
    /// Left over in blocks that are full.
    pub(super) tail_waste: usize,
    /// Room of blocks that are not in use.
    pub(super) free_elsewhere: usize,
    pub(super) committed: usize,
    /// What was taken for small allocations, as far as it matters for the next
    /// step.
    pub(super) stepped: usize,
    pub(super) blocks: usize,
    pub(super) resets: usize,
    pub(super) grows: usize,
    /// Peak of the cycle before the last reset.
    pub(super) last_peak: usize,
    /// Peak of this cycle, as far as the cursor went back from it.
    pub(super) peak: usize,
    /// How many dedicated blocks were released before the reset.
    pub(super) released: usize,
}

impl Figures {
    pub(super) const ZERO: Self = Self {
        used_elsewhere: 0,
        tail_waste: 0,
        free_elsewhere: 0,
        committed: 0,
        stepped: 0,
        blocks: 0,
        resets: 0,
        grows: 0,
        last_peak: 0,
        peak: 0,
        released: 0,
    };

    /// What all blocks can hold together.
    pub(super) const fn capacity(&self) -> usize {
        self.committed - self.blocks * HEADER
    }
}

/// What an arena holds, in bytes unless said otherwise.
///
/// After every operation two identities hold, and a test says so after every
/// operation:
/// - `committed = used + tail_waste + free + overhead`
/// - `total_allocated = committed - overhead`
///
/// ```
/// use lavandula::Arena;
///
/// let arena = Arena::new();
/// arena.strdup("a request")?;
/// let usage = arena.usage();
/// assert_eq!(usage.used, 16); // nine bytes, rounded up to the alignment
/// assert_eq!(usage.committed, 64 * 1024);
/// assert_eq!(usage.committed, usage.used + usage.tail_waste + usage.free + usage.overhead);
/// # Ok::<(), lavandula::AllocError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Handed out since the last reset, padding for alignment included. Blocks
    /// that a [`Scope`](crate::Scope) has are handed out to it until it ends.
    pub used: usize,
    /// What all blocks can hold together, their headers not counted.
    pub total_allocated: usize,
    /// The largest `used` between the last two resets, or since the last one
    /// where that is larger: what the last invocation needed, until the next
    /// one needs more.
    pub peak_used: usize,
    /// Memory that the arena's blocks occupy.
    pub committed: usize,
    /// Unused ends of blocks that the cursor has left behind.
    pub tail_waste: usize,
    /// What can still be handed out without another page. A single allocation
    /// may be smaller than this and still need one.
    pub free: usize,
    /// Block headers.
    pub overhead: usize,
    /// How many blocks the arena owns.
    pub blocks: usize,
    /// How many times the arena was reset.
    pub resets: usize,
    /// How many times the arena asked its source for pages and got them.
    pub grows: usize,
    /// The most that may be handed out between two resets, where there is a
    /// bound. `used` is more only if it was when the bound was set.
    pub budget: Option<usize>,
}
