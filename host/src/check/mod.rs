//! The memory check: one instance, many requests, and what the host sees in its
//! memory meanwhile.
//!
//! The instance runs in an engine whose linear memories the host itself made
//! (`audit`), so nothing here rests on what the guest says, with one exception
//! that is evidence of its own: what it claims is compared with what was seen.
//!
//! Around each request:
//!
//! ```text
//! handle(request) ──► usage ──► rewind ──► search memory for the marker
//!   │  at every crossing between guest and host:
//!   └─ where does the marker lie now?
//! ```
//!
//! - **answers**: every request was answered, and every rewind done.
//! - **size**: after a warm-up no memory grew, no table grew, and no resource of
//!   the host stayed with the guest.
//! - **addresses**: requests of the same shape, with the same requests before
//!   them, lay at the same places. An arena that is not reset, and any leak,
//!   moves what comes after it.
//! - **content**: after the rewind no piece of a marker is anywhere in memory,
//!   and no answer holds the marker of an earlier request.
//! - **claims**: the figures of `invocation.usage` agree with each other and
//!   with what was seen.
//! - **freshness**: where each request has an instance of its own, as in `serve`,
//!   a new one shows nothing of the one before (`freshness`).

mod audit;
mod evidence;
mod freshness;
mod report;
mod traffic;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use memchr::memmem::Finder;
use wasmtime::CallHook;

use self::audit::{Memories, Place};
use self::evidence::{Answer, Judge, Seen};
use self::traffic::{Sent, Traffic};
use crate::config::Limits;
use crate::epoch;
use crate::failure::Failure;
use crate::guest_log::GuestOutput;
use crate::program::{Door, Guest, LoadError, Program};
use crate::state::State;

pub use self::report::{Evidence, Report, Verdict};
pub use self::traffic::{PLACEHOLDER, Shape, ShapeError};

/// What a check does.
///
/// ```
/// use lavandula_host::check::Plan;
///
/// let plan = Plan::new().requests(500).seed(7);
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    requests: u32,
    seed: u64,
    shapes: Vec<Shape>,
    generated: Generated,
}

/// Whether the traffic has generated requests besides those given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generated {
    Too,
    Not,
}

impl Plan {
    /// 200 generated requests with seed 1.
    pub fn new() -> Self {
        Self {
            requests: 200,
            seed: 1,
            shapes: Vec::new(),
            generated: Generated::Too,
        }
    }

    /// How many requests the instance gets. The first ones warm it up: up to
    /// five of each shape.
    pub fn requests(mut self, requests: u32) -> Self {
        self.requests = requests;
        self
    }

    /// What the traffic is made from: the same seed gives the same requests,
    /// byte for byte.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Requests of this shape as well: ones that the handler does real work on.
    /// May be given more than once.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shapes.push(shape);
        self
    }

    /// No generated requests, where at least one shape is given.
    pub fn given_only(mut self) -> Self {
        self.generated = Generated::Not;
        self
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a check could not be made at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The component cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No instance of it came to be.
    #[error("no instance of the component came to be: {0}")]
    Start(Failure),
    /// Too few requests to compare any two.
    #[error(
        "{asked} requests are too few: the check compares requests of the same shape, and needs \
         {needed} for that"
    )]
    TooFew {
        /// What was asked for.
        asked: u32,
        /// The least that makes sense.
        needed: u32,
    },
    /// A request of the plan is none.
    #[error("a request of the plan is not valid: {0}")]
    Request(#[from] http::Error),
}

/// The least number of times that each shape has to come: as often to warm up
/// as to compare, and one request alone compares with nothing.
const LEAST_CYCLES: u32 = 4;

/// Checks the component that `bytes` are. `progress` is called with the number
/// of requests that are done.
pub(crate) async fn run(
    bytes: &[u8],
    door: Door,
    limits: &Limits,
    plan: &Plan,
    mut progress: impl FnMut(u32),
) -> Result<Report, CheckError> {
    let mut traffic = Traffic::new(plan);
    let shapes = u32::try_from(traffic.shapes().len()).unwrap_or(u32::MAX);
    let needed = shapes.saturating_mul(LEAST_CYCLES);
    if plan.requests < needed {
        return Err(CheckError::TooFew {
            asked: plan.requests,
            needed,
        });
    }
    // A general-purpose allocator may need a few cycles until everything has
    // found its place.
    let warm_up = shapes * (plan.requests / shapes / 2).clamp(LEAST_CYCLES / 2, 5);

    let (engine, memories) = audit::engine(limits).map_err(LoadError::Engine)?;
    epoch::start(&engine).map_err(LoadError::Clock)?;
    let program = Program::new(&engine, bytes)?
        .within(limits)?
        .with_door(door)?;
    let state = State::new(limits, GuestOutput::Discard);
    let guest = program.instantiate(state).await;
    let guest = guest.map_err(|refused| CheckError::Start(refused.failure))?;
    let watch = Watch::new(memories, traffic.run());
    let mut audit = Audit::new(guest, program, *limits, watch);
    audit.prepare().await.map_err(CheckError::Start)?;

    let mut judge = Judge::new(traffic.shapes(), warm_up);
    let mut done = 0;
    for number in 1..=plan.requests {
        let sent = traffic.next()?;
        let answer = audit.request(&sent).await;
        let ended = answer.failed();
        judge.hear(number, &sent, answer);
        if ended {
            break;
        }
        done = number;
        progress(done);
    }

    let mut evidence = judge.conclude();
    evidence.push(freshness::run(bytes, door, limits, plan).await?);
    let holds = evidence.iter().all(|evidence| evidence.holds);
    Ok(Report {
        verdict: if holds {
            Verdict::Holds
        } else {
            Verdict::Broken
        },
        requests: done,
        seed: plan.seed,
        door,
        memory: audit.watch.memories.total() as u64,
        evidence,
    })
}

/// The host's eye on the memories.
struct Watch {
    memories: Arc<Memories>,
    run: String,
    /// Where markers lay during the request that is under way.
    seen: Arc<Mutex<BTreeSet<Place>>>,
}

impl Watch {
    fn new(memories: Arc<Memories>, run: &str) -> Self {
        Self {
            memories,
            run: run.to_owned(),
            seen: Arc::default(),
        }
    }

    /// Notes where markers lie at every crossing between `guest` and the host.
    fn follow(&self, guest: &mut Guest) {
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

    fn take_seen(&self) -> BTreeSet<Place> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every place where one of `needles` lies.
    fn remnants<'a>(&self, needles: impl Iterator<Item = &'a [u8]>) -> BTreeSet<Place> {
        let mut places = BTreeSet::new();
        for needle in needles {
            let finder = Finder::new(needle);
            // SAFETY: called between calls of the guest only.
            unsafe {
                self.memories.find(&finder, |place| {
                    places.insert(place);
                });
            }
        }
        places
    }
}

/// One instance under audit.
struct Audit {
    guest: Guest,
    program: Program,
    limits: Limits,
    watch: Watch,
}

impl Audit {
    fn new(guest: Guest, program: Program, limits: Limits, watch: Watch) -> Self {
        Self {
            guest,
            program,
            limits,
            watch,
        }
    }

    async fn prepare(&mut self) -> Result<(), Failure> {
        if self.program.has_invocation() {
            self.guest.seal().await?;
        }
        self.watch.follow(&mut self.guest);
        Ok(())
    }

    /// One request, and what was seen around it.
    async fn request(&mut self, sent: &Sent) -> Answer {
        match self.observe(sent).await {
            Ok(seen) => Answer::Given(Box::new(seen)),
            Err(failure) => Answer::Failed(format!("{}: {failure}", failure.label())),
        }
    }

    async fn observe(&mut self, sent: &Sent) -> Result<Seen, Failure> {
        self.guest.undisturbed_for(self.limits.timeout);
        self.watch.take_seen();
        let request = sent.request.clone();
        let handled = self.guest.handle(self.program.door(), request).await;
        let places = self.watch.take_seen();

        let response = handled?;
        let claims = self.guest.usage().await?;
        if self.program.has_invocation() {
            self.guest.rewind().await?;
        }
        let run = std::iter::once(self.watch.run.as_bytes());
        let remnants = self.watch.remnants(run.chain(sent.marker.pieces()));
        let state = self.guest.store.data();
        Ok(Seen {
            response: flat(&response),
            places,
            remnants,
            claims,
            memory: state.ledger.memory_use(),
            table_elements: state.ledger.table_elements(),
            resources_gone: state.holds_no_resources(),
        })
    }
}

/// Everything of a response in which a marker could lie.
fn flat(response: &http::Response<Bytes>) -> Vec<u8> {
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
