//! The times as a picture: an SVG of our own, with nothing from outside.
//!
//! A column for each engine; in it a group of bars for each workload, as multiples
//! of the floor. The axis is logarithmic and ends at a hundred: a longer bar is
//! cut off, and says by its number how long it is.

use crate::catalogue::{self, ALLOCATORS, FLOOR};
use crate::report::Report;
use crate::svg::{Axis, BAR, Bar, Weight, legend, paragraphs, picture, rule, text};
use crate::table::{duration, number, versions};

const GROUP_GAP: f64 = 26.0;
const LEFT: f64 = 196.0;
const COLUMN: f64 = 400.0;
/// Between two columns, for the numbers at the ends of bars.
const BETWEEN: f64 = 120.0;
const MARGIN: f64 = 24.0;

/// Multiples of the floor.
const RATIOS: Axis = Axis {
    from: 0.1,
    to: 100.0,
    lines: &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0],
};

/// What is not drawn: the floor is the line at one.
fn drawn(allocator: &str) -> bool {
    allocator != FLOOR
}

/// Where a multiple of the floor lies in a column.
fn x(ratio: f64) -> f64 {
    COLUMN * RATIOS.part(ratio)
}

/// Draws the report's times.
pub fn draw(report: &Report) -> String {
    let engines = report.engines();
    let workloads = report.workloads();
    let width = LEFT + engines.len() as f64 * (COLUMN + BETWEEN) + MARGIN;
    let mut body = String::new();
    let top = head(report, width, &mut body);

    let count: usize = workloads
        .iter()
        .map(|workload| bars(report, workload).len())
        .sum();
    let bottom = top + 34.0 + count as f64 * BAR + workloads.len() as f64 * GROUP_GAP;
    for (column, engine) in engines.iter().enumerate() {
        axis(
            LEFT + column as f64 * (COLUMN + BETWEEN),
            top,
            bottom,
            engine,
            &mut body,
        );
    }
    let mut y = top + 34.0;
    for workload in &workloads {
        group(report, workload, &engines, y, &mut body);
        y += bars(report, workload).len() as f64 * BAR + GROUP_GAP;
    }
    let height = bottom + MARGIN;
    picture(width, height, &body)
}

/// Title, versions, command and legend. Where they end.
fn head(report: &Report, width: f64, out: &mut String) -> f64 {
    let mut y = 34.0;
    text(
        out,
        MARGIN,
        y,
        "font-size=\"18\" font-weight=\"bold\"",
        "Allocation in WebAssembly, as a multiple of the least that is correct",
    );
    y += 20.0;
    let what = format!(
        "Time of one operation, median of {} rounds, by workload; shorter is faster; 1 is the floor, \
         a bump of a cursor. {}, {} threads.",
        report.rounds, report.machine.cpu, report.machine.cores
    );
    let texts = [what, versions(&report.versions), report.command.clone()];
    y = paragraphs(out, MARGIN, y, width - 2.0 * MARGIN, &texts);
    let drawn = ALLOCATORS.iter().filter(|allocator| drawn(allocator.name));
    let entries = drawn.map(|allocator| (allocator.name, allocator.colour));
    legend(out, MARGIN, y + 8.0, width - MARGIN, entries) + 30.0
}

/// The lines of a column, and its name.
fn axis(left: f64, top: f64, bottom: f64, engine: &str, out: &mut String) {
    text(
        out,
        left,
        top,
        "font-size=\"14\" font-weight=\"bold\"",
        engine,
    );
    for &line in RATIOS.lines {
        let x = left + x(line);
        rule(out, (x, top + 22.0), (x, bottom), Weight::of(line));
        let centred = "fill=\"#555\" text-anchor=\"middle\"";
        text(out, x, top + 17.0, centred, &line.to_string());
    }
}

/// The allocators of a workload that get a bar.
fn bars<'a>(report: &'a Report, workload: &str) -> Vec<&'a str> {
    let mut allocators = report.allocators(workload);
    allocators.retain(|allocator| drawn(allocator));
    allocators
}

/// The bars of one workload.
fn group(report: &Report, workload: &str, engines: &[&str], top: f64, out: &mut String) {
    let allocators = bars(report, workload);
    let middle = top + GROUP_GAP / 2.0 + allocators.len() as f64 * BAR / 2.0 + 4.0;
    text(
        out,
        LEFT - 12.0,
        middle,
        "font-size=\"12\" font-weight=\"bold\" text-anchor=\"end\"",
        workload,
    );
    for (column, engine) in engines.iter().enumerate() {
        let left = LEFT + column as f64 * (COLUMN + BETWEEN);
        for (index, allocator) in allocators.iter().enumerate() {
            let row = report.row(workload, allocator, engine);
            let Some((row, ratio)) = row.and_then(|row| Some((row, row.ratio_to_floor?))) else {
                continue;
            };
            let y = top + GROUP_GAP / 2.0 + index as f64 * BAR;
            let colour = ALLOCATORS
                .get(catalogue::rank(allocator))
                .map_or("#000", |known| known.colour);
            let took = duration(row.ns_per_op);
            Bar {
                left,
                top: y,
                length: x(ratio),
                is_cut: ratio > RATIOS.to,
                colour,
                title: &format!("{allocator} {workload} under {engine}: {took}"),
                label: &format!("{}x, {took}", number(ratio)),
            }
            .draw(out);
        }
    }
}
