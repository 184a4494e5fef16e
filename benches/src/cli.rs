//! The command line: what there is to say, and what to do about it.

mod edge;
mod fleet;
mod serve;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::catalogue::ALLOCATORS;
use crate::engine::{Engine, Entry, List, Meter, Node, Wasmtime, node_is_required};
use crate::environment::{Machine, WORK, versions};
use crate::measure::{Plan, measure, runs};
use crate::progress::{Steps, print};
use crate::report::Report;
use crate::{Failure, catalogue, fixed, guest, plot, requests, table};

use serve::Verdict;

/// What a command that could not do its work exits with.
const FAILED: u8 = 2;
/// What a run exits with whose report has errors in it.
const WRONG: u8 = 1;

/// What the timed sections of a run come to.
const SECTION: Duration = Duration::from_millis(1);
/// What a run may take with its set-up. Longer than a section by what it takes to
/// fill arenas whose reset is measured.
const BOUND: Duration = Duration::from_millis(5);
/// The same where a single request may take half a millisecond.
const REQUESTS_SECTION: Duration = Duration::from_millis(2);
const REQUESTS_BOUND: Duration = Duration::from_millis(20);
const SEED: u64 = 1;

/// Measures lavandula: its arena beside its peers, whole requests, whole servers, and
/// several of them behind a balancer; and runs it on the runtimes of the edge.
#[derive(Debug, Parser)]
#[command(
    name = "lavandula-bench",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Arenas(Arenas),
    Requests(Requests),
    Serve(serve::Arguments),
    Edge(edge::Arguments),
    Fleet(fleet::Arguments),
    #[command(hide = true)]
    Floor(crate::serve::floor::Arguments),
}

/// Measures arenas and allocators against each other: times, operations, fuel and
/// memory.
#[derive(Debug, Args)]
struct Arenas {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Draw the times as an SVG picture, too.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// How many rounds to measure.
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure these workloads only.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    workload: Vec<String>,
    /// Measure with this engine only.
    #[arg(long)]
    engine: Option<EngineKind>,
}

/// Measures whole requests with what keeps them apart: an instance for each, or one
/// that is rewound.
#[derive(Debug, Args)]
struct Requests {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Draw the times as an SVG picture, too.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// How many rounds to measure.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineKind {
    Wasmtime,
    Node,
}

/// Runs the command.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Arenas(arguments) => arenas(&arguments).map(|()| Verdict::Clean),
        Command::Requests(arguments) => requests(&arguments).map(|()| Verdict::Clean),
        Command::Floor(arguments) => crate::serve::floor::run(&arguments).map(|()| Verdict::Clean),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Edge(arguments) => edge::run(&arguments),
        Command::Fleet(arguments) => fleet::run(&arguments),
    };
    match done {
        Ok(Verdict::Clean) => ExitCode::SUCCESS,
        Ok(Verdict::Errors) => ExitCode::from(WRONG),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(FAILED)
        }
    }
}

fn arenas(arguments: &Arenas) -> Result<(), Failure> {
    known(&arguments.workload)?;
    let steps = Steps::new();
    steps.say("building the guest");
    let guest = guest::build()?;
    let mut fuel_engine = Wasmtime::new(&guest.module, Meter::Fuel)?;
    let timer = Wasmtime::new(&guest.module, Meter::Time)?;
    let node = node(arguments.engine, &guest.path)?;
    let peers = ALLOCATORS.iter().filter_map(|allocator| allocator.package);
    let versions = versions(
        &guest.workspace,
        peers.chain(WORK),
        node.as_ref().map(Node::version),
    )?;
    let list = timer.list()?;
    let entries = chosen(&list, &arguments.workload);

    let bar = steps.bar(
        "checking every allocator in every workload",
        entries.len() as u64,
    );
    for (number, entry) in &entries {
        check(&timer, *number, entry)?;
        bar.inc(1);
    }
    steps.say("counting operations and looking at memory");
    let operations = fixed::operations(&guest.module)?;
    let memory = fixed::memory(&timer, &list)?;
    let bar = steps.bar("measuring fuel", entries.len() as u64);
    let fuel = fixed::fuel(&mut fuel_engine, &entries, || bar.inc(1))?;

    let mut engines: Vec<Box<dyn Engine>> = Vec::new();
    if arguments.engine != Some(EngineKind::Node) {
        engines.push(Box::new(timer));
    }
    if let Some(node) = node {
        engines.push(Box::new(node));
    }
    let plan = Plan {
        rounds: arguments.rounds,
        section: SECTION,
        bound: BOUND,
        seed: SEED,
    };
    let tasks = engines.len() * entries.len();
    let calibration = steps.bar("calibrating", tasks as u64);
    let rows = {
        let total = runs(&plan, tasks);
        let mut bar = None;
        measure(
            &plan,
            &mut engines,
            &entries,
            || calibration.inc(1),
            || {
                let bar = bar.get_or_insert_with(|| steps.bar("timing", total));
                bar.inc(1);
            },
        )?
    };
    steps.done();

    let report = Report {
        versions,
        machine: Machine::this(),
        command: command(arguments),
        guest: guest::settings(),
        rounds: arguments.rounds,
        rows,
        operations,
        fuel,
        memory,
    };
    hand_over(
        &report,
        arguments.json,
        table::print,
        &arguments.plot,
        plot::draw,
    )
}

fn requests(arguments: &Requests) -> Result<(), Failure> {
    let steps = Steps::new();
    let plan = Plan {
        rounds: arguments.rounds,
        section: REQUESTS_SECTION,
        bound: REQUESTS_BOUND,
        seed: SEED,
    };
    let report = requests::run(&plan, &steps)?;
    steps.done();
    hand_over(
        &report,
        arguments.json,
        requests::table,
        &arguments.plot,
        requests::plot,
    )
}

/// Prints the report, and draws it where that is asked for.
fn hand_over<R: Serialize>(
    report: &R,
    json: bool,
    table: impl FnOnce(&R) -> String,
    plot: &Option<PathBuf>,
    draw: impl FnOnce(&R) -> String,
) -> Result<(), Failure> {
    print(&if json {
        let mut text =
            serde_json::to_string_pretty(report).map_err(|error| Failure::Print(error.into()))?;
        text.push('\n');
        text
    } else {
        table(report)
    })?;
    // Last, so that a picture that cannot be written costs nobody the report.
    if let Some(path) = plot {
        std::fs::write(path, draw(report)).map_err(|error| Failure::Write {
            path: path.clone(),
            error,
        })?;
    }
    Ok(())
}

/// Refuses a workload that does not exist before anything is built.
fn known(workloads: &[String]) -> Result<(), Failure> {
    match workloads
        .iter()
        .find(|name| catalogue::workload(name).is_none())
    {
        None => Ok(()),
        Some(name) => {
            let known: Vec<_> = catalogue::WORKLOADS
                .iter()
                .map(|workload| workload.name)
                .collect();
            Err(Failure::UnknownWorkload {
                name: name.clone(),
                known: known.join(", "),
            })
        }
    }
}

/// The entries to measure, with their numbers.
fn chosen(list: &List, workloads: &[String]) -> Vec<(usize, Entry)> {
    let wanted: BTreeSet<&str> = workloads.iter().map(String::as_str).collect();
    list.entries
        .iter()
        .cloned()
        .enumerate()
        .filter(|(_, entry)| wanted.is_empty() || wanted.contains(entry.workload.as_str()))
        .collect()
}

fn check(engine: &Wasmtime, number: usize, entry: &Entry) -> Result<(), Failure> {
    match engine.check(number) {
        Ok(_) => Ok(()),
        Err(Failure::Guest { reason, .. }) => Err(Failure::Guest {
            what: format!(
                "the self-test of {} with {}",
                entry.allocator, entry.workload
            ),
            reason,
        }),
        Err(other) => Err(other),
    }
}

/// Node.js, unless it is not wanted; loudly not, where it is missing and nobody
/// insists.
fn node(engine: Option<EngineKind>, module: &std::path::Path) -> Result<Option<Node>, Failure> {
    if engine == Some(EngineKind::Wasmtime) {
        return Ok(None);
    }
    match Node::start(module) {
        Ok(node) => Ok(Some(node)),
        Err(failure) if node_is_required() || engine == Some(EngineKind::Node) => Err(failure),
        Err(failure) => {
            eprintln!("SKIPPED: nothing is measured under V8. {failure}");
            Ok(None)
        }
    }
}

/// The command line that does the same again.
fn command(arguments: &Arenas) -> String {
    let mut line = "cargo run --release -p lavandula-bench -- arenas".to_owned();
    line.push_str(&format!(" --rounds {}", arguments.rounds));
    if !arguments.workload.is_empty() {
        line.push_str(" --workload ");
        line.push_str(&arguments.workload.join(" "));
    }
    match arguments.engine {
        Some(EngineKind::Wasmtime) => line.push_str(" --engine wasmtime"),
        Some(EngineKind::Node) => line.push_str(" --engine node"),
        None => {}
    }
    line
}
