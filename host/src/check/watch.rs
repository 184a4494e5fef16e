//! The host's eye on the memories: where markers lie.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem::Finder;
use wasmtime::CallHook;

use super::audit::{Memories, Place};
use crate::program::Guest;

/// Looks for the markers of a run.
pub(super) struct Watch {
    memories: Arc<Memories>,
    run: String,
    /// Where markers lay during the request that is under way.
    seen: Arc<Mutex<BTreeSet<Place>>>,
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

    /// Notes where markers lie at every crossing between `guest` and the host.
    pub(super) fn follow(&self, guest: &mut Guest) {
        let memories = Arc::clone(&self.memories);
        let seen = Arc::clone(&self.seen);
        let finder = Finder::new(&self.run).into_owned();
        guest.store.call_hook(move |_, hook| {
            // Into the host after the guest has worked, and into the guest
            // after the host has put something there. What a host function
            // returned is seen at the next of these.
            if !matches!(hook, CallHook::ReturningFromHost) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                // SAFETY: within a hook no guest code runs.
                unsafe {
                    memories.find(&finder, |place| {
                        seen.insert(place);
                    });
                }
            }
            Ok(())
        });
    }

    pub(super) fn take_seen(&self) -> BTreeSet<Place> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every place where a marker of the run begins, or one of `pieces` lies.
    ///
    /// # Safety
    /// No guest code runs on an instance of the engine.
    pub(super) unsafe fn remnants<'a>(
        &'a self,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> BTreeSet<Place> {
        let mut places = BTreeSet::new();
        for needle in std::iter::once(self.run.as_bytes()).chain(pieces) {
            let finder = Finder::new(needle);
            // SAFETY: passed on.
            unsafe {
                self.memories.find(&finder, |place| {
                    places.insert(place);
                });
            }
        }
        places
    }
}
