//! What clients saw, window by window.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::balancer::{Balancer, Counters, Haproxy};
use super::timeline::{Bound, Window};
use super::traffic::{Nature, Pace, Sample};
use super::{Plan, Safeguard};
use crate::Failure;
use crate::environment::{Machine, kernel, versions, workspace};
use crate::serve::histogram::Histogram;
use crate::serve::programs;

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where and how it was done.
    #[serde(flatten)]
    pub setting: Setting,
    /// The windows.
    pub rows: Vec<Row>,
    /// What there is to tell besides.
    pub notes: Vec<String>,
}

/// Where and how it was done.
#[derive(Debug, Serialize)]
pub struct Setting {
    /// Versions by name.
    pub versions: BTreeMap<String, String>,
    /// The machine.
    pub machine: Machine,
    /// What its kernel calls itself.
    pub kernel: Option<String>,
    /// The profile of this program, and of the servers that are built with it.
    pub profile: String,
    /// The command line that does it again.
    pub command: String,
    /// Servers behind the balancer.
    pub members: usize,
    /// What the clients did.
    pub pace: Pace,
    /// What was left out.
    pub without: Vec<Safeguard>,
}

impl Setting {
    /// Of a run that is over, with the versions of these packages.
    ///
    /// # Errors
    /// [`Failure::Workspace`] where they are not known.
    pub fn new(plan: &Plan, haproxy: &Haproxy, packages: &[&str]) -> Result<Self, Failure> {
        let mut versions = versions(&workspace()?, packages.iter().copied(), None)?;
        versions.insert("haproxy".to_owned(), haproxy.version.clone());
        Ok(Self {
            versions,
            machine: Machine::this(),
            kernel: kernel(),
            profile: programs::profile()?,
            command: plan.command.clone(),
            members: plan.members,
            pace: plan.pace,
            without: plan.without.clone(),
        })
    }
}

/// A window.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was done in it.
    pub name: &'static str,
    /// What clients may see of it.
    pub bound: Bound,
    /// How long it was.
    pub seconds: f64,
    /// Requests that were due in it, those that failed where that was seen in it.
    pub requests: u64,
    /// Failures of those that may be sent twice, by kind.
    pub failed_repeatable: BTreeMap<String, u64>,
    /// Failures of the others.
    pub failed_unrepeatable: BTreeMap<String, u64>,
    /// Latencies in milliseconds of those that were answered, from when they were due:
    /// half of them have at most this,
    pub p50_ms: f64,
    /// 99 of 100 this,
    pub p99_ms: f64,
    /// and all of them this.
    pub worst_ms: f64,
    /// Who gave the answers that tell.
    pub by_build: BTreeMap<&'static str, u64>,
    /// What the balancer did.
    pub balancer: Counters,
}

impl Row {
    /// Failures of both natures.
    pub fn failed(&self) -> u64 {
        let both = [&self.failed_repeatable, &self.failed_unrepeatable];
        both.into_iter().flat_map(BTreeMap::values).sum()
    }

    /// Failures that should not have been.
    pub fn out_of_bound(&self) -> u64 {
        match self.bound {
            Bound::NoFailure => self.failed(),
            Bound::OnlyUnrepeatable => self.failed_repeatable.values().sum(),
        }
    }
}

impl Report {
    /// Failures that should not have been.
    pub fn out_of_bound(&self) -> u64 {
        self.rows.iter().map(Row::out_of_bound).sum()
    }
}

/// What a request costs the balancer, as a sentence.
pub fn cost(balancer: &Balancer, samples: &[Sample]) -> Option<String> {
    let us = balancer.cpu_time()?.as_secs_f64() * 1e6 / samples.len().max(1) as f64;
    Some(format!(
        "The balancer spent {us:.0} us of processor time for each request, its checks included."
    ))
}

/// When a request counts: one that was answered when it was due, and one that failed when
/// that was seen, or what is done to a server would be blamed on the window before it.
fn counts_at(sample: &Sample) -> Duration {
    match sample.outcome {
        Ok(_) => sample.due,
        Err(_) => sample.due + sample.latency,
    }
}

/// The windows with the requests that count in them. What was seen to fail only after the
/// last one counts in that.
pub fn rows(windows: &[Window], samples: &[Sample], builds: &[&'static str]) -> Vec<Row> {
    let end = windows.last().map_or(Duration::MAX, |window| window.to);
    let row = |window: &Window| {
        let mut row = Row {
            name: window.name,
            bound: window.bound,
            seconds: (window.to - window.from).as_secs_f64(),
            requests: 0,
            failed_repeatable: BTreeMap::new(),
            failed_unrepeatable: BTreeMap::new(),
            p50_ms: 0.0,
            p99_ms: 0.0,
            worst_ms: 0.0,
            by_build: BTreeMap::new(),
            balancer: window.counters,
        };
        let mut latencies = Histogram::default();
        let within = |sample: &&Sample| {
            let at = counts_at(sample);
            (window.from..window.to).contains(&at)
                || sample.outcome.is_err() && window.to == end && at >= end
        };
        for sample in samples.iter().filter(within) {
            row.requests += 1;
            match (sample.outcome, sample.nature) {
                (Ok(build), nature) => {
                    latencies.add(sample.latency);
                    // The others are answered alike by both.
                    if nature == Nature::Repeatable {
                        *row.by_build.entry(builds[build]).or_default() += 1;
                    }
                }
                (Err(trouble), nature) => {
                    let failed = match nature {
                        Nature::Repeatable => &mut row.failed_repeatable,
                        Nature::Unrepeatable => &mut row.failed_unrepeatable,
                    };
                    *failed.entry(trouble.to_string()).or_default() += 1;
                }
            }
        }
        row.p50_ms = latencies.quantile_us(0.5) / 1e3;
        row.p99_ms = latencies.quantile_us(0.99) / 1e3;
        row.worst_ms = latencies.largest_us() / 1e3;
        row
    };
    windows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::traffic::Trouble;
    use super::*;

    fn window(bound: Bound, from: u64, to: u64) -> Window {
        Window {
            name: "it",
            bound,
            from: Duration::from_secs(from),
            to: Duration::from_secs(to),
            counters: Counters::default(),
        }
    }

    fn sample(due: u64, nature: Nature, outcome: Result<usize, Trouble>) -> Sample {
        Sample {
            due: Duration::from_secs(due),
            latency: Duration::from_millis(due),
            nature,
            outcome,
        }
    }

    #[test]
    fn a_request_belongs_to_the_window_that_it_was_due_in() {
        use Nature::{Repeatable, Unrepeatable};
        let samples = [
            sample(1, Repeatable, Ok(0)),
            sample(2, Repeatable, Ok(1)),
            sample(3, Unrepeatable, Ok(0)),
            sample(4, Repeatable, Err(Trouble::Closed)),
            sample(5, Unrepeatable, Err(Trouble::Status(502))),
        ];
        let windows = [
            window(Bound::NoFailure, 1, 2),
            window(Bound::NoFailure, 2, 5),
            window(Bound::OnlyUnrepeatable, 5, 6),
        ];
        let rows = rows(&windows, &samples, &["a", "b"]);
        let counted: Vec<_> = rows
            .iter()
            .map(|row| (row.requests, row.failed(), row.out_of_bound()))
            .collect();
        assert_eq!(counted, [(1, 0, 0), (3, 1, 1), (1, 1, 0)]);
        assert_eq!(rows[1].by_build, BTreeMap::from([("b", 1)]));
        assert_eq!(rows[1].worst_ms, 3.0);
        assert_eq!(rows[2].failed_unrepeatable["status 502"], 1);
    }

    #[test]
    fn a_failure_belongs_to_the_window_that_it_was_seen_in() {
        let mut lost = sample(1, Nature::Unrepeatable, Err(Trouble::Closed));
        lost.latency = Duration::from_millis(1500);
        let mut late = sample(3, Nature::Repeatable, Err(Trouble::Late));
        late.latency = Duration::from_secs(10);
        let windows = [
            window(Bound::NoFailure, 0, 2),
            window(Bound::OnlyUnrepeatable, 2, 4),
        ];
        let rows = rows(&windows, &[lost, late], &["a", "b"]);
        let failed: Vec<_> = rows.iter().map(Row::failed).collect();
        assert_eq!(failed, [0, 2]);
        assert_eq!(rows[1].out_of_bound(), 1);
    }

    #[test]
    fn what_may_be_sent_twice_may_not_fail_anywhere() {
        let samples = [sample(1, Nature::Repeatable, Err(Trouble::Late))];
        let windows = [window(Bound::OnlyUnrepeatable, 0, 2)];
        assert_eq!(rows(&windows, &samples, &["a", "b"])[0].out_of_bound(), 1);
    }
}
