//! Evidence **addresses**: requests of the same shape lie at the same places.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::audit::Place;
use super::evidence::{Blame, Finding, Request, Seen};
use super::names::Names;
use super::report::{Evidence, Kind};
use super::traffic::PLACEHOLDER;

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
        let mut unseen = Vec::new();
        for (shape, first) in shapes.iter().zip(&self.first) {
            match first {
                // No fault of the handler: what it does not look at, the host may not
                // put into its memory at all. But no evidence either, so it is told.
                Some((_, seen)) if seen.is_empty() => unseen.push(shape),
                Some((_, seen)) => places += seen.len(),
                // The run ended before; `answers` says why.
                None => {}
            }
        }
        let known = shapes.len() - unseen.len();
        let unknown = unseen.first().map(|first| {
            format!(
                "nothing is known of {} shapes, no marker of which was ever in memory (`{first}`): \
                 write {PLACEHOLDER} into what the handler reads of them, the path, the query or \
                 the body",
                unseen.len()
            )
        });
        if self.moved > 1 {
            self.finding
                .add(&format!("; so {} of {compared} requests", self.moved));
        }
        self.finding.evidence(Kind::Addresses, names, || {
            let alike = format!(
                "{compared} requests of {} shapes lay at the same {places} places as the first of \
                 their shape",
                shapes.len()
            );
            match unknown {
                None => alike,
                Some(unknown) if known == 0 => unknown,
                Some(unknown) => format!("{alike}; {unknown}"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::pages::Traces;
    use super::*;
    use crate::limits::MemoryUse;

    /// What two requests of each shape show, where markers lie at these places.
    fn evidence(shapes: &[(&str, &[usize])]) -> Evidence {
        let mut addresses = Addresses::new(shapes.len());
        for cycle in 0..2 {
            for (n, &(shape, offsets)) in shapes.iter().enumerate() {
                let number = (cycle * shapes.len() + n) as u32 + 1;
                let request = Request { number, shape };
                addresses.hear(&request, n, &seen(offsets));
            }
        }
        let names: Vec<_> = shapes
            .iter()
            .map(|(shape, _)| (*shape).to_owned())
            .collect();
        addresses.conclude(&None, &names, 2 * shapes.len() as u32)
    }

    fn seen(offsets: &[usize]) -> Seen {
        let place = |&offset| Place { memory: 0, offset };
        Seen {
            status: 200,
            traces: Traces::default(),
            response: Vec::new(),
            places: offsets.iter().map(place).collect(),
            remnants: Vec::new(),
            claims: None,
            blocks: Vec::new(),
            rewound: None,
            memory: MemoryUse::default(),
            table_elements: 0,
            resources_left: 0,
        }
    }

    #[test]
    fn a_request_that_the_handler_does_not_look_at_is_no_fault_and_no_evidence() {
        let some = evidence(&[("GET /a", &[64]), ("GET /b", &[])]);
        assert!(some.holds);
        let expected = "4 requests of 2 shapes lay at the same 1 places as the first of their \
                        shape; nothing is known of 1 shapes, no marker of which was ever in \
                        memory (`GET /b`): write {{marker}} into";
        assert!(some.detail.starts_with(expected), "{}", some.detail);

        let none = evidence(&[("GET /a", &[]), ("GET /b", &[])]);
        assert!(none.holds);
        assert!(
            none.detail.starts_with("nothing is known of 2 shapes"),
            "{}",
            none.detail
        );

        let all = evidence(&[("GET /a", &[64]), ("GET /b", &[80])]);
        assert!(
            all.detail.ends_with("as the first of their shape"),
            "{}",
            all.detail
        );
    }

    #[test]
    fn a_marker_that_is_seen_once_and_then_not_is_a_fault() {
        let mut addresses = Addresses::new(1);
        for (number, offsets) in [(1, &[64][..]), (2, &[])] {
            let shape = "GET /a";
            addresses.hear(&Request { number, shape }, 0, &seen(offsets));
        }
        assert!(!addresses.conclude(&None, &["GET /a".to_owned()], 2).holds);
    }
}
