//! What the figures are to be, and whether they are.

use serde::Serialize;

use super::catalogue::{HANDLERS, Isolation, Make, Pool, SMALL_JSON};
use super::report::Report;

/// The most that a rewound request may take, in multiples of the floor.
const REWIND_TO_FLOOR: f64 = 1.3;
/// The most that it may take of one with an instance of its own.
const REWIND_TO_INSTANCE: f64 = 1.0 / 3.0;
/// KiB of statics, and the microseconds that a rewind may take with them.
const STATICS: u32 = 25;
const REWIND_ALONE: f64 = 1.5;
/// What one-shot runtimes may pay for the image, of all instructions.
const ONE_SHOT: f64 = 0.01;

/// A target, and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// What it is about.
    pub what: String,
    /// What it may be at most.
    pub at_most: f64,
    /// What it is.
    pub measured: f64,
    /// Of both: `x` for a ratio, `us` for microseconds.
    pub unit: &'static str,
    /// Whether it is that.
    pub met: bool,
}

impl Target {
    fn new(what: impl Into<String>, at_most: f64, unit: &'static str, measured: f64) -> Self {
        Self {
            what: what.into(),
            at_most,
            measured,
            unit,
            met: measured <= at_most,
        }
    }
}

/// All targets that the report has figures for.
pub fn targets(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    let us = |handler, isolation, make| {
        let row = report.row(handler, isolation, make)?;
        Some(row.us_per_request)
    };
    let heap = Make::InvocationHeap;
    let ratio = |one: Option<f64>, other: Option<f64>| Some(one? / other?);

    let rewind = us(SMALL_JSON, Isolation::Rewind, heap);
    let floor = us(SMALL_JSON, Isolation::Reuse, Make::Bare);
    targets.extend(ratio(rewind, floor).map(|found| {
        let what = format!("{SMALL_JSON}: rewind to the floor");
        Target::new(what, REWIND_TO_FLOOR, "x", found)
    }));
    for make in [heap, Make::Std] {
        let tuned = Isolation::Instance(Pool::Tuned);
        let instance = us(SMALL_JSON, tuned, make);
        targets.extend(ratio(rewind, instance).map(|found| {
            let what = format!(
                "{SMALL_JSON}: rewind to {} with {}",
                tuned.name(),
                make.allocator()
            );
            Target::new(what, REWIND_TO_INSTANCE, "x", found)
        }));
    }
    let alone = report
        .rewind
        .iter()
        .find(|row| row.statics_kib == STATICS && row.part == "rewind");
    targets.extend(alone.map(|row| {
        let what = format!("the rewind alone, with {STATICS} KiB of statics");
        Target::new(what, REWIND_ALONE, "us", row.us)
    }));

    for pool in [Pool::Tuned, Pool::Default] {
        let isolation = Isolation::Instance(pool);
        for handler in HANDLERS {
            let ours = us(handler.name, isolation, heap);
            let theirs = us(handler.name, isolation, Make::Std);
            targets.extend(ratio(ours, theirs).map(|found| {
                let what = format!(
                    "{}: InvocationHeap to std, {}",
                    handler.name,
                    isolation.name()
                );
                Target::new(what, 1.0, "x", found)
            }));
        }
    }
    for ours in report.sizes_of(heap.allocator()) {
        let others = report.sizes_of(Make::Std.allocator());
        let theirs = others.into_iter().find(|row| row.sample == ours.sample);
        targets.extend(theirs.map(|theirs| {
            let what = format!("{}: bytes with InvocationHeap to std's", ours.sample);
            let bytes = |row: &super::SizeRow| row.bytes_without_names as f64;
            Target::new(what, 1.0, "x", bytes(ours) / bytes(theirs))
        }));
    }
    targets.extend(report.one_shot.iter().map(|row| {
        let what = format!(
            "{}: instructions of a request nobody rewinds, for the image",
            row.handler
        );
        let first = row.first.instructions as f64;
        let sealed = row.sealed_before.instructions as f64;
        Target::new(what, ONE_SHOT, "x", (first - sealed) / first)
    }));
    targets
}
