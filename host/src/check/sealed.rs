//! An instance as it was when its `seal` returned: what a rewind is measured by.
#![forbid(unsafe_code)]

use super::audit::{Place, Snapshot};
use super::bytes::{differences, first_nonzero};
use super::regions::{Regions, Span};

/// What is known of a sealed instance.
pub(super) struct Sealed {
    /// Every memory, right after `seal`.
    pub(super) copy: Snapshot,
    /// Number of the memory that the guest's addresses are of.
    pub(super) home: usize,
    /// Where the stack ends in it, which is first in memory.
    pub(super) stack: Span,
    /// What the guest keeps for itself. Nothing where there is no image.
    pub(super) store: Regions,
    /// Bytes that the memory had before anything ran in it.
    pub(super) initial: usize,
}

impl Sealed {
    /// `before` is from right before the seal and `copy` from right after it; the
    /// store and the blocks are what the guest named then.
    pub(super) fn new(before: &Snapshot, copy: Snapshot, store: Regions, blocks: &[Span]) -> Self {
        let named = store.or(&blocks.iter().cloned().collect());
        let home = home(before, &copy, &named);
        let initial = before.memory(home);
        Self {
            home,
            // Nobody has called anything yet, and statics do not begin with
            // zeros: they begin with those that are read-only.
            stack: 0..first_nonzero(initial).unwrap_or(0),
            initial: initial.len(),
            copy,
            store,
        }
    }

    /// Bytes of the memory that the guest's addresses are of.
    pub(super) fn home_len(&self) -> usize {
        self.copy.memory(self.home).len()
    }

    /// Whether the guest keeps this byte for itself.
    pub(super) fn keeps(&self, place: Place) -> bool {
        place.memory == self.home && self.store.contains(place.offset)
    }

    pub(super) fn has_image(&self) -> bool {
        !self.store.is_empty()
    }
}

/// The memory that addresses are of: nothing says so, and a component may have
/// several. It is the one in which the seal changed something at what they name.
fn home(before: &Snapshot, sealed: &Snapshot, named: &Regions) -> usize {
    let changed = |memory: &usize| {
        let mut changed = false;
        for part in named.iter() {
            let (then, now) = (before.memory(*memory), sealed.memory(*memory));
            differences(then, now, part, |_, _, _| changed = true);
        }
        changed
    };
    (0..sealed.count()).find(changed).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(before: [&[u8]; 2], after: [&[u8]; 2], store: Span) -> Sealed {
        let snapshot = |memories: [&[u8]; 2]| Snapshot::from(memories.map(<[u8]>::to_vec).to_vec());
        let store = [store].into_iter().collect();
        Sealed::new(&snapshot(before), snapshot(after), store, &[])
    }

    #[test]
    fn addresses_are_of_the_memory_that_the_seal_changed_there() {
        let (zero, other, at_4) = (&[0; 8][..], &[1; 8][..], &[0, 0, 0, 0, 5, 0, 0, 0][..]);
        assert_eq!(sealed([zero, zero], [zero, at_4], 4..6).home, 1);
        assert_eq!(sealed([zero, zero], [at_4, zero], 4..6).home, 0);
        // Changed, and not where it says.
        assert_eq!(sealed([zero, zero], [at_4, other], 6..8).home, 1);
        assert_eq!(sealed([zero, zero], [zero, zero], 4..6).home, 0);
        // Memory that came with the seal.
        assert_eq!(sealed([zero, &[]], [zero, at_4], 4..6).home, 1);
    }

    #[test]
    fn the_stack_ends_where_the_first_static_begins() {
        let memory = &[0, 0, 0, 9, 0, 1][..];
        let sealed = sealed([memory, &[]], [memory, &[]], 4..5);
        assert_eq!((sealed.stack, sealed.initial), (0..3, 6));
    }
}
