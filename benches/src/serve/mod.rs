//! Measures whole servers: `lavandula serve` in its kinds, beside `wasmtime serve`
//! and a floor without WebAssembly, over real sockets.
//!
//! ```text
//! catalogue ──► stage ──► compare  ──► report ──► table
//! (what there    builds,   soak          ▲         plot
//!  is, in        asks,     fairness      │
//!  words)        starts      │           │
//!    programs ────┤          ▼           │
//!    process  ────┤         load ────────┘
//!    floor    ────┤          ├── response, histogram
//!    answer   ────┘          └── cores
//! ```
//!
//! Every server is a process of its own and answers the same requests with the same
//! bytes, which is looked at before anything is timed and in every answer under
//! load. The client is this process, with one thread.

pub mod answer;
pub mod catalogue;
pub mod compare;
pub mod cores;
pub mod fairness;
pub mod floor;
pub mod histogram;
pub mod load;
pub mod process;
pub mod programs;
pub mod report;
pub mod response;
pub mod soak;
pub mod stage;

mod plot;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::environment::{Machine, kernel, versions, workspace};
use crate::progress::Steps;

use answer::Request;
use catalogue::{LoadKind, Subject, subject};
use cores::{Cores, Placement};
use stage::{Stage, Wanted};

pub use plot::draw as plot;
pub use report::Report;
pub use table::print as table;

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Servers beside each other, where they are wanted.
    pub compare: Option<compare::Plan>,
    /// So many requests to ours.
    pub soak: Option<(&'static LoadKind, u64)>,
    /// Short requests beside long ones.
    pub fairness: Option<fairness::Plan>,
    /// Servers, in the order of the report, where others than those that it is usually
    /// done with.
    pub subjects: Option<Vec<&'static Subject>>,
    /// Where servers and the client run.
    pub placement: Placement,
    /// `lavandula`, where it is not the one beside this program.
    pub lavandula: Option<PathBuf>,
    /// `wasmtime`, where it is not to be built.
    pub wasmtime: Option<PathBuf>,
    /// The command line that does it again.
    pub command: String,
}

/// Packages whose versions matter.
const PACKAGES: [&str; 4] = ["lavandula", "wasmtime", "hyper", "tokio"];

/// Measures what is wanted.
///
/// # Errors
/// [`Failure`], which says what to do.
pub fn run(plan: &Plan, steps: &Steps) -> Result<Report, Failure> {
    let cores = Cores::new(plan.placement)?;
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut report = Report {
        versions: versions(&workspace()?, PACKAGES, None)?,
        environment: report::Environment {
            machine: Machine::this(),
            kernel: kernel(),
            profile: programs::profile()?,
            placement: plan.placement,
            places: cores.what(),
            wasmtime: None,
        },
        command: plan.command.clone(),
        rounds: 0,
        seconds: 0.0,
        notes: Vec::new(),
        rows: Vec::new(),
        soak: Vec::new(),
        fairness: Vec::new(),
    };
    let sample = benches.join("../examples/json-api");
    let service = benches.join("handlers/json-api-service");
    let stage = |handler: &Path, subjects: Vec<_>, requests: Vec<Request>, connections| {
        cores::raise_open_files(connections)?;
        steps.say("building the servers and the handler");
        let wanted = Wanted {
            handler,
            service: (handler == sample).then_some(&service),
            subjects,
            requests,
            connections,
            lavandula: plan.lavandula.as_deref(),
            wasmtime: plan.wasmtime.as_deref(),
        };
        Stage::new(wanted, &cores)
    };
    let wanted = |usual: Vec<_>| plan.subjects.clone().unwrap_or(usual);
    let named = |names: &[&str]| wanted(names.iter().filter_map(|name| subject(name)).collect());
    if let Some(compare) = &plan.compare {
        let requests = compare.loads.iter().map(|load| load.request).collect();
        let connections = compare.connections.iter().max().copied().unwrap_or(1);
        let stage = stage(&sample, wanted(compared()), requests, connections)?;
        report.took_part(&stage);
        report.notes.push(ROOM.to_owned());
        let bar = steps.bar("measuring", compare.runs(stage.subjects.len()));
        let cells = compare::run(&stage, &cores, compare, || bar.inc(1))?;
        report.rounds = compare.rounds;
        report.seconds = compare.time.as_secs_f64();
        report.rows = report::rows(&cells);
    }
    if let Some((load, requests)) = plan.soak {
        let subjects = named(&soak::SUBJECTS);
        let stage = stage(&sample, subjects, vec![load.request], soak::CONNECTIONS)?;
        report.took_part(&stage);
        let parts = soak::PARTS * stage.subjects.len() as u64;
        let bar = steps.bar("soaking", parts);
        report.soak = soak::run(&stage, load, requests, || bar.inc(1))?;
    }
    if let Some(fairness) = &plan.fairness {
        let connections = fairness::SHORT_CONNECTIONS + fairness.long_connections;
        let stage = stage(
            &benches.join("handlers/compute"),
            named(&fairness::SUBJECTS),
            vec![fairness::SHORT, fairness::LONG],
            connections,
        )?;
        report.took_part(&stage);
        let alone = fairness::alone(&stage)?;
        report.notes.push(format!(
            "A long request takes {alone:.0} ms where nothing runs beside it."
        ));
        let runs = 2 * stage.subjects.len() as u64 * u64::from(fairness.rounds);
        let bar = steps.bar("looking at fairness", runs);
        report.rounds = fairness.rounds;
        report.seconds = fairness.time.as_secs_f64();
        report.fairness = fairness::run(&stage, fairness, || bar.inc(1))?;
    }
    Ok(report)
}

impl Report {
    /// Notes what a stage is made of.
    fn took_part(&mut self, stage: &Stage<'_>) {
        let Some(peer) = &stage.wasmtime else {
            return;
        };
        let ours = self.versions.get("wasmtime").cloned().unwrap_or_default();
        if peer.version != ours {
            self.notes.push(differs(&peer.version, &ours));
        }
        self.environment.wasmtime = Some(peer.source.what());
        self.versions
            .insert("wasmtime serve".to_owned(), peer.version.clone());
    }
}

/// What servers are told besides what their rows say.
const ROOM: &str = "All servers are told to take the most connections that are opened, and \
                    lavandula serve to let as many requests wait (--max-queue); the others have \
                    no bound to those. An answer of 503 is no answer here and counts as an error.";

fn differs(peer: &str, ours: &str) -> String {
    format!(
        "wasmtime serve is of version {peer}, and ours is built with wasmtime {ours}: what differs \
         may be theirs. Without `--wasmtime` the same one is built."
    )
}

/// The defaults of servers that are compared.
pub fn compared() -> Vec<&'static Subject> {
    let timeout = catalogue::Kind::Wasmtime(catalogue::Tuning::Timeout);
    let all = catalogue::SUBJECTS.iter();
    // Of interest where requests are long.
    all.filter(|subject| subject.kind != timeout).collect()
}

/// A command line with its options, those without a value included.
pub fn command_line(options: &BTreeMap<&str, String>) -> String {
    let mut line = "cargo run --release -p lavandula-bench -- serve".to_owned();
    for (name, value) in options {
        line.push_str(&format!(" --{name}"));
        if !value.is_empty() {
            line.push_str(&format!(" {value}"));
        }
    }
    line
}
