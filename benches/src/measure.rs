//! Times the entries: calibrated once, then in rounds.
//!
//! In each round every workload has its turn, and within it every allocator and
//! every engine once, in an order that is shuffled anew. What else the machine
//! does at the time hits all of them alike that way. Of the rounds the median is
//! taken, and how far the middle half of them lies apart is told. Nothing is
//! subtracted.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Failure;
use crate::catalogue::FLOOR;
use crate::engine::{Engine, Entry, Run};

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rounds.
    pub rounds: u32,
    /// What the timed sections of one run come to, at least, where that takes no
    /// longer than `bound` in all.
    pub section: Duration,
    /// What a run takes at most, with what it has to set up and fill, unless a
    /// single repetition takes longer.
    pub bound: Duration,
    /// What the order depends on.
    pub seed: u64,
}

/// One workload with one allocator under one engine.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// The engine.
    pub engine: &'static str,
    /// The allocator.
    pub allocator: String,
    /// Nanoseconds of one operation: the median of the rounds.
    pub ns_per_op: f64,
    /// The same in multiples of the floor's, where that was measured.
    pub ratio_to_floor: Option<f64>,
    /// Nanoseconds between the first and the third quartile of the rounds.
    pub spread: f64,
}

/// Runs that have to confirm a calibration.
const CONFIRM: u32 = 3;

/// How many runs there are, calibration not counted.
pub fn runs(plan: &Plan, tasks: usize) -> u64 {
    u64::from(plan.rounds) * tasks as u64
}

/// What the rounds came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Nanoseconds of one operation: the median of the rounds.
    pub median: f64,
    /// Nanoseconds between the first and the third quartile of the rounds.
    pub spread: f64,
}

/// Measures all entries under all engines.
///
/// # Errors
/// [`Failure`] where the guest traps or an engine is gone.
pub fn measure(
    plan: &Plan,
    engines: &mut [Box<dyn Engine>],
    entries: &[(usize, Entry)],
    calibrated: impl FnMut(),
    done: impl FnMut(),
) -> Result<Vec<Row>, Failure> {
    // Workloads in the order of the list, and in each all that run it.
    let mut workloads: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut last: Option<&str> = None;
    for (index, (_, entry)) in entries.iter().enumerate() {
        if last.replace(&entry.workload) != Some(&entry.workload) {
            workloads.push(Vec::new());
        }
        if let Some(tasks) = workloads.last_mut() {
            tasks.extend((0..engines.len()).map(|engine| (engine, index)));
        }
    }
    let run =
        |&(engine, index): &(usize, usize), repeats| engines[engine].run(entries[index].0, repeats);
    let figures = in_rounds(plan, workloads, run, calibrated, done)?;
    let mut rows: Vec<Row> = figures
        .into_iter()
        .map(|((engine, index), figure)| {
            let entry = &entries[index].1;
            Row {
                workload: entry.workload.clone(),
                engine: engines[engine].name(),
                allocator: entry.allocator.clone(),
                ns_per_op: figure.median,
                ratio_to_floor: None,
                spread: figure.spread,
            }
        })
        .collect();
    relate(&mut rows);
    Ok(rows)
}

/// Measures what `run` does for each task, in rounds: in each of them one group
/// has its turn after the other, and in a group every task once, in an order that
/// is shuffled anew.
///
/// # Errors
/// That of `run`, which is asked to repeat its operation so many times.
pub fn in_rounds<T>(
    plan: &Plan,
    groups: Vec<Vec<T>>,
    mut run: impl FnMut(&T, u32) -> Result<Run, Failure>,
    mut calibrated: impl FnMut(),
    mut done: impl FnMut(),
) -> Result<Vec<(T, Figure)>, Failure> {
    struct Task<T> {
        what: T,
        repeats: u32,
        samples: Vec<f64>,
    }

    let mut begin = |what: T| {
        let repeats = calibrate(plan, |repeats| run(&what, repeats))?;
        calibrated();
        Ok(Task {
            what,
            repeats,
            samples: Vec::new(),
        })
    };
    let mut groups = groups
        .into_iter()
        .map(|tasks| tasks.into_iter().map(&mut begin).collect())
        .collect::<Result<Vec<Vec<_>>, Failure>>()?;

    let mut order = Shuffle::new(plan.seed);
    for _ in 0..plan.rounds {
        for tasks in &mut groups {
            for at in order.of(tasks.len()) {
                let task = &mut tasks[at];
                let run = run(&task.what, task.repeats)?;
                task.samples.push(run.per_operation());
                done();
            }
        }
    }

    let figure = |task: Task<T>| {
        let [first, median, third] = quartiles(task.samples);
        let spread = third - first;
        (task.what, Figure { median, spread })
    };
    Ok(groups.into_iter().flatten().map(figure).collect())
}

/// How often something is repeated in a run, to reach the plan's section without
/// exceeding its bound.
fn calibrate(
    plan: &Plan,
    mut run: impl FnMut(u32) -> Result<Run, Failure>,
) -> Result<u32, Failure> {
    let mut repeats = 1;
    loop {
        let factor = missing(plan, &mut run, repeats)?;
        // A run that was interrupted looks longer than it is, and too few
        // repetitions would show what surrounds them: so nothing is believed but
        // the shortest of some runs.
        if factor <= 1.0 && most(plan, &mut run, repeats)? <= 1.0 {
            return Ok(repeats);
        }
        // Never more than this at a time, since the first runs are the least
        // exact; and more than one, or it would not end.
        let factor = (factor * 1.1).clamp(1.5, 100.0);
        repeats = (f64::from(repeats) * factor).ceil() as u32;
    }
}

/// How much longer a run would have to be, by the shortest of some.
fn most(
    plan: &Plan,
    run: &mut impl FnMut(u32) -> Result<Run, Failure>,
    repeats: u32,
) -> Result<f64, Failure> {
    let mut most = 0.0_f64;
    for _ in 0..CONFIRM {
        most = most.max(missing(plan, run, repeats)?);
    }
    Ok(most)
}

/// How much longer this run would have to be.
fn missing(
    plan: &Plan,
    run: &mut impl FnMut(u32) -> Result<Run, Failure>,
    repeats: u32,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let run = run(repeats)?;
    let whole = start.elapsed();
    let section = Duration::from_nanos(run.elapsed.max(1.0) as u64);
    let missing = plan.section.as_secs_f64() / section.as_secs_f64();
    let room = plan.bound.as_secs_f64() / whole.as_secs_f64();
    Ok(missing.min(room))
}

/// Puts every row in relation to the floor of its workload and engine.
fn relate(rows: &mut [Row]) {
    let floors: Vec<_> = rows
        .iter()
        .filter(|row| row.allocator == FLOOR)
        .map(|row| (row.workload.clone(), row.engine, row.ns_per_op))
        .collect();
    for row in rows {
        row.ratio_to_floor = floors
            .iter()
            .find(|(workload, engine, _)| *workload == row.workload && *engine == row.engine)
            .map(|(_, _, floor)| row.ns_per_op / floor);
    }
}

/// The quartiles of some samples; zeros where there are none.
pub fn quartiles(mut samples: Vec<f64>) -> [f64; 3] {
    samples.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|part| {
        let at = part * samples.len().saturating_sub(1) as f64;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        match (samples.get(low), samples.get(high)) {
            (Some(low), Some(high)) => low + (high - low) * at.fract(),
            _ => 0.0,
        }
    })
}

/// Orders, the same for the same seed (splitmix64).
pub(crate) struct Shuffle(u64);

impl Shuffle {
    /// Orders that depend on this.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The numbers below `count`, shuffled.
    pub(crate) fn of(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..count).collect();
        for at in (1..count).rev() {
            let with = (self.next() % (at as u64 + 1)) as usize;
            order.swap(at, with);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(quartiles(vec![4.0, 1.0, 3.0, 2.0]), [1.75, 2.5, 3.25]);
        assert_eq!(quartiles(vec![7.0]), [7.0; 3]);
    }

    #[test]
    fn an_order_has_every_number_once_and_depends_on_the_seed() {
        let mut order = Shuffle::new(1).of(10);
        assert_eq!(order, Shuffle::new(1).of(10));
        assert_ne!(order, Shuffle::new(2).of(10));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..10));
    }

    #[test]
    fn a_row_is_related_to_the_floor_of_its_own_workload_and_engine() {
        let row = |workload: &str, engine, allocator: &str, ns_per_op| Row {
            workload: workload.to_owned(),
            engine,
            allocator: allocator.to_owned(),
            ns_per_op,
            ratio_to_floor: None,
            spread: 0.0,
        };
        let mut rows = [
            row("a", "x", "ours", 3.0),
            row("a", "x", FLOOR, 2.0),
            row("a", "y", "ours", 3.0),
            row("a", "y", FLOOR, 4.0),
            row("b", "x", "ours", 3.0),
        ];
        relate(&mut rows);
        let ratios = rows.map(|row| row.ratio_to_floor);
        assert_eq!(ratios, [Some(1.5), Some(1.0), Some(0.75), Some(1.0), None]);
    }

    /// A microsecond for each operation.
    fn instantly(repeats: u32) -> Result<Run, Failure> {
        Ok(Run {
            elapsed: f64::from(repeats) * 1_000.0,
            operations: f64::from(repeats),
        })
    }

    const PLAN: Plan = Plan {
        rounds: 3,
        section: Duration::from_millis(2),
        bound: Duration::from_secs(10),
        seed: 1,
    };

    #[test]
    fn calibration_reaches_the_section_that_is_asked_for() {
        let repeats = calibrate(&PLAN, instantly).unwrap();
        assert!((2_000..10_000).contains(&repeats), "{repeats}");
    }

    #[test]
    fn every_task_has_its_turn_in_every_round_and_groups_stay_in_order() {
        let groups = vec![vec!["a", "b"], vec!["c"]];
        let turns = std::cell::RefCell::new(Vec::new());
        let run = |what: &&'static str, repeats| {
            turns.borrow_mut().push(*what);
            instantly(repeats)
        };
        // Calibration is over with the last of the tasks.
        let mut calibrated = 0;
        let begin = || {
            calibrated += 1;
            if calibrated == 3 {
                turns.borrow_mut().clear();
            }
        };
        let figures = in_rounds(&PLAN, groups, run, begin, || ()).unwrap();
        let names: Vec<_> = figures.iter().map(|(what, _)| *what).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(figures.iter().all(|(_, figure)| figure.median == 1_000.0));
        let turns = turns.into_inner();
        assert_eq!(turns.len(), 9);
        for round in turns.chunks(3) {
            assert!(round[..2].contains(&"a") && round[..2].contains(&"b") && round[2] == "c");
        }
    }
}
