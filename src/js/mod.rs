//! Exports for JavaScript. Thin, as those of a component are, and numbers only: the
//! JavaScript around them writes what it passes straight into linear memory, which no
//! glue that is made for arguments does.
//!
//! With the feature `arena-guest` this crate is the module of the npm package, which
//! has the arena itself. Without, [`export!`](crate::export) exports a handler.

#[cfg(not(target_os = "unknown"))]
compile_error!(
    "JavaScript gets wasm32-unknown-unknown, where nothing of a system is below: \
     `lavandula npm` builds for that"
);

#[cfg(feature = "arena-guest")]
mod arena;
#[cfg(not(feature = "arena-guest"))]
mod handler;

#[cfg(not(feature = "arena-guest"))]
pub use handler::{handle, rewind, seal};

use core::cell::UnsafeCell;

use crate::Usage;

/// Numbers that JavaScript reads right after the call that told it where they are.
struct Figures(UnsafeCell<[u32; 11]>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
// thread.
unsafe impl Sync for Figures {}

static FIGURES: Figures = Figures(UnsafeCell::new([0; 11]));

/// What stands for no budget.
const NONE: u32 = u32::MAX;

/// Puts the figures where JavaScript finds them: in the order in which the WIT has
/// them, the budget last.
fn tell(usage: Usage) -> *const u32 {
    // Memory of 32 bits: every size fits. Counts go on beyond that in theory.
    let figures = [
        usage.used as u32,
        usage.total_allocated as u32,
        usage.peak_used as u32,
        usage.committed as u32,
        usage.tail_waste as u32,
        usage.free as u32,
        usage.overhead as u32,
        usage.blocks as u32,
        usage.resets as u32,
        usage.grows as u32,
        usage.budget.map_or(NONE, |bytes| bytes as u32),
    ];
    // SAFETY: one thread, and nobody has a reference.
    unsafe { FIGURES.0.get().write(figures) };
    FIGURES.0.get().cast()
}
