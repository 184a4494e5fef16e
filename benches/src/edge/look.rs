//! Looks at one guest in one runtime: the cases, what is kept between requests, and how
//! long it takes to start.

use std::net::SocketAddr;

use super::cases::CASES;
use super::guests::Heap;
use super::markers::{self, Seen};
use super::process::{NotStarted, Running};
use super::programs::Start;
use super::record::{Sight, Told, must_be_fresh};
use crate::Failure;

/// Starts of which the time is the median.
pub const STARTS: usize = 3;

/// What requests with markers are called as cases.
pub const IN_TURN: &str = "markers";
/// The same for those at the same time.
pub const AT_A_TIME: &str = "16 at a time";

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub enum Blind {
    /// The runtime did not start.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// Something else is in the way.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// What to do with one guest.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Requests with a marker, in each of the two ways.
    pub requests: u32,
    /// What the markers depend on.
    pub seed: u64,
}

/// Looks. `start` tells how the runtime is started, anew for each time.
///
/// # Errors
/// [`Blind`] where it does not start.
pub fn look(
    plan: &Plan,
    heap: Heap,
    bytes: u64,
    start: &mut dyn FnMut() -> Result<Start, Failure>,
) -> Result<Sight, Blind> {
    let mut starts = Vec::with_capacity(STARTS);
    let mut begin = || start_once(start, &mut starts);

    let mut running = begin()?;
    let mut cases = Vec::new();
    for case in &CASES {
        let judged = case.run(running.addr());
        if judged.is_err() {
            // What it has done is not to be the next one's fault.
            drop(running);
            running = begin()?;
        }
        cases.push(Told {
            case: case.name.to_owned(),
            judged,
        });
    }
    drop(running);

    // A process that has done nothing else.
    let running = begin()?;
    let addr = running.addr();
    let first = markers::state(addr);
    let resident_first = running.resident();
    let in_turn = markers::in_turn(addr, plan.requests, plan.seed);
    let at_a_time = markers::at_a_time(addr, plan.requests, plan.seed + 1);
    let resident_after = running.resident();
    drop(running);
    for (case, seen) in [(IN_TURN, &in_turn), (AT_A_TIME, &at_a_time)] {
        cases.push(Told {
            case: case.to_owned(),
            judged: judge(heap, plan.requests, seen).map(|()| None),
        });
    }
    while starts.len() < STARTS {
        start_once(start, &mut starts)?;
    }
    Ok(Sight {
        bytes,
        start_ms: median(starts),
        cases,
        memory_first: first.ok().map(|state| state.memory),
        resident_first,
        resident_after,
        in_turn,
        at_a_time,
    })
}

/// Milliseconds to the first answer, and the cases by themselves.
///
/// # Errors
/// As [`look`].
pub fn time(start: &mut dyn FnMut() -> Result<Start, Failure>) -> Result<(f64, Vec<Told>), Blind> {
    let mut starts = Vec::with_capacity(STARTS);
    let told = cases(start_once(start, &mut starts)?.addr());
    while starts.len() < STARTS {
        start_once(start, &mut starts)?;
    }
    Ok((median(starts), told))
}

fn start_once(
    start: &mut dyn FnMut() -> Result<Start, Failure>,
    starts: &mut Vec<f64>,
) -> Result<Running, Blind> {
    let Start {
        mut command,
        listens,
        serves,
    } = start()?;
    let (running, took) = Running::start(&mut command, listens, serves)?;
    starts.push(took.as_secs_f64() * 1e3);
    Ok(running)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

/// Whether so many requests with markers were answered as they have to be.
///
/// # Errors
/// What is wrong.
pub fn judge(heap: Heap, requests: u32, seen: &Seen) -> Result<(), String> {
    if seen.crossed > 0 {
        return Err(format!(
            "{} answers have another request's marker in them",
            seen.crossed
        ));
    }
    if let Some((what, times)) = seen.wrong.first_key_value() {
        return Err(format!("{times} of {requests}: {what}"));
    }
    if seen.right != requests {
        let (right, longest) = (seen.right, markers::LONGEST);
        return Err(format!(
            "{right} of {requests} were answered in {longest:?}"
        ));
    }
    if must_be_fresh(heap) && seen.served_most > 0 {
        return Err(format!(
            "a static was found as {} requests before had left it",
            seen.served_most
        ));
    }
    if must_be_fresh(heap) && seen.others_most > 0 {
        return Err(format!(
            "{} markers of other requests lay in memory",
            seen.others_most
        ));
    }
    Ok(())
}

/// The cases on a server that is not started here.
pub fn cases(addr: SocketAddr) -> Vec<Told> {
    let told = CASES.iter().map(|case| Told {
        case: case.name.to_owned(),
        judged: case.run(addr),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn seen() -> Seen {
        Seen {
            right: 10,
            ..Seen::default()
        }
    }

    #[test]
    fn a_handler_with_its_own_heap_is_found_fresh_and_another_is_only_told_of() {
        assert_eq!(judge(Heap::Invocation, 10, &seen()), Ok(()));
        for reused in [
            Seen {
                served_most: 1,
                ..seen()
            },
            Seen {
                others_most: 1,
                ..seen()
            },
        ] {
            assert!(judge(Heap::Invocation, 10, &reused).is_err());
            assert_eq!(judge(Heap::Std, 10, &reused), Ok(()));
        }
    }

    #[test]
    fn whatever_the_heap_every_request_has_its_own_answer() {
        for heap in Heap::ALL {
            for wrong in [
                Seen {
                    crossed: 1,
                    ..seen()
                },
                Seen { right: 9, ..seen() },
                Seen {
                    wrong: BTreeMap::from([("late".to_owned(), 1)]),
                    ..seen()
                },
            ] {
                assert!(judge(heap, 10, &wrong).is_err(), "{wrong:?}");
            }
        }
    }
}
