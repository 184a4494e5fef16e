//! The memory check: many requests, and what the host sees in the memory of the
//! instance that gets them.
//!
//! The instance runs in an engine whose linear memories the host itself made
//! (`audit`), so nothing here rests on what the guest says, with one exception
//! that is evidence of its own: what it claims is compared with what was seen.
//!
//! Around each request (`trial`):
//!
//! ```text
//! seal ──► copy memory ──► request ──► request ──► ...
//!
//! request:
//! handle ──► look for pointers ──► usage, blocks ──► rewind ──► look for pointers,
//!   │          into the arena                                   for the marker, and
//!   │                                                           compare with the copy
//!   └─ at every crossing between guest and host: where does the marker lie now?
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
//! - **identity**: a rewind of a guest with an image puts all of memory back, bit
//!   for bit.
//! - **pointers**: after the rewind nothing points into the arena.
//! - **claims**: the figures of `invocation.usage`, and the blocks, agree with each
//!   other and with what was seen.
//! - **freshness**: where each request has an instance of its own, as in `serve`,
//!   a new one shows nothing of the one before (`freshness`).
//!
//! With [`Isolation::Instance`] there is no rewind: each request has an instance of
//! its own, and these are compared with each other.

mod addresses;
mod anatomy;
mod audit;
mod bytes;
mod claims;
mod compare;
mod content;
mod evidence;
mod footprint;
mod freshness;
mod identity;
mod names;
mod pages;
mod pointers;
mod record;
mod regions;
mod report;
mod resources;
mod sealed;
mod show;
mod size;
mod timeline;
mod traffic;
mod trial;
mod watch;

use std::collections::BTreeSet;
use std::time::Duration;

use self::anatomy::Anatomy;
use self::evidence::{Answer, Conclusion, Course, Judge};
use self::pointers::Elsewhere;
use self::traffic::{Sent, Traffic};
use self::trial::Trial;
use self::watch::Watch;
use crate::ahead;
use crate::config::{Isolation, Limits, Reuse};
use crate::epoch;
use crate::failure::Failure;
use crate::program::{LoadError, Program};
use crate::symbols::Symbols;

pub use self::compare::{
    Allowance, AllowanceError, Comparison, EvidenceChange, Figure, FigureChange, Incomparable,
    Judgement, StoredError, Thresholds, Trend, Unit, UnknownFigure,
};
pub use self::report::{
    Culprit, Evidence, FORMAT, Figures, Kind, Region, Report, SCHEMA, Spot, Verdict,
};
pub use self::show::{Colour, Look, Shown, junit, junit_of_comparison};
pub use self::timeline::{Cell, Ended, Memory, Row, Timeline};
pub use self::traffic::{
    LeftOut, PLACEHOLDER, Recording, Selection, Shape, ShapeError, TrafficError, TrafficProblem,
};

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
    isolation: Isolation,
    shapes: Vec<Shape>,
    generated: Generated,
    /// Numbers of the requests that are sent. All of them where there are none.
    only: BTreeSet<u32>,
}

/// Whether the traffic has generated requests besides those given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generated {
    Too,
    Not,
}

impl Plan {
    /// 200 generated requests with seed 1, to one instance that is rewound after
    /// each.
    pub fn new() -> Self {
        Self {
            requests: 200,
            seed: 1,
            isolation: Isolation::Rewind(Reuse::default()),
            shapes: Vec::new(),
            generated: Generated::Too,
            only: BTreeSet::new(),
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

    /// What keeps the requests apart. With [`Isolation::Rewind`] one instance gets
    /// them all, whatever bounds its [`Reuse`] has, and is rewound after each, as
    /// far as the component can be: what it does not put back is part of what is
    /// checked. With [`Isolation::Instance`] each has an instance of its own, and
    /// what is compared is one instance with another.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Requests of this shape as well: ones that the handler does real work on.
    /// May be given more than once.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shapes.push(shape);
        self
    }

    /// Of the requests of this plan those with these numbers only, the first of which is
    /// 1, with the markers that they have in it. There is no warm-up then, and evidence
    /// that is not about requests is left out: this is for looking again at what a
    /// report has named ([`Culprit::requests`]).
    pub fn only(mut self, numbers: impl IntoIterator<Item = u32>) -> Self {
        self.only = numbers.into_iter().collect();
        self
    }

    fn wants(&self, number: u32) -> bool {
        self.only.is_empty() || self.only.contains(&number)
    }

    /// The number of the last request.
    fn last(&self) -> u32 {
        self.only.last().copied().unwrap_or(self.requests)
    }

    /// Which requests are sent, where there are so many shapes.
    fn course(&self, shapes: usize) -> Result<Course, CheckError> {
        if !self.only.is_empty() {
            return Ok(Course::Named);
        }
        let shapes = u32::try_from(shapes).unwrap_or(u32::MAX);
        let needed = shapes.saturating_mul(LEAST_CYCLES);
        if self.requests < needed {
            return Err(CheckError::TooFew {
                asked: self.requests,
                needed,
            });
        }
        let warm_up = match self.isolation {
            Isolation::Instance => 0,
            // A general-purpose allocator may need a few cycles until everything has
            // found its place.
            Isolation::Rewind(_) | Isolation::Shared(_) => {
                shapes * (self.requests / shapes / 2).clamp(LEAST_CYCLES / 2, 5)
            }
        };
        Ok(Course::Whole { warm_up })
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
    /// The code of the component, without the component.
    #[error(
        "compiled code cannot be checked, since the check compiles it in another way; check the \
         `.wasm` file that it was made of"
    )]
    Precompiled,
    /// Instances that are shared are looked at in no way of their own.
    #[error(
        "the check has a new instance for each request, or one that is rewound, and none that is \
         shared; choose `Isolation::Instance` or `Isolation::Rewind` for the plan"
    )]
    Shared,
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
    /// Not one request was answered in time.
    #[error(
        "the component has not answered {request} within {}, its first, so there is nothing to \
         judge; give it more time, or find out what it waits for",
        humantime::format_duration(*limit)
    )]
    Silent {
        /// The request.
        request: String,
        /// How long it had.
        limit: Duration,
    },
    /// A request of the plan is none.
    #[error("a request of the plan is not valid: {0}")]
    Request(#[from] http::Error),
}

/// The least number of times that each shape has to come: as often to warm up
/// as to compare, and one request alone compares with nothing.
const LEAST_CYCLES: u32 = 4;

/// After so many requests that failed the run is over: what is to be said of the
/// component does not become better by more of them.
const MOST_FAILURES: u32 = 8;

/// Checks the component that `bytes` are, that was compiled to be `served`, and whose
/// statics have these names.
/// `progress` is called with the number of requests that are done.
pub(crate) async fn run(
    bytes: &[u8],
    served: &Program,
    limits: &Limits,
    plan: &Plan,
    names: Option<&Symbols>,
    mut progress: impl FnMut(u32),
) -> Result<Report, CheckError> {
    let door = served.door();
    if ahead::is_compiled(bytes) {
        return Err(CheckError::Precompiled);
    }
    if matches!(plan.isolation, Isolation::Shared(_)) {
        return Err(CheckError::Shared);
    }
    let mut traffic = Traffic::new(plan);
    let course = plan.course(traffic.shapes().len())?;

    let (engine, memories) = audit::engine(limits).map_err(LoadError::Engine)?;
    epoch::start(&engine).map_err(LoadError::Clock)?;
    let program = Program::new(&engine, bytes)?
        .within(limits)?
        .with_door(door)?;
    let watch = Watch::new(memories, traffic.run());
    let mut trial = Trial::new(program, *limits, plan.isolation, watch);
    trial.begin().await.map_err(CheckError::Start)?;

    let (shapes, last) = (traffic.shapes(), plan.last());
    let (sealed, anatomy) = (trial.sealed(), Anatomy::of(bytes, names));
    let mut judge = Judge::new(shapes, course, last, plan.isolation, sealed, &anatomy);
    let mut failures = 0;
    let mut before: Option<Sent> = None;
    for number in 1..=last {
        let sent = traffic.next()?;
        if !plan.wants(number) {
            continue;
        }
        let answer = trial.request(&sent, before.as_ref()).await;
        judge.hear(number, &sent, &answer, trial.before());
        if let Answer::Failed(failed) = &answer {
            if failed.ended == Ended::Deadline && judge.heard() == 0 {
                return Err(CheckError::Silent {
                    request: traffic.shapes()[sent.shape].to_string(),
                    limit: limits.timeout,
                });
            }
            failures += 1;
            // Each that ends by its deadline takes all of it.
            if failures == MOST_FAILURES || failed.ended == Ended::Deadline {
                judge.end_early();
                break;
            }
            trial.give_up();
        }
        progress(number);
        before = Some(sent);
    }
    let memory = trial.memory();
    let requests = judge.heard();
    if let Some(last) = judge.undecided() {
        repeat_elsewhere(&mut trial, &mut judge, plan, last).await?;
    }

    let Conclusion {
        mut evidence,
        figures,
        timeline,
    } = judge.conclude();
    evidence.push(match plan.only.is_empty() {
        true => freshness::run(bytes, served, limits, plan).await?,
        false => freshness::left_out(),
    });
    let holds = evidence.iter().all(|evidence| evidence.holds);
    Ok(Report {
        format: FORMAT,
        lavandula: env!("CARGO_PKG_VERSION").to_owned(),
        component: None,
        verdict: if holds {
            Verdict::Holds
        } else {
            Verdict::Broken
        },
        requests,
        seed: plan.seed,
        door,
        isolation: plan.isolation,
        memory: memory as u64,
        evidence,
        figures: Figures {
            component: bytes.len() as u64,
            ..figures
        },
        timeline,
    })
}

/// Sends the requests up to `last` again, to an instance whose arena lies
/// elsewhere.
async fn repeat_elsewhere(
    trial: &mut Trial,
    judge: &mut Judge<'_>,
    plan: &Plan,
    last: u32,
) -> Result<(), http::Error> {
    let mut traffic = Traffic::new(plan);
    let Some(from) = trial.sealed().map(|sealed| sealed.initial) else {
        return Ok(());
    };
    // Further up than the first instance had anything, so that nothing that was an
    // address there is one here.
    let by = trial.memory();
    let elsewhere = Elsewhere { from, by };
    if trial.begin_elsewhere(by).await.is_err() {
        return Ok(());
    }
    for number in 1..=last {
        let sent = traffic.next()?;
        if !plan.wants(number) {
            continue;
        }
        // Where it fails now, what is undecided is not told from numbers.
        let Answer::Given(seen) = trial.request(&sent, None).await else {
            break;
        };
        if let Some(rewound) = &seen.rewound {
            judge.hear_again(number, &sent, &rewound.pointed.after, elsewhere);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
