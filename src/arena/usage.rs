//! The figures of an arena, each defined where it is declared.

use core::cell::Cell;

use super::block::HEADER;

/// A number that changes through a shared reference, by itself: as one value
/// they would all be copied for each that changes.
pub(super) struct Count(Cell<usize>);

impl Count {
    const fn new() -> Self {
        Self(Cell::new(0))
    }

    pub(super) fn get(&self) -> usize {
        self.0.get()
    }

    pub(super) fn set(&self, value: usize) {
        self.0.set(value);
    }

    pub(super) fn add(&self, more: usize) {
        self.set(self.get() + more);
    }

    pub(super) fn subtract(&self, less: usize) {
        self.set(self.get() - less);
    }

    /// Adds one to what may start anew.
    pub(super) fn tick(&self) {
        self.set(self.get().wrapping_add(1));
    }
}

/// What cannot be read off the cursor and the current block.
pub(super) struct Figures {
    /// Handed out of blocks other than the current one.
    pub(super) used_elsewhere: Count,
    /// Left over in blocks that are full.
    pub(super) tail_waste: Count,
    pub(super) committed: Count,
    /// What was taken for small allocations, as far as it matters for the next
    /// step.
    pub(super) stepped: Count,
    pub(super) blocks: Count,
    pub(super) resets: Count,
    pub(super) grows: Count,
    /// Peak of the cycle before the last reset.
    pub(super) last_peak: Count,
    /// Peak of this cycle, as far as the cursor went back from it.
    pub(super) peak: Count,
    /// How many dedicated blocks were released before the reset.
    pub(super) released: Count,
}

impl Figures {
    pub(super) const fn new() -> Self {
        Self {
            used_elsewhere: Count::new(),
            tail_waste: Count::new(),
            committed: Count::new(),
            stepped: Count::new(),
            blocks: Count::new(),
            resets: Count::new(),
            grows: Count::new(),
            last_peak: Count::new(),
            peak: Count::new(),
            released: Count::new(),
        }
    }

    /// What all blocks can hold together.
    pub(super) fn capacity(&self) -> usize {
        self.committed.get() - self.blocks.get() * HEADER
    }

    /// Counts a block in.
    pub(super) fn count_in(&self, bytes: usize) {
        self.committed.add(bytes);
        self.blocks.add(1);
    }

    /// Counts a block out.
    pub(super) fn count_out(&self, bytes: usize) {
        self.committed.subtract(bytes);
        self.blocks.subtract(1);
    }

    /// Counts what was taken for small allocations, up to `largest`.
    pub(super) fn step_by(&self, bytes: usize, largest: usize) {
        self.stepped.set((self.stepped.get() + bytes).min(largest));
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

/// Of several arenas of one instance.
#[cfg(any(target_arch = "wasm32", test))]
impl Usage {
    /// Counts another arena in. The sums keep the identities that each one has; the
    /// budget, which is no sum, stays as it is.
    pub(crate) fn count_in(&mut self, other: &Self) {
        self.used += other.used;
        self.total_allocated += other.total_allocated;
        self.peak_used += other.peak_used;
        self.committed += other.committed;
        self.tail_waste += other.tail_waste;
        self.free += other.free;
        self.overhead += other.overhead;
        self.blocks += other.blocks;
        self.resets += other.resets;
        self.grows += other.grows;
    }
}
