//! What the observations amount to, one judge for each kind of evidence.

use std::collections::BTreeSet;
use std::fmt;

use super::addresses::Addresses;
use super::audit::Place;
use super::claims::Claims;
use super::content::Content;
use super::identity::Identity;
use super::names::Names;
use super::pointers::{Elsewhere, Found, Pointers};
use super::regions::Span;
use super::report::{Culprit, Evidence, Kind, Spot};
use super::resources::Resources;
use super::sealed::Sealed;
use super::size::Size;
use super::traffic::{Sent, Shape};
use super::trial::Rewound;
use super::watch::Remnant;
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::config::Isolation;
use crate::limits::MemoryUse;

/// What became of one request.
pub(super) enum Answer {
    /// It was answered, and this was seen around it.
    Given(Box<Seen>),
    /// It, or the rewind after it, failed. The instance is of no use any more.
    Failed(String),
}

impl Answer {
    pub(super) fn failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// What was seen around one request.
pub(super) struct Seen {
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
    pub(super) memory: MemoryUse,
    pub(super) table_elements: usize,
    /// Resources of the host that it holds and did not hold before.
    pub(super) resources_left: usize,
}

/// Hears about every request, and concludes at the end.
pub(super) struct Judge<'a> {
    shapes: Vec<String>,
    warm_up: u32,
    names: &'a dyn Names,
    heard: u32,
    answers: Finding,
    size: Size,
    resources: Resources,
    addresses: Addresses,
    content: Content,
    identity: Identity,
    pointers: Pointers,
    claims: Claims,
}

impl<'a> Judge<'a> {
    /// `sealed` is what is known of the instance that gets all requests, where it
    /// was sealed.
    pub(super) fn new(
        shapes: &[Shape],
        warm_up: u32,
        isolation: Isolation,
        sealed: Option<&Sealed>,
        names: &'a dyn Names,
    ) -> Self {
        let (identity, pointers) = match isolation {
            Isolation::Instance => (Identity::of_new_instances(), Pointers::of_new_instances()),
            Isolation::Rewind(_) => (Identity::new(sealed), Pointers::new(sealed)),
        };
        Self {
            shapes: shapes.iter().map(ToString::to_string).collect(),
            warm_up,
            names,
            heard: 0,
            answers: Finding::default(),
            size: Size::new(isolation, shapes.len()),
            resources: Resources::new(isolation),
            addresses: Addresses::new(shapes.len()),
            content: Content::new(isolation),
            identity,
            pointers,
            claims: Claims::new(isolation),
        }
    }

    pub(super) fn hear(&mut self, number: u32, sent: &Sent, answer: Answer) {
        let request = Request {
            number,
            shape: &self.shapes[sent.shape],
        };
        let seen = match answer {
            Answer::Given(seen) => seen,
            Answer::Failed(why) => {
                self.answers
                    .note(|| (format!("{request} failed: {why}"), Blame::on(number)));
                return;
            }
        };
        self.heard = number;
        let warm = number > self.warm_up;
        self.size.hear(&request, sent.shape, &seen, warm);
        self.resources.hear(&request, &seen);
        if warm {
            self.addresses.hear(&request, sent.shape, &seen);
        }
        self.content.hear(&request, sent, &seen);
        self.claims.hear(&request, sent, &seen);
        if let Some(rewound) = &seen.rewound {
            if let Some(comparison) = &rewound.identity {
                self.identity
                    .hear(&request, comparison, rewound.overlap, self.names);
            }
            self.pointers.hear(&request, &rewound.pointed, self.names);
        }
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

    pub(super) fn conclude(self) -> Vec<Evidence> {
        let Self { heard, names, .. } = self;
        let compared = heard.saturating_sub(self.warm_up);
        let all = || format!("all {heard} requests were answered");
        vec![
            self.answers.evidence(Kind::Answers, names, all),
            self.size.conclude(names, compared),
            self.resources.conclude(names, heard),
            self.addresses.conclude(names, &self.shapes, compared),
            self.content.conclude(names, heard),
            self.identity.conclude(names),
            self.pointers.conclude(names),
            self.claims.conclude(names, heard),
        ]
    }
}

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
