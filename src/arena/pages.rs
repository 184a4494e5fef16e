//! Where an arena's pages come from: the trait, and the source for native code.

#[cfg(not(target_family = "wasm"))]
use core::alloc::Layout;
use core::ptr::NonNull;

#[cfg(not(target_family = "wasm"))]
use super::bump::PAGE;

/// A run of whole pages, contiguous and owned by whoever holds this value.
#[derive(Debug)]
pub struct Pages {
    /// First byte, a multiple of 64 KiB. Its provenance covers the whole run.
    pub start: NonNull<u8>,
    /// Bytes, a multiple of 64 KiB.
    pub len: usize,
    /// Whether every byte is known to be zero.
    pub zeroed: bool,
}

/// A source of pages for arenas.
///
/// Two exist: `LinearMemory` for WebAssembly, where it is the default, and
/// `HeapPages` for native code. Tests bring their own to make every request
/// fail that they like.
///
/// All lengths are in bytes, and multiples of 64 KiB above zero.
///
/// # Safety
/// An implementation promises for each run that `take` returns:
/// - it is valid for reads and writes until given back, and nobody else uses it;
/// - its bytes are all zero where `zeroed` says so;
/// - `start` and `len` are multiples of 64 KiB, and `needed <= len <= wanted`;
/// - the run ends at least 64 KiB below the top of the address space. With it
///   the cursor plus a small constant size cannot wrap, which saves the fast
///   path an operation.
///
/// No method uses an arena that this source feeds, and none unwinds.
///
/// And for what `take_behind` returns, the same, and that `run.start` may be
/// used for it as well. With [`ONE_OBJECT`](Self::ONE_OBJECT) it promises to
/// take back any whole pages of what it gave.
pub unsafe trait PageSource {
    /// Whether all pages of the source are parts of one object, as those of
    /// linear memory are: runs that touch may be joined, and be given back in
    /// pieces.
    const ONE_OBJECT: bool = false;

    /// Takes a run of `wanted` bytes, or of less, but not of less than `needed`.
    /// `None` where there is no such run.
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages>;

    /// Takes pages that lie right behind `run`, under the same rule, so that a
    /// block can grow in place. `None` where they are somebody else's, or where
    /// the source would rather have others used first.
    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        let _ = (run, needed, wanted);
        None
    }

    /// Overwrites with zeros what came back and is not zero. Returns how many
    /// bytes it wrote. A source that keeps nothing has nothing to do.
    fn scrub(&self) -> usize {
        0
    }

    /// Gives a run back, for another `take` to return.
    ///
    /// # Safety
    /// The run came from `take` of this source, with what `take_behind` added
    /// to it. It is whole, unless the source is one object. Nothing refers to it
    /// any longer.
    unsafe fn give_back(&self, pages: Pages);
}

/// Whether a run may be handed out under [`PageSource`]'s last promise.
#[cfg(not(target_family = "wasm"))]
fn below_the_top(start: usize, len: usize) -> bool {
    match start.checked_add(len) {
        Some(end) => end <= usize::MAX - PAGE + 1,
        None => false,
    }
}

/// Pages from the global allocator, aligned to 64 KiB: for native builds and
/// for Miri, where there is no linear memory.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct HeapPages;

#[cfg(not(target_family = "wasm"))]
// SAFETY: the global allocator returns memory that is valid until deallocated
// and used by nobody else; it is asked for zeroed bytes with the alignment and
// the size promised; a run too near the top is given back at once.
unsafe impl PageSource for HeapPages {
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        allocate(wanted).or_else(|| allocate(needed))
    }

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: `take` allocated the run with exactly this layout, which was
        // valid then; the caller gives the run up.
        unsafe {
            let layout = Layout::from_size_align_unchecked(pages.len, PAGE);
            alloc::alloc::dealloc(pages.start.as_ptr(), layout);
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn allocate(bytes: usize) -> Option<Pages> {
    let layout = Layout::from_size_align(bytes, PAGE).ok()?;
    if layout.size() == 0 {
        return None;
    }
    // SAFETY: the layout's size is not zero.
    let start = NonNull::new(unsafe { alloc::alloc::alloc_zeroed(layout) })?;
    if !below_the_top(start.addr().get(), bytes) {
        // SAFETY: allocated just above with this layout.
        unsafe { alloc::alloc::dealloc(start.as_ptr(), layout) };
        return None;
    }
    Some(Pages {
        start,
        len: bytes,
        zeroed: true,
    })
}
