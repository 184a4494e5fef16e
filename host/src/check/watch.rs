//! The host's eye on the memories: where markers lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem::{self, Finder};
use wasmtime::CallHook;

use super::audit::{Memories, Place};
use super::traffic::{MARKER, Marker};
use crate::program::Guest;

/// Looks for the markers of a run.
pub(super) struct Watch {
    memories: Arc<Memories>,
    run: String,
    seen: Arc<Mutex<Seen>>,
}

/// Where the marker lay of the request that is under way.
#[derive(Default)]
struct Seen {
    /// What is looked for: the marker of that request. Those of others may lie
    /// anywhere in memory that was freed.
    marker: Option<Finder<'static>>,
    all: BTreeSet<Place>,
    /// At the last crossing, in order. Most of them are still there at the next,
    /// and need not be noted again.
    last: Vec<Place>,
}

impl Seen {
    /// What lies in memory now, in order.
    fn note(&mut self, now: Vec<Place>) {
        let mut last = self.last.iter().peekable();
        for &place in &now {
            while last.next_if(|&&before| before < place).is_some() {}
            if last.peek() != Some(&&place) {
                self.all.insert(place);
            }
        }
        self.last = now;
    }
}

impl Watch {
    /// For the markers that begin with `run`.
    pub(super) fn new(memories: Arc<Memories>, run: &str) -> Self {
        Self {
            memories,
            run: run.to_owned(),
            seen: Arc::default(),
        }
    }

    pub(super) fn memories(&self) -> &Memories {
        &self.memories
    }

    /// Notes where the marker lies at every crossing between `guest` and the host.
    pub(super) fn follow(&self, guest: &mut Guest) {
        let memories = Arc::clone(&self.memories);
        let seen = Arc::clone(&self.seen);
        guest.store.call_hook(move |_, hook| {
            // Into the host after the guest has worked, and into the guest
            // after the host has put something there. What a host function
            // returned is seen at the next of these.
            if !matches!(hook, CallHook::ReturningFromHost) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let mut now = Vec::new();
                if let Some(marker) = &seen.marker {
                    // SAFETY: within a hook no guest code runs.
                    unsafe { memories.find(marker, |place| now.push(place)) };
                }
                seen.note(now);
            }
            Ok(())
        });
    }

    /// Looks for this marker from now on.
    pub(super) fn look_for(&self, marker: &Marker) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen {
            marker: Some(Finder::new(marker.as_str()).into_owned()),
            ..Seen::default()
        };
    }

    /// Where it lay since then. It is not looked for any more.
    pub(super) fn take_seen(&self) -> BTreeSet<Place> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen).all
    }

    /// Every place where a marker of the run begins, or one of `pieces` lies, in
    /// order.
    ///
    /// # Safety
    /// No guest code runs on an instance of the engine.
    pub(super) unsafe fn remnants<'a>(
        &'a self,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<Remnant> {
        let mut remnants = BTreeMap::new();
        let look = |memories: &[&[u8]]| {
            for (memory, bytes) in memories.iter().enumerate() {
                for offset in memmem::find_iter(bytes, self.run.as_bytes()) {
                    let unique = offset + self.run.len()..offset + MARKER;
                    let unique = bytes.get(unique).map(<[u8]>::to_vec);
                    remnants.insert(Place { memory, offset }, unique);
                }
            }
            for piece in pieces {
                let finder = Finder::new(piece);
                for (memory, bytes) in memories.iter().enumerate() {
                    for offset in finder.find_iter(bytes) {
                        remnants.entry(Place { memory, offset }).or_default();
                    }
                }
            }
        };
        // SAFETY: passed on.
        unsafe { self.memories.look(look) };
        let remnant = |(place, unique)| Remnant { place, unique };
        remnants.into_iter().map(remnant).collect()
    }
}

/// A piece of a marker that lies somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remnant {
    pub(super) place: Place,
    /// What lies where the marker's own part would be, where it begins here.
    pub(super) unique: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lay_somewhere_at_any_crossing_was_seen_there() {
        let places = |offsets: &[usize]| -> Vec<Place> {
            let place = |&offset| Place { memory: 0, offset };
            offsets.iter().map(place).collect()
        };
        let crossings: [&[usize]; 6] = [&[4], &[2, 4, 9], &[9], &[], &[4, 8], &[1, 4, 8, 12]];
        let mut seen = Seen::default();
        for crossing in crossings {
            seen.note(places(crossing));
        }
        let expected = places(&[1, 2, 4, 8, 9, 12]);
        assert_eq!(seen.all, expected.into_iter().collect());
    }
}
