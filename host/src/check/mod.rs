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
//! - **overlap**: where requests overlap in the instance ([`Plan::overlap`]), no block of
//!   memory has two of them (`overlap`).
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
mod overlap;
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
use std::num::NonZeroU32;
use std::time::Duration;

use self::anatomy::Anatomy;
use self::evidence::{Answer, Conclusion, Course, Failed, Judge, Overlapping, Pace, Setting};
use self::overlap::order::Order;
use self::overlap::{Alone, Batches};
use self::pointers::Elsewhere;
use self::traffic::{MARKER, Sent, Traffic};
use self::trial::Trial;
use self::watch::Watch;
use crate::ahead;
use crate::config::{Isolation, Limits, Reuse};
use crate::epoch;
use crate::failure::Failure;
use crate::program::{Door, LoadError, Program};
use crate::symbols::Symbols;

pub use self::compare::{
    Allowance, AllowanceError, Comparison, EvidenceChange, Figure, FigureChange, Incomparable,
    Judgement, StoredError, Thresholds, Trend, Unit, UnknownFigure,
};
pub use self::report::{
    Culprit, Evidence, FORMAT, Figures, Kind, Overlap, Region, Report, SCHEMA, Spot, Verdict,
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
    /// Requests at a time, where they overlap.
    overlap: Option<NonZeroU32>,
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
            overlap: None,
        }
    }

    /// So many requests at a time: they overlap in one instance, their bodies arrive in
    /// pieces, in orders that the seed decides, and each has an answer as where it is
    /// alone. For components with the door of WASI 0.3. One at a time is no overlap.
    ///
    /// Requests whose number is shown by a [`Culprit`] are then all of those that ran
    /// together.
    pub fn overlap(mut self, at_a_time: u32) -> Self {
        self.overlap = NonZeroU32::new(at_a_time).filter(|at_a_time| at_a_time.get() > 1);
        self
    }

    /// How its requests follow each other, where they overlap.
    fn batches(&self, shapes: usize) -> Option<Batches> {
        let shapes = u32::try_from(shapes).unwrap_or(u32::MAX);
        let overlap = self.overlap?;
        Some(Batches::new(overlap.get(), shapes))
    }

    /// Requests after which all of them come again.
    fn cycle(&self, shapes: usize) -> u32 {
        let one_by_one = u32::try_from(shapes).unwrap_or(u32::MAX);
        let batches = self.batches(shapes);
        batches.map_or(one_by_one, Batches::cycle)
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
        let cycle = self.cycle(shapes);
        let needed = cycle.saturating_mul(LEAST_CYCLES);
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
                cycle * (self.requests / cycle / 2).clamp(LEAST_CYCLES / 2, 5)
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
    /// Whether instances are shared is not a question of isolation here.
    #[error(
        "for requests that share an instance the check has `Plan::overlap`, which says how many at \
         a time; choose `Isolation::Instance` or `Isolation::Rewind` for the plan"
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
    /// Requests were to overlap in one instance, and enter it one after the other.
    #[error(
        "requests overlap in an instance by the door of WASI 0.3 alone (`wasi:http/handler`), and \
         this component is entered by the {door} door: put the handler behind that one \
         (`export!(async handler)`), or leave out `--overlap`"
    )]
    OneByOne {
        /// The door.
        door: Door,
    },
    /// Requests were to overlap in one instance, and have one each.
    #[error(
        "with an instance for each request none overlaps with another: leave out `--overlap`, or \
         `--isolation instance`"
    )]
    Apart,
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
    let batches = plan.batches(traffic.shapes().len());
    if batches.is_some() {
        if door != Door::Service {
            return Err(CheckError::OneByOne { door });
        }
        if plan.isolation == Isolation::Instance {
            return Err(CheckError::Apart);
        }
    }

    let (engine, memories) = audit::engine(limits).map_err(LoadError::Engine)?;
    epoch::start(&engine).map_err(LoadError::Clock)?;
    let program = Program::new(&engine, bytes)?
        .within(limits)?
        .with_door(door)?;
    let watch = Watch::new(memories, traffic.run());
    let mut trial = Trial::new(program, *limits, plan.isolation, watch);
    trial.begin().await.map_err(CheckError::Start)?;

    let (sealed, anatomy) = (trial.sealed(), Anatomy::of(bytes, names));
    let setting = Setting {
        door,
        isolation: plan.isolation,
        together: match batches {
            None => Pace::OneByOne,
            Some(_) => Pace::Together,
        },
    };
    let (shapes, last) = (traffic.shapes(), plan.last());
    let mut judge = Judge::new(shapes, course, last, setting, sealed, &anatomy);
    let mut run = Run {
        trial: &mut trial,
        traffic: &mut traffic,
        plan,
        limits,
    };
    match batches {
        None => run.one_by_one(&mut judge, &mut progress).await?,
        Some(batches) => judge = run.together(judge, batches, &mut progress).await?,
    }
    let memory = trial.memory();
    let requests = judge.heard();
    if let Some(last) = judge.undecided().filter(|_| batches.is_none()) {
        repeat_elsewhere(&mut trial, &mut judge, plan, last).await?;
    }

    let Conclusion {
        mut evidence,
        figures,
        timeline,
        overlap,
    } = judge.conclude();
    let freshness = match plan.only.is_empty() {
        true => freshness::run(bytes, served, limits, plan).await?,
        false => freshness::left_out(),
    };
    evidence.push(freshness);
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
        overlap,
        memory: memory as u64,
        evidence,
        figures: Figures {
            component: bytes.len() as u64,
            ..figures
        },
        timeline,
    })
}

/// The requests of a run on their way to the instances under audit.
struct Run<'r> {
    trial: &'r mut Trial,
    traffic: &'r mut Traffic,
    plan: &'r Plan,
    limits: &'r Limits,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    On,
    No,
}

impl Run<'_> {
    /// One after the other.
    async fn one_by_one(
        &mut self,
        judge: &mut Judge<'_>,
        progress: &mut impl FnMut(u32),
    ) -> Result<(), CheckError> {
        let mut failures = 0;
        let mut before: Option<Sent> = None;
        for number in 1..=self.plan.last() {
            let sent = self.traffic.next()?;
            if !self.plan.wants(number) {
                continue;
            }
            let answer = self.trial.request(&sent, before.as_ref()).await;
            judge.hear(number, &sent, &answer, self.trial.before());
            if let Answer::Failed(failed) = &answer
                && self.failed(judge, &sent, failed, &mut failures)? == Goes::No
            {
                break;
            }
            progress(number);
            before = Some(sent);
        }
        Ok(())
    }

    /// Several at a time, after each shape was alone.
    async fn together<'a>(
        &mut self,
        judge: Judge<'a>,
        batches: Batches,
        progress: &mut impl FnMut(u32),
    ) -> Result<Judge<'a>, CheckError> {
        let (shapes, last) = (self.traffic.shapes().len(), self.plan.last());
        let alone = Alone::new(self.traffic.run(), MARKER, shapes);
        let mut judge = judge.overlapping(Overlapping::new(batches, alone, self.plan.requests));
        let mut failures = 0;
        // Twice, so that answers which are always different are known.
        let mut aside = self.traffic.aside();
        for _ in 0..2 * shapes {
            let sent = aside.next()?;
            let answer = self.trial.request(&sent, None).await;
            judge.hear_alone(&sent, &answer);
            if let Answer::Failed(failed) = &answer
                && self.failed(&mut judge, &sent, failed, &mut failures)? == Goes::No
            {
                return Ok(judge);
            }
        }

        let mut numbers = Vec::new();
        let mut together = Vec::new();
        for number in 1..=last {
            let batch = batches.of(number);
            let position = (number - 1) % batches.at_a_time;
            if batches.begins_cycle_with(number) {
                self.traffic.begin_cycle();
            }
            let sent = self.traffic.next()?;
            if self.plan.wants(number) {
                numbers.push(number);
                together.push(sent);
            }
            if position + 1 < batches.at_a_time && number < last || together.is_empty() {
                continue;
            }
            let numbers = std::mem::take(&mut numbers);
            let together = std::mem::take(&mut together);
            let bodies: Vec<_> = (together.iter())
                .map(|sent| sent.request.body().len())
                .collect();
            let order = Order::new(self.plan.seed, batches.turn(batch), &bodies);
            let seen = self.trial.together(&together, &order).await;
            judge.hear_together(&numbers, &together, &seen, self.trial.before());
            if let (Err(failed), Some(first)) = (&seen.end, together.first())
                && self.failed(&mut judge, first, failed, &mut failures)? == Goes::No
            {
                break;
            }
            progress(number);
        }
        Ok(judge)
    }

    /// A request failed, and its instance with it.
    fn failed(
        &mut self,
        judge: &mut Judge<'_>,
        sent: &Sent,
        failed: &Failed,
        failures: &mut u32,
    ) -> Result<Goes, CheckError> {
        if failed.ended == Ended::Deadline && judge.heard() == 0 {
            return Err(CheckError::Silent {
                request: self.traffic.shapes()[sent.shape].to_string(),
                limit: self.limits.timeout,
            });
        }
        *failures += 1;
        // Each that ends by its deadline takes all of it.
        if *failures == MOST_FAILURES || failed.ended == Ended::Deadline {
            judge.end_early();
            return Ok(Goes::No);
        }
        self.trial.give_up();
        Ok(Goes::On)
    }
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
