//! The times of requests as a picture: bars for each handler, as multiples of its
//! floor, and below them what the rewind alone takes.
//!
//! The axes are logarithmic. A bar that is longer than its axis is cut off, and
//! says by its number how long it is.

use std::fmt::Write;

use super::catalogue::{HANDLERS, Isolation, Make};
use super::report::Report;
use super::timing::RewindRow;
use crate::svg::{Axis, BAR, Bar, ON_LINES, Weight, legend, paragraphs, picture, rule, text};
use crate::table::{duration, number, versions};

const WIDTH: f64 = 1_000.0;
const MARGIN: f64 = 24.0;
const LEFT: f64 = 150.0;
const GROUP_GAP: f64 = 24.0;
/// Bars end here at the latest: numbers follow.
const RIGHT: f64 = WIDTH - MARGIN - 110.0;

/// The ends of the axis of requests, as multiples of the floor, and its lines.
const RATIOS: Axis = Axis {
    from: 0.5,
    to: 100.0,
    lines: &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0],
};

/// The same of the rewind, in microseconds.
const TIMES: Axis = Axis {
    from: 0.1,
    to: 100.0,
    lines: &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0],
};

/// A curve's place.
const CURVE_WIDTH: f64 = 400.0;
const CURVE_HEIGHT: f64 = 260.0;
/// Left and right of its ends, for their numbers.
const INSET: f64 = 16.0;
const CURVE_LEFTS: [f64; 2] = [70.0, 560.0];

const REWIND: &str = "#7b3fb5";
const USAGE: &str = "#888888";

/// Draws the report.
pub fn draw(report: &Report) -> String {
    let mut body = String::new();
    let y = head(report, &mut body);
    let y = requests(report, y, &mut body) + 44.0;
    let statics = |row: &&RewindRow| row.request_bytes == 0;
    let bytes = |row: &&RewindRow| row.statics_kib == 0;
    let [left, right] = CURVE_LEFTS;
    Curve {
        left,
        top: y,
        title: "The rewind alone, by KiB of statics that change",
        unit: |value| number_of(value, 1),
    }
    .draw(
        report.rewind.iter().filter(statics),
        |row| f64::from(row.statics_kib),
        &mut body,
    );
    Curve {
        left: right,
        top: y,
        title: "The rewind alone, by KiB that the request took",
        unit: |value| number_of(value, 1024),
    }
    .draw(
        report.rewind.iter().filter(bytes),
        |row| row.request_bytes as f64,
        &mut body,
    );
    let end = y + 30.0 + CURVE_HEIGHT + 44.0;
    let what = [
        ("rewind, in microseconds", REWIND),
        ("usage: a call that only reads figures", USAGE),
    ];
    let end = legend(&mut body, CURVE_LEFTS[0], end, WIDTH - MARGIN, what);
    picture(WIDTH, end + MARGIN, &body)
}

/// A size in KiB.
fn number_of(value: f64, per_kib: u32) -> String {
    format!("{}", value / f64::from(per_kib))
}

/// Title, versions, command and legend. Where they end.
fn head(report: &Report, out: &mut String) -> f64 {
    let title = "A request in WebAssembly, as a multiple of one of which nothing is taken back";
    text(
        out,
        MARGIN,
        34.0,
        "font-size=\"18\" font-weight=\"bold\"",
        title,
    );
    let environment = &report.environment;
    let what = format!(
        "Time of one request, in process, median of {} rounds; shorter is faster; 1 is the floor, an \
         instance that is used again and again as it is. {}, {} threads, kernel {}.",
        report.rounds,
        environment.machine.cpu,
        environment.machine.cores,
        environment.kernel.as_deref().unwrap_or("not told"),
    );
    let texts = [what, versions(&report.versions), report.command.clone()];
    let y = paragraphs(out, MARGIN, 54.0, WIDTH - 2.0 * MARGIN, &texts);
    let names: Vec<_> = kinds()
        .map(|(isolation, make)| (name(isolation, make), isolation.colour(make)))
        .collect();
    let entries = names.iter().map(|(name, colour)| (name.as_str(), *colour));
    legend(out, MARGIN, y + 8.0, WIDTH - MARGIN, entries) + 30.0
}

/// Each has a bar; the floor is the line at one.
fn kinds() -> impl Iterator<Item = (Isolation, Make)> {
    Isolation::ALL
        .into_iter()
        .filter(|isolation| *isolation != Isolation::Reuse)
        .flat_map(|isolation| isolation.makes().iter().map(move |&make| (isolation, make)))
}

fn name(isolation: Isolation, make: Make) -> String {
    match isolation.makes().len() {
        1 => isolation.name().to_owned(),
        _ => format!("{}, {}", isolation.name(), make.allocator()),
    }
}

/// Bars for each handler. Where they end.
fn requests(report: &Report, top: f64, out: &mut String) -> f64 {
    let group = kinds().count() as f64 * BAR + GROUP_GAP;
    let bottom = top + 12.0 + HANDLERS.len() as f64 * group;
    let x = |ratio: f64| LEFT + (RIGHT - LEFT) * RATIOS.part(ratio);
    for &at in RATIOS.lines {
        rule(out, (x(at), top + 5.0), (x(at), bottom), Weight::of(at));
        let centred = "fill=\"#555\" text-anchor=\"middle\"";
        text(out, x(at), top, centred, &at.to_string());
    }
    for (index, handler) in HANDLERS.iter().enumerate() {
        let first = top + 12.0 + index as f64 * group + GROUP_GAP / 2.0;
        text(
            out,
            LEFT - 12.0,
            first + kinds().count() as f64 * BAR / 2.0 + 4.0,
            "font-size=\"12\" font-weight=\"bold\" text-anchor=\"end\"",
            handler.name,
        );
        for (index, (isolation, make)) in kinds().enumerate() {
            let row = report.row(handler.name, isolation, make);
            let Some((row, ratio)) = row.and_then(|row| Some((row, row.ratio_to_floor?))) else {
                continue;
            };
            let y = first + index as f64 * BAR;
            let took = duration(row.us_per_request * 1_000.0);
            Bar {
                left: LEFT,
                top: y,
                length: x(ratio) - LEFT,
                is_cut: ratio > RATIOS.to,
                colour: isolation.colour(make),
                title: &format!("{}, {}: {took}", handler.name, name(isolation, make)),
                label: &format!("{}x, {took}", number(ratio)),
            }
            .draw(out);
        }
    }
    bottom
}

/// One picture of a curve.
struct Curve {
    left: f64,
    top: f64,
    title: &'static str,
    unit: fn(f64) -> String,
}

impl Curve {
    fn draw<'a>(
        &self,
        rows: impl Iterator<Item = &'a RewindRow>,
        value: impl Fn(&RewindRow) -> f64,
        out: &mut String,
    ) {
        let rows: Vec<_> = rows.collect();
        let values = || rows.iter().map(|row| value(row));
        let least = values().filter(|&at| at > 0.0).fold(f64::MAX, f64::min);
        let most = values().fold(least, f64::max);
        // Zero has no place on a logarithmic axis: it stands left of it.
        let axis = (least / 4.0, most);
        let x = |at: f64| {
            let part = (at.max(axis.0) / axis.0).ln() / (axis.1 / axis.0).ln().max(1e-9);
            self.left + INSET + (CURVE_WIDTH - 2.0 * INSET) * part
        };
        let bottom = self.top + 30.0 + CURVE_HEIGHT;
        let y = |us: f64| bottom - CURVE_HEIGHT * TIMES.part(us);

        let bold = "font-size=\"13\" font-weight=\"bold\"";
        text(out, self.left, self.top, bold, self.title);
        for &us in TIMES.lines {
            let (from, to) = ((self.left, y(us)), (self.left + CURVE_WIDTH, y(us)));
            rule(out, from, to, Weight::Light);
            let before = "fill=\"#555\" text-anchor=\"end\"";
            text(out, self.left - 6.0, y(us) + 4.0, before, &us.to_string());
        }
        for (part, colour) in [("usage", USAGE), ("rewind", REWIND)] {
            let points: Vec<_> = rows
                .iter()
                .filter(|row| row.part == part)
                .map(|row| (x(value(row)), y(row.us), row.us))
                .collect();
            let path: Vec<_> = points
                .iter()
                .map(|(x, y, _)| format!("{x:.1},{y:.1}"))
                .collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>",
                path.join(" ")
            );
            for (x, y, us) in points {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{colour}\"/>"
                );
                if part == "rewind" {
                    let above = format!("{ON_LINES} text-anchor=\"middle\"");
                    text(out, x, y - 7.0, &above, &number(us));
                }
            }
        }
        for row in rows.iter().filter(|row| row.part == "rewind") {
            let at = value(row);
            let centred = "fill=\"#555\" text-anchor=\"middle\"";
            text(out, x(at), bottom + 16.0, centred, &(self.unit)(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_a_name_and_a_colour_of_its_own() {
        use std::collections::BTreeSet;

        let names: BTreeSet<_> = kinds().map(|(how, make)| name(how, make)).collect();
        let colours: BTreeSet<_> = kinds().map(|(how, make)| how.colour(make)).collect();
        assert_eq!((names.len(), colours.len()), (7, 7));
    }
}
