//! The report on requests, as it is printed with `--json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::{Isolation, Make};
use super::counts::{Counts, OneShotRow};
use super::guests::SizeRow;
use super::server::Part;
use super::targets::Target;
use super::timing::{self, Case, RewindRow};
use crate::environment::Machine;
use crate::measure::Figure;

/// What one request takes.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The handler.
    pub handler: &'static str,
    /// What keeps its requests apart.
    pub isolation: &'static str,
    /// Its allocator.
    pub allocator: &'static str,
    /// Microseconds: the median of the rounds.
    pub us_per_request: f64,
    /// The same in multiples of the floor's.
    pub ratio_to_floor: Option<f64>,
    /// Microseconds between the first and the third quartile of the rounds.
    pub spread: f64,
    /// What is the same in every run.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What a part of a request takes.
#[derive(Debug, Clone, Serialize)]
pub struct PartRow {
    /// The handler.
    pub handler: &'static str,
    /// What keeps its requests apart.
    pub isolation: &'static str,
    /// Its allocator.
    pub allocator: &'static str,
    /// The part.
    pub part: &'static str,
    /// Microseconds: the median of the rounds, with a reading of the clock.
    pub us: f64,
    /// Microseconds between the first and the third quartile of the rounds.
    pub spread: f64,
}

/// What the figures depend on.
#[derive(Debug, Serialize)]
pub struct Environment {
    /// The machine.
    pub machine: Machine,
    /// The system's kernel, where it says so.
    pub kernel: Option<String>,
    /// Bytes of a page of the machine, where it says so.
    pub page_bytes: Option<usize>,
    /// What the tuned pool puts back.
    pub restores: &'static str,
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
    /// Whole requests.
    pub rows: Vec<Row>,
    /// Parts of them.
    pub parts: Vec<PartRow>,
    /// The rewind alone.
    pub rewind: Vec<RewindRow>,
    /// What one-shot runtimes pay.
    pub one_shot: Vec<OneShotRow>,
    /// Sizes of components.
    pub sizes: Vec<SizeRow>,
    /// What the figures are to be.
    pub targets: Vec<Target>,
}

impl Report {
    /// One row.
    pub fn row(&self, handler: &str, isolation: Isolation, make: Make) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.handler == handler
                && row.isolation == isolation.name()
                && row.allocator == make.allocator()
        })
    }

    /// The sizes of the components with an allocator.
    pub fn sizes_of(&self, allocator: &str) -> Vec<&SizeRow> {
        let rows = self.sizes.iter();
        rows.filter(|row| row.allocator == allocator).collect()
    }
}

/// Rows of whole requests, each in relation to the floor of its handler.
pub fn rows(requests: &[(Case, Part, Figure)], counts: &[(Case, Counts)]) -> Vec<Row> {
    let median = |case: &Case| Some(figure(requests, case, Part::Whole)?.median);
    let row = |(case, counts): &(Case, Counts)| {
        let figure = figure(requests, case, Part::Whole)?;
        let floor = Case {
            isolation: Isolation::Reuse,
            make: Make::Bare,
            ..*case
        };
        Some(Row {
            handler: case.handler.name,
            isolation: case.isolation.name(),
            allocator: case.make.allocator(),
            us_per_request: figure.median / 1_000.0,
            ratio_to_floor: median(&floor).map(|floor| figure.median / floor),
            spread: figure.spread / 1_000.0,
            counts: *counts,
        })
    };
    counts.iter().filter_map(row).collect()
}

/// Rows of their parts.
pub fn parts(requests: &[(Case, Part, Figure)]) -> Vec<PartRow> {
    let row = |case: Case, part: Part| {
        let figure = figure(requests, &case, part)?;
        Some(PartRow {
            handler: case.handler.name,
            isolation: case.isolation.name(),
            allocator: case.make.allocator(),
            part: part.name(),
            us: figure.median / 1_000.0,
            spread: figure.spread / 1_000.0,
        })
    };
    timing::cases()
        .flat_map(|case| timing::parts(&case).iter().map(move |&part| (case, part)))
        .filter_map(|(case, part)| row(case, part))
        .collect()
}

fn figure(requests: &[(Case, Part, Figure)], case: &Case, part: Part) -> Option<Figure> {
    let mut found = requests.iter();
    let (.., figure) = found.find(|(other, of, _)| other.key() == case.key() && *of == part)?;
    Some(*figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_related_to_the_floor_of_its_own_handler() {
        let counts = Counts {
            pages_touched: None,
            instructions: 1,
            bytes_moved: 0,
        };
        // In the order of the report backwards: nothing rests on it.
        let median = |case: &Case| match (case.handler.name, case.isolation) {
            ("markdown", Isolation::Reuse) => 4_000.0,
            (_, Isolation::Reuse) => 2_000.0,
            _ => 6_000.0,
        };
        let mut requests: Vec<_> = timing::cases()
            .map(|case| {
                let median = median(&case);
                (
                    case,
                    Part::Whole,
                    Figure {
                        median,
                        spread: 500.0,
                    },
                )
            })
            .collect();
        requests.reverse();
        let counts: Vec<_> = timing::cases().map(|case| (case, counts)).collect();
        for row in rows(&requests, &counts) {
            let expected = match (row.handler, row.isolation) {
                (_, "reuse") => 1.0,
                ("markdown", _) => 1.5,
                _ => 3.0,
            };
            assert_eq!(row.ratio_to_floor, Some(expected), "{row:?}");
            assert_eq!(row.spread, 0.5);
        }
        // Without its floor there is no ratio.
        requests.retain(|(case, ..)| case.isolation != Isolation::Reuse);
        let without = rows(&requests, &counts);
        assert_eq!(without.len(), requests.len());
        assert!(without.iter().all(|row| row.ratio_to_floor.is_none()));
    }
}
