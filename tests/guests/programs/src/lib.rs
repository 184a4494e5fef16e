//! Runs programs of arena operations inside WebAssembly, with the oracle: a core
//! module, whose host can take pages of its memory or deny them.
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![cfg(target_arch = "wasm32")]

use std::hint::black_box;
use std::panic;
use std::ptr::{self, NonNull};

use lavandula::{LinearMemory, PageSource, Pages};
use lavandula_programs::{
    Disturbed, PAGE, Plain, Plan, Recorded, Transcript, run, run_on_separate, run_on_strip,
};

/// Bytes that the guest's own heap takes at the start. A program that the host
/// denies pages must fail in its arena alone, and not in what keeps its books.
const HEAP: usize = 8 << 20;

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        /// Tells why the guest is about to trap.
        pub safe fn report(text: *const u8, len: usize);
        /// The host takes a page of this memory for itself, and says which.
        pub safe fn foreign() -> usize;
    }
}

/// Linear memory, of which the host takes pages too.
struct Shared;

// SAFETY: passes on what `LinearMemory` returns.
unsafe impl PageSource for Shared {
    const ONE_OBJECT: bool = LinearMemory::ONE_OBJECT;

    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        LinearMemory.take(needed, wanted)
    }

    fn take_behind(&self, run: &Pages, needed: usize, wanted: usize) -> Option<Pages> {
        LinearMemory.take_behind(run, needed, wanted)
    }

    unsafe fn give_back(&self, pages: Pages) {
        // SAFETY: passed on.
        unsafe { LinearMemory.give_back(pages) }
    }
}

impl Disturbed for Shared {
    fn disturb(&self) -> Option<Pages> {
        // Zero where the host gets none either.
        let page = host::foreign();
        let start = NonNull::new(ptr::with_exposed_provenance_mut(page * PAGE))?;
        Some(Pages {
            start,
            len: PAGE,
            zeroed: true,
        })
    }
}

/// Prepares the guest's heap. To be called first.
#[unsafe(no_mangle)]
pub extern "C" fn start() {
    panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        host::report(text.as_ptr(), text.len());
    }));
    drop(black_box(Vec::<u8>::with_capacity(HEAP)));
}

/// Room for `len` bytes, for a program.
#[unsafe(no_mangle)]
pub extern "C" fn room(len: usize) -> *mut u8 {
    vec![0_u8; len].leak().as_mut_ptr()
}

/// Runs the program of `len` bytes in the [`room`] at `at`, which it ends. What
/// it stands on is `ground`; the plan comes first. Returns where the transcript is,
/// and how long, as one number.
///
/// # Safety
/// The room was made for `len` bytes, and nobody writes to it any longer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run_program(ground: u32, at: *mut u8, len: usize) -> u64 {
    // SAFETY: `room` made it of a slice of this length, and hands it over.
    let bytes = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(at, len)) };
    let (plan, program) = Plan::decode(&bytes);
    let transcript = match ground {
        0 => run_on_strip(plan, program),
        1 => run_on_separate(plan, program),
        2 => run_on_linear_memory(plan, program),
        pages => {
            let block_size = pages as usize * PAGE;
            run(&Plain { block_size }, program)
        }
    };
    let written = transcript.to_bytes().leak();
    ((written.as_ptr().addr() as u64) << 32) | written.len() as u64
}

fn run_on_linear_memory(plan: Plan, program: &[u8]) -> Transcript {
    let ground = Recorded::new(Shared, plan);
    run(&&ground, program)
}

/// Frees a transcript.
///
/// # Safety
/// It is one that [`run_program`] returned, and it was read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(at: *mut u8, len: usize) {
    // SAFETY: leaked in `run_program` with this length.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(at, len)) });
}
