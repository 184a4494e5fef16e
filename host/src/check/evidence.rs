//! What the observations amount to, one judge for each kind of evidence.

use std::collections::BTreeSet;
use std::fmt;

use memchr::memmem;

use super::audit::Place;
use super::report::Evidence;
use super::traffic::{Sent, Shape};
use crate::bindings::invocation::lavandula::arena::types::Usage;
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
    /// Where pieces of markers lay after the rewind.
    pub(super) remnants: BTreeSet<Place>,
    /// What the guest says of its arena, after the request and before the rewind.
    pub(super) claims: Option<Usage>,
    pub(super) memory: MemoryUse,
    pub(super) table_elements: usize,
    pub(super) resources_gone: bool,
}

/// Hears about every request, and concludes at the end.
pub(super) struct Judge {
    shapes: Vec<String>,
    warm_up: u32,
    heard: u32,
    failure: Option<String>,
    size: Size,
    addresses: Addresses,
    content: Content,
    claims: Claims,
}

impl Judge {
    pub(super) fn new(shapes: &[Shape], warm_up: u32) -> Self {
        Self {
            shapes: shapes.iter().map(ToString::to_string).collect(),
            warm_up,
            heard: 0,
            failure: None,
            size: Size::default(),
            addresses: Addresses {
                first: vec![None; shapes.len()],
                ..Addresses::default()
            },
            content: Content::default(),
            claims: Claims::default(),
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
        self.size.hear(&request, &seen, warm);
        if warm {
            self.addresses.hear(&request, sent.shape, &seen);
        }
        self.content.hear(&request, sent, &seen);
        self.claims.hear(&request, sent, &seen);
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
            self.claims.conclude(self.heard),
        ]
    }
}

/// A request in a sentence.
struct Request<'a> {
    number: u32,
    shape: &'a str,
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} ({})", self.number, self.shape)
    }
}

/// The first thing that was not as it should be. Later ones mostly follow from
/// it.
#[derive(Default)]
struct Finding {
    broken: Option<String>,
}

impl Finding {
    fn note(&mut self, say: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(say());
        }
    }

    fn evidence(self, name: &'static str, otherwise: impl FnOnce() -> String) -> Evidence {
        Evidence {
            name,
            holds: self.broken.is_none(),
            detail: self.broken.unwrap_or_else(otherwise),
        }
    }
}

/// After the warm-up nothing gets larger.
#[derive(Default)]
struct Size {
    finding: Finding,
    settled: Option<(MemoryUse, usize)>,
    growths: u64,
}

impl Size {
    fn hear(&mut self, request: &Request<'_>, seen: &Seen, warm: bool) {
        if !seen.resources_gone {
            self.finding.note(|| {
                format!("{request} left a resource of the host (a stream, a body) with the guest")
            });
        }
        let (settled, tables) = *self
            .settled
            .get_or_insert((seen.memory, seen.table_elements));
        if !warm {
            self.settled = Some((seen.memory, seen.table_elements));
            return;
        }
        self.growths = seen.memory.grows - settled.grows;
        if seen.memory.grows > settled.grows {
            self.finding.note(|| {
                format!(
                    "memory grew during {request}, from {} to {} KiB, although the warm-up had \
                     seen every kind of request",
                    settled.current / 1024,
                    seen.memory.current / 1024
                )
            });
        }
        if seen.table_elements > tables {
            self.finding.note(|| {
                format!(
                    "a table grew during {request}, from {tables} to {} elements",
                    seen.table_elements
                )
            });
        }
    }

    fn conclude(mut self, compared: u32) -> Evidence {
        if let Some(first) = &mut self.finding.broken
            && self.growths > 1
        {
            first.push_str(&format!("; {} growths in all", self.growths));
        }
        let kib = self.settled.map_or(0, |(memory, _)| memory.current / 1024);
        self.finding.evidence("size", || {
            format!("{kib} KiB, and no growth in {compared} requests after the warm-up")
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
#[derive(Default)]
struct Content {
    finding: Finding,
    left: u32,
}

impl Content {
    fn hear(&mut self, request: &Request<'_>, sent: &Sent, seen: &Seen) {
        if let Some(place) = seen.remnants.first() {
            self.left += 1;
            self.finding.note(|| {
                format!(
                    "after {request} was taken back, pieces of its marker or of an earlier one \
                     were still at {place}{}",
                    match seen.remnants.len() {
                        1 => String::new(),
                        n => format!(" and {} more places", n - 1),
                    }
                )
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
            first.push_str(&format!("; so after {} of {heard} requests", self.left));
        }
        self.finding.evidence("content", || {
            format!(
                "{heard} markers in headers, paths and bodies: none anywhere in memory afterwards, \
                 none in another's answer"
            )
        })
    }
}

/// What the guest says agrees with itself and with what was seen.
#[derive(Default)]
struct Claims {
    finding: Finding,
    last_resets: Option<u64>,
    heard: u32,
    largest: u64,
}

impl Claims {
    fn hear(&mut self, request: &Request<'_>, sent: &Sent, seen: &Seen) {
        let Some(claims) = seen.claims else { return };
        self.heard += 1;
        self.largest = self.largest.max(claims.peak_used);

        let sum = claims.used + claims.tail_waste + claims.free + claims.overhead;
        let lowered = lowered_bytes(sent);
        let resets = self.last_resets.replace(claims.resets);
        let rules = [
            (
                claims.committed == sum,
                format!(
                    "committed is {} bytes, and used, tail waste, free and overhead are {sum}",
                    claims.committed
                ),
            ),
            (
                claims.total_allocated == claims.committed.saturating_sub(claims.overhead),
                format!(
                    "total allocated is {} bytes, and committed less overhead is {}",
                    claims.total_allocated,
                    claims.committed.saturating_sub(claims.overhead)
                ),
            ),
            (
                claims.used == 0,
                format!("{} bytes are in use after the request ended", claims.used),
            ),
            (
                claims.committed <= seen.memory.current as u64,
                format!(
                    "committed is {} bytes, and the whole memory has {}",
                    claims.committed, seen.memory.current
                ),
            ),
            (
                claims.peak_used <= claims.committed,
                format!(
                    "the peak is {} bytes, and committed {}",
                    claims.peak_used, claims.committed
                ),
            ),
            (
                claims.peak_used >= lowered,
                format!(
                    "the peak is {} bytes, and the request alone, which lies in the arena, had \
                     {lowered}",
                    claims.peak_used
                ),
            ),
            (
                resets.is_none_or(|last| claims.resets == last + 1),
                format!(
                    "resets went from {} to {} with one request",
                    resets.unwrap_or(0),
                    claims.resets
                ),
            ),
        ];
        for (agrees, disagreement) in rules {
            if !agrees {
                self.finding
                    .note(|| format!("after {request} the guest says: {disagreement}"));
            }
        }
    }

    fn conclude(self, heard: u32) -> Evidence {
        self.finding.evidence("claims", || {
            if self.heard == 0 {
                return "the component claims nothing (it has no `lavandula:arena/invocation`)"
                    .to_owned();
            }
            format!(
                "the guest's figures agreed with what was seen after {} of {heard} requests; its \
                 largest peak was {} bytes",
                self.heard, self.largest
            )
        })
    }
}

/// Bytes of a request that certainly have to lie in the arena: the target and
/// the body. (Which headers a guest gets is up to the door.)
fn lowered_bytes(sent: &Sent) -> u64 {
    let target = sent.request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    (target + sent.request.body().len()) as u64
}
