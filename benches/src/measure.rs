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
use crate::engine::{Engine, Entry};

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
pub fn runs(plan: &Plan, engines: usize, entries: usize) -> u64 {
    u64::from(plan.rounds) * engines as u64 * entries as u64
}

/// What is run: an entry under an engine.
struct Task {
    engine: usize,
    entry: usize,
    repeats: u32,
    samples: Vec<f64>,
}

/// Measures all entries under all engines.
///
/// # Errors
/// [`Failure`] where the guest traps or an engine is gone.
pub fn measure(
    plan: &Plan,
    engines: &mut [Box<dyn Engine>],
    entries: &[(usize, Entry)],
    mut calibrated: impl FnMut(),
    mut done: impl FnMut(),
) -> Result<Vec<Row>, Failure> {
    // Workloads in the order of the list, and in each all that run it.
    let mut workloads: Vec<Vec<Task>> = Vec::new();
    let mut last: Option<&str> = None;
    for (index, (number, entry)) in entries.iter().enumerate() {
        if last.replace(&entry.workload) != Some(&entry.workload) {
            workloads.push(Vec::new());
        }
        for (engine, runner) in engines.iter_mut().enumerate() {
            let repeats = calibrate(plan, runner.as_mut(), *number)?;
            if let Some(tasks) = workloads.last_mut() {
                tasks.push(Task {
                    engine,
                    entry: index,
                    repeats,
                    samples: Vec::new(),
                });
            }
        }
        calibrated();
    }

    let mut order = Shuffle(plan.seed);
    for _ in 0..plan.rounds {
        for tasks in &mut workloads {
            for at in order.of(tasks.len()) {
                let task = &mut tasks[at];
                let run = engines[task.engine].run(entries[task.entry].0, task.repeats)?;
                task.samples.push(run.per_operation());
                done();
            }
        }
    }

    let mut rows: Vec<Row> = workloads
        .into_iter()
        .flatten()
        .map(|task| {
            let entry = &entries[task.entry].1;
            let [first, median, third] = quartiles(task.samples);
            Row {
                workload: entry.workload.clone(),
                engine: engines[task.engine].name(),
                allocator: entry.allocator.clone(),
                ns_per_op: median,
                ratio_to_floor: None,
                spread: third - first,
            }
        })
        .collect();
    relate(&mut rows);
    Ok(rows)
}

/// How often an entry is repeated in a run, to reach the plan's section without
/// exceeding its bound.
fn calibrate(plan: &Plan, engine: &mut dyn Engine, entry: usize) -> Result<u32, Failure> {
    let mut repeats = 1;
    loop {
        let factor = missing(plan, engine, entry, repeats)?;
        // A run that was interrupted looks longer than it is, and too few
        // repetitions would show what surrounds them: so nothing is believed but
        // the shortest of some runs.
        if factor <= 1.0 && most(plan, engine, entry, repeats)? <= 1.0 {
            return Ok(repeats);
        }
        // Never more than this at a time, since the first runs are the least
        // exact; and more than one, or it would not end.
        let factor = (factor * 1.1).clamp(1.5, 100.0);
        repeats = (f64::from(repeats) * factor).ceil() as u32;
    }
}

/// How much longer a run would have to be, by the shortest of some.
fn most(plan: &Plan, engine: &mut dyn Engine, entry: usize, repeats: u32) -> Result<f64, Failure> {
    let mut most = 0.0_f64;
    for _ in 0..CONFIRM {
        most = most.max(missing(plan, engine, entry, repeats)?);
    }
    Ok(most)
}

/// How much longer this run would have to be.
fn missing(
    plan: &Plan,
    engine: &mut dyn Engine,
    entry: usize,
    repeats: u32,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let run = engine.run(entry, repeats)?;
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
fn quartiles(mut samples: Vec<f64>) -> [f64; 3] {
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
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The numbers below `count`, shuffled.
    fn of(&mut self, count: usize) -> Vec<usize> {
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
        let mut order = Shuffle(1).of(10);
        assert_eq!(order, Shuffle(1).of(10));
        assert_ne!(order, Shuffle(2).of(10));
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

    /// Takes a nanosecond for each operation, and a thousand times that to set up.
    struct Instantly;

    impl Engine for Instantly {
        fn name(&self) -> &'static str {
            "instantly"
        }

        fn run(&mut self, _: usize, repeats: u32) -> Result<crate::engine::Run, Failure> {
            Ok(crate::engine::Run {
                elapsed: f64::from(repeats) * 1_000.0,
                operations: f64::from(repeats),
            })
        }
    }

    #[test]
    fn calibration_reaches_the_section_that_is_asked_for() {
        let plan = Plan {
            rounds: 1,
            section: Duration::from_millis(2),
            bound: Duration::from_secs(10),
            seed: 1,
        };
        let repeats = calibrate(&plan, &mut Instantly, 0).unwrap();
        assert!((2_000..10_000).contains(&repeats), "{repeats}");
    }
}
