//! Evidence **addresses**: requests of the same shape lie at the same places.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::audit::Place;
use super::evidence::{Blame, Finding, NOTHING_COMPARED, Request};
use super::names::Names;
use super::report::{Evidence, Kind};
use super::traffic::PLACEHOLDER;

/// What has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// All of it: nothing of an earlier request is there that could make a difference.
    Exact,
    /// Where requests keep something from one to the next, such as how many hash maps
    /// there were, the same things may lie in another order. But they come to lie where
    /// something lay before: what is seen up to this request is what there is.
    Again {
        /// The last one that may lie elsewhere.
        until: u32,
    },
    /// Nothing: those that overlap lie where there is room beside the others, and their
    /// bodies come in other pieces each time. That this room does not become more is the
    /// matter of `size` and `footprint`.
    Beside,
}

/// Of the requests that [`Rule::Again`] is about, one in so many may lie elsewhere.
const TOLERATED: u32 = 8;

/// Requests of the same shape lie at the same places.
pub(super) struct Addresses {
    rule: Rule,
    finding: Finding,
    /// The first request of each shape after the warm-up, and the places of its shape.
    first: Vec<Option<(u32, BTreeSet<Place>)>>,
    judged: u32,
    moved: u32,
}

impl Addresses {
    pub(super) fn new(rule: Rule, shapes: usize) -> Self {
        Self {
            rule,
            finding: Finding::default(),
            first: vec![None; shapes],
            judged: 0,
            moved: 0,
        }
    }

    /// The next request has a new instance, with a history of its own.
    pub(super) fn renew(&mut self) {
        self.first.fill(None);
    }

    /// `seen` is where the request's marker lay.
    pub(super) fn hear(&mut self, request: &Request<'_>, shape: usize, seen: &BTreeSet<Place>) {
        let Some((number, places)) = &mut self.first[shape] else {
            self.first[shape] = Some((request.number, seen.clone()));
            return;
        };
        let moved = match self.rule {
            Rule::Beside => return,
            Rule::Exact => places != seen,
            Rule::Again { until } if request.number <= until => {
                places.extend(seen);
                return;
            }
            Rule::Again { .. } => !seen.is_subset(places),
        };
        self.judged += 1;
        if moved {
            self.moved += 1;
            let gone = places.difference(seen).next();
            let new = seen.difference(places).next();
            let detail = match self.rule {
                Rule::Exact => {
                    let at = |place: Option<&Place>| {
                        place.map_or("nowhere else".to_owned(), |place| format!("{place}"))
                    };
                    format!(
                        "{request} did not lie where request {number} of the same shape had: {} \
                         was its own, {} was the other's",
                        at(new),
                        at(gone)
                    )
                }
                Rule::Again { .. } | Rule::Beside => format!(
                    "{request} lay where none of the same shape had before, at {}",
                    new.map_or_else(String::new, Place::to_string)
                ),
            };
            let blame = Blame::between([*number, request.number]);
            let blame = blame.at(new.or(gone).copied());
            self.finding.note(|| (detail, blame));
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
        let (rule, moved, judged) = (self.rule, self.moved, self.judged);
        if moved > 1 {
            self.finding
                .add(&format!("; so {moved} of {judged} requests"));
        }
        if rule != Rule::Exact && moved <= judged / TOLERATED {
            self.finding = Finding::default();
        }
        self.finding.evidence(Kind::Addresses, names, || {
            if compared == 0 {
                return NOTHING_COMPARED.to_owned();
            }
            if rule == Rule::Beside {
                return "not judged where requests overlap: each lies where there is room, and its \
                        body comes in other pieces each time"
                    .to_owned();
            }
            let same = match rule {
                Rule::Exact => "as the first of their shape",
                Rule::Again { .. } | Rule::Beside => "again, in this order or another",
            };
            let alike = format!(
                "{compared} requests of {} shapes lay at the same {places} places {same}",
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
    use super::*;

    /// What two requests of each shape show, where markers lie at these places.
    fn evidence(shapes: &[(&str, &[usize])]) -> Evidence {
        let mut addresses = Addresses::new(Rule::Exact, shapes.len());
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

    fn seen(offsets: &[usize]) -> BTreeSet<Place> {
        let place = |&offset| Place { memory: 0, offset };
        offsets.iter().map(place).collect()
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
        let mut addresses = Addresses::new(Rule::Exact, 1);
        for (number, offsets) in [(1, &[64][..]), (2, &[])] {
            let shape = "GET /a";
            addresses.hear(&Request { number, shape }, 0, &seen(offsets));
        }
        assert!(!addresses.conclude(&None, &["GET /a".to_owned()], 2).holds);
    }

    /// One request after another of one shape, which lie at these places.
    fn history(rule: Rule, requests: &[&[usize]]) -> Evidence {
        let mut addresses = Addresses::new(rule, 1);
        for (number, offsets) in (1..).zip(requests) {
            let shape = "GET /a";
            addresses.hear(&Request { number, shape }, 0, &seen(offsets));
        }
        let shapes = ["GET /a".to_owned()];
        addresses.conclude(&None, &shapes, requests.len() as u32)
    }

    #[test]
    fn things_may_lie_in_another_order_where_something_is_kept_and_not_else() {
        let orders: [&[usize]; 8] = [
            &[8, 40],
            &[24, 8],
            &[40, 24],
            &[8, 24],
            &[24, 40],
            &[40, 8],
            &[8, 40],
            &[24, 8],
        ];
        let again = history(Rule::Again { until: 4 }, &orders);
        assert!(again.holds && again.detail.contains("in this order or another"));
        assert!(!history(Rule::Exact, &orders).holds);

        let marching: Vec<[usize; 1]> = (0..8).map(|n| [24 * n]).collect();
        let marching: Vec<&[usize]> = marching.iter().map(|at| &at[..]).collect();
        let again = history(Rule::Again { until: 4 }, &marching);
        assert_eq!(
            again.detail,
            "request 5 (GET /a) lay where none of the same shape had before, at 0x60; so 4 of 4 \
             requests"
        );
    }
}
