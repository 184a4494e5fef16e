//! Measures whole requests with what keeps them apart: an instance for each of
//! them, or one instance that is rewound; and the rewind alone.
//!
//! ```text
//! catalogue ──► guests ──► instance ──► server ──► timing ──► report ──► table
//! (what there     builds     calls        keeps       times      ▲         plot
//!  is, in         them         ▲          requests               │
//!  words)                      │          apart                  │
//!               engine, state ─┘                                 │
//!               watch ──► counts ────────────────────────────────┘
//! ```
//!
//! In process, without sockets, with wasmtime as it is. What depends on the machine
//! and what is the same in every run are kept apart here as well.

pub mod catalogue;
pub mod counts;
pub mod guests;
pub mod report;
pub mod targets;
pub mod timing;

mod engine;
mod instance;
mod plot;
mod server;
mod state;
mod table;
mod watch;

use std::rc::Rc;

use crate::Failure;
use crate::environment::{Machine, WORK, kernel, versions, workspace};
use crate::measure::{Plan, runs};
use crate::progress::Steps;

pub use counts::Counter;
pub use guests::{Samples, SizeRow};
pub use plot::draw as plot;
pub use report::Report;
pub use table::print as table;

/// Measures everything.
///
/// # Errors
/// [`Failure`], which says what to do.
pub fn run(plan: &Plan, steps: &Steps) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = Rc::new(runtime.map_err(|error| Failure::Engine(error.to_string()))?);

    let bar = steps.bar("building the handlers", guests::all().count() as u64);
    let samples = Samples::build(guests::all(), || bar.inc(1))?;
    let bar = steps.bar(
        "building the guests of the rewind",
        guests::STATICS.len() as u64,
    );
    let mut bench = timing::Bench::new(&runtime, &samples, || bar.inc(1))?;
    steps.say("comparing the answers");
    bench.check()?;

    steps.say("counting pages and instructions");
    let counter = Counter::new(&runtime, &samples)?;
    let counts = timing::cases()
        .map(|case| Ok((case, counter.count(&case)?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let one_shot = catalogue::HANDLERS
        .iter()
        .map(|handler| counter.one_shot(handler))
        .collect::<Result<Vec<_>, _>>()?;

    let tasks = bench.tasks();
    let calibration = steps.bar("calibrating", tasks as u64);
    let mut timing = None;
    let times = bench.run(
        plan,
        || calibration.inc(1),
        || {
            let bar = timing.get_or_insert_with(|| steps.bar("timing", runs(plan, tasks)));
            bar.inc(1);
        },
    )?;

    let mut report = Report {
        versions: versions(&workspace()?, ["lavandula"].into_iter().chain(WORK), None)?,
        environment: environment(),
        command: format!(
            "cargo run --release -p lavandula-bench -- requests --rounds {}",
            plan.rounds
        ),
        rounds: plan.rounds,
        rows: report::rows(&times.requests, &counts),
        parts: report::parts(&times.requests),
        rewind: times.rewind,
        one_shot,
        sizes: samples.sizes(),
        targets: Vec::new(),
    };
    report.targets = targets::targets(&report);
    Ok(report)
}

fn environment() -> report::Environment {
    report::Environment {
        machine: Machine::this(),
        kernel: kernel(),
        page_bytes: watch::page_bytes(),
        restores: engine::Restore::here().what(),
    }
}
