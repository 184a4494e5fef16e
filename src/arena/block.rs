//! Blocks: contiguous pieces of memory with a header, linked into chains.

use core::ptr::NonNull;

use super::bump::{PAGE, round_up};
use super::pages::Pages;

/// Bytes in front of each block's room. The same on every target, so that an
/// arena hands out the same offsets natively and in WebAssembly; a multiple of
/// 32, so that vectors of that width need no padding at the start of a block.
pub(super) const HEADER: usize = 32;

/// Largest block size that can be asked for.
const LARGEST: usize = 1 << 30;

#[repr(C, align(32))]
struct Header {
    next: Option<Block>,
    /// Bytes of the run, header included.
    len: usize,
    /// End of what was handed out, as an address: written when the cursor
    /// leaves the block, and for a dedicated block when it is handed out.
    filled: usize,
    /// Everything from this address to the end is zero.
    dirty: usize,
}

const _: () = assert!(size_of::<Header>() <= HEADER && PAGE.is_multiple_of(HEADER));

/// What a block is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// First byte, a multiple of 32. Its provenance covers the run.
    pub(super) start: NonNull<u8>,
    /// Bytes: a multiple of 8, more than a header.
    pub(super) len: usize,
    /// Everything from this address to the end is zero.
    pub(super) dirty: usize,
}

impl From<Pages> for Run {
    fn from(pages: Pages) -> Self {
        let start = pages.start.addr().get();
        Self {
            start: pages.start,
            len: pages.len,
            dirty: if pages.zeroed {
                start
            } else {
                start + pages.len
            },
        }
    }
}

impl From<Run> for Pages {
    fn from(run: Run) -> Self {
        Self {
            start: run.start,
            len: run.len,
            zeroed: run.dirty <= run.start.addr().get(),
        }
    }
}

/// A block that some arena owns.
///
/// Invariant: the pointer has provenance over the whole run and points to an
/// initialised header in its first bytes, which only `Block` touches; the run
/// lives until [`Block::end_of_use`]. [`Block::new`] establishes it and its
/// callers, all in `arena`, keep it: they drop every copy of a `Block` together
/// with the arena's other references to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block(NonNull<Header>);

impl Block {
    /// Makes a block of a run.
    ///
    /// # Safety
    /// The run is as [`Run`] says, valid for reads and writes, initialised, and
    /// used by nobody else until the block's end of use.
    pub(super) unsafe fn new(run: Run) -> Self {
        let block = Self(run.start.cast());
        let room = run.start.addr().get() + HEADER;
        // SAFETY: the run is longer than a header and aligned for it.
        unsafe {
            block.0.write(Header {
                next: None,
                len: run.len,
                filled: room,
                dirty: run.dirty.max(room),
            });
        }
        block
    }

    /// Ends the block and returns its run. The header is overwritten with zeros.
    pub(super) fn end_of_use(self) -> Run {
        let Header { len, dirty, .. } = self.header();
        let start = self.0.cast::<u8>();
        let at = start.addr().get();
        // SAFETY: the run begins with the header, which nobody needs any more.
        unsafe { start.write_bytes(0, HEADER) };
        Run {
            start,
            len,
            dirty: if dirty == at + HEADER { at } else { dirty },
        }
    }

    fn header(self) -> Header {
        // SAFETY: by the invariant the header is initialised and nobody holds a
        // reference to it; this reads a copy.
        unsafe { self.0.read() }
    }

    fn update(self, change: impl FnOnce(&mut Header)) {
        let mut header = self.header();
        change(&mut header);
        // SAFETY: as in `header`, and the pointer is valid for writes.
        unsafe { self.0.write(header) }
    }

    /// First byte of the run, header included.
    pub(super) fn run_start(self) -> NonNull<u8> {
        self.0.cast()
    }

    /// First byte of the room. Its provenance covers the block.
    pub(super) fn start(self) -> NonNull<u8> {
        // SAFETY: the run is longer than a header, so this stays within it.
        unsafe { self.0.cast::<u8>().add(HEADER) }
    }

    /// The byte at the address `at`, which lies in the room or right behind it.
    ///
    /// A pointer that comes back from whoever had an allocation may be good for
    /// that allocation only, if it went through a box or a reference. This one
    /// is good for the block.
    pub(super) fn at(self, at: usize) -> NonNull<u8> {
        let start = self.start();
        // SAFETY: within the room, by the contract.
        unsafe { start.add(at - start.addr().get()) }
    }

    /// Address behind the room.
    pub(super) fn end(self) -> usize {
        self.0.addr().get() + self.len()
    }

    /// Bytes of the run.
    pub(super) fn len(self) -> usize {
        self.header().len
    }

    /// Bytes of the room.
    pub(super) fn capacity(self) -> usize {
        self.len() - HEADER
    }

    pub(super) fn next(self) -> Option<Block> {
        self.header().next
    }

    pub(super) fn set_next(self, next: Option<Block>) {
        self.update(|header| header.next = next);
    }

    /// End of what was handed out of this block when the cursor left it.
    pub(super) fn filled(self) -> usize {
        self.header().filled
    }

    /// Notes that everything up to `cursor` was handed out, and so is dirty.
    pub(super) fn fill_to(self, cursor: usize) {
        self.update(|header| {
            header.filled = cursor;
            header.dirty = header.dirty.max(cursor);
        });
    }

    /// Address from which on the block is zero.
    pub(super) fn dirty(self) -> usize {
        self.header().dirty
    }

    /// Notes that what lies below `to` may not be zero.
    pub(super) fn dirty_to(self, to: usize) {
        self.update(|header| header.dirty = header.dirty.max(to));
    }

    /// Makes the block longer by `more` bytes, whose dirty part ends at `dirty`.
    ///
    /// # Safety
    /// The bytes lie right behind the block, were nobody's, and are covered by
    /// the provenance of the block's run.
    pub(super) unsafe fn extend(self, more: usize, dirty: usize) {
        let end = self.end();
        self.update(|header| {
            header.len += more;
            if dirty > end {
                header.dirty = dirty;
            }
        });
    }

    /// Cuts the block down to `len` bytes, and returns the rest.
    ///
    /// `len` is a multiple of 32 between a header and the block's length, and
    /// nothing behind it is handed out.
    pub(super) fn cut(self, len: usize) -> Run {
        let Header {
            len: whole, dirty, ..
        } = self.header();
        let cut = self.0.addr().get() + len;
        self.update(|header| {
            header.len = len;
            header.dirty = dirty.min(cut);
        });
        Run {
            // SAFETY: `len` is within the run.
            start: unsafe { self.0.cast::<u8>().add(len) },
            len: whole - len,
            dirty: dirty.max(cut),
        }
    }

    /// Overwrites what is dirty from `from`, an address within the room, with
    /// zeros. Returns the bytes written.
    ///
    /// # Safety
    /// Nothing refers to the room from `from` on.
    pub(super) unsafe fn scrub(self, from: usize) -> usize {
        let bytes = self.dirty().saturating_sub(from);
        if bytes > 0 {
            let offset = from - self.0.addr().get();
            // SAFETY: `from..dirty` lies within the room, and by the contract
            // of this function nothing refers to it.
            unsafe { self.0.cast::<u8>().add(offset).write_bytes(0, bytes) };
            self.update(|header| header.dirty = from);
        }
        bytes
    }

    /// Overwrites what was handed out before `filled` with `byte`.
    ///
    /// # Safety
    /// Nothing refers to it. `filled` lies within the room.
    pub(super) unsafe fn overwrite(self, filled: usize, byte: u8) {
        let start = self.start();
        // SAFETY: `start..filled` lies within the room, and by the contract of
        // this function nothing refers to it.
        unsafe { start.write_bytes(byte, filled - start.addr().get()) };
    }

    /// Whether `at` is the address of a byte of this block, header included.
    pub(super) fn contains(self, at: usize) -> bool {
        at.wrapping_sub(self.0.addr().get()) < self.len()
    }

    /// The bytes `at..at + len`, where all of them were handed out of this
    /// block before `filled`.
    #[cfg(any(feature = "arena-guest", test))]
    pub(super) fn handed_out(self, at: usize, len: usize, filled: usize) -> Option<NonNull<u8>> {
        let start = self.start();
        let offset = at.checked_sub(start.addr().get())?;
        if at.checked_add(len)? > filled {
            return None;
        }
        // SAFETY: `start + offset + len <= filled`, which lies in the block.
        Some(unsafe { start.add(offset) })
    }
}

/// The bytes of a block of the size asked for, or `None` where that size is not
/// one.
pub(super) const fn block_len(size: usize) -> Option<usize> {
    if size == 0 || !size.is_multiple_of(8) || size > LARGEST {
        return None;
    }
    round_up(size, PAGE)
}
