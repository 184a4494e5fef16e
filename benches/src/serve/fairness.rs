//! Whether short requests come through while long ones compute: their latencies with
//! long ones beside them on other connections, and without.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::answer::{Answer, Request};
use super::compare::Sample;
use super::load::{self, Group, Load, Until};
use super::process::Server;
use super::report::errors;
use super::stage::Stage;
use crate::Failure;
use crate::measure::quartiles;

/// Servers that are looked at. The floor computes nothing.
pub const SUBJECTS: [&str; 5] = [
    "instance-fast",
    "instance-wasi-http",
    "rewind-fast",
    "wasmtime-serve",
    "wasmtime-serve-timeout",
];

/// Connections with short requests.
pub const SHORT_CONNECTIONS: usize = 16;

/// The short request, which `handlers/compute` answers at once.
pub const SHORT: Request = Request {
    method: "GET",
    path: "/",
    body: b"",
};

/// The long one: steps of an arithmetic that cannot be foreseen, half a second of
/// them or so.
pub const LONG: Request = Request {
    method: "GET",
    path: "/compute?steps=300000000",
    body: b"",
};

/// How to look at it.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Rounds.
    pub rounds: u32,
    /// How long it is looked at in a round.
    pub time: Duration,
    /// How long the load is there before.
    pub warm_up: Duration,
    /// Connections with long requests, where there are any.
    pub long_connections: usize,
}

/// Short requests of one server, with or without long ones beside them.
#[derive(Debug, Clone, Serialize)]
pub struct FairnessRow {
    /// The server.
    pub server: &'static str,
    /// Connections with long requests.
    pub long_connections: usize,
    /// Connections with short ones.
    pub short_connections: usize,
    /// Short requests in a second: the median of the rounds.
    pub requests_per_s: f64,
    /// Microseconds that half of the short requests did not exceed: the median of
    /// the rounds.
    pub p50_us: f64,
    /// The same of 99 %.
    pub p99_us: f64,
    /// The slowest short one of all rounds.
    pub slowest_us: f64,
    /// Long requests in a second, so that nobody looks good by starving them.
    pub long_per_s: f64,
    /// Milliseconds of a long request: the median.
    pub long_ms: f64,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
}

/// Milliseconds that a long request takes by itself.
///
/// # Errors
/// [`Failure`] where the server does not answer it.
pub fn alone(stage: &Stage<'_>) -> Result<f64, Failure> {
    let Some(subject) = stage.subjects.first() else {
        return Ok(0.0);
    };
    let server = stage.start(subject)?;
    let began = Instant::now();
    Answer::ask(server.addr(), &LONG).map_err(|error| server.failure(error.to_string()))?;
    Ok(began.elapsed().as_secs_f64() * 1_000.0)
}

/// Measures all servers, in rounds.
///
/// # Errors
/// [`Failure`] where a server does not start, or ends.
pub fn run(
    stage: &Stage<'_>,
    plan: &Plan,
    mut done: impl FnMut(),
) -> Result<Vec<FairnessRow>, Failure> {
    let mut found: Vec<(&'static str, usize, Vec<Round>)> = Vec::new();
    for round in 0..plan.rounds {
        let mut at = 0;
        for subject in &stage.subjects {
            for long_connections in [0, plan.long_connections] {
                // Anew for both, so that none has to bear what the other left.
                let server = stage.start(subject)?;
                let measured = measure(stage, plan, &server, long_connections)?;
                if round == 0 {
                    found.push((subject.name, long_connections, Vec::new()));
                }
                found[at].2.push(measured);
                at += 1;
                done();
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(server, long_connections, rounds)| row(server, long_connections, &rounds))
        .collect())
}

/// What a round found.
struct Round {
    short: Sample,
    slowest_us: f64,
    long: Sample,
}

fn measure(
    stage: &Stage<'_>,
    plan: &Plan,
    server: &Server,
    long_connections: usize,
) -> Result<Round, Failure> {
    let group = |connections, request: &'static Request| (connections, request.bytes(), request);
    let groups = [
        group(SHORT_CONNECTIONS, &SHORT),
        group(long_connections, &LONG),
    ];
    let groups = groups
        .each_ref()
        .map(|(connections, bytes, request)| Group {
            connections: *connections,
            request: bytes,
            body: stage.body(request),
        });
    let load = Load {
        groups: &groups,
        warm_up: plan.warm_up,
        until: Until::Elapsed(plan.time),
    };
    let measured = load::run(server, &load).map_err(Failure::Client)?;
    Ok(Round {
        short: Sample::of(&measured, 0),
        slowest_us: measured.groups[0].latencies.largest_us(),
        long: Sample::of(&measured, 1),
    })
}

fn row(server: &'static str, long_connections: usize, rounds: &[Round]) -> FairnessRow {
    let median = |of: fn(&Round) -> f64| quartiles(rounds.iter().map(of).collect())[1];
    let samples: Vec<_> = rounds
        .iter()
        .flat_map(|round| [round.short.clone(), round.long.clone()])
        .collect();
    FairnessRow {
        server,
        long_connections,
        short_connections: SHORT_CONNECTIONS,
        requests_per_s: median(|round| round.short.requests_per_s),
        p50_us: median(|round| round.short.p50_us),
        p99_us: median(|round| round.short.p99_us),
        slowest_us: rounds
            .iter()
            .map(|round| round.slowest_us)
            .fold(0.0, f64::max),
        long_per_s: median(|round| round.long.requests_per_s),
        long_ms: median(|round| round.long.p50_us) / 1_000.0,
        errors: errors(&samples),
    }
}
