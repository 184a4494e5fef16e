//! The timed section of a workload.
//!
//! The clock belongs to the host and is read inside the guest, so that what has
//! to be set up, warmed up or filled beforehand is not in the figure: for the
//! cost of a reset there is no other way. Two readings bound each timed section.
//! Most workloads have one of a millisecond or more, in which the readings are
//! lost; where a section is short the workload's documentation says so, and the
//! `empty` row shows what the readings alone cost.
//!
//! The host may put another meter behind the same import: under fuel it is the
//! fuel used so far, which makes a deterministic figure of the same section.

use core::cell::Cell;

#[link(wasm_import_module = "bench")]
unsafe extern "C" {
    /// Nanoseconds, or fuel, since some moment.
    safe fn now() -> f64;
}

/// What was measured: the sum of all timed sections, and how many operations
/// they had.
#[derive(Default)]
pub struct Meter {
    elapsed: Cell<f64>,
    operations: Cell<f64>,
}

impl Meter {
    /// Times `section`, which does `operations` operations.
    #[inline(always)]
    pub fn time(&self, operations: usize, section: impl FnOnce()) {
        let start = now();
        section();
        self.elapsed.set(self.elapsed.get() + (now() - start));
        self.operations
            .set(self.operations.get() + operations as f64);
    }

    pub fn elapsed(&self) -> f64 {
        self.elapsed.get()
    }

    pub fn operations(&self) -> f64 {
        self.operations.get()
    }
}
