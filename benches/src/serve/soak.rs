//! What becomes of a server of ours in the course of very many requests: its memory
//! and what a request takes, at every tenth of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::LoadKind;
use super::compare::Sample;
use super::load::{self, Group, Load, Until};
use super::report::errors;
use super::stage::Stage;
use crate::Failure;

/// Servers that are looked at: both ways to keep requests apart.
pub const SUBJECTS: [&str; 2] = ["instance-fast", "rewind-fast"];

/// How often it is looked at.
pub const PARTS: u64 = 10;

/// Connections at a time.
pub const CONNECTIONS: usize = 16;

const MIB: f64 = 1024.0 * 1024.0;

/// A server after a tenth of the requests.
#[derive(Debug, Clone, Serialize)]
pub struct SoakRow {
    /// The server.
    pub server: &'static str,
    /// The load.
    pub load: &'static str,
    /// Requests so far.
    pub requests: u64,
    /// Answers in a second in this tenth.
    pub requests_per_s: f64,
    /// Microseconds of processor time that the server took for a request of it.
    pub server_cpu_us: Option<f64>,
    /// Microseconds that 99 % of its requests did not exceed.
    pub p99_us: f64,
    /// MiB of memory after it.
    pub rss_mib: Option<f64>,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
}

/// Sends so many requests to each server, a tenth at a time.
///
/// # Errors
/// [`Failure`] where a server does not start, or ends.
pub fn run(
    stage: &Stage<'_>,
    kind: &'static LoadKind,
    requests: u64,
    mut done: impl FnMut(),
) -> Result<Vec<SoakRow>, Failure> {
    let mut rows = Vec::new();
    for subject in &stage.subjects {
        let mut server = stage.start(subject)?;
        let group = Group {
            connections: CONNECTIONS,
            request: &kind.request.bytes(),
            body: stage.body(&kind.request),
        };
        let mut total = 0;
        for _ in 0..PARTS {
            let load = Load {
                groups: &[group],
                warm_up: Default::default(),
                until: Until::Answers(requests.div_ceil(PARTS)),
            };
            let measured = load::run(&server, &load).map_err(Failure::Client)?;
            // That it is there still: a server that ended has no memory to speak of.
            server.go_on()?;
            total += measured.answers();
            let sample = Sample::of(&measured, 0);
            rows.push(SoakRow {
                server: subject.name,
                load: kind.name,
                requests: total,
                requests_per_s: sample.requests_per_s,
                server_cpu_us: sample.server_cpu_us,
                p99_us: sample.p99_us,
                rss_mib: server.memory().map(|memory| memory.resident as f64 / MIB),
                errors: errors(&[sample]),
            });
            done();
        }
    }
    Ok(rows)
}
