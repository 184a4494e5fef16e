//! The host's eye on the memories: where markers lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    crossings: Arc<AtomicU64>,
}

/// Where the markers lay of the requests that are under way. Those of others may lie
/// anywhere in memory that was freed.
#[derive(Default)]
struct Seen {
    wanted: Vec<Wanted>,
    /// Requests that had their markers in memory at the same crossing, at most.
    at_once: usize,
}

/// The marker of one request.
struct Wanted {
    unique: Vec<u8>,
    all: BTreeSet<Place>,
    /// At the last crossing, in order. Most of them are still there at the next,
    /// and need not be noted again.
    last: Vec<Place>,
    stage: Stage,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Answered,
}

impl Wanted {
    fn new(marker: &Marker) -> Self {
        Self {
            unique: marker.unique().to_vec(),
            all: BTreeSet::new(),
            last: Vec::new(),
            stage: Stage::Running,
        }
    }

    /// Where it lies now, in order.
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

impl Seen {
    /// What lies in memory now.
    fn look(&mut self, memories: &[&[u8]], run: &Finder<'_>) {
        let mut now = vec![Vec::new(); self.wanted.len()];
        let mut whose = 0;
        for (memory, bytes) in memories.iter().enumerate() {
            for offset in run.find_iter(bytes) {
                let unique = bytes.get(offset + run.needle().len()..offset + MARKER);
                let is = |wanted: &Wanted| Some(&*wanted.unique) == unique;
                // Those of a request mostly lie beside each other.
                if !self.wanted.get(whose).is_some_and(is) {
                    match self.wanted.iter().position(is) {
                        Some(number) => whose = number,
                        None => continue,
                    }
                }
                now[whose].push(Place { memory, offset });
            }
        }
        let mut at_once = 0;
        for (wanted, now) in self.wanted.iter_mut().zip(now) {
            at_once += usize::from(wanted.stage == Stage::Running && !now.is_empty());
            wanted.note(now);
        }
        self.at_once = self.at_once.max(at_once);
    }
}

/// What was seen of the requests that were under way.
#[derive(Default)]
pub(super) struct Sighted {
    /// Where the marker of each lay, in their order.
    pub(super) places: Vec<BTreeSet<Place>>,
    /// So many had no answer yet and their markers in memory, at the same crossing, at
    /// most: they were in flight.
    pub(super) at_once: usize,
}

impl Watch {
    /// For the markers that begin with `run`.
    pub(super) fn new(memories: Arc<Memories>, run: &str) -> Self {
        Self {
            memories,
            run: run.to_owned(),
            seen: Arc::default(),
            crossings: Arc::default(),
        }
    }

    pub(super) fn memories(&self) -> &Memories {
        &self.memories
    }

    /// Notes where the markers lie at every crossing between `guest` and the host.
    pub(super) fn follow(&self, guest: &mut Guest) {
        let memories = Arc::clone(&self.memories);
        let seen = Arc::clone(&self.seen);
        let crossings = Arc::clone(&self.crossings);
        let run = Finder::new(&self.run).into_owned();
        guest.store.call_hook(move |_, hook| {
            crossings.fetch_add(1, Ordering::Relaxed);
            // Into the host after the guest has worked, and into the guest
            // after the host has put something there. What a host function
            // returned is seen at the next of these.
            if !matches!(hook, CallHook::ReturningFromHost) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                // Of several there is so much that a look after the guest has worked
                // has to do.
                let worked = matches!(hook, CallHook::CallingHost);
                if worked && !seen.wanted.is_empty() || seen.wanted.len() == 1 {
                    // SAFETY: within a hook no guest code runs.
                    unsafe { memories.look(|memories| seen.look(memories, &run)) };
                }
            }
            Ok(())
        });
    }

    /// How often there was a crossing: a guest that works has some.
    pub(super) fn crossings(&self) -> u64 {
        self.crossings.load(Ordering::Relaxed)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for these markers from now on.
    pub(super) fn look_for<'m>(&self, markers: impl IntoIterator<Item = &'m Marker>) {
        *self.seen() = Seen {
            wanted: markers.into_iter().map(Wanted::new).collect(),
            at_once: 0,
        };
    }

    /// The request whose marker is at this place of those that are looked for has its
    /// answer.
    pub(super) fn answered(&self, number: usize) {
        if let Some(wanted) = self.seen().wanted.get_mut(number) {
            wanted.stage = Stage::Answered;
        }
    }

    /// Where they lay since then. They are not looked for any more.
    pub(super) fn take_seen(&self) -> Sighted {
        let Seen { wanted, at_once } = std::mem::take(&mut *self.seen());
        Sighted {
            places: wanted.into_iter().map(|wanted| wanted.all).collect(),
            at_once,
        }
    }

    /// Every place where a marker of the run begins, or one of `pieces` lies, in
    /// order.
    ///
    /// # Safety
    /// No guest code runs on an instance of the engine.
    pub(super) unsafe fn remnants<'a>(
        &self,
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
    use super::super::Plan;
    use super::super::traffic::Traffic;
    use super::*;

    #[test]
    fn what_lay_somewhere_at_any_crossing_was_seen_there() {
        let places = |offsets: &[usize]| -> Vec<Place> {
            let place = |&offset| Place { memory: 0, offset };
            offsets.iter().map(place).collect()
        };
        let crossings: [&[usize]; 6] = [&[4], &[2, 4, 9], &[9], &[], &[4, 8], &[1, 4, 8, 12]];
        let mut wanted = Wanted {
            unique: Vec::new(),
            all: BTreeSet::new(),
            last: Vec::new(),
            stage: Stage::Running,
        };
        for crossing in crossings {
            wanted.note(places(crossing));
        }
        let expected = places(&[1, 2, 4, 8, 9, 12]);
        assert_eq!(wanted.all, expected.into_iter().collect());
    }

    #[test]
    fn requests_are_in_flight_together_while_their_markers_are_there_and_no_answer_is() {
        let plan = Plan::new();
        let mut traffic = Traffic::new(&plan);
        let sent: Vec<_> = (0..3).map(|_| traffic.next().expect("valid")).collect();
        let text = |n: usize| sent[n].marker.as_str();
        let run = Finder::new(traffic.run());
        let mut seen = Seen {
            wanted: sent.iter().map(|sent| Wanted::new(&sent.marker)).collect(),
            at_once: 0,
        };
        let crossings = [
            format!("{} and again {}", text(0), text(0)),
            format!("{} {}", text(2), text(0)),
            format!("{} {} {}", text(0), text(1), text(2)),
        ];
        seen.look(&[crossings[0].as_bytes()], &run);
        assert_eq!(seen.at_once, 1);
        seen.look(&[b"", crossings[1].as_bytes()], &run);
        assert_eq!(seen.at_once, 2);
        // What is left of a request is not in flight.
        seen.wanted[2].stage = Stage::Answered;
        seen.look(&[crossings[2].as_bytes()], &run);
        assert_eq!(seen.at_once, 2);
        let offsets = |n: usize| -> Vec<_> {
            let all = seen.wanted[n].all.iter();
            all.map(|place| (place.memory, place.offset)).collect()
        };
        assert_eq!(offsets(0), [(0, 0), (0, 43), (1, 33)]);
        assert_eq!(offsets(1), [(0, 33)]);
        assert_eq!(offsets(2), [(0, 66), (1, 0)]);
    }
}
