//! Pages of linear memory: a first one, `memory.grow`, and a pool of what came
//! back.

use core::cell::{Cell, UnsafeCell};
use core::ptr::{self, NonNull};

use super::bump::PAGE;
use super::pages::{PageSource, Pages, below_the_top};
use super::pool::PagePool;

#[cfg(target_feature = "atomics")]
compile_error!("lavandula needs a WebAssembly module with one thread: build without `atomics`");

/// The linear memory of this WebAssembly instance.
///
/// Beyond the first page, which lies in the module's own data, pages are taken
/// by `memory.grow` only. The space behind `__heap_base` is
/// left alone, since the platform's `malloc` owns it, and so is the assumption
/// that two growths are adjacent: others grow memory too. Pages of a dropped
/// arena go to a pool of the instance, on which later arenas draw first.
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

struct Spare {
    first_taken: Cell<bool>,
    pool: PagePool,
}

// SAFETY: as above.
unsafe impl Sync for Spare {}

static SPARE: Spare = Spare {
    first_taken: Cell::new(false),
    pool: PagePool::new(),
};

// SAFETY: `memory.grow` returns pages that nobody had before, zeroed, aligned
// to a page and valid for as long as the instance lives; so is the first page,
// which is handed out once; the pool returns such pages again after their owner
// gave them up. A run at the very top of the address space is never handed out.
unsafe impl PageSource for LinearMemory {
    fn take(&self, bytes: usize) -> Option<Pages> {
        if let Some(pages) = SPARE.pool.take(bytes) {
            return Some(pages);
        }
        if bytes == PAGE && !SPARE.first_taken.replace(true) {
            return Some(Pages {
                start: NonNull::new(FIRST_PAGE.0.get())?.cast(),
                len: PAGE,
                zeroed: true,
            });
        }
        let before = core::arch::wasm32::memory_grow::<0>(bytes / PAGE);
        if before == usize::MAX {
            return None;
        }
        // Fewer than 2^16 pages exist, so the product fits 32 bits.
        let start = ptr::with_exposed_provenance_mut::<u8>(before.wrapping_mul(PAGE));
        let start = NonNull::new(start)?;
        if !below_the_top(start.addr().get(), bytes) {
            // The last page of a memory of 4 GiB: out of reach for us, and too
            // late to give back. It happens once in an instance's life.
            return None;
        }
        Some(Pages {
            start,
            len: bytes,
            zeroed: true,
        })
    }

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: the caller gives up pages of `take`, and all of linear memory
        // is one object that lives as long as the instance.
        unsafe { SPARE.pool.give_back(pages) }
    }
}
