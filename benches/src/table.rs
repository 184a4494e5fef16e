//! The report for people: a table for each workload, ours first.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::catalogue::{self, ALLOCATORS};
use crate::fixed::{LAYOUTS, REQUESTS};
use crate::report::Report;

/// Columns of text, each as wide as its widest cell; numbers to the right.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn print(&self, out: &mut String) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let mut line = String::from("  ");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                if column == 0 {
                    line.push_str(cell);
                    line.push_str(&pad);
                } else {
                    line.push_str("   ");
                    line.push_str(&pad);
                    line.push_str(cell);
                }
            }
            line.truncate(line.trim_end().len());
            out.push_str(&line);
            out.push('\n');
        }
        out.push('\n');
    }
}

/// The whole report.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    head(report, &mut out);
    operations(report, &mut out);
    for workload in report.workloads() {
        times(report, workload, &mut out);
    }
    memory(report, &mut out);
    out
}

fn head(report: &Report, out: &mut String) {
    line(out, &format!("Versions: {}", versions(&report.versions)));
    let machine = &report.machine;
    line(
        out,
        &format!("Machine:  {}, {} threads", machine.cpu, machine.cores),
    );
    line(out, &format!("Guest:    {}", report.guest));
    line(out, &format!("Command:  {}", report.command));
    out.push('\n');
    for allocator in ALLOCATORS {
        let _ = writeln!(out, "  {:<33}{}", allocator.name, allocator.what);
    }
    out.push('\n');
}

fn operations(report: &Report, out: &mut String) {
    line(
        out,
        "Operations of an allocation on its fast path (the same in every run)",
    );
    let mut table = Table::default();
    let what = LAYOUTS.iter().map(|layout| layout.what.to_owned());
    table.row([String::new()].into_iter().chain(what));
    for allocator in ALLOCATORS {
        let cells: Vec<_> = LAYOUTS
            .iter()
            .filter_map(|layout| {
                let row = report
                    .operations
                    .iter()
                    .find(|row| row.layout == layout.name && row.allocator == allocator.name)?;
                Some(row.fast_path.as_ref().map_or("calls".to_owned(), |path| {
                    format!(
                        "{} = {}+{}+{}+{}+{}",
                        path.operations,
                        path.loads,
                        path.stores,
                        path.arithmetic,
                        path.compares,
                        path.branches
                    )
                }))
            })
            .collect();
        if !cells.is_empty() {
            table.row([allocator.name.to_owned()].into_iter().chain(cells));
        }
    }
    table.print(out);
    note(
        out,
        "In this order: loads, stores, arithmetic, comparisons, branches. The value is not \
         written. `calls`: every way that allocates calls another function.",
    );
}

fn times(report: &Report, workload: &str, out: &mut String) {
    let known = catalogue::workload(workload);
    line(
        out,
        &format!("{workload}: {}", known.map_or("", |known| known.operation)),
    );
    let engines = report.engines();
    let mut table = Table::default();
    let mut head = vec![String::new()];
    for engine in &engines {
        head.extend([(*engine).to_owned(), "x floor".to_owned(), "+-".to_owned()]);
    }
    head.push("fuel".to_owned());
    table.row(head);
    for allocator in report.allocators(workload) {
        let mut cells = vec![allocator.to_owned()];
        for engine in &engines {
            match report.row(workload, allocator, engine) {
                Some(row) => cells.extend([
                    duration(row.ns_per_op),
                    row.ratio_to_floor.map_or_else(String::new, number),
                    format!("{:.0} %", 50.0 * row.spread / row.ns_per_op),
                ]),
                None => cells.extend([String::new(), String::new(), String::new()]),
            }
        }
        let fuel = report
            .fuel
            .iter()
            .find(|row| row.workload == workload && row.allocator == allocator);
        cells.push(fuel.map_or_else(String::new, |row| number(row.fuel_per_op)));
        table.row(cells);
    }
    table.print(out);
    if let Some(text) = known.and_then(|known| known.note) {
        note(out, text);
    }
}

fn memory(report: &Report, out: &mut String) {
    line(
        out,
        "Pages of memory after requests of 10 KB to 3 MB, in a new instance each \
         (the same in every run)",
    );
    let mut table = Table::default();
    let mut head = vec![String::new(), "before".to_owned()];
    head.extend(REQUESTS.map(|requests| format!("after {requests}")));
    head.push("held then".to_owned());
    table.row(head);
    let mut needs = Vec::new();
    for allocator in ALLOCATORS {
        let rows: Vec<_> = report
            .memory
            .iter()
            .filter(|row| row.allocator == allocator.name)
            .collect();
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            continue;
        };
        let mut cells = vec![allocator.name.to_owned(), first.pages_before.to_string()];
        cells.extend(rows.iter().map(|row| row.pages.to_string()));
        cells.push(last.held.map_or_else(
            || "not told".to_owned(),
            |held| format!("{} KiB", held.div_ceil(1024)),
        ));
        table.row(cells);
        needs = rows.iter().map(|row| row.need).collect();
    }
    if !needs.is_empty() {
        let mut cells = vec!["largest request, in pages".to_owned(), String::new()];
        cells.extend(
            needs
                .iter()
                .map(|need| format!("{:.1}", f64::from(*need) / 65_536.0)),
        );
        table.row(cells);
    }
    table.print(out);
    note(
        out,
        "bumpalo and blink-alloc keep their last chunk after a reset, bump-scope its largest or, \
         with reset_to_start, all; what they give back stays in the instance, for dlmalloc to hand \
         out again. `held then`: what the allocator itself says that it holds after the last \
         reset.",
    );
}

/// Names with their versions.
pub fn versions(versions: &BTreeMap<String, String>) -> String {
    let named = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"));
    named.collect::<Vec<_>>().join(", ")
}

/// A number with the digits that matter.
pub fn number(value: f64) -> String {
    match value {
        v if v >= 1_000_000.0 => format!("{:.2} M", v / 1e6),
        v if v >= 10_000.0 => format!("{:.1} k", v / 1e3),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A time in its own unit.
pub fn duration(ns: f64) -> String {
    match ns {
        v if v >= 1e6 => format!("{} ms", number(v / 1e6)),
        v if v >= 1e4 => format!("{} us", number(v / 1e3)),
        v => format!("{} ns", number(v)),
    }
}

pub fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A paragraph, wrapped.
pub fn note(out: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width + word.len() > 92 {
            out.push('\n');
            width = 0;
        }
        out.push_str(if width == 0 { "  " } else { " " });
        out.push_str(word);
        width += word.len() + 1;
    }
    out.push_str("\n\n");
}
