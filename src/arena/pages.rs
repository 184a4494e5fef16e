//! Where an arena's pages come from: the trait, and the source for native code.

use core::ptr::NonNull;

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
/// # Safety
/// An implementation promises for each run that `take` returns:
/// - it is valid for reads and writes until given back, and nobody else uses it;
/// - its bytes are initialised, and all zero where `zeroed` says so;
/// - `start` and `len` are multiples of 64 KiB, and `len` is what was asked for;
/// - the run ends at least 64 KiB below the top of the address space. With it
///   the cursor plus a small constant size cannot wrap, which saves the fast
///   path an operation.
pub unsafe trait PageSource {
    /// Takes `bytes` bytes, a multiple of 64 KiB above zero. `None` where there
    /// are no more.
    fn take(&self, bytes: usize) -> Option<Pages>;

    /// Gives a run back, for another `take` to return.
    ///
    /// # Safety
    /// The run came from `take` of this source, whole, and nothing refers to it
    /// any longer.
    unsafe fn give_back(&self, pages: Pages);
}

/// Whether a run may be handed out under [`PageSource`]'s last promise.
pub(super) fn below_the_top(start: usize, len: usize) -> bool {
    match start.checked_add(len) {
        Some(end) => end <= usize::MAX - PAGE,
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
    fn take(&self, bytes: usize) -> Option<Pages> {
        use core::alloc::Layout;

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

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: `take` allocated the run with exactly this layout, which was
        // valid then; the caller gives the run up.
        unsafe {
            let layout = core::alloc::Layout::from_size_align_unchecked(pages.len, PAGE);
            alloc::alloc::dealloc(pages.start.as_ptr(), layout);
        }
    }
}
