//! What the observations amount to, one judge for each kind of evidence.

mod together;

use std::collections::BTreeSet;
use std::fmt;

use super::addresses::{Addresses, Rule};
use super::audit::Place;
use super::claims::Claims;
use super::content::{Content, End};
use super::footprint::{Footprint, Grain};
use super::identity::Identity;
use super::names::Names;
use super::pages::{Before, Traces};
use super::pointers::{Elsewhere, Found, Pointers};
use super::record::{Recorder, Told};
use super::regions::Span;
use super::report::{Culprit, Evidence, Figures, Kind, Overlap, Spot};
use super::resources::Resources;
use super::sealed::Sealed;
use super::size::Size;
use super::timeline::{Ended, Timeline};
use super::traffic::{Sent, Shape};
use super::trial::{Rewound, flat};
use super::watch::Remnant;
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::config::Isolation;
use crate::failure::Failure;
use crate::limits::MemoryUse;
use crate::program::Door;

pub(super) use self::together::Overlapping;

/// What became of one request.
pub(super) enum Answer {
    /// It was answered, and this was seen around it.
    Given(Box<Seen>),
    /// It, or the rewind after it, failed. The instance is of no use any more.
    Failed(Box<Failed>),
}

/// What is known of a request that failed.
pub(super) struct Failed {
    why: String,
    pub(super) ended: Ended,
    /// What it had written by then.
    traces: Traces,
}

impl Answer {
    pub(super) fn failed(failure: &Failure, traces: Traces) -> Self {
        Self::Failed(Box::new(Failed::new(failure, traces)))
    }
}

impl Failed {
    pub(super) fn new(failure: &Failure, traces: Traces) -> Self {
        let ended = match failure {
            Failure::Trap(_) => Ended::Trap,
            Failure::Deadline { .. } => Ended::Deadline,
            Failure::OutOfMemory { .. } => Ended::Denied,
            Failure::ClientGone => Ended::Gone,
            _ => Ended::Failed,
        };
        Self {
            why: format!("{}: {failure}", failure.label()),
            ended,
            traces,
        }
    }
}

/// What was seen around one request.
pub(super) struct Seen {
    pub(super) status: u16,
    /// The answer's headers and body.
    pub(super) response: Vec<u8>,
    /// Where the markers lay at the crossings between guest and host.
    pub(super) places: BTreeSet<Place>,
    /// Where pieces of markers lay after the rewind; in an instance of its own,
    /// before the request.
    pub(super) remnants: Vec<Remnant>,
    /// What the guest says of its arena, after the request and before the rewind.
    pub(super) claims: Option<Usage>,
    /// Where it says that the arena's blocks are.
    pub(super) blocks: Vec<Span>,
    /// What was seen of the rewind, where one was done.
    pub(super) rewound: Option<Rewound>,
    /// The pages that it wrote, and those that are not as before it.
    pub(super) traces: Traces,
    pub(super) memory: MemoryUse,
    pub(super) table_elements: usize,
    /// Resources of the host that it holds and did not hold before.
    pub(super) resources_left: usize,
}

/// Hears about every request, and concludes at the end.
pub(super) struct Judge<'a> {
    shapes: Vec<String>,
    /// Requests of an instance that come before anything is compared.
    warm_up: u32,
    /// The last of these, of the instance as it is now.
    warm_until: u32,
    names: &'a dyn Names,
    heard: u32,
    compared: u32,
    answers: Finding,
    failures: u32,
    /// How many of these were in an instance that had answered nothing before.
    failures_of_new: u32,
    /// Whether the instance has answered a request.
    answered: bool,
    ended_early: bool,
    /// Answers that were not as those of requests that were alone.
    different: u32,
    /// Where requests overlap.
    overlapping: Option<Overlapping>,
    size: Size,
    resources: Resources,
    footprint: Footprint,
    addresses: Addresses,
    content: Content,
    identity: Identity,
    pointers: Pointers,
    claims: Claims,
    recorder: Recorder<'a>,
    memory_initial: usize,
    memory_peak: usize,
    committed: Option<u64>,
    bytes_left: u64,
}

impl<'a> Judge<'a> {
    /// Of a run of so many requests.
    /// `sealed` is what is known of the instance that gets all requests, where it was
    /// sealed.
    pub(super) fn new(
        shapes: &[Shape],
        course: Course,
        requests: u32,
        Setting {
            door,
            isolation,
            together,
        }: Setting,
        sealed: Option<&Sealed>,
        names: &'a dyn Names,
    ) -> Self {
        let keeps = isolation != Isolation::Instance && !sealed.is_some_and(Sealed::has_image);
        let grain = match together {
            Pace::OneByOne => Grain::Page,
            Pace::Together => Grain::WasmPage,
        };
        let rule = match course {
            _ if together == Pace::Together => Rule::Beside,
            Course::Whole { warm_up } if keeps => Rule::Again {
                until: middle(warm_up, requests),
            },
            Course::Whole { .. } | Course::Named => Rule::Exact,
        };
        let end = match sealed {
            Some(_) => End::TakenBack,
            None => End::Over,
        };
        let warm_up = course.warm_up();
        let (identity, pointers) = match isolation {
            Isolation::Instance => (Identity::of_new_instances(), Pointers::of_new_instances()),
            Isolation::Rewind(_) | Isolation::Shared(_) => {
                (Identity::new(sealed), Pointers::new(sealed))
            }
        };
        Self {
            shapes: shapes.iter().map(ToString::to_string).collect(),
            warm_up,
            warm_until: warm_up,
            names,
            heard: 0,
            compared: 0,
            answers: Finding::default(),
            failures: 0,
            failures_of_new: 0,
            answered: false,
            ended_early: false,
            different: 0,
            overlapping: None,
            size: Size::new(isolation, shapes.len()),
            resources: Resources::new(isolation),
            footprint: Footprint::new(warm_up, requests, grain),
            addresses: Addresses::new(rule, shapes.len()),
            content: Content::new(isolation, end),
            identity,
            pointers,
            claims: Claims::new(isolation, door),
            recorder: Recorder::new(names, sealed, requests),
            memory_initial: 0,
            memory_peak: 0,
            committed: None,
            bytes_left: 0,
        }
    }

    /// `before` is the memory of the instance as the request has left it.
    pub(super) fn hear(
        &mut self,
        number: u32,
        sent: &Sent,
        answer: &Answer,
        before: Option<&Before>,
    ) {
        let shape = self.shapes[sent.shape].clone();
        let request = Request {
            number,
            shape: &shape,
        };
        match answer {
            Answer::Given(seen) => self.hear_answer(&request, sent, seen, before),
            Answer::Failed(failed) => self.hear_failure(&request, sent, failed, before),
        }
    }

    fn hear_answer(
        &mut self,
        request: &Request<'_>,
        sent: &Sent,
        seen: &Seen,
        before: Option<&Before>,
    ) {
        let number = request.number;
        self.heard += 1;
        self.answered = true;
        if number > self.warm_until {
            self.addresses.hear(request, sent.shape, &seen.places);
        }
        self.hear_instance(request, sent.shape, seen, 1);
        self.content.hear(request, sent, seen, self.names);
        self.claims.hear(request, sent, seen);
        let committed = seen.claims.map(|claims| claims.committed);
        let told = Told {
            number,
            shape: sent.shape,
            ended: Ended::Answer,
            status: Some(seen.status),
            used: seen.claims.map(|claims| claims.peak_used),
            committed,
            blocks: &seen.blocks,
            remnants: &seen.remnants,
        };
        self.record(&told, &seen.traces, before);
    }

    /// What the instance was like after so many requests: one, or several that
    /// overlapped.
    fn hear_instance(&mut self, request: &Request<'_>, shape: usize, seen: &Seen, requests: u32) {
        if self.memory_peak == 0 {
            self.memory_initial = seen.memory.initial;
        }
        self.memory_peak = self.memory_peak.max(seen.memory.peak);
        let warm = request.number > self.warm_until;
        self.size.hear(request, shape, seen, warm);
        self.resources.hear(request, seen);
        if warm {
            self.compared += requests;
            self.bytes_left = self.bytes_left.max(seen.traces.bytes_left);
            self.footprint.hear(request, &seen.traces.written);
        }
        if let Some(rewound) = &seen.rewound {
            if let Some(comparison) = &rewound.identity {
                self.identity
                    .hear(request, comparison, rewound.overlap, self.names);
            }
            self.pointers.hear(request, &rewound.pointed, self.names);
        }
        let committed = seen.claims.map(|claims| claims.committed);
        self.committed = committed.max(self.committed);
    }

    fn hear_failure(
        &mut self,
        request: &Request<'_>,
        sent: &Sent,
        failed: &Failed,
        before: Option<&Before>,
    ) {
        let number = request.number;
        self.fail(number, || format!("{request} failed: {}", failed.why));
        let told = Told {
            number,
            shape: sent.shape,
            ended: failed.ended,
            status: None,
            used: None,
            committed: None,
            blocks: &[],
            remnants: &[],
        };
        self.record(&told, &failed.traces, before);
        self.renew(number);
    }

    /// The request failed.
    fn fail(&mut self, number: u32, detail: impl FnOnce() -> String) {
        self.failures += 1;
        if !std::mem::take(&mut self.answered) {
            self.failures_of_new += 1;
        }
        self.answers.note(|| (detail(), Blame::on(number)));
    }

    /// What comes after this request is in a new instance, which has to warm up as well.
    fn renew(&mut self, number: u32) {
        self.warm_until = number + self.warm_up;
        self.size.renew();
        self.addresses.renew();
        self.claims.renew();
    }

    fn record(&mut self, told: &Told<'_>, traces: &Traces, before: Option<&Before>) {
        if let Some(before) = before {
            self.recorder.hear(told, traces, before);
        }
    }

    /// How many requests were answered.
    pub(super) fn heard(&self) -> u32 {
        self.heard
    }

    /// The last request that another instance has to get as well, whose memory
    /// lies elsewhere, where there is something to decide.
    pub(super) fn undecided(&self) -> Option<u32> {
        self.pointers.undecided()
    }

    /// What was found after a request of that other instance.
    pub(super) fn hear_again(
        &mut self,
        number: u32,
        sent: &Sent,
        after: &Found,
        elsewhere: Elsewhere,
    ) {
        let request = Request {
            number,
            shape: &self.shapes[sent.shape],
        };
        self.pointers
            .hear_again(&request, after, elsewhere, self.names);
    }

    /// The run is over before its last request, since too many failed.
    pub(super) fn end_early(&mut self) {
        self.ended_early = true;
    }

    pub(super) fn conclude(mut self) -> Conclusion {
        let Self {
            heard,
            compared,
            names,
            ..
        } = self;
        let figures = Figures {
            component: 0,
            memory_initial: self.memory_initial as u64,
            memory_peak: self.memory_peak as u64,
            memory_grown: self.size.grown() as u64,
            arena_peak: self.claims.largest(),
            arena_committed: self.committed,
            pages_of_a_request: self.footprint.largest() as u64,
            pages_of_all: self.footprint.of_all() as u64,
            bytes_left: self.bytes_left,
        };
        if self.different > 1 {
            let different = self.different;
            self.answers
                .add(&format!("; so {different} answers in all"));
        }
        if self.failures > 1 {
            self.answers
                .add(&format!("; {} requests failed in all", self.failures));
        }
        if self.ended_early {
            self.answers.add(", after which the run was ended");
        }
        if self.failures > 1 && self.failures_of_new == 0 {
            self.answers.add(
                ", each of them in an instance that had answered before, and new ones answered: \
                 it may be good for one request an instance (`--isolation instance`)",
            );
        }
        let all = self.all_answered();
        let overlapping = self.overlapping.take();
        let mut evidence = vec![
            self.answers.evidence(Kind::Answers, names, || all),
            self.size.conclude(names, compared),
            self.resources.conclude(names, heard),
            self.footprint.conclude(names, compared),
            self.addresses.conclude(names, &self.shapes, compared),
            self.content.conclude(names, heard),
            self.identity.conclude(names),
            self.pointers.conclude(names),
            self.claims.conclude(names, heard),
        ];
        let overlap = overlapping.map(|it| it.conclude(&mut evidence, names));
        if heard == 0 {
            let holding = evidence.iter_mut().filter(|evidence| evidence.holds);
            holding.for_each(|evidence| NOTHING_ANSWERED.clone_into(&mut evidence.detail));
        }
        Conclusion {
            evidence,
            figures,
            timeline: self.recorder.finish(self.shapes, self.warm_up),
            overlap,
        }
    }
}

/// What all requests together come to.
pub(super) struct Conclusion {
    pub(super) evidence: Vec<Evidence>,
    pub(super) figures: Figures,
    pub(super) timeline: Timeline,
    pub(super) overlap: Option<Overlap>,
}

/// How requests meet an instance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) door: Door,
    pub(super) isolation: Isolation,
    pub(super) together: Pace,
}

/// Whether an instance gets several requests at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    OneByOne,
    Together,
}

/// Which requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// All of them, of which the first ones are not compared with others.
    Whole {
        /// How many.
        warm_up: u32,
    },
    /// Those that somebody named.
    Named,
}

impl Course {
    fn warm_up(self) -> u32 {
        match self {
            Self::Whole { warm_up } => warm_up,
            Self::Named => 0,
        }
    }
}

/// The last request of the first half, of those from behind the warm-up to the last.
pub(super) fn middle(warm_up: u32, last: u32) -> u32 {
    warm_up + last.saturating_sub(warm_up).div_ceil(2)
}

/// What is said of everything else where no request was answered.
const NOTHING_ANSWERED: &str = "not judged: no request was answered";

/// What is said where no request could be compared with another.
pub(super) const NOTHING_COMPARED: &str =
    "not judged: the run ended before anything could be compared";

/// A request in a sentence.
pub(super) struct Request<'a> {
    pub(super) number: u32,
    pub(super) shape: &'a str,
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} ({})", self.number, self.shape)
    }
}

/// Who is to blame, as far as a judge can tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Blame {
    pub(super) place: Option<Place>,
    /// The request that wrote there.
    pub(super) written_by: Option<u32>,
    /// The request after which it should have been gone.
    pub(super) owed_by: Option<u32>,
    /// Those that show it by themselves.
    pub(super) requests: Vec<u32>,
}

impl Blame {
    /// A request shows it by itself.
    pub(super) fn on(request: u32) -> Self {
        Self::between([request])
    }

    /// These show it together.
    pub(super) fn between(requests: impl Into<Vec<u32>>) -> Self {
        Self {
            requests: requests.into(),
            ..Self::default()
        }
    }

    pub(super) fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// `writer` wrote it, and the end of `debtor` should have taken it away.
    pub(super) fn by(self, writer: Option<u32>, debtor: u32) -> Self {
        Self {
            written_by: writer,
            owed_by: Some(debtor),
            ..self
        }
    }

    fn culprit(self, names: &dyn Names) -> Culprit {
        let spot = |place: Place| Spot {
            memory: place.memory,
            offset: place.offset as u64,
            region: names.region_of(place),
            symbol: names.name_of(place),
        };
        Culprit {
            place: self.place.map(spot),
            written_by: self.written_by,
            owed_by: self.owed_by,
            requests: self.requests,
            replay: None,
        }
    }
}

/// The first thing that was not as it should be. Later ones mostly follow from
/// it.
#[derive(Debug, Default)]
pub(super) struct Finding {
    broken: Option<(String, Blame)>,
}

impl Finding {
    pub(super) fn note(&mut self, say: impl FnOnce() -> (String, Blame)) {
        if self.broken.is_none() {
            self.broken = Some(say());
        }
    }

    /// Adds to what was noted first, where anything was.
    pub(super) fn add(&mut self, more: &str) {
        if let Some((first, _)) = &mut self.broken {
            first.push_str(more);
        }
    }

    pub(super) fn evidence(
        self,
        kind: Kind,
        names: &dyn Names,
        otherwise: impl FnOnce() -> String,
    ) -> Evidence {
        let (holds, detail, culprit) = match self.broken {
            None => (true, otherwise(), None),
            Some((detail, blame)) => (false, detail, Some(blame.culprit(names))),
        };
        Evidence {
            kind,
            holds,
            expected: kind.expected().to_owned(),
            detail,
            culprit,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.offset)?;
        if self.memory > 0 {
            write!(f, " of memory {}", self.memory)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
