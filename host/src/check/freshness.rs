//! Freshness: an instance in a slot of the pool sees nothing of the one that had
//! the slot before, however that one ended.
//!
//! This is about the production engine (`engine`), where every request has an
//! instance of its own, and where what keeps requests apart is how wasmtime puts
//! a slot back. Here there is one slot, so that every instance gets it:
//!
//! ```text
//! instance ──► a request, which ends in one way or another ──► dropped
//!    ▲                                                           │ the slot
//!    │                                                           ▼ is put back
//! dropped ◄── its memory is compared with a slot never used ◄── instance
//! ```
//!
//! The memory is wasmtime's own, and a component gives its host no way to it. A
//! core dump does: an instance that is ended at its first look at the epoch has
//! run no more than the entry of a function, and the error that it ends with
//! holds every memory of the store. Core dumps change neither the code nor where
//! instances live. (Support for debuggers, the other door to the memory, changes
//! both.)

mod found;
mod pristine;
mod slot;

use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use wasmtime::Engine;

use self::found::{Fault, Tally};
use self::pristine::Pristine;
use self::slot::{End, Interruption, Pooled, Slot, Stop, call_until, contents, look, memories};
use super::report::{Evidence, Kind};
use super::traffic::{MARKER, PLACEHOLDER, Sent, Shape, Traffic};
use super::{CheckError, Generated, Plan};
use crate::concurrency::Concurrency;
use crate::config::{Isolation, Limits};
use crate::engine::{self, Restore};
use crate::epoch;
use crate::failure::Failure;
use crate::guest_log::GuestOutput;
use crate::limits::MemoryUse;
use crate::program::{Door, Guest, LoadError, Program};
use crate::state::State;

/// The longest that one request may take here, and that all may. A handler that
/// answers is far from both; of one that hangs, `answers` tells.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_IN_ALL: Duration = Duration::from_secs(10);

/// Bytes of the largest request, at least.
const LARGE: usize = 5 << 18;

/// Looks at the epoch after which a request is long enough: the middle of it is
/// before that.
const LONG: u64 = 4_000_000;

/// Tries the component that `bytes` are, and that was compiled to be `served`.
pub(super) async fn run(
    bytes: &[u8],
    served: &Program,
    limits: &Limits,
    plan: &Plan,
) -> Result<Evidence, CheckError> {
    let door = served.door();
    let limits = Limits {
        max_in_flight: 1,
        timeout: limits.timeout.min(PATIENCE),
        ..*limits
    };
    let mut slots = pools(bytes, served, &limits)?;
    if slots.is_empty() {
        return Ok(evidence(true, NO_POOL.to_owned()));
    }
    let tried = try_all(&mut slots, door, limits, plan).await;
    let (holds, detail) = match tried {
        Ok(tally) => (true, tally.to_string()),
        Err(fault) => (false, fault.to_string()),
    };
    Ok(evidence(holds, detail))
}

/// What is said where a few requests are looked at again.
pub(super) fn left_out() -> Evidence {
    evidence(true, "not looked at: it is about no request".to_owned())
}

fn evidence(holds: bool, detail: String) -> Evidence {
    let kind = Kind::Freshness;
    Evidence {
        kind,
        holds,
        expected: kind.expected().to_owned(),
        detail,
        // The fault is the pool's and no request's.
        culprit: None,
    }
}

/// The pools of one slot, one for every way of putting a slot back, as many as
/// there is address space for. The component is compiled once.
fn pools(bytes: &[u8], served: &Program, limits: &Limits) -> Result<Vec<Pooled>, LoadError> {
    let concurrency = Concurrency::needed_by(bytes);
    let mut slots: Vec<Pooled> = Vec::new();
    for restore in Restore::all() {
        let mut config = engine::pooling(limits, restore, concurrency);
        config.coredump_on_trap(true);
        let Ok(engine) = Engine::new(&config) else {
            break;
        };
        epoch::start(&engine).map_err(LoadError::Clock)?;
        let program = match slots.first() {
            Some(first) => first.program.for_engine(&engine)?,
            // The same code, unless it was compiled for an engine without a pool.
            None => match served.for_engine(&engine) {
                Ok(program) => program,
                Err(_) => Program::new(&engine, bytes)?.with_door(served.door())?,
            },
        };
        slots.push(Pooled { program, restore });
    }
    Ok(slots)
}

/// What is said where a pool cannot be had. The production engine cannot have one
/// either then: see `engine::production`.
const NO_POOL: &str = "there is no address space for a pool here, so no slot is used again: every \
                       instance gets its memory from the kernel";

/// How a request is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The handler is left alone, but for how often it looks at the epoch, which
    /// is counted: the others need that to find the middle.
    Count,
    /// The handler is left alone.
    Answer,
    /// The handler gets no more memory than it started with.
    Denial,
    /// Its code is stopped in the middle.
    Stop(Stop),
}

impl Ending {
    /// Those that are tried in every slot.
    const EVERYWHERE: [Self; 5] = [
        Self::Answer,
        Self::Denial,
        Self::Stop(Stop::Trap),
        Self::Stop(Stop::Deadline),
        Self::Stop(Stop::Drop),
    ];
}

/// Every slot, every ending, every shape of request.
async fn try_all(
    slots: &mut [impl Slot],
    door: Door,
    limits: Limits,
    plan: &Plan,
) -> Result<Tally, Fault> {
    let traffic = Traffic::new(&with_large(plan, &limits));
    let run = Finder::new(traffic.run()).into_owned();
    let (pristine, starts) = first_looks(slots, door, &limits, &run).await?;
    let mut trial = Trial {
        door,
        life: match plan.isolation {
            Isolation::Rewind(_) | Isolation::Shared(_) => Life::Rewound,
            Isolation::Instance => Life::New,
        },
        limits,
        random: ChaCha8Rng::seed_from_u64(plan.seed),
        looks: vec![1; traffic.shapes().len()],
        run,
        traffic,
        tally: Tally {
            size: pristine.len(),
            ..Tally::default()
        },
        pristine,
    };
    let began = Instant::now();
    let mut endings = vec![Ending::Count; trial.looks.len()];
    for (slot, start) in slots.iter_mut().zip(&starts) {
        if trial.tally.cut {
            break;
        }
        trial.tally.ways += 1;
        endings.extend(everywhere(trial.looks.len()));
        for ending in endings.drain(..) {
            if began.elapsed() > PATIENCE_IN_ALL {
                trial.tally.cut = true;
                break;
            }
            trial.one(slot, start, ending).await?;
        }
    }
    if trial.tally.written {
        Ok(trial.tally)
    } else {
        Err(Fault::NothingWritten)
    }
}

/// The plan, with a request that writes more than the production engine puts back
/// in place, unless the plan is about the given requests only.
fn with_large(plan: &Plan, limits: &Limits) -> Plan {
    let entries = LARGE / MARKER;
    let body = format!(
        "[{}]",
        vec![format!("\"{PLACEHOLDER}\""); entries].join(",")
    );
    let large = Shape::new("POST", "/large", Vec::new(), body.into_bytes());
    match (plan.generated, large) {
        (Generated::Too, Ok(large)) if 2 * LARGE <= limits.max_request_body => {
            plan.clone().shape(large)
        }
        _ => plan.clone(),
    }
}

/// The endings of the requests in one slot. In each cycle of the traffic every
/// shape comes once; the endings are shifted from cycle to cycle, so that each
/// meets every shape, and comes early.
fn everywhere(shapes: usize) -> impl Iterator<Item = Ending> {
    let all = Ending::EVERYWHERE;
    (0..all.len()).flat_map(move |cycle| (0..shapes).map(move |n| all[(cycle + n) % all.len()]))
}

/// Where instances begin in a slot.
struct Start {
    /// Where their memories are.
    addresses: Vec<usize>,
    /// Bytes of all memories together.
    memory: usize,
}

/// What instances are like where nobody was before: before anything else runs in
/// any of the slots.
async fn first_looks(
    slots: &mut [impl Slot],
    door: Door,
    limits: &Limits,
    run: &Finder<'_>,
) -> Result<(Pristine, Vec<Start>), Fault> {
    let mut pristine: Option<Pristine> = None;
    let mut starts = Vec::new();
    for slot in slots {
        let seen = look(slot, door, limits).await;
        let seen = seen.map_err(Fault::UnseenAtFirst)?;
        match &pristine {
            Some(pristine) => pristine
                .compare(&seen.contents(), run)
                .map_err(Fault::Unsteady)?,
            None => pristine = Some(Pristine::new(&seen.contents())),
        }
        starts.push(Start {
            addresses: seen.addresses(),
            memory: seen.guest.memory_use().initial,
        });
        slot.take_back(seen.guest);
    }
    Ok((pristine.unwrap_or_else(|| Pristine::new(&[])), starts))
}

/// What an instance has behind it when it gets the request that is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nothing.
    New,
    /// A request and a rewind, where it can be rewound.
    Rewound,
}

struct Trial {
    door: Door,
    life: Life,
    limits: Limits,
    traffic: Traffic,
    random: ChaCha8Rng,
    /// What all markers begin with.
    run: Finder<'static>,
    /// How often a request of each shape looks at the epoch.
    looks: Vec<u64>,
    pristine: Pristine,
    tally: Tally,
}

impl Trial {
    /// One request, its end, and a look at the next instance.
    async fn one(
        &mut self,
        slot: &mut impl Slot,
        start: &Start,
        ending: Ending,
    ) -> Result<(), Fault> {
        let sent = self.traffic.next()?;
        let (end, memory) = self.request(slot, start, ending, &sent).await?;
        let was = self.tally.count(&end, memory);

        let shape = &self.traffic.shapes()[sent.shape];
        let way = slot.way();
        let after = || format!("after a request ({shape}) {was} and the slot was put back ({way})");
        let unseen = |why| Fault::Unseen {
            after: after(),
            why,
        };
        let stale = |difference| Fault::Stale {
            after: after(),
            difference,
        };
        let mut seen = look(slot, self.door, &self.limits).await.map_err(unseen)?;
        if seen.addresses() != start.addresses {
            return Err(Fault::Elsewhere { after: after() });
        }
        let compared = self.pristine.compare(&seen.contents(), &self.run);
        compared.map_err(stale)?;
        // What lies behind its memory is the next one's as soon as that grows.
        seen.grow(memory.peak - memory.initial).map_err(unseen)?;
        let compared = self.pristine.compare_grown(&seen.contents());
        compared.map_err(stale)?;
        slot.take_back(seen.guest);
        Ok(())
    }

    /// A request in an instance of its own, until it ends.
    async fn request(
        &mut self,
        slot: &mut impl Slot,
        start: &Start,
        ending: Ending,
        sent: &Sent,
    ) -> Result<(End, MemoryUse), Fault> {
        let limits = match ending {
            Ending::Denial => Limits {
                max_memory: start.memory,
                ..self.limits
            },
            Ending::Count | Ending::Answer | Ending::Stop(_) => self.limits,
        };
        let state = State::new(&limits, GuestOutput::Discard);
        let mut guest = slot.instance(state).await.map_err(Fault::NoInstance)?;
        if self.life == Life::Rewound && self.live_before(&mut guest, sent).await {
            self.tally.rewound += 1;
        }
        let request = sent.request.clone();
        let looks = &mut self.looks[sent.shape];
        let end = match ending {
            Ending::Answer | Ending::Denial => {
                End::Returned(guest.handle(self.door, request).await)
            }
            Ending::Count => {
                let (at, by) = (LONG, Stop::Deadline);
                let stop = Interruption { at, by };
                let (end, counted) = call_until(&mut guest, self.door, request, stop).await;
                *looks = counted.max(1);
                end
            }
            Ending::Stop(by) => {
                // Somewhat before the end, should this one be a little shorter.
                let at = 1 + self.random.next_u64() % (*looks - *looks / 8);
                let stop = Interruption { at, by };
                call_until(&mut guest, self.door, request, stop).await.0
            }
        };
        if let End::Returned(Err(failure)) = &end
            && let Some(memories) = memories(failure)
        {
            let seen = contents(&guest, &memories);
            self.tally.written |= self.pristine.compare(&seen, &self.run).is_err();
        }
        let memory = guest.memory_use();
        slot.take_back(guest);
        Ok((end, memory))
    }

    /// Has the instance answer a request and be rewound, as in rewind isolation, if it
    /// can be. What fails here fails again in what comes next.
    async fn live_before(&self, guest: &mut Guest, sent: &Sent) -> bool {
        if guest.invocation.is_none() {
            return false;
        }
        let rewound = async {
            guest.seal().await?;
            let image = guest.image_store().await?;
            if image.is_empty() {
                return Ok::<_, Failure>(false);
            }
            guest.handle(self.door, sent.request.clone()).await?;
            guest.rewind().await?;
            Ok(true)
        };
        rewound.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
