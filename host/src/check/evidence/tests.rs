//! The judges, with what they are told.

use bytes::Bytes;
use http::Request as Sending;

use super::super::traffic::Traffic;
use super::super::{Plan, Shape};
use super::*;
use crate::config::Reuse;

fn rewind() -> Isolation {
    Isolation::Rewind(Reuse::default())
}

/// One request after another, of one shape, and what was seen of each.
struct Trial {
    traffic: Traffic,
    judge: Judge<'static>,
    number: u32,
}

impl Trial {
    fn new(isolation: Isolation, warm_up: u32) -> Self {
        let shape = Shape::new("POST", "/", Vec::new(), b"ten bytes!".to_vec());
        let plan = Plan::new().shape(shape.expect("valid")).given_only();
        let traffic = Traffic::new(&plan);
        let course = Course::Whole { warm_up };
        let setting = Setting {
            door: Door::Fast,
            isolation,
            together: Pace::OneByOne,
        };
        let judge = Judge::new(traffic.shapes(), course, 10, setting, None, &None);
        Self {
            traffic,
            judge,
            number: 0,
        }
    }

    fn sees(&mut self, seen: impl FnOnce(&mut Seen)) -> Sending<Bytes> {
        let sent = self.traffic.next().expect("a request");
        let place = |offset| Place { memory: 0, offset };
        let mut all_right = Seen {
            status: 200,
            traces: Traces::default(),
            response: Vec::new(),
            places: [place(64)].into(),
            remnants: Vec::new(),
            claims: None,
            blocks: Vec::new(),
            rewound: None,
            memory: memory(2, 3),
            table_elements: 1,
            resources_left: 0,
        };
        seen(&mut all_right);
        self.number += 1;
        let answer = Answer::Given(Box::new(all_right));
        self.judge.hear(self.number, &sent, &answer, None);
        sent.request
    }

    /// The evidence that does not hold, and its detail.
    fn broken(self) -> Vec<(Kind, String)> {
        let evidence = self.judge.conclude().evidence.into_iter();
        let broken = evidence.filter(|evidence| !evidence.holds);
        broken
            .map(|evidence| (evidence.kind, evidence.detail))
            .collect()
    }

    #[track_caller]
    fn breaks(self, kind: Kind, detail: &str) {
        let broken = self.broken();
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert_eq!(broken[0].0, kind);
        assert!(broken[0].1.contains(detail), "{broken:?}");
    }
}

/// So many pages at the beginning and now.
fn memory(initial: usize, current: usize) -> MemoryUse {
    const PAGE: usize = 64 * 1024;
    MemoryUse {
        initial: initial * PAGE,
        peak: current * PAGE,
        current: current * PAGE,
        grows: (current - initial) as u64,
        denied: 0,
    }
}

#[test]
fn instances_that_are_all_alike_hold() {
    let mut trial = Trial::new(Isolation::Instance, 0);
    for _ in 0..5 {
        // Each grows, and none is taken back.
        trial.sees(|seen| seen.resources_left = 1);
    }
    let evidence = trial.judge.conclude().evidence;
    assert!(
        evidence.iter().all(|evidence| evidence.holds),
        "{evidence:?}"
    );
    let size = "each of 5 instances began with 128 KiB, and none ended with more than the first \
                of its shape: 192 KiB at most";
    assert_eq!(evidence[1].detail, size);
}

#[test]
fn an_instance_that_begins_with_another_size_breaks_it() {
    let mut trial = Trial::new(Isolation::Instance, 0);
    trial.sees(|_| ());
    trial.sees(|seen| seen.memory = memory(1, 3));
    trial.breaks(
        Kind::Size,
        "of request 2 (POST / with 10 bytes) began with 64 KiB",
    );
}

#[test]
fn an_instance_that_ends_larger_than_the_first_of_its_shape_breaks_it() {
    let mut trial = Trial::new(Isolation::Instance, 0);
    trial.sees(|_| ());
    // Smaller is no harm.
    trial.sees(|seen| seen.memory = memory(2, 2));
    trial.sees(|seen| seen.memory = memory(2, 4));
    trial.sees(|seen| seen.memory = memory(2, 5));
    trial.breaks(
        Kind::Size,
        "and that of request 1 of the same shape 192 and 1; so 2 instances",
    );

    let mut trial = Trial::new(Isolation::Instance, 0);
    trial.sees(|_| ());
    trial.sees(|seen| seen.table_elements = 2);
    trial.breaks(Kind::Size, "192 KiB and 2 table elements in the end");
}

#[test]
fn an_instance_in_which_a_marker_lies_elsewhere_breaks_it() {
    let mut trial = Trial::new(Isolation::Instance, 0);
    trial.sees(|_| ());
    trial.sees(|seen| seen.places.clear());
    trial.breaks(
        Kind::Addresses,
        "request 2 (POST / with 10 bytes) did not lie where request 1",
    );
}

#[test]
fn a_new_instance_that_has_something_of_a_request_breaks_it() {
    let place = Place {
        memory: 0,
        offset: 0x20,
    };
    let mut trial = Trial::new(Isolation::Instance, 0);
    trial.sees(|_| ());
    trial.sees(|seen| {
        seen.remnants = vec![Remnant {
            place,
            unique: None,
        }]
    });
    trial.breaks(
        Kind::Content,
        "the new instance for request 2 (POST / with 10 bytes) had pieces of an earlier marker at \
         0x20, before the request was sent",
    );
}

#[test]
fn an_answer_with_the_marker_of_another_request_breaks_it() {
    for isolation in [Isolation::Instance, rewind()] {
        let mut trial = Trial::new(isolation, 0);
        let first = trial.sees(|_| ());
        let marker = first.headers()["x-lavandula-marker"].as_bytes().to_vec();
        trial.sees(|seen| seen.response = marker);
        trial.breaks(Kind::Content, "held the marker of request 1");
    }
}

#[test]
fn one_instance_must_not_grow_after_the_warm_up() {
    let mut trial = Trial::new(rewind(), 2);
    trial.sees(|_| ());
    trial.sees(|seen| seen.memory = memory(2, 4));
    trial.sees(|seen| seen.memory = memory(2, 4));
    assert_eq!(trial.broken(), []);

    let mut trial = Trial::new(rewind(), 1);
    trial.sees(|_| ());
    trial.sees(|seen| seen.memory = memory(2, 4));
    trial.breaks(Kind::Size, "memory grew during request 2");
    let mut trial = Trial::new(rewind(), 1);
    trial.sees(|_| ());
    trial.sees(|seen| seen.resources_left = 1);
    trial.breaks(Kind::Resources, "left a resource of the host");
}

/// Figures of an arena with one block of a page, which agree with everything.
fn claims(resets: u64) -> Usage {
    Usage {
        used: 0,
        total_allocated: 65_504,
        peak_used: 400,
        committed: 65_536,
        tail_waste: 0,
        free: 65_504,
        overhead: 32,
        blocks: 1,
        resets,
        grows: 1,
        budget: None,
    }
}

fn claiming(isolation: Isolation, resets: [u64; 3], blocks: &[Span]) -> Trial {
    let mut trial = Trial::new(isolation, 0);
    for resets in resets {
        trial.sees(|seen| {
            seen.claims = Some(claims(resets));
            seen.blocks = blocks.to_vec();
        });
    }
    trial
}

const BLOCK: Span = 0x10000..0x20000;

#[test]
fn one_instance_resets_once_a_request_and_new_ones_all_alike() {
    let one = |resets| claiming(rewind(), resets, &[BLOCK]);
    assert_eq!(one([4, 5, 6]).broken(), []);
    one([4, 5, 7]).breaks(
        Kind::Claims,
        "7 resets, and with one request since the last",
    );
    let new = |resets| claiming(Isolation::Instance, resets, &[BLOCK]);
    assert_eq!(new([1, 1, 1]).broken(), []);
    new([1, 1, 2]).breaks(Kind::Claims, "2 resets");
}

#[test]
fn the_blocks_that_a_guest_names_are_those_of_its_figures() {
    let naming = |blocks: &[Span]| claiming(rewind(), [1, 2, 3], blocks);
    let other = |start, end| -> Span { start..end };
    naming(&[]).breaks(
        Kind::Claims,
        "in 1 blocks, and those that it names are 0 with 0 bytes",
    );
    naming(&[0x10000..0x18000, 0x20000..0x28000]).breaks(Kind::Claims, "are 2 with 65536 bytes");
    naming(&[other(0x10000, 0x20001)]).breaks(Kind::Claims, "are 1 with 65537 bytes");
    // The memory has three pages.
    naming(&[other(0x28000, 0x38000)]).breaks(Kind::Claims, "behind the end of memory");
}

#[test]
fn an_answer_that_cuts_its_own_marker_off_is_no_fault() {
    for (end, holds) in [(32, true), (20, true), (16, true), (12, false)] {
        let mut trial = Trial::new(rewind(), 0);
        trial.sees(|_| ());
        let mut next = trial.traffic.clone();
        let own = next.next().expect("a request");
        let text = &own.marker.as_str()[..end];
        trial.sees(|seen| seen.response = format!("{text}...").into_bytes());
        assert_eq!(trial.broken().is_empty(), holds, "{end} characters");
    }
}
