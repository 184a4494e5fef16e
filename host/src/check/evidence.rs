//! What the observations amount to, one judge for each kind of evidence.

use std::collections::BTreeSet;
use std::fmt;

use memchr::memmem;

use super::audit::Place;
use super::claims::Claims;
use super::identity::Identity;
use super::names::Names;
use super::pointers::{Elsewhere, Found, Pointers};
use super::regions::Span;
use super::report::Evidence;
use super::sealed::Sealed;
use super::traffic::{Sent, Shape};
use super::trial::Rewound;
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
    pub(super) remnants: BTreeSet<Place>,
    /// What the guest says of its arena, after the request and before the rewind.
    pub(super) claims: Option<Usage>,
    /// Where it says that the arena's blocks are.
    pub(super) blocks: Vec<Span>,
    /// What was seen of the rewind, where one was done.
    pub(super) rewound: Option<Rewound>,
    pub(super) memory: MemoryUse,
    pub(super) table_elements: usize,
    pub(super) resources_gone: bool,
}

/// Hears about every request, and concludes at the end.
pub(super) struct Judge<'a> {
    shapes: Vec<String>,
    warm_up: u32,
    names: &'a dyn Names,
    heard: u32,
    failure: Option<String>,
    size: Size,
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
            failure: None,
            size: Size::new(isolation, shapes.len()),
            addresses: Addresses {
                first: vec![None; shapes.len()],
                ..Addresses::default()
            },
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
                self.failure = Some(format!("{request} failed: {why}"));
                return;
            }
        };
        self.heard = number;
        let warm = number > self.warm_up;
        self.size.hear(&request, sent.shape, &seen, warm);
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
        let compared = self.heard.saturating_sub(self.warm_up);
        let answers = Finding {
            broken: self.failure,
        };
        vec![
            answers.evidence("answers", || {
                format!("all {} requests were answered", self.heard)
            }),
            self.size.conclude(compared),
            self.addresses.conclude(&self.shapes, compared),
            self.content.conclude(self.heard),
            self.identity.conclude(),
            self.pointers.conclude(self.names),
            self.claims.conclude(self.heard),
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

/// The first thing that was not as it should be. Later ones mostly follow from
/// it.
#[derive(Default)]
pub(super) struct Finding {
    pub(super) broken: Option<String>,
}

impl Finding {
    pub(super) fn note(&mut self, say: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(say());
        }
    }

    pub(super) fn evidence(
        self,
        name: &'static str,
        otherwise: impl FnOnce() -> String,
    ) -> Evidence {
        Evidence {
            name,
            holds: self.broken.is_none(),
            detail: self.broken.unwrap_or_else(otherwise),
        }
    }
}

/// Nothing gets larger: after the warm-up, where one instance gets all requests;
/// else than the first instance that got a request of the shape.
struct Size {
    isolation: Isolation,
    finding: Finding,
    /// What memory was at the end of the warm-up.
    settled: Option<Extent>,
    growths: u64,
    /// Of new instances, by shape: what the first was after its request.
    first: Vec<Option<(u32, Extent)>>,
    larger: u32,
}

/// How large an instance is.
#[derive(Clone, Copy)]
struct Extent {
    memory: MemoryUse,
    table_elements: usize,
}

impl Size {
    fn new(isolation: Isolation, shapes: usize) -> Self {
        Self {
            isolation,
            finding: Finding::default(),
            settled: None,
            growths: 0,
            first: vec![None; shapes],
            larger: 0,
        }
    }

    fn hear(&mut self, request: &Request<'_>, shape: usize, seen: &Seen, warm: bool) {
        let extent = Extent {
            memory: seen.memory,
            table_elements: seen.table_elements,
        };
        match self.isolation {
            Isolation::Instance => self.hear_of_new(request, shape, extent),
            Isolation::Rewind(_) => {
                if !seen.resources_gone {
                    self.finding.note(|| {
                        format!(
                            "{request} left a resource of the host (a stream, a body) with the \
                             guest"
                        )
                    });
                }
                self.hear_of_same(request, extent, warm);
            }
        }
    }

    /// The instance got other requests before.
    fn hear_of_same(&mut self, request: &Request<'_>, now: Extent, warm: bool) {
        let settled = *self.settled.get_or_insert(now);
        if !warm {
            self.settled = Some(now);
            return;
        }
        self.growths = now.memory.grows - settled.memory.grows;
        if now.memory.grows > settled.memory.grows {
            self.finding.note(|| {
                format!(
                    "memory grew during {request}, from {} to {} KiB, although the warm-up had \
                     seen every kind of request",
                    settled.memory.current / 1024,
                    now.memory.current / 1024
                )
            });
        }
        if now.table_elements > settled.table_elements {
            self.finding.note(|| {
                format!(
                    "a table grew during {request}, from {} to {} elements",
                    settled.table_elements, now.table_elements
                )
            });
        }
    }

    /// The instance got no other request.
    fn hear_of_new(&mut self, request: &Request<'_>, shape: usize, now: Extent) {
        // The first of all stands for what any begins with.
        let begun = self.settled.get_or_insert(now).memory.initial;
        if now.memory.initial != begun {
            self.finding.note(|| {
                format!(
                    "the instance of {request} began with {} KiB, and the first one with {}",
                    now.memory.initial / 1024,
                    begun / 1024
                )
            });
        }
        let (number, first) = *self.first[shape].get_or_insert((request.number, now));
        let (memory, tables) = (now.memory.current, now.table_elements);
        if memory > first.memory.current || tables > first.table_elements {
            self.larger += 1;
            self.finding.note(|| {
                format!(
                    "the instance of {request} had {} KiB and {tables} table elements in the end, \
                     and that of request {number} of the same shape {} and {}",
                    memory / 1024,
                    first.memory.current / 1024,
                    first.table_elements
                )
            });
        }
    }

    fn conclude(mut self, compared: u32) -> Evidence {
        if let Some(first) = &mut self.finding.broken {
            if self.growths > 1 {
                first.push_str(&format!("; {} growths in all", self.growths));
            }
            if self.larger > 1 {
                first.push_str(&format!("; so {} instances", self.larger));
            }
        }
        let kib = |bytes: usize| bytes / 1024;
        self.finding
            .evidence("size", || match (self.isolation, self.settled) {
                (Isolation::Instance, settled) => {
                    let ended = self.first.iter().flatten();
                    let most = ended.map(|(_, extent)| extent.memory.current).max();
                    format!(
                        "each of {compared} instances began with {} KiB, and none ended with more \
                         than the first of its shape: {} KiB at most",
                        kib(settled.map_or(0, |first| first.memory.initial)),
                        kib(most.unwrap_or(0))
                    )
                }
                (Isolation::Rewind(_), settled) => format!(
                    "{} KiB, and no growth in {compared} requests after the warm-up",
                    kib(settled.map_or(0, |extent| extent.memory.current))
                ),
            })
    }
}

/// Requests of the same shape lie at the same places.
#[derive(Default)]
struct Addresses {
    finding: Finding,
    /// The first request of each shape after the warm-up, and its places.
    first: Vec<Option<(u32, BTreeSet<Place>)>>,
    moved: u32,
}

impl Addresses {
    fn hear(&mut self, request: &Request<'_>, shape: usize, seen: &Seen) {
        let Some((number, places)) = &self.first[shape] else {
            self.first[shape] = Some((request.number, seen.places.clone()));
            return;
        };
        if *places != seen.places {
            self.moved += 1;
            self.finding.note(|| {
                let gone = places.difference(&seen.places).next();
                let new = seen.places.difference(places).next();
                let at = |place: Option<&Place>| {
                    place.map_or("nowhere else".to_owned(), |place| format!("{place}"))
                };
                format!(
                    "{request} did not lie where request {number} of the same shape had: {} was \
                     its own, {} was the other's",
                    at(new),
                    at(gone)
                )
            });
        }
    }

    fn conclude(mut self, shapes: &[String], compared: u32) -> Evidence {
        let mut places = 0;
        for (shape, first) in shapes.iter().zip(&self.first) {
            match first {
                Some((_, seen)) if seen.is_empty() => self.finding.note(|| {
                    format!("no marker of `{shape}` was ever seen in memory, so nothing is known")
                }),
                Some((_, seen)) => places += seen.len(),
                // The run ended before; `answers` says why.
                None => {}
            }
        }
        if let Some(first) = &mut self.finding.broken
            && self.moved > 1
        {
            first.push_str(&format!("; so {} of {compared} requests", self.moved));
        }
        self.finding.evidence("addresses", || {
            format!(
                "{compared} requests of {} shapes lay at the same {places} places as the first of \
                 their shape",
                shapes.len()
            )
        })
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

/// Nothing of a request is left, and nothing of it is in another's answer.
struct Content {
    isolation: Isolation,
    finding: Finding,
    left: u32,
}

impl Content {
    fn new(isolation: Isolation) -> Self {
        Self {
            isolation,
            finding: Finding::default(),
            left: 0,
        }
    }

    fn hear(&mut self, request: &Request<'_>, sent: &Sent, seen: &Seen) {
        if let Some(place) = seen.remnants.first() {
            self.left += 1;
            self.finding.note(|| {
                let more = match seen.remnants.len() {
                    1 => String::new(),
                    n => format!(" and {} more places", n - 1),
                };
                match self.isolation {
                    Isolation::Instance => format!(
                        "the new instance for {request} had pieces of an earlier marker at \
                         {place}{more}, before the request was sent"
                    ),
                    Isolation::Rewind(_) => format!(
                        "after {request} was taken back, pieces of its marker or of an earlier one \
                         were still at {place}{more}"
                    ),
                }
            });
        }
        let own = sent.marker.as_str().as_bytes();
        let run = &own[..sent.marker.run_len()];
        let foreign = memmem::find_iter(&seen.response, run)
            .find(|&at| !seen.response[at..].starts_with(own));
        if foreign.is_some() {
            self.finding
                .note(|| format!("the answer to {request} held the marker of an earlier request"));
        }
    }

    fn conclude(mut self, heard: u32) -> Evidence {
        if let Some(first) = &mut self.finding.broken
            && self.left > 1
        {
            first.push_str(&format!("; so {} times in {heard} requests", self.left));
        }
        let memory = match self.isolation {
            Isolation::Instance => "in the memory of the next instance",
            Isolation::Rewind(_) => "anywhere in memory afterwards",
        };
        self.finding.evidence("content", || {
            format!(
                "{heard} markers in headers, paths and bodies: none {memory}, none in another's \
                 answer"
            )
        })
    }
}

#[cfg(test)]
mod tests;
