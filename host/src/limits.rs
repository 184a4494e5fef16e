//! The ledger of one request's memory: what the guest has, had at most, asked
//! for and was denied.
//!
//! wasmtime reports every core memory of a component, at its creation and at
//! each growth, but not which memory it is. The ledger therefore keeps sums,
//! which is what a limit per request needs anyway.

use serde::Serialize;
use wasmtime::ResourceLimiter;

use crate::config::Limits;

/// The linear memory of one request, in bytes unless said otherwise, summed
/// over all memories of its instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// What the instance had when its instantiation ended, or, where it was used
    /// before, when the request began.
    pub initial: usize,
    /// The most it had. Linear memory never shrinks, so this is `current`
    /// unless the figures were taken from a running total.
    pub peak: usize,
    /// What it has.
    pub current: usize,
    /// How many growths after the instantiation were permitted.
    pub grows: u64,
    /// How many growths were denied because of the limit.
    pub denied: u64,
}

impl MemoryUse {
    /// What became of `earlier`, in an instance that others use at the same time: what
    /// all of it did since then, whoever made it do so.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            initial: earlier.current,
            // It does not shrink.
            peak: self.current,
            current: self.current,
            grows: self.grows - earlier.grows,
            denied: self.denied - earlier.denied,
        }
    }
}

/// Where the instance is in its life. Only growths of a live instance count as
/// growths: what comes before is its initial size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Instantiating,
    Live,
}

/// Permits and records the growth of memories and tables of one store.
#[derive(Debug)]
pub(crate) struct MemoryLedger {
    phase: Phase,
    max_memory: usize,
    max_table_elements: usize,
    use_: MemoryUse,
    table_elements: usize,
    denied_bytes: usize,
    tables: Tables,
}

/// Whether the limit of tables has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    Granted,
    Denied,
}

impl MemoryLedger {
    /// An empty ledger.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            phase: Phase::Instantiating,
            max_memory: limits.max_memory,
            max_table_elements: limits.max_table_elements,
            use_: MemoryUse::default(),
            table_elements: 0,
            denied_bytes: 0,
            tables: Tables::Granted,
        }
    }

    /// Marks the end of the instantiation.
    pub(crate) fn instantiated(&mut self) {
        self.phase = Phase::Live;
        self.use_.initial = self.use_.current;
    }

    /// Begins the figures of another request in the same instance.
    pub(crate) fn begin(&mut self) {
        let current = self.use_.current;
        self.use_ = MemoryUse {
            initial: current,
            peak: current,
            current,
            ..MemoryUse::default()
        };
        self.tables = Tables::Granted;
    }

    /// The figures so far.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        self.use_
    }

    /// By how many bytes the last denied growth would have grown.
    pub(crate) fn denied_bytes(&self) -> usize {
        self.denied_bytes
    }

    /// The limit in bytes.
    pub(crate) fn max_memory(&self) -> usize {
        self.max_memory
    }

    /// The limit of tables, if one of them was not allowed to grow because of it.
    pub(crate) fn denied_tables(&self) -> Option<usize> {
        (self.tables == Tables::Denied).then_some(self.max_table_elements)
    }

    /// Elements of all tables together.
    pub(crate) fn table_elements(&self) -> usize {
        self.table_elements
    }
}

/// Whether a growth to `desired` exceeds what the memory or table itself
/// declares. wasmtime refuses such a growth after asking us, so it must not be
/// entered; and it is the guest's own bound, so it is no denial either.
fn exceeds_own_maximum(desired: usize, maximum: Option<usize>) -> bool {
    maximum.is_some_and(|maximum| desired > maximum)
}

// `memory_grow_failed` is left alone on purpose. After the check above it means
// that the operating system gave no pages, and wasmtime also calls it for
// growths that it never asked about, so that undoing the last entry could undo
// one that stands. Without it the sum may be too high after such a failure, but
// never too low.
impl ResourceLimiter for MemoryLedger {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if exceeds_own_maximum(desired, maximum) {
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        let Some(total) = self
            .use_
            .current
            .checked_add(more)
            .filter(|total| *total <= self.max_memory)
        else {
            self.use_.denied += 1;
            self.denied_bytes = more;
            return Ok(false);
        };
        self.use_.current = total;
        self.use_.peak = self.use_.peak.max(total);
        if self.phase == Phase::Live {
            self.use_.grows += 1;
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if exceeds_own_maximum(desired, maximum) {
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        match self.table_elements.checked_add(more) {
            Some(total) if total <= self.max_table_elements => {
                self.table_elements = total;
                Ok(true)
            }
            _ => {
                self.tables = Tables::Denied;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 * 1024;

    fn ledger(pages: usize) -> MemoryLedger {
        MemoryLedger::new(&Limits {
            max_memory: pages * PAGE,
            max_table_elements: 10,
            ..Limits::default()
        })
    }

    fn grow(ledger: &mut MemoryLedger, from: usize, to: usize) -> bool {
        ledger
            .memory_growing(from * PAGE, to * PAGE, None)
            .expect("the ledger never fails")
    }

    #[test]
    fn the_limit_is_a_sum_over_all_memories() {
        let mut ledger = ledger(4);
        assert!(grow(&mut ledger, 0, 2));
        assert!(grow(&mut ledger, 0, 2));
        assert!(!grow(&mut ledger, 0, 1));
        assert_eq!(ledger.memory_use().current, 4 * PAGE);
    }

    #[test]
    fn initial_is_what_the_instantiation_took_and_grows_what_came_after() {
        let mut ledger = ledger(8);
        assert!(grow(&mut ledger, 0, 2));
        assert!(grow(&mut ledger, 0, 1));
        ledger.instantiated();
        assert!(grow(&mut ledger, 2, 4));
        let expected = MemoryUse {
            initial: 3 * PAGE,
            peak: 5 * PAGE,
            current: 5 * PAGE,
            grows: 1,
            denied: 0,
        };
        assert_eq!(ledger.memory_use(), expected);
    }

    #[test]
    fn another_request_begins_with_what_there_is_and_no_more() {
        let mut ledger = ledger(4);
        assert!(grow(&mut ledger, 0, 1));
        ledger.instantiated();
        assert!(grow(&mut ledger, 1, 3));
        assert!(!grow(&mut ledger, 3, 9));
        ledger.begin();
        let expected = MemoryUse {
            initial: 3 * PAGE,
            peak: 3 * PAGE,
            current: 3 * PAGE,
            grows: 0,
            denied: 0,
        };
        assert_eq!(ledger.memory_use(), expected);
        // The limit is one for the instance all the same.
        assert!(!grow(&mut ledger, 3, 5));
        assert!(grow(&mut ledger, 3, 4));
    }

    #[test]
    fn what_memory_did_while_one_of_several_ran_is_told_apart() {
        let mut ledger = ledger(4);
        assert!(grow(&mut ledger, 0, 1));
        ledger.instantiated();
        assert!(grow(&mut ledger, 1, 2));
        let entered = ledger.memory_use();
        assert!(grow(&mut ledger, 2, 4));
        assert!(!grow(&mut ledger, 4, 5));
        let expected = MemoryUse {
            initial: 2 * PAGE,
            peak: 4 * PAGE,
            current: 4 * PAGE,
            grows: 1,
            denied: 1,
        };
        assert_eq!(ledger.memory_use().since(&entered), expected);
    }

    #[test]
    fn a_denial_is_counted_with_its_size_and_changes_nothing_else() {
        let mut ledger = ledger(2);
        assert!(grow(&mut ledger, 0, 1));
        ledger.instantiated();
        assert!(!grow(&mut ledger, 1, 5));
        assert!(!grow(&mut ledger, 1, 4));
        assert_eq!(ledger.denied_bytes(), 3 * PAGE);
        let use_ = ledger.memory_use();
        assert_eq!((use_.current, use_.grows, use_.denied), (PAGE, 0, 2));
    }

    #[test]
    fn a_growth_past_the_guests_own_maximum_is_no_denial() {
        let mut ledger = ledger(8);
        let grown = ledger.memory_growing(0, 2 * PAGE, Some(PAGE));
        assert!(!grown.expect("the ledger never fails"));
        assert_eq!(ledger.memory_use(), MemoryUse::default());
    }

    #[test]
    fn a_growth_that_overflows_is_denied() {
        let mut ledger = ledger(8);
        assert!(grow(&mut ledger, 0, 1));
        let grown = ledger.memory_growing(0, usize::MAX, None);
        assert!(!grown.expect("the ledger never fails"));
        assert_eq!(ledger.memory_use().current, PAGE);
    }

    #[test]
    fn tables_share_one_limit() {
        let mut ledger = ledger(1);
        let mut table = |from, to| ledger.table_growing(from, to, None).expect("never fails");
        assert!(table(0, 6));
        assert!(table(0, 4));
        assert!(!table(4, 5));
        assert_eq!(ledger.table_elements(), 10);
        assert_eq!(ledger.denied_tables(), Some(10));
        ledger.begin();
        assert_eq!(ledger.denied_tables(), None);
    }
}
