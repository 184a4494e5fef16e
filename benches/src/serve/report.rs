//! The report on servers, as it is printed with `--json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::FLOOR;
use super::compare::{Cell, Sample};
use super::cores::Placement;
use super::fairness::FairnessRow;
use super::soak::SoakRow;
use crate::environment::Machine;
use crate::measure::quartiles;

/// What the figures depend on.
#[derive(Debug, Serialize)]
pub struct Environment {
    /// The machine.
    pub machine: Machine,
    /// The system's kernel, where it says so.
    pub kernel: Option<String>,
    /// What the servers of ours and the floor were built with.
    pub profile: String,
    /// Where servers and the client ran.
    pub placement: Placement,
    /// The same in words.
    pub places: String,
    /// Where the `wasmtime` is from that serves, where one takes part.
    pub wasmtime: Option<&'static str>,
}

/// One server under one load.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The server.
    pub server: &'static str,
    /// The load.
    pub load: &'static str,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Answers in a second: the median of the rounds.
    pub requests_per_s: f64,
    /// Answers in a second between the first and the third quartile of the rounds.
    pub spread: f64,
    /// Microseconds that half of the requests did not exceed: the median of the
    /// rounds.
    pub p50_us: f64,
    /// The same of 99 %.
    pub p99_us: f64,
    /// MiB of memory after the load: the median of the rounds.
    pub rss_mib: Option<f64>,
    /// The most MiB up to then.
    pub peak_rss_mib: Option<f64>,
    /// Microseconds of processor time that the server took for a request.
    pub server_cpu_us: Option<f64>,
    /// The part of one processor that the client took. Near 1, it is the client that
    /// was measured.
    pub client_share: Option<f64>,
    /// Bytes that the server logged for a request.
    pub log_bytes: f64,
    /// What it did in comparison with the floor, where that was measured.
    pub share: Option<Share>,
    /// What went wrong, and how often. A row with errors says nothing else.
    pub errors: BTreeMap<String, u64>,
}

/// Requests in a second as a part of the floor's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The medians, divided by each other.
    pub of_medians: f64,
    /// The median of the rounds' own.
    pub median: f64,
    /// Between the first and the third quartile of the rounds' own.
    pub spread: f64,
    /// Those of the rounds, in which the two were measured shortly one after the
    /// other.
    pub rounds: Vec<f64>,
    /// Processor time of the floor for a request as a part of this server's, of
    /// medians: what the share were if the client took nothing.
    pub by_cpu: Option<f64>,
}

/// All that was found, and with what.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Versions by name.
    pub versions: BTreeMap<String, String>,
    /// What the figures depend on.
    pub environment: Environment,
    /// The command line that does it again.
    pub command: String,
    /// How many rounds the medians are of.
    pub rounds: u32,
    /// Seconds that each figure of a round took.
    pub seconds: f64,
    /// What is to be known before the figures are compared.
    pub notes: Vec<String>,
    /// Servers beside each other.
    pub rows: Vec<Row>,
    /// What becomes of ours in the course of many requests.
    pub soak: Vec<SoakRow>,
    /// Short requests beside long ones.
    pub fairness: Vec<FairnessRow>,
}

impl Report {
    /// One row.
    pub fn row(&self, server: &str, load: &str, connections: usize) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| (row.server, row.load, row.connections) == (server, load, connections))
    }

    /// Errors in all of it.
    pub fn errors(&self) -> u64 {
        let rows = self.rows.iter().map(|row| &row.errors);
        let soak = self.soak.iter().map(|row| &row.errors);
        let fairness = self.fairness.iter().map(|row| &row.errors);
        rows.chain(soak)
            .chain(fairness)
            .flat_map(BTreeMap::values)
            .sum()
    }
}

/// The rows of what was compared.
pub fn rows(cells: &[Cell]) -> Vec<Row> {
    cells
        .iter()
        .map(|cell| {
            let floor = cells.iter().find(|floor| {
                floor.subject.name == FLOOR
                    && (floor.load.name, floor.connections) == (cell.load.name, cell.connections)
            });
            row(cell, floor)
        })
        .collect()
}

fn row(cell: &Cell, floor: Option<&Cell>) -> Row {
    let median = |of: fn(&Sample) -> f64| quartiles(cell.samples.iter().map(of).collect())[1];
    let known = |of| known(cell, of);
    let rates = rates(cell);
    let share = floor.and_then(|floor| {
        let share = Share::of(&rates, &self::rates(floor))?;
        let times = cpu(floor).zip(cpu(cell));
        let by_cpu = times.and_then(|(floor, own)| (own > 0.0).then(|| floor / own));
        Some(Share { by_cpu, ..share })
    });
    let [first, requests_per_s, third] = quartiles(rates.clone());
    Row {
        server: cell.subject.name,
        load: cell.load.name,
        connections: cell.connections,
        requests_per_s,
        spread: third - first,
        p50_us: median(|sample| sample.p50_us),
        p99_us: median(|sample| sample.p99_us),
        rss_mib: known(|sample| sample.rss_mib),
        peak_rss_mib: known(|sample| sample.peak_rss_mib),
        server_cpu_us: cpu(cell),
        client_share: known(|sample| sample.client_share),
        log_bytes: median(|sample| sample.log_bytes),
        share,
        errors: errors(&cell.samples),
    }
}

/// The median of what is known in all rounds.
fn known(cell: &Cell, of: fn(&Sample) -> Option<f64>) -> Option<f64> {
    let found: Option<Vec<f64>> = cell.samples.iter().map(of).collect();
    found.map(|found| quartiles(found)[1])
}

fn cpu(cell: &Cell) -> Option<f64> {
    known(cell, |sample| sample.server_cpu_us)
}

fn rates(cell: &Cell) -> Vec<f64> {
    let samples = cell.samples.iter();
    samples.map(|sample| sample.requests_per_s).collect()
}

/// Errors of all samples, by what they are.
pub fn errors(samples: &[Sample]) -> BTreeMap<String, u64> {
    let mut errors = BTreeMap::new();
    for (what, times) in samples.iter().flat_map(|sample| &sample.errors) {
        *errors.entry(what.clone()).or_default() += times;
    }
    errors
}

impl Share {
    /// Of the rates of rounds, as parts of the floor's. None where the floor did
    /// nothing.
    pub fn of(rates: &[f64], floors: &[f64]) -> Option<Self> {
        let median = |rates: &[f64]| quartiles(rates.to_vec())[1];
        if floors.is_empty() || floors.iter().any(|&floor| floor <= 0.0) {
            return None;
        }
        let rounds: Vec<f64> = rates.iter().zip(floors).map(|(r, f)| r / f).collect();
        let [first, middle, third] = quartiles(rounds.clone());
        Some(Self {
            of_medians: median(rates) / median(floors),
            median: middle,
            spread: third - first,
            rounds,
            by_cpu: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::catalogue::{load, subject};

    #[test]
    fn a_share_is_of_the_floor_of_the_same_round() {
        let share = Share::of(&[10.0, 30.0, 40.0], &[20.0, 100.0, 50.0]).unwrap();
        assert_eq!(share.rounds, [0.5, 0.3, 0.8]);
        assert_eq!((share.of_medians, share.median), (30.0 / 50.0, 0.5));
        assert!((share.spread - 0.25).abs() < 1e-9);
        assert_eq!(Share::of(&[1.0], &[0.0]), None);
        assert_eq!(Share::of(&[], &[]), None);
    }

    fn cell(server: &str, what: &str, connections: usize, rates: &[f64]) -> Cell {
        Cell {
            subject: subject(server).unwrap(),
            load: load(what).unwrap(),
            connections,
            samples: rates
                .iter()
                .map(|&requests_per_s| Sample {
                    requests_per_s,
                    server_cpu_us: Some(1e3 / requests_per_s),
                    ..Sample::default()
                })
                .collect(),
        }
    }

    #[test]
    fn a_row_is_related_to_the_floor_of_its_own_load_and_connections() {
        let mut cells = vec![
            cell("rewind-fast", "hello", 1, &[3.0]),
            cell(FLOOR, "hello", 16, &[100.0]),
            cell(FLOOR, "json", 1, &[50.0]),
            cell(FLOOR, "hello", 1, &[6.0]),
        ];
        let share = |cells: &[Cell]| rows(cells)[0].share.clone().map(|share| share.of_medians);
        assert_eq!(share(&cells), Some(0.5));
        let by_cpu = rows(&cells)[0]
            .share
            .as_ref()
            .and_then(|share| share.by_cpu);
        assert_eq!(by_cpu.map(|part| (part * 1e6).round()), Some(500_000.0));
        cells.pop();
        assert_eq!(share(&cells), None);
    }

    #[test]
    fn errors_of_all_rounds_are_in_the_row() {
        let mut cell = cell("rewind-fast", "hello", 1, &[3.0, 4.0]);
        cell.samples[0].errors = vec![("a".to_owned(), 1), ("b".to_owned(), 2)];
        cell.samples[1].errors = vec![("a".to_owned(), 5)];
        let errors = &rows(&[cell])[0].errors;
        assert_eq!((errors["a"], errors["b"]), (6, 2));
    }
}
