//! What is judged of a few looks at two requests that run at the same time.

use super::super::evidence::Failed;
use super::super::pages::Traces;
use super::super::trial::{Look, Said};
use super::super::watch::Sighted;
use super::*;
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::failure::Failure;
use crate::limits::MemoryUse;

fn usage() -> Usage {
    Usage {
        used: 0,
        total_allocated: 0,
        peak_used: 0,
        committed: 0,
        tail_waste: 0,
        free: 0,
        overhead: 0,
        blocks: 0,
        resets: 0,
        grows: 0,
        budget: None,
    }
}

/// So many were in flight, and at one look the guest named these blocks, and the
/// markers of these requests lay at these offsets.
fn batch(at_once: usize, blocks: &[Span], markers: &[(usize, usize)]) -> Batch {
    let place = |offset| Place { memory: 0, offset };
    let said = Said {
        usage: usage(),
        blocks: blocks.to_vec(),
    };
    Batch {
        answers: Vec::new(),
        looks: vec![Look {
            said: Some(said),
            markers: markers.iter().map(|&(at, who)| (place(at), who)).collect(),
            open: vec![true; 2],
            memory: MemoryUse::default(),
        }],
        entrance: Entrance::Open,
        sighted: Sighted {
            places: Vec::new(),
            at_once,
        },
        home: 0,
        end: Err(Box::new(Failed::new(
            &Failure::ClientGone,
            Traces::default(),
        ))),
    }
}

fn evidence(batch: &Batch) -> Evidence {
    let mut apart = Apart::default();
    let shape = "with 7 at the same time";
    apart.hear(&Request { number: 8, shape }, &[7, 8], batch);
    apart.conclude(&None, 2)
}

#[test]
fn a_block_has_one_request() {
    let blocks = [0x100..0x200, 0x200..0x300];
    let apart = evidence(&batch(2, &blocks, &[(0x110, 0), (0x1f0, 0), (0x210, 1)]));
    assert!(apart.holds);
    assert_eq!(
        apart.detail,
        "2 of 2 requests were in flight together; at 1 looks in 1 batches no block had the \
         markers of two, of 2 that had any"
    );
    // Outside of blocks anything may lie.
    assert!(evidence(&batch(2, &blocks, &[(0x110, 0), (0x310, 0), (0x310, 1)])).holds);
}

#[test]
fn a_block_that_has_two_breaks_it() {
    let blocks = [0x100..0x200, 0x200..0x300];
    let shared = evidence(&batch(2, &blocks, &[(0x210, 1), (0x220, 0)]));
    assert!(!shared.holds);
    assert_eq!(
        shared.detail,
        "while request 8 (with 7 at the same time) ran, the block 0x200 to 0x300 had the markers \
         of requests 8 and 7: an invocation's arena is its own until the invocation has ended"
    );
    let culprit = shared.culprit.expect("a culprit");
    assert_eq!(culprit.requests, [7, 8]);
    assert_eq!(culprit.place.map(|place| place.offset), Some(0x220));
}

#[test]
fn what_an_ended_one_has_left_is_another_matter() {
    let block = 0x100..0x200;
    let mut left = batch(2, std::slice::from_ref(&block), &[(0x110, 1), (0x120, 0)]);
    left.looks[0].open[0] = false;
    assert!(evidence(&left).holds);
}

#[test]
fn what_was_not_seen_is_not_claimed() {
    let none = evidence(&batch(0, &[], &[]));
    assert!(none.holds && none.detail.starts_with("no marker was seen in memory"));
    let one = evidence(&batch(1, &[], &[]));
    assert!(one.detail.contains("waits for nothing that arrives"));
    let mut closed = batch(1, &[], &[]);
    closed.entrance = Entrance::Closed;
    assert!(evidence(&closed).detail.ends_with("(back-pressure)"));
    let mut unasked = batch(2, &[], &[]);
    unasked.looks.clear();
    assert!(evidence(&unasked).detail.contains("names no blocks"));
}

#[test]
fn everything_comes_again_after_a_cycle() {
    for (at_a_time, shapes) in [(16, 8), (16, 17), (4, 8), (3, 8), (2, 5)] {
        let batches = Batches::new(at_a_time, shapes);
        let cycle = batches.cycle();
        let of_cycle = cycle / at_a_time;
        let turns: Vec<_> = (0..of_cycle).map(|batch| batches.turn(batch)).collect();
        let again = (of_cycle..2 * of_cycle).map(|batch| batches.turn(batch));
        assert!(again.eq(turns.iter().copied()));
        let distinct: BTreeSet<_> = turns.iter().collect();
        assert_eq!(distinct.len(), turns.len(), "each has an order of its own");
        // Every shape comes in every way.
        let ways = |batch: u32| batches.turn(batch) % order::WAYS;
        let all: BTreeSet<_> = (0..of_cycle)
            .map(|batch| (batch % batches.until_all_shapes, ways(batch)))
            .collect();
        assert_eq!(all.len(), turns.len());
        assert!(batches.until_all_shapes * at_a_time >= shapes);
        assert!(batches.begins_cycle_with(1) && batches.begins_cycle_with(cycle + 1));
        assert!(!batches.begins_cycle_with(2));
    }
}

#[test]
fn those_that_ran_together_are_named_together() {
    let batches = Batches::new(4, 8);
    assert_eq!(batches.whole(&[6], 100), [5, 6, 7, 8]);
    assert_eq!(batches.whole(&[1, 10], 10), [1, 2, 3, 4, 9, 10]);
    assert_eq!(listed(&[5, 6, 7, 8]), "5 to 8");
    assert_eq!(listed(&[1, 2, 4, 5, 6, 9]), "1, 2, 4 to 6, 9");
    assert_eq!(listed(&[]), "");
}

#[test]
fn an_answer_is_like_the_one_that_was_given_alone_but_for_its_markers() {
    let mut alone = Alone::new("run", 6, 2);
    let told = |alone: &Alone, shape, answer: &[u8]| alone.compare(shape, 200, answer);
    assert_eq!(told(&alone, 0, b"runabc"), Likeness::Unknown);
    alone.hear(0, 200, b"a runabc and runabc");
    alone.hear(0, 200, b"a rundef and rundef");
    for (answer, likeness) in [
        (&b"a runxyz and runxyz"[..], Likeness::Alike),
        // Whose it is is another matter.
        (b"a runxyz and runabc", Likeness::Alike),
        (b"a runxyz and runxy", Likeness::Different(20, 21)),
        (b"a runxyz and 000000", Likeness::Different(21, 21)),
        (b"", Likeness::Different(2, 21)),
    ] {
        assert_eq!(told(&alone, 0, answer), likeness);
    }
    assert!(matches!(
        alone.compare(0, 500, b"a runabc and runabc"),
        Likeness::Different(..)
    ));
    assert_eq!(alone.unknown(), 1);
    // One that counts is different each time.
    alone.hear(1, 200, b"1");
    alone.hear(1, 200, b"2");
    alone.hear(1, 200, b"2");
    assert_eq!(told(&alone, 1, b"2"), Likeness::Unknown);
}
