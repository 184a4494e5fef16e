//! The report on requests for people.

use super::catalogue::{HANDLERS, Isolation};
use super::counts::Counts;
use super::report::Report;
use super::targets::Target;
use super::timing::RewindRow;
use crate::table::{Table, duration, line, note, number, versions};

/// The whole report.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    head(report, &mut out);
    for handler in HANDLERS {
        line(&mut out, &format!("{}: {}", handler.name, handler.what));
        requests(report, handler.name, &mut out);
    }
    note(
        &mut out,
        "x floor: multiples of the floor, which is `reuse`. Pages written, instructions executed, \
         and bytes that they copied or filled are the same in every run; those of an instance \
         count from its first instruction after it was instantiated.",
    );
    parts(report, &mut out);
    rewind(report, &mut out);
    one_shot(report, &mut out);
    sizes(report, &mut out);
    targets(report, &mut out);
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
            "Machine:  {}, {} threads, kernel {kernel}",
            machine.cpu, machine.cores
        ),
    );
    line(
        out,
        &format!("Pool:     the tuned one puts back {}", environment.restores),
    );
    line(out, &format!("Command:  {}", report.command));
    out.push('\n');
    for isolation in Isolation::ALL {
        line(
            out,
            &format!("  {:<25}{}", isolation.name(), isolation.what()),
        );
    }
    out.push('\n');
}

fn requests(report: &Report, handler: &str, out: &mut String) {
    let mut table = Table::default();
    let head = [
        "",
        "allocator",
        "request",
        "x floor",
        "+-",
        "pages",
        "instructions",
        "bytes moved",
    ];
    table.row(head.map(str::to_owned));
    for row in report.rows.iter().filter(|row| row.handler == handler) {
        let mut cells = vec![
            row.isolation.to_owned(),
            row.allocator.to_owned(),
            microseconds(row.us_per_request),
            row.ratio_to_floor.map_or_else(String::new, number),
            half(row.spread, row.us_per_request),
        ];
        cells.extend(counts(&row.counts));
        table.row(cells);
    }
    table.print(out);
}

fn counts(counts: &Counts) -> [String; 3] {
    let pages = counts.pages_touched;
    [
        pages.map_or_else(|| "not told".to_owned(), |pages| pages.to_string()),
        counts.instructions.to_string(),
        counts.bytes_moved.to_string(),
    ]
}

fn parts(report: &Report, out: &mut String) {
    line(out, "Parts of a request, each with a reading of the clock");
    let mut table = Table::default();
    table.row(["", "", "allocator", "part", "", "+-"].map(str::to_owned));
    for row in &report.parts {
        table.row([
            row.handler.to_owned(),
            row.isolation.to_owned(),
            row.allocator.to_owned(),
            row.part.to_owned(),
            microseconds(row.us),
            half(row.spread, row.us),
        ]);
    }
    table.print(out);
}

fn rewind(report: &Report, out: &mut String) {
    line(
        out,
        "The rewind alone, after a request that takes nothing, by statics that change",
    );
    let statics = |row: &&RewindRow| row.request_bytes == 0;
    let kib = |row: &RewindRow| format!("{} KiB", row.statics_kib);
    curve(report, statics, ("statics", kib), out);
    line(
        out,
        "The rewind alone, by bytes that the request before it took from the arena",
    );
    let bytes = |row: &&RewindRow| row.statics_kib == 0;
    let taken = |row: &RewindRow| row.request_bytes.to_string();
    curve(report, bytes, ("request", taken), out);
    note(
        out,
        "usage: a typed call that only reads some figures, the zero of a call from the host. \
         clock: nothing between two readings of it. Nothing is subtracted.",
    );
}

fn curve(
    report: &Report,
    chosen: impl Fn(&&RewindRow) -> bool,
    (name, value): (&str, impl Fn(&RewindRow) -> String),
    out: &mut String,
) {
    let mut table = Table::default();
    table.row([name, "image", "rewind", "+-", "usage", "clock"].map(str::to_owned));
    for row in report.rewind.iter().filter(chosen) {
        if row.part != "rewind" {
            continue;
        }
        let beside = |part: &str| {
            let found = report.rewind.iter().find(|other| {
                other.part == part
                    && other.statics_kib == row.statics_kib
                    && other.request_bytes == row.request_bytes
            });
            found.map_or_else(String::new, |found| microseconds(found.us))
        };
        table.row([
            value(row),
            row.image_bytes.to_string(),
            microseconds(row.us),
            half(row.spread, row.us),
            beside("usage"),
            beside("clock"),
        ]);
    }
    table.print(out);
}

fn one_shot(report: &Report, out: &mut String) {
    line(
        out,
        "What a runtime pays that has an instance for each request and never rewinds (the same in \
         every run)",
    );
    let mut table = Table::default();
    let head = ["", "", "pages", "instructions", "bytes moved"];
    table.row(head.map(str::to_owned));
    for row in &report.one_shot {
        let rows = [
            ("InvocationHeap, as it comes", &row.first),
            ("InvocationHeap, sealed before", &row.sealed_before),
            ("std", &row.std),
        ];
        for (what, found) in rows {
            let cells = [row.handler.to_owned(), what.to_owned()];
            table.row(cells.into_iter().chain(counts(found)));
        }
    }
    table.print(out);
    note(
        out,
        "Where nobody seals, the first request takes the image: the difference of the first two \
         lines is what that costs it.",
    );
}

fn sizes(report: &Report, out: &mut String) {
    line(out, "Bytes of the components (the same in every run)");
    let mut table = Table::default();
    let head = ["", "target", "allocator", "bytes", "without names"];
    table.row(head.map(str::to_owned));
    for row in &report.sizes {
        table.row([
            row.sample.to_owned(),
            row.target.to_owned(),
            row.allocator.to_owned(),
            row.bytes.to_string(),
            row.bytes_without_names.to_string(),
        ]);
    }
    table.print(out);
}

fn targets(report: &Report, out: &mut String) {
    line(out, "Targets");
    let mut table = Table::default();
    table.row(["", "at most", "measured", "met"].map(str::to_owned));
    for target in &report.targets {
        let Target { unit, .. } = target;
        table.row([
            target.what.clone(),
            format!("{:.3} {unit}", target.at_most),
            format!("{:.3} {unit}", target.measured),
            if target.met { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    table.print(out);
}

fn microseconds(us: f64) -> String {
    duration(us * 1_000.0)
}

/// Half of a spread, in percent.
fn half(spread: f64, of: f64) -> String {
    format!("{:.0} %", 50.0 * spread / of)
}
