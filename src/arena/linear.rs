//! Pages of linear memory: a first one, `memory.grow`, and a pool of what came
//! back.

use core::cell::{Cell, UnsafeCell};
use core::ptr::{self, NonNull};

use super::bump::PAGE;
use super::pages::{PageSource, Pages};
use super::pool::PagePool;

#[cfg(target_feature = "atomics")]
compile_error!("lavandula needs a WebAssembly module with one thread: build without `atomics`");

/// The linear memory of this WebAssembly instance.
///
/// Beyond the first page, which lies in the module's own data, pages are taken
/// by `memory.grow` only. The space behind `__heap_base` is left alone, since
/// the platform's `malloc` owns it. Nor are two growths taken to be adjacent:
/// others grow memory too, so a block grows in place only if it ends where
/// memory does. Pages that an arena gave up go to a pool of the instance, on
/// which later arenas draw first.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinearMemory;

/// The first page is part of the module's own data and there from the start: a
/// `memory.grow` costs a host with pooled instances two system calls, and most
/// requests need no second page. It takes no room in the file.
#[repr(C, align(65536))]
struct FirstPage(UnsafeCell<[u8; PAGE]>);

// SAFETY: without atomics (refused above) an instance runs on one thread.
unsafe impl Sync for FirstPage {}

static FIRST_PAGE: FirstPage = FirstPage(UnsafeCell::new([0; PAGE]));

/// What 32 bits can address.
const PAGES_OF_ALL_MEMORY: usize = 1 << 16;

struct Spare {
    first: Cell<First>,
    pool: PagePool,
}

/// The first page's state. It never joins the pool: it is an object of its own,
/// and what lies behind it is another's.
#[derive(Clone, Copy)]
enum First {
    Taken,
    Free { zeroed: bool },
}

// SAFETY: as above.
unsafe impl Sync for Spare {}

static SPARE: Spare = Spare {
    first: Cell::new(First::Free { zeroed: true }),
    pool: PagePool::new(),
};

fn first_page() -> NonNull<u8> {
    NonNull::from(&FIRST_PAGE.0).cast()
}

// SAFETY: `memory.grow` returns pages that nobody had before, zeroed, aligned
// to a page and valid for as long as the instance lives, and all of them may be
// reached through one pointer, since no object of the compiler's is there. The
// first page is handed out by itself and to one at a time. The pool returns
// pages of `memory.grow` again after their owner gave them up. A run at the very
// top of the address space is never handed out.
unsafe impl PageSource for LinearMemory {
    const ONE_OBJECT: bool = true;

    #[cold]
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        if let (PAGE, First::Free { zeroed }) = (needed, SPARE.first.get()) {
            SPARE.first.set(First::Taken);
            return Some(Pages {
                start: first_page(),
                len: PAGE,
                zeroed,
            });
        }
        // What is there comes before what would have to be grown, the beginning
        // of a run at the end of memory included.
        if let Some(pages) = SPARE.pool.take(needed, wanted) {
            return Some(pages);
        }
        let there = SPARE.pool.len_before(end_of_memory());
        if there > 0 {
            let more = grow(needed - there)?;
            // SAFETY: pages that nobody had before, of the one object.
            unsafe { SPARE.pool.give_back(more) };
            return SPARE.pool.take(needed, needed);
        }
        grow(wanted).or_else(|| grow(needed))
    }

    #[cold]
    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        if run.start == first_page() {
            return None;
        }
        let end = run.start.addr().get() + run.len;
        if let Some(pages) = SPARE.pool.take_at(end, needed, wanted) {
            return Some(pages);
        }
        if end != end_of_memory() || SPARE.pool.has(needed) {
            return None;
        }
        // Nobody else runs between the comparison and the growth.
        grow(wanted).or_else(|| grow(needed))
    }

    fn scrub(&self) -> usize {
        let mut written = 0;
        if let First::Free { zeroed: false } = SPARE.first.get() {
            // SAFETY: the page is nobody's while it is free.
            unsafe { first_page().write_bytes(0, PAGE) };
            SPARE.first.set(First::Free { zeroed: true });
            written = PAGE;
        }
        written + SPARE.pool.scrub()
    }

    unsafe fn give_back(&self, pages: Pages) {
        if pages.start == first_page() {
            let zeroed = pages.zeroed;
            SPARE.first.set(First::Free { zeroed });
            return;
        }
        // SAFETY: the caller gives up pages of `memory.grow`, which are one object
        // that lives as long as the instance.
        unsafe { SPARE.pool.give_back(pages) }
    }
}

/// Address behind the last byte. Memory of 4 GiB has none, and zero is nobody's.
fn end_of_memory() -> usize {
    core::arch::wasm32::memory_size::<0>().wrapping_mul(PAGE)
}

#[cold]
fn grow(bytes: usize) -> Option<Pages> {
    // The last page of a memory of 4 GiB is out of reach. What would end there
    // is not taken in the first place, since it could not be given back.
    let there = core::arch::wasm32::memory_size::<0>();
    if there + bytes / PAGE >= PAGES_OF_ALL_MEMORY {
        return None;
    }
    let before = core::arch::wasm32::memory_grow::<0>(bytes / PAGE);
    if before == usize::MAX {
        return None;
    }
    // Fewer than 2^16 pages exist, so the product fits 32 bits.
    let start = ptr::with_exposed_provenance_mut::<u8>(before.wrapping_mul(PAGE));
    let start = NonNull::new(start)?;
    Some(Pages {
        start,
        len: bytes,
        zeroed: true,
    })
}
