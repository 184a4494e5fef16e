//! The times as a picture: an SVG of our own, with nothing from outside.
//!
//! A column for each engine; in it a group of bars for each workload, as multiples
//! of the floor. The axis is logarithmic and ends at a hundred: a longer bar is
//! cut off, and says by its number how long it is.

use std::fmt::Write;

use crate::catalogue::{self, ALLOCATORS, FLOOR};
use crate::report::Report;
use crate::table::{duration, number};

const BAR: f64 = 11.0;
const GROUP_GAP: f64 = 26.0;
const LEFT: f64 = 196.0;
const COLUMN: f64 = 400.0;
/// Between two columns, for the numbers at the ends of bars.
const BETWEEN: f64 = 120.0;
const MARGIN: f64 = 24.0;

/// The ends of the axis, as multiples of the floor.
const FROM: f64 = 0.1;
const TO: f64 = 100.0;
/// Where it has a line.
const LINES: [f64; 10] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// What is not drawn: the floor is the line at one.
fn drawn(allocator: &str) -> bool {
    allocator != FLOOR
}

/// Where a multiple of the floor lies in a column.
fn x(ratio: f64) -> f64 {
    let part = (ratio.clamp(FROM, TO) / FROM).log10() / (TO / FROM).log10();
    COLUMN * part
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
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"11\" \
         fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
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
    let versions: Vec<_> = report
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    for paragraph in [what, versions.join(", "), report.command.clone()] {
        for part in wrapped(&paragraph, ((width - 2.0 * MARGIN) / 5.7) as usize) {
            text(out, MARGIN, y, "fill=\"#555\"", &part);
            y += 15.0;
        }
    }
    y += 8.0;
    let mut at = MARGIN;
    for allocator in ALLOCATORS.iter().filter(|allocator| drawn(allocator.name)) {
        let wide = 26.0 + 6.4 * allocator.name.len() as f64;
        if at + wide > width - MARGIN {
            at = MARGIN;
            y += 17.0;
        }
        let _ = writeln!(
            out,
            "<rect x=\"{at:.1}\" y=\"{:.1}\" width=\"12\" height=\"10\" fill=\"{}\"/>",
            y - 9.0,
            allocator.colour
        );
        text(out, at + 17.0, y, "", allocator.name);
        at += wide;
    }
    y + 30.0
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
    for line in LINES {
        let x = left + x(line);
        let (colour, width) = if line == 1.0 {
            ("#444", 1.4)
        } else {
            ("#ddd", 1.0)
        };
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" stroke=\"{colour}\" \
             stroke-width=\"{width}\"/>",
            top + 22.0
        );
        text(
            out,
            x,
            top + 17.0,
            "fill=\"#555\" text-anchor=\"middle\"",
            &line.to_string(),
        );
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
            let end = x(ratio);
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{end:.1}\" height=\"{:.1}\" \
                 fill=\"{colour}\"><title>{} {} under {}: {}</title></rect>",
                BAR - 2.0,
                escaped(allocator),
                escaped(workload),
                escaped(engine),
                duration(row.ns_per_op),
            );
            if ratio > TO {
                // Cut off: a gap near the end says so.
                let _ = writeln!(
                    out,
                    "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"4\" height=\"{:.1}\" fill=\"#fff\"/>",
                    left + end - 14.0,
                    BAR - 2.0
                );
            }
            text(
                out,
                left + end + 4.0,
                y + BAR - 3.0,
                // White around the letters, where they lie on a line of the axis.
                "font-size=\"9\" fill=\"#333\" stroke=\"#fff\" stroke-width=\"3\" \
                 paint-order=\"stroke\"",
                &format!("{}x, {}", number(ratio), duration(row.ns_per_op)),
            );
        }
    }
}

fn text(out: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{}</text>",
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Lines of at most `width` letters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_logarithmic_and_has_two_ends() {
        assert_eq!(x(FROM), 0.0);
        assert!((x(TO) - COLUMN).abs() < 1e-9);
        assert!((x(2.0) - x(1.0) - (x(1.0) - x(0.5))).abs() < 1e-9);
        assert_eq!(x(1e9), COLUMN);
    }

    #[test]
    fn what_has_a_meaning_in_xml_is_written_as_itself() {
        assert_eq!(escaped("a<b & c>d"), "a&lt;b &amp; c&gt;d");
    }
}
