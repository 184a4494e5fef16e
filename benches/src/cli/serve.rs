//! `lavandula-bench serve`: whole servers beside each other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{SEED, hand_over};
use crate::Failure;
use crate::progress::Steps;
use crate::serve::catalogue::{LOADS, SUBJECTS, load, subject};
use crate::serve::cores::Placement;
use crate::serve::{self, Plan, compare, fairness};

/// Before anything is counted, in each run.
const WARM_UP: Duration = Duration::from_millis(200);

/// Connections with long requests: so many that each processor has one.
fn long_connections() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Measures whole servers: `lavandula serve` beside `wasmtime serve` and a floor.
///
/// Exits with 1 where the report has errors in it: answers that were wrong, late or
/// missing.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Draw what servers are compared by as an SVG picture, too.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// How many rounds to measure.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds for which a server is measured under each load in a round.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// Connections, each with one request under way; each number is measured by itself.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 16, 256, 1024], value_parser = clap::value_parser!(u16).range(1..))]
    connections: Vec<u16>,
    /// Put these loads on the servers only.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    load: Vec<String>,
    /// Measure these servers only.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    server: Vec<String>,
    /// Where `lavandula` is. Default: beside this program, built if need be.
    #[arg(long, value_name = "PATH")]
    lavandula: Option<PathBuf>,
    /// Where `wasmtime` is, or its name on the PATH. Default: built, of the version that
    /// ours is built with.
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
    /// Keep the client on a processor of its own.
    #[arg(long, value_enum, default_value_t = Pin::No)]
    pin: Pin,
    /// Instead: send so many requests to ours, and look at its memory and its speed
    /// at every tenth of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..))]
    soak: Option<u64>,
    /// Instead: look at short requests while long ones compute beside them.
    #[arg(long)]
    fairness: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pin {
    Yes,
    No,
}

/// Whether the report can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All answers were right.
    Clean,
    /// Some were not, and the report says which.
    Errors,
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write it as 2 or 0.5".to_owned()),
    }
}

/// Runs it.
///
/// # Errors
/// [`Failure`] where there is no report.
pub fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let plan = plan(arguments)?;
    let steps = Steps::new();
    let report = serve::run(&plan, &steps)?;
    steps.done();
    hand_over(
        &report,
        arguments.json,
        serve::table,
        &arguments.plot,
        serve::plot,
    )?;
    match report.errors() {
        0 => Ok(Verdict::Clean),
        errors => {
            eprintln!("{errors} errors: rows with errors say nothing else");
            Ok(Verdict::Errors)
        }
    }
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let loads = chosen(
        "load",
        &arguments.load,
        load,
        LOADS.iter().collect(),
        |load| load.name,
    )?;
    let subjects = match arguments.server.as_slice() {
        [] => None,
        names => {
            let all = SUBJECTS.iter().collect();
            Some(chosen("server", names, subject, all, |one| one.name)?)
        }
    };
    let time = Duration::from_secs_f64(arguments.seconds);
    let mut connections: Vec<_> = arguments
        .connections
        .iter()
        .copied()
        .map(usize::from)
        .collect();
    connections.sort_unstable();
    connections.dedup();
    let is_other = arguments.soak.is_some() || arguments.fairness;
    // The last one is the more telling one where there is room for one.
    let soaked = loads.last().copied();
    Ok(Plan {
        compare: (!is_other).then_some(compare::Plan {
            rounds: arguments.rounds,
            time,
            warm_up: WARM_UP,
            loads,
            connections,
            seed: SEED,
        }),
        soak: soaked.zip(arguments.soak),
        fairness: arguments.fairness.then(|| fairness::Plan {
            rounds: arguments.rounds,
            time,
            warm_up: WARM_UP,
            long_connections: long_connections(),
        }),
        subjects,
        placement: match arguments.pin {
            Pin::Yes => Placement::Apart,
            Pin::No => Placement::Free,
        },
        lavandula: arguments.lavandula.clone(),
        wasmtime: arguments.wasmtime.clone(),
        command: command(arguments),
    })
}

/// Those with these names, in the order in which there are; all of `otherwise` where no
/// names are given.
fn chosen<T: Copy>(
    kind: &'static str,
    names: &[String],
    find: fn(&str) -> Option<T>,
    otherwise: Vec<T>,
    name: fn(T) -> &'static str,
) -> Result<Vec<T>, Failure> {
    if names.is_empty() {
        return Ok(otherwise);
    }
    names
        .iter()
        .map(|wanted| {
            find(wanted).ok_or_else(|| {
                let known: Vec<_> = otherwise.iter().map(|&one| name(one)).collect();
                Failure::Unknown {
                    kind,
                    name: wanted.clone(),
                    known: known.join(", "),
                }
            })
        })
        .collect()
}

/// The command line that does the same again. Paths of this machine are left out.
fn command(arguments: &Arguments) -> String {
    let mut options = BTreeMap::new();
    // Without what has no say in it.
    let is_other = arguments.soak.is_some() || arguments.fairness;
    if !is_other {
        let numbers = arguments.connections.iter().map(u16::to_string);
        options.insert("connections", numbers.collect::<Vec<_>>().join(","));
    }
    if !is_other || arguments.fairness {
        options.insert("rounds", arguments.rounds.to_string());
        options.insert("seconds", arguments.seconds.to_string());
    }
    if !arguments.load.is_empty() {
        options.insert("load", arguments.load.join(" "));
    }
    if !arguments.server.is_empty() {
        options.insert("server", arguments.server.join(" "));
    }
    if arguments.pin == Pin::Yes {
        options.insert("pin", "yes".to_owned());
    }
    if let Some(requests) = arguments.soak {
        options.insert("soak", requests.to_string());
    }
    if arguments.fairness {
        options.insert("fairness", String::new());
    }
    serve::command_line(&options)
}
