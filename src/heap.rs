//! The global allocator of a handler: everything of a request in its arena.

#[cfg(not(target_arch = "wasm32"))]
use core::alloc::{GlobalAlloc, Layout};
#[cfg(target_arch = "wasm32")]
use core::cell::UnsafeCell;

/// A global allocator that makes every allocation of a request a bump in the
/// invocation's arena.
///
/// ```
/// #[global_allocator]
/// static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();
/// # fn main() {}
/// ```
///
/// What a handler's libraries allocate lies in the [`Arena`](crate::Arena) then,
/// beside what the handler puts there by hand, and so does the request itself,
/// which the host puts into memory before the handler is called. All of it is
/// taken back at once. To free something before does nothing, unless it was
/// allocated last; the last one grows and shrinks in place.
///
/// What is allocated before the first request is there to stay: by static
/// constructors, by the function that [`export!`](crate::export) was given for
/// initialisation, and within [`persist`](crate::persist). It lies in a heap of
/// its own, and is a part of the image that a rewind puts back.
///
/// With this allocator, and only with it, a rewind puts back *everything*: a
/// static or a thread-local variable that a request has changed has its value
/// from before. So it cannot refer to memory that was taken back either.
///
/// The arena's first block is a part of the module, so that a request that needs
/// no more than that takes no pages. `FIRST_BLOCK` is its size in bytes, a
/// multiple of 64 KiB: for handlers whose typical request needs more,
///
/// ```
/// #[global_allocator]
/// static HEAP: lavandula::InvocationHeap<{ 1 << 20 }> = lavandula::InvocationHeap::new();
/// # fn main() {}
/// ```
///
/// In a native build it is the platform's allocator, so that a handler's own
/// tests run as they are.
///
/// An idea of Concordium's and of other chains', whose contracts bump through a
/// call and drop the instance after it; here the instance goes on.
pub struct InvocationHeap<const FIRST_BLOCK: usize = 65536> {
    #[cfg(target_arch = "wasm32")]
    first: FirstBlock<FIRST_BLOCK>,
}

/// Not aligned to a page of linear memory, as other blocks are: the gap in front of
/// it would be a part of every image.
#[cfg(target_arch = "wasm32")]
#[repr(C, align(64))]
struct FirstBlock<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
// thread.
#[cfg(target_arch = "wasm32")]
unsafe impl<const BYTES: usize> Sync for FirstBlock<BYTES> {}

impl<const FIRST_BLOCK: usize> InvocationHeap<FIRST_BLOCK> {
    /// The allocator.
    ///
    /// A size that is no multiple of 64 KiB, or zero, does not compile.
    pub const fn new() -> Self {
        const {
            assert!(
                FIRST_BLOCK > 0 && FIRST_BLOCK.is_multiple_of(65536),
                "the first block has whole pages of 64 KiB, such as 65536 or 1048576 bytes"
            );
        }
        Self {
            #[cfg(target_arch = "wasm32")]
            first: FirstBlock(UnsafeCell::new([0; FIRST_BLOCK])),
        }
    }
}

impl<const FIRST_BLOCK: usize> Default for InvocationHeap<FIRST_BLOCK> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const FIRST_BLOCK: usize> core::fmt::Debug for InvocationHeap<FIRST_BLOCK> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InvocationHeap")
            .field("first_block", &FIRST_BLOCK)
            .finish_non_exhaustive()
    }
}

/// Runs `act`, and makes what it allocates last longer than the invocation's
/// arena, where [`InvocationHeap`] is the global allocator.
///
/// Initialisation allocates so by itself. Within a request this is for what has
/// to lie apart from the arena; the next rewind takes it back like everything
/// else, since the statics that could refer to it are put back too.
///
/// ```
/// let table = lavandula::persist(|| vec![0_u8; 256]);
/// assert_eq!(table.len(), 256);
/// ```
pub fn persist<R>(act: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "wasm32")]
    return crate::instance::allocating_from(crate::instance::Place::Persistent, act);
    #[cfg(not(target_arch = "wasm32"))]
    act()
}

/// In a native build everything is passed on.
#[cfg(not(target_arch = "wasm32"))]
// SAFETY: `System` keeps the contract.
unsafe impl<const FIRST_BLOCK: usize> GlobalAlloc for InvocationHeap<FIRST_BLOCK> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, passed on.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout, passed on.
        unsafe { std::alloc::System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System` with this layout.
        unsafe { std::alloc::System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `at` came from `System` with this layout.
        unsafe { std::alloc::System.realloc(at, layout, new_size) }
    }
}

#[cfg(target_arch = "wasm32")]
mod linear {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::{self, NonNull};

    use super::InvocationHeap;
    use crate::Pages;
    use crate::instance::{Place, arena, persistent, place, provide};

    impl<const FIRST_BLOCK: usize> InvocationHeap<FIRST_BLOCK> {
        /// What the arena has no room for, or what does not go there.
        #[cold]
        #[inline(never)]
        fn alloc_elsewhere(&self, layout: Layout) -> *mut u8 {
            match place() {
                Place::Arena => {
                    self.provide_first();
                    match arena().alloc_layout(layout) {
                        Ok(start) => start.as_ptr(),
                        Err(_) => ptr::null_mut(),
                    }
                }
                Place::UntilRequest | Place::Persistent => persistent().alloc(layout),
            }
        }

        fn provide_first(&self) {
            let pages = Pages {
                start: NonNull::from(&self.first.0).cast(),
                len: FIRST_BLOCK,
                zeroed: true,
            };
            // SAFETY: the block is a static that is all zero until the arena has it,
            // as long as whole pages, aligned to 64, far from the top of the address
            // space, and used by nothing else. A second allocator of this kind would find that the
            // arena has a block.
            unsafe { provide(pages) };
        }
    }

    // SAFETY: the arena and the persistent heap hand out memory that has the
    // layout, is valid until it is taken back, and is nobody else's; neither of
    // them unwinds. What is taken back before it was freed is what a rewind takes
    // back, with everything that could refer to it.
    unsafe impl<const FIRST_BLOCK: usize> GlobalAlloc for InvocationHeap<FIRST_BLOCK> {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if place() == Place::Arena
                && let Some(start) = arena().bump(layout)
            {
                return start.as_ptr();
            }
            self.alloc_elsewhere(layout)
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if place() == Place::Arena {
                self.provide_first();
                return match arena().alloc_zeroed(layout) {
                    Ok(start) => start.as_ptr(),
                    Err(_) => ptr::null_mut(),
                };
            }
            let start = persistent().alloc(layout);
            if !start.is_null() {
                // SAFETY: just allocated with this layout.
                unsafe { start.write_bytes(0, layout.size()) };
            }
            start
        }

        #[inline]
        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            // SAFETY: what was allocated is not null.
            let start = unsafe { NonNull::new_unchecked(at) };
            // The arena takes back what it handed out last, and looks at nothing
            // else but large allocations of its own. So what the persistent heap
            // has may come here as well: in a request it is not freed.
            if place() == Place::Arena || arena().contains(at.addr()) {
                arena().free(start, layout.size());
            } else {
                // SAFETY: it is not in the arena, so it came from there.
                unsafe { persistent().dealloc(start, layout) };
            }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            // SAFETY: what was allocated is not null; the caller promises that
            // `new_size`, rounded up to the alignment, does not overflow `isize`.
            let (start, new) = unsafe {
                let new = Layout::from_size_align_unchecked(new_size, layout.align());
                (NonNull::new_unchecked(at), new)
            };
            if place() == Place::Arena {
                if new_size <= layout.size() {
                    // Where it stands, whether the arena takes the rest back or not.
                    arena().resize(start, layout.size(), new_size);
                    return at;
                }
                self.provide_first();
                // SAFETY: handed out by the arena for `layout`, or by the persistent
                // heap, whose memory the arena takes for one that it cannot grow.
                return match unsafe { arena().grow_slot(start, layout, new) } {
                    Ok(slot) => slot.start.as_ptr(),
                    Err(_) => ptr::null_mut(),
                };
            }
            if !arena().contains(at.addr()) {
                // SAFETY: it is not in the arena, so it came from there.
                return unsafe { persistent().realloc(start, layout, new) };
            }
            let moved = persistent().alloc(new);
            if !moved.is_null() {
                // SAFETY: both have the smaller size, and are apart.
                unsafe { moved.copy_from_nonoverlapping(at, layout.size().min(new_size)) };
                arena().free(start, layout.size());
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natively_it_is_the_platforms_allocator() {
        static HEAP: InvocationHeap<{ 1 << 20 }> = InvocationHeap::new();
        let layout = Layout::from_size_align(64, 8).unwrap();
        // SAFETY: each pointer is used with the layout it was allocated with.
        unsafe {
            let at = HEAP.alloc_zeroed(layout);
            assert!((0..64).all(|i| at.add(i).read() == 0));
            let larger = HEAP.realloc(at, layout, 4096);
            assert!((0..64).all(|i| larger.add(i).read() == 0));
            HEAP.dealloc(larger, Layout::from_size_align(4096, 8).unwrap());
        }
    }
}
