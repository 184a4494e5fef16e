//! Evidence **addresses**: requests of the same shape lie at the same places.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::audit::Place;
use super::evidence::{Blame, Finding, Request, Seen};
use super::names::Names;
use super::report::{Evidence, Kind};

/// Requests of the same shape lie at the same places.
pub(super) struct Addresses {
    finding: Finding,
    /// The first request of each shape after the warm-up, and its places.
    first: Vec<Option<(u32, BTreeSet<Place>)>>,
    moved: u32,
}

impl Addresses {
    pub(super) fn new(shapes: usize) -> Self {
        Self {
            finding: Finding::default(),
            first: vec![None; shapes],
            moved: 0,
        }
    }

    /// The next request has a new instance, with a history of its own.
    pub(super) fn renew(&mut self) {
        self.first.fill(None);
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, shape: usize, seen: &Seen) {
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
                let detail = format!(
                    "{request} did not lie where request {number} of the same shape had: {} was \
                     its own, {} was the other's",
                    at(new),
                    at(gone)
                );
                let blame = Blame::between([*number, request.number]);
                (detail, blame.at(new.or(gone).copied()))
            });
        }
    }

    pub(super) fn conclude(
        mut self,
        names: &dyn Names,
        shapes: &[String],
        compared: u32,
    ) -> Evidence {
        let mut places = 0;
        for (shape, first) in shapes.iter().zip(&self.first) {
            match first {
                Some((number, seen)) if seen.is_empty() => self.finding.note(|| {
                    let detail = format!(
                        "no marker of `{shape}` was ever seen in memory, so nothing is known"
                    );
                    (detail, Blame::on(*number))
                }),
                Some((_, seen)) => places += seen.len(),
                // The run ended before; `answers` says why.
                None => {}
            }
        }
        if self.moved > 1 {
            self.finding
                .add(&format!("; so {} of {compared} requests", self.moved));
        }
        self.finding.evidence(Kind::Addresses, names, || {
            format!(
                "{compared} requests of {} shapes lay at the same {places} places as the first of \
                 their shape",
                shapes.len()
            )
        })
    }
}
