//! The report for people.

use std::collections::BTreeMap;

use super::report::{Report, Row};
use super::timeline::Bound;
use crate::table::{Table, line, note, versions};

/// The whole report.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    head(report, &mut out);
    let mut table = Table::default();
    table.row(
        [
            "window",
            "s",
            "requests",
            "failed",
            "GET",
            "POST",
            "p50 ms",
            "p99 ms",
            "worst ms",
            "retries",
            "elsewhere",
        ]
        .map(str::to_owned),
    );
    for row in &report.rows {
        table.row(cells(row));
    }
    table.print(&mut out);
    for row in &report.rows {
        details(row, &mut out);
    }
    note(
        &mut out,
        "A latency is from when a request was due to the end of its answer. failed: GET may be \
         sent twice by the balancer, POST may not. retries: requests that the balancer sent \
         to the same server again; elsewhere: those that it sent to another one instead.",
    );
    for text in &report.notes {
        line(&mut out, text);
    }
    let verdict = match report.out_of_bound() {
        0 => "No request failed that should not have.".to_owned(),
        failed => format!("{failed} requests failed that should not have."),
    };
    line(&mut out, &verdict);
    out
}

fn head(report: &Report, out: &mut String) {
    let report = &report.setting;
    let kernel = report.kernel.as_deref().unwrap_or("not told");
    line(out, &format!("Versions: {}", versions(&report.versions)));
    line(
        out,
        &format!(
            "Machine:  {}, {} threads, kernel {kernel}; profile {}",
            report.machine.cpu, report.machine.cores, report.profile
        ),
    );
    line(
        out,
        &format!(
            "How:      {} servers, {} clients, {} requests a second together{}",
            report.members,
            report.pace.clients,
            report.pace.rate,
            match report.without.as_slice() {
                [] => String::new(),
                all => format!("; without {all:?}").to_lowercase(),
            }
        ),
    );
    line(out, &format!("Command:  {}\n", report.command));
}

fn cells(row: &Row) -> [String; 11] {
    let sum = |failed: &BTreeMap<String, u64>| failed.values().sum::<u64>().to_string();
    [
        row.name.to_owned(),
        format!("{:.1}", row.seconds),
        row.requests.to_string(),
        row.failed().to_string(),
        sum(&row.failed_repeatable),
        sum(&row.failed_unrepeatable),
        format!("{:.2}", row.p50_ms),
        format!("{:.2}", row.p99_ms),
        format!("{:.0}", row.worst_ms),
        row.balancer.retries.to_string(),
        row.balancer.redispatches.to_string(),
    ]
}

/// Who answered, and what went wrong.
fn details(row: &Row, out: &mut String) {
    let counted = |counts: &BTreeMap<&str, u64>| {
        let counts = counts
            .iter()
            .map(|(name, count)| format!("{count} by the {name}"));
        counts.collect::<Vec<_>>().join(", ")
    };
    if row.by_build.len() > 1 {
        line(
            out,
            &format!("{}: GET answered {}", row.name, counted(&row.by_build)),
        );
    }
    for (method, failed) in [
        ("GET", &row.failed_repeatable),
        ("POST", &row.failed_unrepeatable),
    ] {
        for (kind, count) in failed {
            let may = match (row.bound, method) {
                (Bound::OnlyUnrepeatable, "POST") => ", as is to be expected",
                _ => "",
            };
            line(
                out,
                &format!("{}: {count} {method} failed{may}: {kind}", row.name),
            );
        }
    }
}
