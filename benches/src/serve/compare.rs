//! Servers beside each other: in rounds, in each of which every server is started
//! anew and put under every load, one server after the other, in an order that is
//! shuffled anew. Those that are not measured are paused meanwhile.

use std::time::Duration;

use super::catalogue::{LoadKind, Subject};
use super::cores::Cores;
use super::load::{self, Group, Load, Measured, Until};
use super::process::Server;
use super::stage::Stage;
use crate::Failure;
use crate::measure::Shuffle;

/// How to compare.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rounds.
    pub rounds: u32,
    /// How long each server is measured under each load in a round.
    pub time: Duration,
    /// How long it has the load before.
    pub warm_up: Duration,
    /// Loads.
    pub loads: Vec<&'static LoadKind>,
    /// Connections at a time; each number is a load of its own. In ascending order,
    /// so that memory is that of no more connections than it is told for.
    pub connections: Vec<usize>,
    /// What the order of servers depends on.
    pub seed: u64,
}

impl Plan {
    /// How many times something is measured.
    pub fn runs(&self, subjects: usize) -> u64 {
        let cells = self.loads.len() * self.connections.len() * subjects;
        u64::from(self.rounds) * cells as u64
    }
}

/// What one server did in one round under one load.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Answers in a second.
    pub requests_per_s: f64,
    /// Microseconds that half of the requests did not exceed.
    pub p50_us: f64,
    /// The same of 99 %.
    pub p99_us: f64,
    /// MiB of memory after the load.
    pub rss_mib: Option<f64>,
    /// The most MiB so far.
    pub peak_rss_mib: Option<f64>,
    /// Microseconds of processor time that the server took for a request.
    pub server_cpu_us: Option<f64>,
    /// The part of one processor that the client took.
    pub client_share: Option<f64>,
    /// Bytes that it logged for a request.
    pub log_bytes: f64,
    /// What went wrong.
    pub errors: Vec<(String, u64)>,
}

/// Samples of the rounds of one server under one load.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The server.
    pub subject: &'static Subject,
    /// The load.
    pub load: &'static LoadKind,
    /// Connections.
    pub connections: usize,
    /// One for each round.
    pub samples: Vec<Sample>,
}

const MIB: f64 = 1024.0 * 1024.0;

/// Compares.
///
/// # Errors
/// [`Failure`] where a server does not start, gives other answers than the others,
/// or ends. Errors under load are in the samples.
pub fn run(
    stage: &Stage<'_>,
    cores: &Cores,
    plan: &Plan,
    mut done: impl FnMut(),
) -> Result<Vec<Cell>, Failure> {
    let mut cells: Vec<Cell> = Vec::new();
    for &load in &plan.loads {
        for &connections in &plan.connections {
            cells.extend(stage.subjects.iter().map(|&subject| Cell {
                subject,
                load,
                connections,
                samples: Vec::new(),
            }));
        }
    }
    let mut order = Shuffle::new(plan.seed);
    for _ in 0..plan.rounds {
        let mut servers = stage
            .subjects
            .iter()
            .map(|subject| {
                let mut server = stage.start(subject)?;
                server.pause()?;
                Ok(server)
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        cores.for_client()?;
        for cells in cells.chunks_mut(servers.len()) {
            for at in order.of(servers.len()) {
                let (server, cell) = (&mut servers[at], &mut cells[at]);
                server.go_on()?;
                let sample = sample(stage, plan, server, cell)?;
                server.pause()?;
                cell.samples.push(sample);
                done();
            }
        }
    }
    Ok(cells)
}

fn sample(stage: &Stage<'_>, plan: &Plan, server: &Server, cell: &Cell) -> Result<Sample, Failure> {
    let request = cell.load.request;
    let group = Group {
        connections: cell.connections,
        request: &request.bytes(),
        body: stage.body(&request),
    };
    let load = Load {
        groups: &[group],
        warm_up: plan.warm_up,
        until: Until::Elapsed(plan.time),
    };
    let logged = server.logged();
    let measured = load::run(server, &load).map_err(Failure::Client)?;
    let mut sample = Sample::of(&measured, 0);
    if let Some(memory) = server.memory() {
        sample.rss_mib = Some(memory.resident as f64 / MIB);
        sample.peak_rss_mib = Some(memory.peak as f64 / MIB);
    }
    let answers = measured.groups[0].all_answers.max(1);
    sample.log_bytes = (server.logged() - logged) as f64 / answers as f64;
    Ok(sample)
}

impl Sample {
    /// Of a load, with the latencies of one of its groups.
    pub fn of(measured: &Measured, group: usize) -> Self {
        let found = &measured.groups[group];
        let seconds = measured.elapsed.as_secs_f64();
        let all = measured.answers() as f64;
        let part = |whole: f64, by: f64| if by > 0.0 { whole / by } else { 0.0 };
        Self {
            requests_per_s: part(found.answers as f64, seconds),
            p50_us: found.latencies.quantile_us(0.5),
            p99_us: found.latencies.quantile_us(0.99),
            server_cpu_us: measured
                .server_cpu
                .map(|time| part(time.as_secs_f64() * 1e6, all)),
            client_share: measured
                .client_cpu
                .map(|time| part(time.as_secs_f64(), seconds)),
            errors: found.errors.clone().into_iter().collect(),
            ..Self::default()
        }
    }
}
