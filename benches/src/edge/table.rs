//! What a run has seen, for a terminal.

use std::fmt::Write;

use super::Report;
use super::guests::Heap;
use super::record::{Outcome, Sight};
use crate::table::{Table, line};

/// The whole of it.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    let mut table = Table::default();
    let head = [
        "",
        "version",
        "cases",
        "requests an instance",
        "others' markers",
        "memory, KiB",
        "start, ms",
        "bytes",
    ];
    table.row(head.map(str::to_owned));
    for row in &report.seen.rows {
        let version = row.version.clone().unwrap_or_else(|| "-".to_owned());
        match &row.outcome {
            Outcome::NotRun { .. } => {
                table.row([row.runtime.clone(), version, "not run".to_owned()]);
            }
            Outcome::Ran(ran) => {
                let sights = [Some(&ran.ours), ran.std.as_ref().ok()];
                for (heap, sight) in Heap::ALL.into_iter().zip(sights) {
                    let Some(sight) = sight else { continue };
                    let name = match heap {
                        Heap::Invocation => row.runtime.clone(),
                        Heap::Std => "  with std's allocator".to_owned(),
                    };
                    table.row([vec![name, version.clone()], figures(sight)].concat());
                }
            }
        }
    }
    table.print(&mut out);
    if !report.seen.makers.is_empty() {
        let mut table = Table::default();
        table.row(["", "made with", "bytes", "start, ms"].map(str::to_owned));
        for row in &report.seen.makers {
            let start = match &row.start_ms {
                Ok(ms) => format!("{ms:.0} {}", row.options).trim_end().to_owned(),
                Err(_) => "does not start".to_owned(),
            };
            let bytes = row.bytes.to_string();
            table.row([row.runtime.clone(), row.package.clone(), bytes, start]);
        }
        table.print(&mut out);
    }
    for row in &report.seen.rows {
        if let Outcome::NotRun { why } = &row.outcome {
            let _ = writeln!(out, "not run: {}: {why}", row.runtime);
        }
    }
    for wrong in &report.wrong {
        let _ = writeln!(out, "wrong: {wrong}");
    }
    if report.wrong.is_empty() {
        line(&mut out, "all that ran was right");
    }
    out
}

fn figures(sight: &Sight) -> Vec<String> {
    let (right, all) = (sight.cases.len() - sight.wrong().len(), sight.cases.len());
    let [in_turn, at_a_time] = sight.requests_an_instance();
    let first = sight.memory_first.unwrap_or(0) >> 10;
    vec![
        format!("{right} of {all}"),
        format!("{in_turn}, {at_a_time}"),
        sight.others_most().to_string(),
        format!("{first} to {}", sight.memory_most() >> 10),
        format!("{:.0}", sight.start_ms),
        sight.bytes.to_string(),
    ]
}
