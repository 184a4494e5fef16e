//! The memory of invocations that overlap: an arena for each, for as long as it
//! lasts.
//!
//! ```text
//!              take                                  drop
//!   page pool ──────► Leased (one invocation) ───────────────► page pool
//!                       its arena grows by pages    overwritten with zeros
//!                       of the pool, then by         as far as they were used
//!                       new ones
//! ```
//!
//! A list of those that run, so that the figures of the instance can be told.

use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::NonNull;

use crate::span::Span;
use crate::{Context, Scrub, Usage};

/// The arenas that are leased from one instance.
pub(crate) struct Leases {
    first: Cell<Option<NonNull<Lease>>>,
    /// How many there were.
    entered: Cell<u64>,
    /// Of those that have ended.
    ended: Cell<Ended>,
    /// Those that have ended since somebody asked for them, around and around.
    endings: [Cell<Ending>; KEPT],
    /// How many these are, or were.
    untold: Cell<usize>,
}

/// Endings that are kept for a host that asks for them. With more of them between two
/// questions the first ones are lost.
const KEPT: usize = 32;

/// What an invocation that has ended needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How many were entered before it.
    pub(crate) entry: u64,
    /// Bytes in use at a time, at most.
    pub(crate) peak_used: usize,
    /// Bytes that its blocks had.
    pub(crate) committed: usize,
}

#[derive(Clone, Copy)]
struct Ended {
    invocations: usize,
    grows: usize,
    /// What the one that ended last needed at most.
    peak: usize,
}

/// What one invocation has.
struct Lease {
    context: Context,
    entry: u64,
    before: Cell<Option<NonNull<Lease>>>,
    after: Cell<Option<NonNull<Lease>>>,
}

/// The lease of one invocation. It ends when this is dropped: whatever borrows from
/// the context is gone then.
pub(crate) struct Leased<'l> {
    lease: NonNull<Lease>,
    leases: &'l Leases,
}

impl Leases {
    pub(crate) const fn new() -> Self {
        Self {
            first: Cell::new(None),
            entered: Cell::new(0),
            ended: Cell::new(Ended {
                invocations: 0,
                grows: 0,
                peak: 0,
            }),
            endings: [const {
                Cell::new(Ending {
                    entry: 0,
                    peak_used: 0,
                    committed: 0,
                })
            }; KEPT],
            untold: Cell::new(0),
        }
    }

    /// An arena without a block: it takes the first when something is put there.
    pub(crate) fn take(&self, budget: Option<usize>) -> Leased<'_> {
        let mut context = Context::new();
        context.arena_mut().set_budget(budget);
        let entry = self.entered.get();
        self.entered.set(entry.wrapping_add(1));
        let lease = NonNull::from(Box::leak(Box::new(Lease {
            context,
            entry,
            before: Cell::new(None),
            after: Cell::new(self.first.get()),
        })));
        if let Some(after) = self.first.replace(Some(lease)) {
            // SAFETY: what the list has is alive, and only shared references exist.
            unsafe { after.as_ref() }.before.set(Some(lease));
        }
        Leased {
            lease,
            leases: self,
        }
    }

    fn running(&self) -> impl Iterator<Item = &Lease> {
        let mut at = self.first.get();
        core::iter::from_fn(move || {
            // SAFETY: as above. Nothing of an invocation runs while its figures are
            // read, so that none is taken from the list meanwhile.
            let lease = unsafe { at?.as_ref() };
            at = lease.after.get();
            Some(lease)
        })
    }

    /// Whether no invocation runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// The figures of all that run together. Where none does, `peak_used` is what
    /// the one that ended last needed.
    pub(crate) fn usage(&self) -> Usage {
        let ended = self.ended.get();
        let mut sum = Usage {
            resets: ended.invocations,
            grows: ended.grows,
            ..Usage::default()
        };
        for lease in self.running() {
            let usage = lease.context.arena().usage();
            sum.count_in(&usage);
            sum.budget = usage.budget;
        }
        if self.is_empty() {
            sum.peak_used = ended.peak;
        }
        sum
    }

    /// Those that have ended since this was last asked, as far as they are kept, the
    /// first one first.
    pub(crate) fn take_endings(&self) -> impl Iterator<Item = Ending> {
        let untold = self.untold.replace(0);
        let kept = untold.saturating_sub(KEPT)..untold;
        kept.map(|n| self.endings[n % KEPT].get())
    }

    fn note(&self, ending: Ending) {
        let untold = self.untold.get();
        self.endings[untold % KEPT].set(ending);
        // Around as well, long before the count is: nobody asks for them.
        let next = untold + 1;
        self.untold.set(if next == 2 * KEPT { KEPT } else { next });
    }

    /// Where the blocks of all that run are.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(crate) fn runs(&self) -> impl Iterator<Item = Span> {
        self.running()
            .flat_map(|lease| lease.context.arena().runs())
    }
}

/// A whole lease: an invocation's memory is taken, used, and goes back. For the benchmark
/// of what that costs, and not for direct use.
#[cfg(all(target_arch = "wasm32", not(feature = "arena-guest")))]
pub fn lease<R>(used: impl FnOnce(&Context) -> R) -> R {
    used(crate::instance::leases().take(None).context())
}

impl Leased<'_> {
    pub(crate) fn context(&self) -> &Context {
        // SAFETY: alive until this is dropped.
        unsafe { &self.lease.as_ref().context }
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        // SAFETY: it came from a box. The list's references are gone below, and what
        // was borrowed from the context is gone by its lifetime.
        let mut lease = unsafe { Box::from_raw(self.lease.as_ptr()) };
        let (before, after) = (lease.before.get(), lease.after.get());
        match before {
            // SAFETY: what the list has is alive.
            Some(before) => unsafe { before.as_ref() }.after.set(after),
            None => self.leases.first.set(after),
        }
        if let Some(after) = after {
            // SAFETY: as above.
            unsafe { after.as_ref() }.before.set(before);
        }
        let arena = lease.context.arena_mut();
        let usage = arena.usage();
        let ended = self.leases.ended.get();
        self.leases.ended.set(Ended {
            invocations: ended.invocations.wrapping_add(1),
            grows: ended.grows.wrapping_add(usage.grows),
            peak: usage.peak_used,
        });
        self.leases.note(Ending {
            entry: lease.entry,
            peak_used: usage.peak_used,
            committed: usage.committed,
        });
        // The next one that has these pages must not find anything there, and it
        // may come at once. Dropped with this, an arena overwrites what was used of
        // each block, and no more.
        arena.set_scrub(Scrub::Zero);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_an_arena_of_its_own_and_may_end_in_any_order() {
        let leases = Leases::new();
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let mut running: [_; 3] = core::array::from_fn(|n| {
                let leased = leases.take(None);
                let text = leased
                    .context()
                    .arena()
                    .strdup("x".repeat(100 * (n + 1)).as_str());
                assert_eq!(text.map(|text| text.len()), Ok(100 * (n + 1)));
                Some(leased)
            });
            let usage = leases.usage();
            assert_eq!((usage.used, usage.blocks), (104 + 200 + 304, 3));
            assert_eq!(
                usage.committed,
                usage.used + usage.tail_waste + usage.free + usage.overhead
            );
            assert_eq!(leases.runs().count(), 3);
            for n in order {
                assert!(!leases.is_empty());
                running[n] = None;
            }
            assert!(leases.is_empty());
            let usage = leases.usage();
            let last = [104, 200, 304][order[2]];
            assert_eq!((usage.used, usage.committed, usage.peak_used), (0, 0, last));
        }
        assert_eq!(leases.usage().resets, 12);
    }

    #[test]
    fn what_each_needed_is_told_once_in_the_order_of_their_ends() {
        let leases = Leases::new();
        assert_eq!(leases.take_endings().count(), 0);
        let needs = |bytes: usize| {
            let leased = leases.take(None);
            assert!(leased.context().arena().calloc(1, bytes).is_ok());
            leased
        };
        let (one, other, third) = (needs(8), needs(800), needs(80_000));
        drop(third);
        drop(one);
        let told: Vec<_> = leases.take_endings().collect();
        let told = told.iter().map(|ending| (ending.entry, ending.peak_used));
        assert_eq!(told.collect::<Vec<_>>(), [(2, 80_000), (0, 8)]);
        drop(other);
        assert_eq!(
            leases.take_endings().map(|e| e.entry).collect::<Vec<_>>(),
            [1]
        );
        assert_eq!(leases.take_endings().count(), 0);
        for many in [KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 5 * KEPT + 3] {
            let before = leases.entered.get();
            (0..many).for_each(|_| drop(needs(8)));
            let last = before + many as u64;
            let first = last - many.min(KEPT) as u64;
            let told = leases.take_endings().map(|ending| ending.entry);
            assert_eq!(
                told.collect::<Vec<_>>(),
                Vec::from_iter(first..last),
                "{many}"
            );
        }
    }

    #[test]
    fn a_budget_is_each_ones_own() {
        let leases = Leases::new();
        let greedy = leases.take(Some(10_000));
        let modest = leases.take(Some(10_000));
        while greedy.context().arena().calloc(1, 64).is_ok() {}
        assert!(modest.context().arena().calloc(1, 8_000).is_ok());
    }

    #[test]
    fn what_was_deferred_is_dropped_when_it_ends() {
        let leases = Leases::new();
        let (one, other) = (leases.take(None), leases.take(None));
        let counted = std::rc::Rc::new(());
        let copy = counted.clone();
        one.context().arena().alloc_deferred(copy).unwrap();
        drop(other);
        assert_eq!(std::rc::Rc::strong_count(&counted), 2);
        drop(one);
        assert_eq!(std::rc::Rc::strong_count(&counted), 1);
    }
}
