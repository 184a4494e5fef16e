//! The arena: a chain of blocks with a cursor and a limit.
//!
//! [The crate's documentation](crate#the-arena) says how it is used: lifetimes
//! first, policy second. This is the mechanism, and where each part of it is.
//!
//! ```text
//!             first                current
//!               |                     |
//!               v                     v
//! regular     [H|##########..]---->[H|######    :--]---->[H|            ]
//!                          ^                ^   ^
//!                    tail waste        cursor   limit, less what is held back
//!
//! dedicated   [H|############################.]---->[H|        ]
//! ```
//!
//! `H` is a header of 32 bytes. The two words of the fast path, cursor and
//! limit, lie in the arena itself, so that an allocation loads them without
//! following a pointer. The limit is where the block ends, or the budget if that
//! ends first, less what is held back: one comparison enforces all three.
//! Everything else is updated only where the cursor changes block or goes back,
//! and the figures are sums and differences of it.
//!
//! - `bump`: the arithmetic, on numbers alone. `pages`, `linear`, `pool`: where
//!   memory comes from. `block`, `chain`: how it is kept.
//! - `allocate`: the fast path. `refill`: what happens when the block is full:
//!   it grows in place, or the next one is entered, or one is taken.
//! - `resize`: what grows, shrinks and is freed before the reset. `reset`: the
//!   end of a request. `scope`: the end of a part of it.
//! - `buffer`, `owned`, `deferred`, `allocator`: what lives in an arena. `adopt`: what
//!   the arena of an instance needs besides.

#[cfg(any(target_arch = "wasm32", test))]
mod adopt;
mod allocate;
#[cfg(feature = "allocator-api2")]
mod allocator;
mod block;
mod buffer;
pub(crate) mod bump;
mod chain;
mod deferred;
mod error;
#[cfg(target_arch = "wasm32")]
pub(crate) mod linear;
mod owned;
mod pages;
mod policy;
#[cfg(any(target_arch = "wasm32", test))]
mod pool;
mod refill;
mod reset;
mod resize;
mod scope;
mod usage;

#[cfg(test)]
mod tests;

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZero;
use core::ptr::NonNull;

use self::chain::Chain;
use self::deferred::Deferred;
use self::scope::Lease;
use self::usage::Figures;

pub use self::buffer::Buffer;
pub use self::error::AllocError;
#[cfg(target_arch = "wasm32")]
pub use self::linear::LinearMemory;
pub use self::owned::ArenaBox;
#[cfg(not(target_family = "wasm"))]
pub use self::pages::HeapPages;
pub use self::pages::{PageSource, Pages};
pub use self::policy::{Reset, Scrub};
pub use self::scope::Scope;
pub use self::usage::Usage;

/// The page source of this target: linear memory in WebAssembly, the global
/// allocator elsewhere.
#[cfg(target_arch = "wasm32")]
pub type DefaultPages = LinearMemory;
/// The page source of this target: linear memory in WebAssembly, the global
/// allocator elsewhere.
#[cfg(not(target_family = "wasm"))]
pub type DefaultPages = HeapPages;

/// Size of a block where none is asked for: exactly one WebAssembly page.
pub const DEFAULT_BLOCK_SIZE: usize = bump::PAGE;

/// Memory for one request: many allocations, one end.
///
/// Every method that allocates is fallible, and a failed one changes nothing but
/// that blocks which are not in use may have gone back to the source. Nothing
/// here panics.
///
/// ```
/// use lavandula::Arena;
///
/// let mut arena = Arena::new();
/// let name = arena.strdup("lavandula")?;
/// let squares = arena.alloc_slice_fill_with(4, |i| i * i)?;
/// assert_eq!((&*name, &*squares), ("lavandula", &[0, 1, 4, 9][..]));
///
/// arena.reset();
/// assert_eq!(arena.used(), 0);
/// assert_eq!(arena.usage().committed, 64 * 1024); // kept for the next request
/// # Ok::<(), lavandula::AllocError>(())
/// ```
///
/// What was allocated cannot outlive the reset:
///
/// ```compile_fail,E0502
/// let mut arena = lavandula::Arena::new();
/// let text = arena.strdup("gone").unwrap();
/// arena.reset();
/// println!("{text}");
/// ```
pub struct Arena<P: PageSource = DefaultPages> {
    /// Where the next allocation goes: a multiple of 8, in the current block.
    cursor: Cell<NonNull<u8>>,
    /// How far the cursor may go, as an address: to the end of the current block,
    /// or less where the budget ends before or a reserve is held back. Never
    /// below the cursor. Without a block it is where the cursor is, so that
    /// nothing of any size fits.
    limit: Cell<usize>,
    chain: Cell<Chain>,
    figures: Figures,
    block_len: usize,
    /// Why the last allocation that failed did.
    failure: Cell<AllocError>,
    /// Bytes that may be handed out between two resets. The limit enforces it,
    /// at no cost to the fast path.
    budget: usize,
    reserve: usize,
    /// How much of the reserve is out of reach: all of it until it is opened.
    held_back: Cell<usize>,
    reset: Reset,
    scrub: Scrub,
    /// What the next reset has to drop, last first.
    deferred: Cell<Option<NonNull<Deferred>>>,
    source: Source<P>,
    /// Pages go back to where they came from: a source is not exchanged for one
    /// of another lifetime.
    invariant: PhantomData<Cell<P>>,
}

/// Where blocks come from.
enum Source<P: PageSource> {
    Pages(P),
    /// From the arena that this one is a scope of.
    Outer(Lease<P>),
}

impl Arena {
    /// An arena with blocks of 64 KiB.
    ///
    /// Takes no memory: the first block is taken by the first allocation, so
    /// there is no failure to report.
    ///
    /// A debug build overwrites what is given up with [`Scrub::POISON`], and a
    /// release build does not: see [`set_scrub`](Self::set_scrub).
    pub const fn new() -> Self {
        Self::with_source(DefaultPages {})
    }

    /// An arena whose blocks have `bytes` bytes, header included, rounded up
    /// to whole pages of 64 KiB.
    ///
    /// # Errors
    /// [`AllocError::BlockSize`] for zero, for what is no multiple of 8, and
    /// above 1 GiB.
    ///
    /// ```
    /// use lavandula::{AllocError, Arena};
    ///
    /// let arena = Arena::with_block_size(1024 * 1024)?;
    /// arena.calloc(1, 1)?;
    /// assert_eq!(arena.usage().committed, 1024 * 1024);
    /// assert_eq!(Arena::with_block_size(0).err(), Some(AllocError::BlockSize));
    /// # Ok::<(), AllocError>(())
    /// ```
    pub fn with_block_size(bytes: usize) -> Result<Self, AllocError> {
        let mut arena = Self::new();
        arena.block_len = block::block_len(bytes).ok_or(AllocError::BlockSize)?;
        Ok(arena)
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PageSource> Arena<P> {
    /// An arena over another source of pages, with blocks of 64 KiB.
    pub const fn with_source(source: P) -> Self {
        Self::over(Source::Pages(source), DEFAULT_BLOCK_SIZE, Scrub::OF_BUILD)
    }

    const fn over(source: Source<P>, block_len: usize, scrub: Scrub) -> Self {
        Self {
            cursor: Cell::new(NO_BLOCK),
            limit: Cell::new(NOWHERE),
            chain: Cell::new(Chain::EMPTY),
            figures: Figures::new(),
            block_len,
            failure: Cell::new(AllocError::Layout),
            budget: usize::MAX,
            reserve: 0,
            held_back: Cell::new(0),
            reset: Reset::RetainAll,
            scrub,
            deferred: Cell::new(None),
            source,
            invariant: PhantomData,
        }
    }

    /// Bounds what may be handed out between two resets, to the byte, padding
    /// included. `None` takes the bound away.
    ///
    /// What is handed out already stays, also where it is more than that.
    ///
    /// ```
    /// use lavandula::{AllocError, Arena};
    ///
    /// let mut arena = Arena::new();
    /// arena.set_budget(Some(100_000));
    /// arena.calloc(1, 99_992)?;
    /// assert_eq!(
    ///     arena.calloc(1, 16).err(),
    ///     Some(AllocError::Budget { requested: 16, remaining: 8 })
    /// );
    /// arena.calloc(1, 8)?;
    /// # Ok::<(), AllocError>(())
    /// ```
    pub fn set_budget(&mut self, bytes: Option<usize>) {
        self.budget = bytes.unwrap_or(usize::MAX);
        self.set_limit();
    }

    /// Holds back `bytes` of the current block and of the budget, until
    /// [`open_reserve`](Self::open_reserve): room to build an answer in when
    /// there is no other left.
    ///
    /// The reserve is there as soon as the arena has a block, and blocks that
    /// are left behind lose as much. It is rounded up to a multiple of eight, and
    /// half a block is the most.
    ///
    /// ```
    /// use lavandula::Arena;
    ///
    /// let mut arena = Arena::new();
    /// arena.set_budget(Some(10_000));
    /// arena.set_reserve(1_000);
    ///
    /// let error = loop {
    ///     if let Err(error) = arena.calloc(1, 64) {
    ///         break error;
    ///     }
    /// };
    /// arena.open_reserve();
    /// assert!(arena.alloc_fmt(format_args!("{{\"error\": \"{error}\"}}")).is_ok());
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    pub fn set_reserve(&mut self, bytes: usize) {
        let bytes = bytes.min(self.block_len / 2);
        self.reserve = bump::round_up(bytes, bump::MIN_ALIGN).unwrap_or(0);
        self.held_back.set(self.reserve);
        self.set_limit();
    }

    /// [`set_reserve`](Self::set_reserve) for an arena that has no block yet, in
    /// a constant.
    pub(crate) const fn with_reserve(mut self, bytes: usize) -> Self {
        self.reserve = bytes & !(bump::MIN_ALIGN - 1);
        self.held_back = Cell::new(self.reserve);
        self
    }

    /// Lets allocations have the [reserve](Self::set_reserve), until the next
    /// reset. In a scope it is that of the arena around it.
    pub fn open_reserve(&self) {
        if let Source::Outer(lease) = &self.source {
            lease.outer().open_reserve();
        }
        self.held_back.set(0);
        self.set_limit();
    }

    /// Says what a reset keeps.
    pub const fn set_reset(&mut self, reset: Reset) {
        self.reset = reset;
    }

    /// Says what becomes of bytes that are given up.
    pub const fn set_scrub(&mut self, scrub: Scrub) {
        self.scrub = scrub;
    }

    /// Puts the limit where the current block or the budget ends.
    fn set_limit(&self) {
        let limit = match self.chain.get().current {
            None => NOWHERE,
            Some(current) => {
                let elsewhere = self.figures.used_elsewhere.get();
                let allowed = self
                    .budget
                    .saturating_sub(elsewhere)
                    .min(current.capacity());
                // Down to a multiple of the alignment, which the cursor always
                // has; never behind the cursor, should the budget be spent.
                let allowed = allowed.saturating_sub(self.held_back.get());
                let allowed = allowed & !(bump::MIN_ALIGN - 1);
                let limit = current.start().addr().get() + allowed;
                limit.max(self.cursor.get().addr().get())
            }
        };
        self.limit.set(limit);
    }

    /// Bytes handed out since the last reset, padding for alignment included.
    pub fn used(&self) -> usize {
        let in_current = match self.chain.get().current {
            Some(block) => self.cursor.get().addr().get() - block.start().addr().get(),
            None => 0,
        };
        self.figures.used_elsewhere.get() + in_current
    }

    /// What all blocks can hold together, their headers not counted. It grows
    /// with the largest request, and shrinks only by [`Reset::Retain`].
    pub fn total_allocated(&self) -> usize {
        self.figures.capacity()
    }

    /// All figures at once.
    pub fn usage(&self) -> Usage {
        let figures = &self.figures;
        let used = self.used();
        let tail_waste = figures.tail_waste.get();
        let peak = figures.peak.get().max(used);
        Usage {
            used,
            total_allocated: figures.capacity(),
            peak_used: figures.last_peak.get().max(peak),
            committed: figures.committed.get(),
            tail_waste,
            free: figures.capacity() - used - tail_waste,
            overhead: figures.blocks.get() * block::HEADER,
            blocks: figures.blocks.get(),
            resets: figures.resets.get(),
            grows: figures.grows.get(),
            budget: (self.budget != usize::MAX).then_some(self.budget),
        }
    }

    /// Takes the first block now, so that the first request need not.
    ///
    /// # Errors
    /// [`AllocError::OutOfMemory`] where the source has no pages.
    pub fn prepare(&self) -> Result<(), AllocError> {
        match self.chain.get().current {
            Some(_) => Ok(()),
            None => self.enter_next_block(Layout::new::<u64>()),
        }
    }

    /// The bytes `at..at + len`, where all of them were handed out since the
    /// last reset. For doors through which addresses come as plain numbers.
    ///
    /// Of no bytes all were, wherever: they are handed out where there is no block.
    #[cfg(any(feature = "arena-guest", test))]
    pub(crate) fn handed_out(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        if len == 0 {
            return Some(NonNull::dangling());
        }
        let chain = self.chain.get();
        if let Some(current) = chain.current {
            let cursor = self.cursor.get().addr().get();
            if let Some(found) = current.handed_out(at, len, cursor) {
                return Some(found);
            }
        }
        chain
            .left_behind()
            .chain(chain.dedicated_in_use())
            .find_map(|block| block.handed_out(at, len, block.filled()))
    }
}

impl<P: PageSource> fmt::Debug for Arena<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

/// Where the cursor is without a block: not null, aligned, and good for
/// allocations without a size.
const NO_BLOCK: NonNull<u8> =
    NonNull::without_provenance(NonZero::new(NOWHERE).expect("it is not zero"));

/// Its address.
const NOWHERE: usize = bump::MIN_ALIGN;
