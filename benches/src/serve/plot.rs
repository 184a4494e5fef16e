//! Servers as a picture: for each load and number of connections a bar for each
//! server, as long as its part of the floor's requests in a second.

use super::catalogue::{FLOOR, LOADS, SUBJECTS, Subject};
use super::report::{Report, Row};
use crate::svg::{BAR, Bar, Weight, legend, paragraphs, picture, rule, text};
use crate::table::{duration, number, versions};

const WIDTH: f64 = 1_000.0;
const MARGIN: f64 = 24.0;
const LEFT: f64 = 170.0;
const GROUP_GAP: f64 = 24.0;
/// The floor ends here: numbers follow.
const RIGHT: f64 = WIDTH - MARGIN - 190.0;

/// Parts of the floor that have a line.
const LINES: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
/// The longest bar, as a part of the floor.
const LONGEST: f64 = 1.05;

/// Draws the report.
pub fn draw(report: &Report) -> String {
    let mut body = String::new();
    let top = head(report, &mut body);
    let bottom = bars(report, top, &mut body);
    picture(WIDTH, bottom + MARGIN, &body)
}

/// Title, versions, command and legend. Where they end.
fn head(report: &Report, out: &mut String) -> f64 {
    let bold = "font-size=\"18\" font-weight=\"bold\"";
    let title = "Requests in a second, as a part of what a bare server answers";
    text(out, MARGIN, 34.0, bold, title);
    let environment = &report.environment;
    let what = format!(
        "Medians of {} rounds of {} s; longer is faster; 1 is hyper alone, with the same answers from \
         memory. {}, {} threads, kernel {}; {}.",
        report.rounds,
        report.seconds,
        environment.machine.cpu,
        environment.machine.cores,
        environment.kernel.as_deref().unwrap_or("not told"),
        environment.places,
    );
    let texts = [what, versions(&report.versions), report.command.clone()];
    let y = paragraphs(out, MARGIN, 54.0, WIDTH - 2.0 * MARGIN, &texts);
    let entries = drawn(report).map(|subject| (subject.name, subject.colour));
    legend(out, MARGIN, y + 8.0, WIDTH - MARGIN, entries) + 30.0
}

/// Servers with bars; the floor is the line at one.
fn drawn(report: &Report) -> impl Iterator<Item = &'static Subject> {
    SUBJECTS.iter().filter(|subject| {
        subject.name != FLOOR && report.rows.iter().any(|row| row.server == subject.name)
    })
}

fn bars(report: &Report, top: f64, out: &mut String) -> f64 {
    let groups: Vec<(&str, usize)> = LOADS
        .iter()
        .flat_map(|load| {
            let mut connections: Vec<_> = report
                .rows
                .iter()
                .filter(|row| row.load == load.name)
                .map(|row| row.connections)
                .collect();
            connections.dedup();
            connections.sort_unstable();
            connections.dedup();
            connections
                .into_iter()
                .map(|connections| (load.name, connections))
        })
        .collect();
    let count = drawn(report).count() as f64;
    let group = count * BAR + GROUP_GAP;
    let bottom = top + 12.0 + groups.len() as f64 * group;
    let x = |part: f64| LEFT + (RIGHT - LEFT) * part.min(LONGEST);
    for at in LINES {
        rule(out, (x(at), top + 5.0), (x(at), bottom), Weight::of(at));
        let centred = "fill=\"#555\" text-anchor=\"middle\"";
        text(out, x(at), top, centred, &at.to_string());
    }
    for (index, (load, connections)) in groups.iter().enumerate() {
        let first = top + 12.0 + index as f64 * group + GROUP_GAP / 2.0;
        let middle = first + count * BAR / 2.0;
        let to_the_left = "font-size=\"12\" text-anchor=\"end\"";
        let bold = format!("{to_the_left} font-weight=\"bold\"");
        text(out, LEFT - 12.0, middle - 4.0, &bold, load);
        let told = match connections {
            1 => "1 connection".to_owned(),
            more => format!("{more} connections"),
        };
        text(out, LEFT - 12.0, middle + 11.0, to_the_left, &told);
        for (index, subject) in drawn(report).enumerate() {
            let Some(row) = report.row(subject.name, load, *connections) else {
                continue;
            };
            bar(row, subject, LEFT, first + index as f64 * BAR, x, out);
        }
    }
    bottom
}

fn bar(
    row: &Row,
    subject: &Subject,
    left: f64,
    top: f64,
    x: impl Fn(f64) -> f64,
    out: &mut String,
) {
    let part = row.share.as_ref().map_or(0.0, |share| share.of_medians);
    let rate = number(row.requests_per_s);
    let label = match row.errors.values().sum::<u64>() {
        0 => format!(
            "{part:.2}, {rate}/s, p99 {}",
            duration(row.p99_us * 1_000.0)
        ),
        errors => format!("{errors} errors"),
    };
    Bar {
        left,
        top,
        length: x(part) - left,
        is_cut: part > LONGEST,
        colour: subject.colour,
        title: &format!(
            "{}, {} connections: {rate}/s",
            subject.name, row.connections
        ),
        label: &label,
    }
    .draw(out);
}
