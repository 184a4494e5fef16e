//! The report on servers for people.

use std::collections::BTreeMap;

use super::catalogue::{LOADS, subject};
use super::fairness::FairnessRow;
use super::report::{Report, Row};
use super::soak::SoakRow;
use crate::table::{Table, duration, line, note, number, versions};

/// The whole report.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    head(report, &mut out);
    for load in LOADS {
        let rows: Vec<_> = report
            .rows
            .iter()
            .filter(|row| row.load == load.name)
            .collect();
        if !rows.is_empty() {
            line(&mut out, &format!("{}: {}", load.name, load.what));
            servers(&rows, &mut out);
        }
    }
    if !report.rows.is_empty() {
        note(
            &mut out,
            "+-: half of the distance between the quartiles of the rounds. of floor: requests in a \
             second as a part of the floor's, of medians; by round: the median of the rounds' own, \
             and half of the distance between their quartiles; by cpu: the floor's processor time for \
             a request as a part of this server's, which neither the client nor other work on the \
             machine has much to do with. cpu us: microseconds of processor time \
             that the server took for a request; client: the part of one processor that the client \
             took. Latencies are of requests that began while it was measured, one at a time on \
             each connection.",
        );
    }
    soak(report, &mut out);
    fairness(report, &mut out);
    out
}

fn head(report: &Report, out: &mut String) {
    let environment = &report.environment;
    let machine = &environment.machine;
    let kernel = environment.kernel.as_deref().unwrap_or("not told");
    line(out, &format!("Versions: {}", versions(&report.versions)));
    line(
        out,
        &format!(
            "Machine:  {}, {} threads, kernel {kernel}; {}",
            machine.cpu, machine.cores, environment.places
        ),
    );
    let rounds = match report.rounds {
        0 => String::new(),
        rounds => format!("{rounds} rounds of {} s, ", report.seconds),
    };
    line(
        out,
        &format!(
            "How:      {rounds}profile {}; the client is one thread of this process",
            environment.profile
        ),
    );
    if let Some(source) = environment.wasmtime {
        line(out, &format!("Peer:     wasmtime serve, {source}"));
    }
    line(out, &format!("Command:  {}", report.command));
    out.push('\n');
    for name in servers_of(report) {
        let what = subject(name).map_or("", |subject| subject.what);
        line(out, &format!("  {name:<24}{what}"));
    }
    out.push('\n');
    for text in &report.notes {
        note(out, text);
    }
}

/// Those that were measured, in the order of the report.
fn servers_of(report: &Report) -> Vec<&'static str> {
    let rows = report.rows.iter().map(|row| row.server);
    let soak = report.soak.iter().map(|row| row.server);
    let fairness = report.fairness.iter().map(|row| row.server);
    let mut names = Vec::new();
    for name in rows.chain(soak).chain(fairness) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn servers(rows: &[&Row], out: &mut String) {
    let mut table = Table::default();
    let head = [
        "",
        "conns",
        "requests/s",
        "+-",
        "of floor",
        "by round",
        "+-",
        "by cpu",
        "p50",
        "p99",
        "cpu us",
        "client",
        "MiB",
        "log B",
        "",
    ];
    table.row(head.map(str::to_owned));
    let mut last = None;
    for row in rows {
        if last
            .replace(row.connections)
            .is_some_and(|at| at != row.connections)
        {
            table.row([]);
        }
        let share = row.share.as_ref();
        let known = |value: Option<f64>| value.map_or_else(String::new, number);
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        table.row([
            row.server.to_owned(),
            row.connections.to_string(),
            number(row.requests_per_s),
            half(row.spread, row.requests_per_s),
            share.map_or_else(String::new, |share| percent(share.of_medians)),
            share.map_or_else(String::new, |share| percent(share.median)),
            share.map_or_else(String::new, |share| half(share.spread, share.median)),
            share
                .and_then(|share| share.by_cpu)
                .map_or_else(String::new, percent),
            microseconds(row.p50_us),
            microseconds(row.p99_us),
            known(row.server_cpu_us),
            row.client_share
                .map_or_else(String::new, |part| format!("{:.0} %", 100.0 * part)),
            known(row.rss_mib),
            match row.log_bytes {
                bytes if bytes >= 0.5 => format!("{bytes:.0}"),
                _ => String::new(),
            },
            wrong(&row.errors),
        ]);
    }
    table.print(out);
}

fn soak(report: &Report, out: &mut String) {
    if report.soak.is_empty() {
        return;
    }
    line(out, "In the course of many requests, on 16 connections");
    let mut table = Table::default();
    let head = [
        "",
        "load",
        "requests",
        "MiB",
        "requests/s",
        "cpu us",
        "p99",
        "",
    ];
    table.row(head.map(str::to_owned));
    for row in &report.soak {
        let known = |value: Option<f64>| value.map_or_else(String::new, |mib| format!("{mib:.1}"));
        table.row([
            row.server.to_owned(),
            row.load.to_owned(),
            row.requests.to_string(),
            known(row.rss_mib),
            number(row.requests_per_s),
            known(row.server_cpu_us),
            microseconds(row.p99_us),
            wrong(&row.errors),
        ]);
    }
    table.print(out);
    for text in grown(&report.soak) {
        note(out, &text);
    }
}

/// What changed from the first tenth, which is warming up, to the last.
fn grown(rows: &[SoakRow]) -> Vec<String> {
    let mut ends: BTreeMap<&str, (&SoakRow, &SoakRow)> = BTreeMap::new();
    for row in rows {
        ends.entry(row.server).or_insert((row, row)).1 = row;
    }
    ends.into_iter()
        .filter_map(|(server, (first, last))| {
            let requests = last.requests - first.requests;
            let grown = last.rss_mib? - first.rss_mib?;
            let each = grown * 1024.0 * 1024.0 / requests.max(1) as f64;
            let time = last.server_cpu_us? / first.server_cpu_us?;
            Some(format!(
                "{server}: {grown:+.2} MiB after the first tenth, {each:+.3} bytes a request; one of \
                 the last tenth takes {time:.2} times the processor time of one of the first."
            ))
        })
        .collect()
}

fn fairness(report: &Report, out: &mut String) {
    if report.fairness.is_empty() {
        return;
    }
    line(
        out,
        "Short requests, with long ones on other connections and without",
    );
    let mut table = Table::default();
    let head = [
        "",
        "long conns",
        "short conns",
        "requests/s",
        "p50",
        "p99",
        "slowest",
        "long/s",
        "long ms",
        "",
    ];
    table.row(head.map(str::to_owned));
    for row in &report.fairness {
        let FairnessRow {
            long_connections, ..
        } = row;
        let long = |text: String| {
            if *long_connections > 0 {
                text
            } else {
                String::new()
            }
        };
        table.row([
            row.server.to_owned(),
            long_connections.to_string(),
            row.short_connections.to_string(),
            number(row.requests_per_s),
            microseconds(row.p50_us),
            microseconds(row.p99_us),
            microseconds(row.slowest_us),
            long(number(row.long_per_s)),
            long(number(row.long_ms)),
            wrong(&row.errors),
        ]);
    }
    table.print(out);
}

fn wrong(errors: &BTreeMap<String, u64>) -> String {
    let told = errors
        .iter()
        .map(|(what, times)| format!("{times} ERRORS: {what}"));
    told.collect::<Vec<_>>().join("; ")
}

fn microseconds(us: f64) -> String {
    duration(us * 1_000.0)
}

/// Half of a spread, in percent.
fn half(spread: f64, of: f64) -> String {
    match of > 0.0 {
        true => format!("{:.0} %", 50.0 * spread / of),
        false => String::new(),
    }
}
