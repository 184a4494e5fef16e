//! The two arenas that a program has, and what takes them by `&mut`.

use alloc::vec::Vec;

use lavandula::{Arena, PageSource, Reset, Scrub};

use crate::ground::Ground;
use crate::level::{Ended, Level, Open};
use crate::program::{Budget, Op};
use crate::session::{Session, Survey};
use crate::transcript::{Outcome, Transcript};

/// An arena of a program.
struct Root<P: PageSource> {
    arena: Arena<P>,
    id: u32,
    block_size: usize,
    reset: Reset,
}

impl<P: PageSource> Root<P> {
    fn new(ground: &impl Ground<Source = P>, session: &mut Session<'_>) -> Self {
        // Not the default, which is another where the build is another.
        let scrub = Scrub::None;
        let id = session.begin(None, scrub);
        let mut arena = ground.arena(id);
        arena.set_scrub(scrub);
        Self {
            arena,
            id,
            block_size: ground.block_size(),
            reset: Reset::RetainAll,
        }
    }
}

/// Runs a program.
///
/// # Panics
/// Where something is not as it has to be.
pub fn run<G: Ground>(ground: &G, program: &[u8]) -> Transcript {
    let disturb = || ground.disturb();
    let mut session = Session::new(program, ground.runs(), &disturb);
    let mut one = Root::new(ground, &mut session);
    let mut other = Root::new(ground, &mut session);
    session.last = survey(&one, &other, &mut session);
    loop {
        let ended = {
            // The other arena can be reached meanwhile, as an outer scope can.
            let other = Level::new(&other.arena, other.id, None);
            let level = Level::new(&one.arena, one.id, Some(&other));
            let ended = level.run(&mut session, 0);
            other.leave(&mut session);
            ended
        };
        let Ended::Exclusive(op) = ended else { break };
        // Every scope has ended meanwhile.
        session.last = survey(&one, &other, &mut session);
        let outcome = match op {
            Op::Switch => {
                core::mem::swap(&mut one, &mut other);
                Outcome::Done(one.id)
            }
            Op::Renew => {
                let next = Root::new(ground, &mut session);
                let old = core::mem::replace(&mut one, next);
                finish(old, &mut session);
                Outcome::Done(0)
            }
            _ => exclusive(&mut one, &op, &mut session),
        };
        let now = survey(&one, &other, &mut session);
        session.judge(one.id, &op, outcome, now);
    }
    finish(one, &mut session);
    finish(other, &mut session);
    session.finish()
}

/// What both arenas say while nothing borrows them.
fn survey<P: PageSource>(one: &Root<P>, other: &Root<P>, session: &mut Session<'_>) -> Survey {
    let mut survey = Survey::default();
    let below = Level::new(&other.arena, other.id, None);
    Level::new(&one.arena, one.id, Some(&below)).survey(session, &mut survey);
    survey
}

/// Drops an arena: all that was deferred is dropped, and its pages come back.
fn finish<P: PageSource>(root: Root<P>, session: &mut Session<'_>) {
    session.end(root.id);
    drop(root.arena);
    if let Some(runs) = session.runs {
        assert_eq!(runs.bytes_of(root.id), 0, "pages were not given back");
    }
}

fn exclusive<P: PageSource>(root: &mut Root<P>, op: &Op, session: &mut Session<'_>) -> Outcome {
    let arena = &mut root.arena;
    let before = arena.usage();
    match *op {
        Op::Reset => reset(root, session),
        Op::Scrub => {
            let written = arena.scrub();
            assert_eq!(arena.scrub(), 0, "nothing is dirty any more");
            let model = session.model(root.id);
            if arena.used() == 0 && model.ever.is_empty() {
                let extents = core::mem::take(&mut model.before);
                session.given_up(Scrub::Zero, &extents);
            }
            Outcome::Done(written as u32)
        }
        Op::Prepare => match arena.prepare() {
            Ok(()) => {
                assert!(arena.usage().blocks > 0);
                Outcome::Done(0)
            }
            Err(error) => Outcome::error(error),
        },
        Op::SetBudget(budget) => {
            let bytes = match budget {
                Some(Budget::Bytes(bytes)) => Some(bytes),
                Some(Budget::More(more)) => Some(before.used + more),
                None => None,
            };
            arena.set_budget(bytes);
            // The largest number is no bound.
            session.model(root.id).budget = bytes.filter(|&bytes| bytes != usize::MAX);
            Outcome::Done(0)
        }
        Op::SetReserve(bytes) => {
            arena.set_reserve(bytes);
            let model = session.model(root.id);
            // Half a block is the most.
            model.reserve = bytes.min(root.block_size / 2).next_multiple_of(8);
            model.held_back = model.reserve;
            Outcome::Done(0)
        }
        Op::SetReset(reset) => {
            arena.set_reset(reset);
            root.reset = reset;
            Outcome::Done(0)
        }
        Op::SetScrub(scrub) => {
            arena.set_scrub(scrub);
            session.model(root.id).scrub = scrub;
            Outcome::Done(0)
        }
        _ => Outcome::Skipped,
    }
}

fn reset<P: PageSource>(root: &mut Root<P>, session: &mut Session<'_>) -> Outcome {
    let before = root.arena.usage();
    let live = session.empty(root.id);
    let model = session.model(root.id);
    let deferred = core::mem::take(&mut model.deferred);
    let peak = core::mem::take(&mut model.peak);
    let ever = core::mem::take(&mut model.ever);
    let scrub = model.scrub;
    model.held_back = model.reserve;
    session.expected.extend(deferred.iter().rev());

    root.arena.reset();

    let after = root.arena.usage();
    assert_eq!((after.used, after.tail_waste), (0, 0));
    assert_eq!(after.resets, before.resets + 1);
    assert!(after.peak_used >= peak, "{peak} bytes were used: {after:?}");
    match root.reset {
        Reset::Retain { limit } => {
            assert!(after.committed <= limit.min(before.committed), "{after:?}");
        }
        _ => assert_eq!(after.committed, before.committed),
    }
    match scrub {
        // What was given up before the reset was looked at then.
        Scrub::Poison => session.given_up(scrub, &live),
        _ => session.given_up(scrub, &ever),
    }
    // What was in runs that are given back is nobody's to look at.
    session.model(root.id).before = match root.reset {
        Reset::RetainAll => ever,
        _ => Vec::new(),
    };
    Outcome::Done(0)
}
