//! The arena: a chain of blocks with a cursor and a limit.
//!
//! Lifetimes first. What an arena hands out lives until the arena is reset or
//! dropped, and both take the arena by `&mut` or by value: the compiler refuses
//! a reset while anything of it is in use. Blocks live as long as the arena;
//! pages live as long as the instance, since linear memory cannot shrink, and
//! pass from a dropped arena to the next through a pool.
//!
//! Policy second. A reset keeps every block and walks them again in the same
//! order, so that the second request of a kind finds the addresses of the
//! first. An allocation larger than a block gets a block of its own, which
//! never becomes the current one and has no say in the size of later blocks. A
//! budget bounds what a request may have, whatever memory there is.
//!
//! Mechanism last.
//!
//! ```text
//!            first                 current
//!              │                      │
//!              ▼                      ▼
//!  regular   [H│████████████░]──►[H│█████▏      ]──►[H│            ]──► ·
//!                           ▲             ▲     ▲
//!                   tail waste       cursor     limit
//!
//!  dedicated [H│████████████████████████████░░]──►[H│        ]──► ·
//! ```
//!
//! `H` is a header of 32 bytes. The two words on the fast path, cursor and
//! limit, lie in the arena itself, so that an allocation loads them without
//! following a pointer. The limit is where the block ends, or the budget if that
//! ends first: one comparison enforces both. Everything else is updated only
//! where the cursor changes block or goes back, and the figures are sums and
//! differences of it.

mod allocate;
#[cfg(feature = "allocator-api2")]
mod allocator;
mod block;
mod buffer;
mod bump;
mod error;
#[cfg(target_arch = "wasm32")]
mod linear;
mod pages;
#[cfg(any(target_arch = "wasm32", test))]
mod pool;
mod usage;

#[cfg(test)]
mod tests;

use core::cell::Cell;
use core::fmt;
use core::num::NonZero;
use core::ptr::NonNull;

use self::block::Block;

pub use self::buffer::Buffer;
pub use self::error::AllocError;
#[cfg(target_arch = "wasm32")]
pub use self::linear::LinearMemory;
#[cfg(not(target_family = "wasm"))]
pub use self::pages::HeapPages;
pub use self::pages::{PageSource, Pages};
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
/// Every method that allocates is fallible, and a failed one changes nothing.
/// Nothing here panics.
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
    /// or less where the budget ends before. Never below the cursor. Without a
    /// block it is where the cursor is, so that nothing of any size fits.
    limit: Cell<usize>,
    chain: Cell<Chain>,
    figures: Cell<Figures>,
    block_len: usize,
    /// Why the last allocation that failed did.
    failure: Cell<AllocError>,
    /// Bytes that may be handed out between two resets. The limit enforces it,
    /// at no cost to the fast path.
    budget: usize,
    source: P,
}

/// The blocks of an arena.
#[derive(Clone, Copy, Default)]
struct Chain {
    first: Option<Block>,
    current: Option<Block>,
    /// Blocks with one allocation each.
    dedicated: Option<Block>,
    /// The last of the dedicated blocks in use, which come first.
    last_dedicated: Option<Block>,
}

/// What cannot be read off the cursor and the current block.
#[derive(Clone, Copy, Default)]
struct Figures {
    /// Handed out of blocks other than the current one.
    used_elsewhere: usize,
    /// Left over in blocks that are full.
    tail_waste: usize,
    /// Room of blocks that are not in use yet.
    free_elsewhere: usize,
    committed: usize,
    blocks: usize,
    resets: usize,
    grows: usize,
    /// Peak of the cycle before the last reset.
    last_peak: usize,
    /// Peak of this cycle, as far as the cursor went back from it.
    peak: usize,
}

impl Arena {
    /// An arena with blocks of 64 KiB.
    ///
    /// Takes no memory: the first block is taken by the first allocation, so
    /// there is no failure to report, and a `static` can hold one.
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
        Self {
            cursor: Cell::new(NO_BLOCK),
            limit: Cell::new(NOWHERE),
            chain: Cell::new(Chain {
                first: None,
                current: None,
                dedicated: None,
                last_dedicated: None,
            }),
            figures: Cell::new(Figures {
                used_elsewhere: 0,
                tail_waste: 0,
                free_elsewhere: 0,
                committed: 0,
                blocks: 0,
                resets: 0,
                grows: 0,
                last_peak: 0,
                peak: 0,
            }),
            block_len: DEFAULT_BLOCK_SIZE,
            failure: Cell::new(AllocError::Layout),
            budget: usize::MAX,
            source,
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

    /// Takes everything back at once, and keeps every block.
    ///
    /// The blocks are used again in the same order, so that the same requests
    /// get the same addresses. The cost does not depend on how much was
    /// allocated. What was written stays until something else is written there:
    /// see [`scrub`](Self::scrub).
    pub fn reset(&mut self) {
        let used = self.used();
        let mut figures = self.figures.get();
        let mut chain = self.chain.get();

        if let Some(current) = chain.current {
            current.fill_to(self.cursor.get().addr().get());
        }
        figures.last_peak = figures.peak.max(used);
        figures.peak = 0;
        figures.resets = figures.resets.wrapping_add(1);
        figures.used_elsewhere = 0;
        figures.tail_waste = 0;
        figures.free_elsewhere = figures.committed - figures.blocks * block::HEADER;

        chain.current = chain.first;
        chain.last_dedicated = None;
        match chain.first {
            Some(first) => {
                figures.free_elsewhere -= first.capacity();
                self.cursor.set(first.start());
            }
            None => self.cursor.set(NO_BLOCK),
        }
        self.figures.set(figures);
        self.chain.set(chain);
        self.set_limit();
    }

    /// Puts the limit where the current block or the budget ends.
    fn set_limit(&self) {
        let limit = match self.chain.get().current {
            None => NOWHERE,
            Some(current) => {
                let elsewhere = self.figures.get().used_elsewhere;
                let allowed = self.budget.saturating_sub(elsewhere);
                // Down to a multiple of the alignment, which the cursor always
                // has; never behind the cursor, should the budget be spent.
                let allowed = allowed.min(current.capacity()) & !(bump::MIN_ALIGN - 1);
                let limit = current.start().addr().get() + allowed;
                limit.max(self.cursor.get().addr().get())
            }
        };
        self.limit.set(limit);
    }

    /// Overwrites with zeros what earlier requests have left in the room that
    /// is free now. Returns how many bytes it wrote.
    ///
    /// After a reset this is all that the request handed out and nothing that
    /// was never touched: a mark in each block tells how far it is dirty.
    /// Zeroed allocations profit from it, since they need not fill what is zero.
    ///
    /// ```
    /// let mut arena = lavandula::Arena::new();
    /// arena.strdup("a secret")?;
    /// arena.reset();
    /// assert_eq!(arena.scrub(), 8);
    /// assert_eq!(arena.scrub(), 0);
    /// # Ok::<(), lavandula::AllocError>(())
    /// ```
    pub fn scrub(&mut self) -> usize {
        let chain = self.chain.get();
        let mut written = 0;
        if let Some(current) = chain.current {
            // SAFETY: `&mut self` and the lifetimes of what the arena hands out
            // leave no reference to anything from the cursor on.
            written += unsafe { current.scrub(self.cursor.get().addr().get()) };
        }
        for rest in [
            chain.current.and_then(Block::next),
            chain.dedicated_after(chain.last_dedicated),
        ] {
            for block in walk(rest) {
                // SAFETY: nothing was handed out of this block since the reset.
                written += unsafe { block.scrub(block.start().addr().get()) };
            }
        }
        written
    }

    /// Bytes handed out since the last reset, padding for alignment included.
    pub fn used(&self) -> usize {
        let in_current = match self.chain.get().current {
            Some(block) => self.cursor.get().addr().get() - block.start().addr().get(),
            None => 0,
        };
        self.figures.get().used_elsewhere + in_current
    }

    /// What all blocks can hold together, their headers not counted. It grows
    /// with the largest request and never shrinks.
    pub fn total_allocated(&self) -> usize {
        let figures = self.figures.get();
        figures.committed - figures.blocks * block::HEADER
    }

    /// All figures at once.
    pub fn usage(&self) -> Usage {
        let figures = self.figures.get();
        let used = self.used();
        let in_current = match self.chain.get().current {
            Some(current) => current.end() - self.cursor.get().addr().get(),
            None => 0,
        };
        Usage {
            used,
            total_allocated: self.total_allocated(),
            peak_used: figures.last_peak.max(figures.peak).max(used),
            committed: figures.committed,
            tail_waste: figures.tail_waste,
            free: figures.free_elsewhere + in_current,
            overhead: figures.blocks * block::HEADER,
            blocks: figures.blocks,
            resets: figures.resets,
            grows: figures.grows,
            budget: (self.budget != usize::MAX).then_some(self.budget),
        }
    }

    /// Takes the first block now, so that the first request need not.
    ///
    /// # Errors
    /// [`AllocError::OutOfMemory`] where the source has no pages.
    pub fn prepare(&mut self) -> Result<(), AllocError> {
        match self.chain.get().current {
            Some(_) => Ok(()),
            None => self.enter_next_block(self.block_len),
        }
    }

    /// The bytes `at..at + len`, where all of them were handed out since the
    /// last reset. For doors through which addresses come as plain numbers.
    #[cfg(any(feature = "arena-guest", test))]
    pub(crate) fn handed_out(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        let chain = self.chain.get();
        if let Some(current) = chain.current {
            let cursor = self.cursor.get().addr().get();
            if let Some(found) = current.handed_out(at, len, cursor) {
                return Some(found);
            }
        }
        let regular = walk(chain.first).take_while(|&block| Some(block) != chain.current);
        let dedicated = chain
            .last_dedicated
            .into_iter()
            .flat_map(|last| walk_to(chain.dedicated, last));
        regular
            .chain(dedicated)
            .find_map(|block| block.handed_out(at, len, block.filled()))
    }
}

impl<P: PageSource> Drop for Arena<P> {
    fn drop(&mut self) {
        let chain = self.chain.get();
        for first in [chain.first, chain.dedicated] {
            let mut at = first;
            while let Some(block) = at {
                at = block.next();
                // SAFETY: the run came whole from this source, and the arena,
                // the only owner of the block, is gone.
                unsafe { self.source.give_back(block.into_pages()) };
            }
        }
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

/// The blocks from `first` on.
fn walk(first: Option<Block>) -> impl Iterator<Item = Block> {
    core::iter::successors(first, |block| block.next())
}

/// The blocks from `first` to `last`, both included.
#[cfg(any(feature = "arena-guest", test))]
fn walk_to(first: Option<Block>, last: Block) -> impl Iterator<Item = Block> {
    let mut done = false;
    walk(first).take_while(move |&block| {
        let before = done;
        done |= block == last;
        !before
    })
}
