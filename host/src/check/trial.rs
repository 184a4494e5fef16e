//! Instances under audit, one after another or one for all, and what is seen
//! around each request, or around several that overlap (`together`).

mod together;

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Response;
use tokio::task::coop::unconstrained;

use super::audit::Place;
use super::evidence::{Answer, Seen};
use super::identity::{self, Comparison};
use super::pages::{Before, Traces};
use super::pointers::{self, Arena, Found, Pointed};
use super::regions::{Span, spans};
use super::sealed::Sealed;
use super::traffic::{Marker, Sent};
use super::watch::{Remnant, Watch};
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::config::{Isolation, Limits};
use crate::failure::Failure;
use crate::program::{Door, Exports, Guest, Program};
use crate::state::State;

#[cfg(test)]
pub(super) use self::together::Said;
pub(super) use self::together::{Batch, Entrance, Look};

/// What is checked, and how.
pub(super) struct Trial {
    program: Program,
    limits: Limits,
    isolation: Isolation,
    watch: Watch,
    instance: Option<Instance>,
}

/// The instance that gets the next request.
struct Instance {
    guest: Guest,
    /// Where it can be sealed, and is not given up after one request.
    sealed: Option<Sealed>,
    /// What it held of the host's when it was sealed: standard output, say.
    resources: usize,
    life: Life,
    /// Its memory before the next request.
    before: Before,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nothing was sent to it.
    New,
    /// It got a request.
    Used,
}

/// What was seen of a rewind.
pub(super) struct Rewound {
    /// Where there is an image.
    pub(super) identity: Option<Comparison>,
    /// A place that the guest named as a part of its arena and as its own.
    pub(super) overlap: Option<Place>,
    pub(super) pointed: Pointed,
}

/// A call that was answered.
struct Call {
    response: Response<Bytes>,
    /// Where markers lay while it ran.
    places: BTreeSet<Place>,
    /// Remnants that were there before it, in an instance of its own.
    found_before: Option<Vec<Remnant>>,
    traces: Traces,
}

/// What the guest said, and what came of the rewind.
struct TakenBack {
    claims: Option<Usage>,
    blocks: Vec<Span>,
    rewound: Option<Rewound>,
}

impl Trial {
    pub(super) fn new(
        program: Program,
        limits: Limits,
        isolation: Isolation,
        watch: Watch,
    ) -> Self {
        Self {
            program,
            limits,
            isolation,
            watch,
            instance: None,
        }
    }

    /// Begins anew, with an instance that nothing was sent to.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        self.instance = None;
        self.watch.memories().clear();
        self.instance = Some(self.instantiate().await?);
        Ok(())
    }

    /// The same, and the memories of the instance begin larger by `extra` bytes, so
    /// that those that it takes later lie elsewhere.
    pub(super) async fn begin_elsewhere(&mut self, extra: usize) -> Result<(), Failure> {
        self.instance = None;
        self.watch.memories().clear_for_larger(extra);
        self.instance = Some(self.instantiate().await?);
        Ok(())
    }

    async fn instantiate(&self) -> Result<Instance, Failure> {
        let state = State::repeatable(&self.limits);
        let mut guest = self.program.instantiate(state, Exports::All).await?;
        let sealed = self.seal(&mut guest).await?;
        let resources = guest.store.data_mut().resources();
        self.watch.follow(&mut guest);
        // SAFETY: no guest code runs before it gets its request.
        let before = unsafe { self.watch.memories().look(Before::new) };
        Ok(Instance {
            guest,
            sealed,
            resources,
            life: Life::New,
            before,
        })
    }

    async fn seal(&self, guest: &mut Guest) -> Result<Option<Sealed>, Failure> {
        if !self.program.has_invocation() {
            return Ok(None);
        }
        if self.isolation == Isolation::Instance {
            guest.seal().await?;
            return Ok(None);
        }
        let memories = self.watch.memories();
        // SAFETY: no guest code runs between these calls.
        let before = unsafe { memories.copy() };
        guest.seal().await?;
        // SAFETY: as above.
        let copy = unsafe { memories.copy() };
        let store = spans(&guest.image_store().await?);
        let blocks = spans(&guest.blocks().await?);
        // What these have put into memory, they or the host.
        guest.rewind().await?;
        let store = store.into_iter().collect();
        Ok(Some(Sealed::new(&before, copy, store, &blocks)))
    }

    /// What is known of the instance from when it was sealed.
    pub(super) fn sealed(&self) -> Option<&Sealed> {
        self.instance.as_ref()?.sealed.as_ref()
    }

    /// Bytes of all memories of the instance.
    pub(super) fn memory(&self) -> usize {
        self.watch.memories().total()
    }

    /// The memory of the instance as the last request has left it.
    pub(super) fn before(&self) -> Option<&Before> {
        Some(&self.instance.as_ref()?.before)
    }

    /// Gives the instance up: the next request gets a new one, as in `serve` after a
    /// request that failed.
    pub(super) fn give_up(&mut self) {
        self.instance = None;
    }

    /// One request, and what was seen around it. `last` is the one before.
    pub(super) async fn request(&mut self, sent: &Sent, last: Option<&Sent>) -> Answer {
        let again = |instance: &Instance| {
            instance.life == Life::New || self.isolation != Isolation::Instance
        };
        let mut instance = match self.instance.take().filter(again) {
            Some(instance) => instance,
            None => {
                self.watch.memories().clear();
                match self.instantiate().await {
                    Ok(instance) => instance,
                    Err(failure) => return Answer::failed(&failure, Traces::default()),
                }
            }
        };
        let answer = self.observe(&mut instance, sent, last).await;
        self.instance = Some(instance);
        answer
    }

    async fn observe(&self, instance: &mut Instance, sent: &Sent, last: Option<&Sent>) -> Answer {
        let watch = &self.watch;
        instance.life = Life::Used;
        let found_before = (self.isolation == Isolation::Instance).then(|| {
            let pieces = last.into_iter().flat_map(|last| last.marker.pieces());
            // SAFETY: the instance is not called meanwhile.
            unsafe { watch.remnants(pieces) }
        });

        instance.guest.undisturbed_for(self.limits.timeout);
        watch.look_for([&sent.marker]);
        let request = sent.request.clone();
        let door = self.program.door();
        // Left alone by tokio as well, which would have it wait now and then, and every
        // wait is a crossing.
        let handled = unconstrained(instance.guest.handle(door, request)).await;
        let places = watch.take_seen().places.pop().unwrap_or_default();
        let before = &instance.before;
        let look = |memories: &[&[u8]]| Traces {
            written: before.written(memories),
            lengths: memories.iter().map(|bytes| bytes.len()).collect(),
            ..Traces::default()
        };
        // SAFETY: the guest has returned, or will not be called again.
        let traces = unsafe { watch.memories().look(look) };

        match handled {
            Err(failure) => Answer::failed(&failure, traces),
            Ok(response) => {
                let call = Call {
                    response,
                    places,
                    found_before,
                    traces,
                };
                match self.after(instance, [&sent.marker], call).await {
                    Ok(seen) => Answer::Given(Box::new(seen)),
                    Err((failure, traces)) => Answer::failed(&failure, traces),
                }
            }
        }
    }

    /// What is asked and looked at when a request was answered, or several that
    /// overlapped. `markers` are theirs.
    async fn after<'m>(
        &self,
        instance: &mut Instance,
        markers: impl IntoIterator<Item = &'m Marker>,
        call: Call,
    ) -> Result<Seen, (Failure, Traces)> {
        let Call {
            response,
            places,
            found_before,
            traces,
        } = call;
        let taken_back = match self.take_back(instance, &response).await {
            Ok(taken_back) => taken_back,
            Err(failure) => return Err((failure, traces)),
        };
        let Instance {
            guest,
            sealed,
            resources,
            before,
            ..
        } = instance;
        let watch = &self.watch;
        let remnants = match found_before {
            Some(remnants) => remnants,
            // SAFETY: the guest is not called meanwhile.
            None => unsafe { watch.remnants(markers.into_iter().flat_map(Marker::pieces)) },
        };
        let traces = match self.isolation {
            // Nothing of it is taken back: it goes as a whole.
            Isolation::Instance => traces,
            Isolation::Rewind(_) | Isolation::Shared(_) => {
                let kept = |place: Place| sealed.as_ref().is_some_and(|sealed| sealed.keeps(place));
                let look = |memories: &[&[u8]]| before.left(traces.written, memories, kept);
                // SAFETY: as above.
                unsafe { watch.memories().look(look) }
            }
        };
        let state = guest.store.data_mut();
        let TakenBack {
            claims,
            blocks,
            rewound,
        } = taken_back;
        Ok(Seen {
            status: response.status().as_u16(),
            response: flat(&response),
            places,
            remnants,
            claims,
            blocks,
            rewound,
            traces,
            memory: state.ledger.memory_use(),
            table_elements: state.ledger.table_elements(),
            resources_left: state.resources().saturating_sub(*resources),
        })
    }

    /// Asks the guest what it used, and has it take that back.
    async fn take_back(
        &self,
        instance: &mut Instance,
        response: &Response<Bytes>,
    ) -> Result<TakenBack, Failure> {
        let Instance { guest, sealed, .. } = instance;
        // Before the questions below, whose answers lie in memory too.
        let memory = sealed.as_ref().map(|sealed| self.home(sealed));
        let claims = guest.usage().await?;
        let blocks = spans(&guest.blocks().await?);
        let rewound = match (sealed, memory) {
            (Some(sealed), Some(memory)) => {
                let arena = Arena::new(&blocks, &memory);
                let mut before = pointers::scan(sealed, &memory, &arena);
                if self.program.door() == Door::Fast {
                    pointers::leave_out_answer(&mut before, &memory, response);
                }
                Some(self.rewind(guest, sealed, arena, before).await?)
            }
            _ => None,
        };
        Ok(TakenBack {
            claims,
            blocks,
            rewound,
        })
    }

    /// The memory that the guest's addresses are of, as it is now.
    fn home(&self, sealed: &Sealed) -> Vec<u8> {
        let copy = |memories: &[&[u8]]| memories.get(sealed.home).map(|bytes| bytes.to_vec());
        // SAFETY: called between calls of the guest only.
        unsafe { self.watch.memories().look(copy) }.unwrap_or_default()
    }

    /// Rewinds an instance after a request, and looks at what came of it. `before`
    /// is what pointed into the arena by then.
    async fn rewind(
        &self,
        guest: &mut Guest,
        sealed: &Sealed,
        arena: Arena,
        before: Found,
    ) -> Result<Rewound, Failure> {
        guest.rewind().await?;
        let look = |memories: &[&[u8]]| {
            let memory = memories.get(sealed.home).copied().unwrap_or_default();
            let identity = sealed
                .has_image()
                .then(|| identity::compare(sealed, memories));
            (identity, pointers::scan(sealed, memory, &arena))
        };
        // SAFETY: it has returned, and is not called before this is done.
        let (identity, after) = unsafe { self.watch.memories().look(look) };

        let memory = sealed.home;
        let overlap = sealed.store.overlap(arena.blocks());
        Ok(Rewound {
            identity,
            overlap: overlap.map(|offset| Place { memory, offset }),
            pointed: Pointed {
                blocks: arena.blocks().bytes(),
                before,
                after,
            },
        })
    }
}

/// Everything of a response in which a marker could lie.
pub(super) fn flat(response: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(response.body());
    bytes
}
