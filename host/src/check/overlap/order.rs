//! In which order requests that overlap begin, their bodies arrive, and their answers
//! are taken.
//!
//! A request has a few steps: it begins, pieces of its body arrive, the body ends, and
//! its answer is taken. What is decided here is how those of several requests lie
//! between each other. There are four ways, which come in turn, so that what begins
//! first ends first, and last, and anything between.
#![forbid(unsafe_code)]

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::super::traffic::below;

/// How many ways there are to lie between each other.
pub(in crate::check) const WAYS: u32 = 4;

/// Pieces of a body that is long enough.
const PIECES: Range<usize> = 2..5;

/// The streams of numbers that a seed makes: the traffic has the first ones.
const FIRST_STREAM: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each makes its next step in turn.
    Forwards,
    /// Likewise, from the last to the first.
    Backwards,
    /// Any of them makes its next step.
    AnyHow,
}

/// The steps of one batch of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Order {
    /// Where each body is cut.
    pub(in crate::check) pieces: Vec<Vec<Range<usize>>>,
    /// Whose turn it is to make a step, one after the other.
    pub(in crate::check) steps: Vec<usize>,
}

impl Order {
    /// Of requests with bodies of these lengths. The same seed and turn give the same
    /// order; the way depends on the turn alone.
    pub(in crate::check) fn new(seed: u64, turn: u32, bodies: &[usize]) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(FIRST_STREAM + u64::from(turn));
        let pieces: Vec<_> = bodies.iter().map(|&len| cut(&mut random, len)).collect();
        let way = match turn % WAYS {
            0 => Way::Forwards,
            1 => Way::Backwards,
            _ => Way::AnyHow,
        };
        // It begins, its body ends, and its answer is taken.
        let left: Vec<_> = pieces.iter().map(|pieces| pieces.len() + 3).collect();
        Self {
            steps: steps(&mut random, way, left),
            pieces,
        }
    }
}

/// The parts of a body, none of them empty.
fn cut(random: &mut ChaCha8Rng, len: usize) -> Vec<Range<usize>> {
    let wanted = PIECES.start + below(random, PIECES.len());
    let mut ends: Vec<_> = (1..wanted).map(|_| below(random, len)).collect();
    ends.extend([0, len]);
    ends.sort_unstable();
    ends.dedup();
    ends.windows(2).map(|ends| ends[0]..ends[1]).collect()
}

/// Each of the requests as often as it has steps left.
fn steps(random: &mut ChaCha8Rng, way: Way, mut left: Vec<usize>) -> Vec<usize> {
    let requests = left.len();
    let mut steps = Vec::new();
    let mut turn = 0;
    while left.iter().any(|&left| left > 0) {
        let who = match way {
            Way::Forwards => turn % requests,
            Way::Backwards => requests - 1 - turn % requests,
            Way::AnyHow => below(random, requests),
        };
        turn += 1;
        if left[who] > 0 {
            left[who] -= 1;
            steps.push(who);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODIES: [usize; 4] = [0, 1, 1_000, 70_000];

    #[test]
    fn a_body_is_whole_whatever_it_is_cut_into() {
        for turn in 0..20 {
            let order = Order::new(1, turn, &BODIES);
            for (pieces, len) in order.pieces.iter().zip(BODIES) {
                let mut at = 0;
                for piece in pieces {
                    assert!(piece.start == at && !piece.is_empty(), "{pieces:?}");
                    at = piece.end;
                }
                assert_eq!(at, len);
                assert!(pieces.len() < PIECES.end);
            }
            assert!(order.pieces[3].len() >= PIECES.start);
        }
    }

    #[test]
    fn each_makes_all_of_its_steps() {
        for turn in 0..20 {
            let order = Order::new(7, turn, &BODIES);
            for (who, pieces) in order.pieces.iter().enumerate() {
                let made = order.steps.iter().filter(|&&step| step == who).count();
                assert_eq!(made, pieces.len() + 3);
            }
        }
    }

    #[test]
    fn who_begins_first_ends_first_and_last_and_between() {
        let ends = |turn| {
            let order = Order::new(3, turn, &[500; 8]);
            let last = |who| order.steps.iter().rposition(|&step| step == who);
            let mut ends: Vec<usize> = (0..8).collect();
            ends.sort_by_key(|&who| last(who));
            // That all have begun before any has ended is what overlaps.
            let begun = |who| order.steps.iter().position(|&step| step == who);
            let all_begun = (0..8).map(begun).max().flatten();
            (ends.clone(), all_begun < last(ends[0]))
        };
        // Where all have as many pieces, the order is plain.
        let pieces = |turn| Order::new(3, turn, &[1; 8]).steps;
        assert_eq!(pieces(0)[..8], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(pieces(1)[..8], [7, 6, 5, 4, 3, 2, 1, 0]);
        assert!(ends(0).1 && ends(1).1);
        let (one, other) = (ends(2).0, ends(3).0);
        assert_ne!(one, other);
        assert!(!one.is_sorted() && !other.is_sorted());
    }

    #[test]
    fn the_same_seed_and_turn_give_the_same_order() {
        assert_eq!(Order::new(5, 2, &BODIES), Order::new(5, 2, &BODIES));
        assert_ne!(Order::new(5, 2, &BODIES), Order::new(6, 2, &BODIES));
        assert_ne!(Order::new(5, 2, &BODIES), Order::new(5, 3, &BODIES));
    }
}
