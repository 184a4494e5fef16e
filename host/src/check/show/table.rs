//! A report as a table for people: each kind of evidence, where to look if it does not
//! hold, the figures, and the verdict.
#![forbid(unsafe_code)]

use std::fmt;

use super::super::compare::{Figure, Unit};
use super::super::overlap::listed;
use super::super::report::{Culprit, Evidence, Overlap, Report, Spot, Verdict, name_of};
use super::look::{BAD, GOOD, Look, Shown};
use super::text::{printable, wrap};

/// Where details begin: behind the name and whether it holds.
const INDENT: usize = 21;
/// Where the texts beside labels begin, counted from the label.
const LABEL: usize = 11;

impl fmt::Display for Shown<'_, Report> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what: report, look } = self;
        for evidence in &report.evidence {
            one(f, evidence, *look)?;
        }
        writeln!(f)?;
        figures(f, report, *look)?;
        let verdict = report.verdict.to_string();
        let style = match report.verdict {
            Verdict::Holds => GOOD,
            Verdict::Broken => BAD,
        };
        writeln!(
            f,
            "\nverdict: {} ({} requests by the {} door, {}isolation {}, seed {}, {} of memory)",
            look.paint(style, &verdict),
            report.requests,
            report.door,
            overlapped(report),
            name_of(report.isolation),
            report.seed,
            Unit::Bytes.tell(report.memory)
        )
    }
}

/// How requests overlapped, as a piece of the verdict: what was seen, not what was asked
/// for alone.
fn overlapped(report: &Report) -> String {
    report.overlap.map_or_else(String::new, |overlap| {
        let Overlap {
            at_a_time,
            in_flight,
        } = overlap;
        format!("{at_a_time} at a time in one instance, {in_flight} in flight together, ")
    })
}

fn one(f: &mut fmt::Formatter<'_>, evidence: &Evidence, look: Look) -> fmt::Result {
    let (style, holds) = match evidence.holds {
        true => (GOOD, "holds"),
        false => (BAD, "BROKEN"),
    };
    let gap = " ".repeat(7 - holds.len());
    write!(
        f,
        "{:<12} {}{gap} ",
        evidence.kind,
        look.paint(style, holds)
    )?;
    hanging(f, &evidence.detail, INDENT, look)?;
    if evidence.holds {
        return Ok(());
    }
    labelled(f, "expected", &evidence.expected, look)?;
    match &evidence.culprit {
        Some(culprit) => blame(f, culprit, look),
        None => Ok(()),
    }
}

/// What helps to find the cause, as far as it is known.
fn blame(f: &mut fmt::Formatter<'_>, culprit: &Culprit, look: Look) -> fmt::Result {
    for (label, text) in lines(culprit) {
        labelled(f, label, &text, look)?;
    }
    if let Some(replay) = &culprit.replay {
        // On a line of its own and whole, however long: it is there to be copied.
        let indent = INDENT - 1;
        writeln!(f, "{:indent$} replay with", "")?;
        writeln!(f, "    {}", printable(replay))?;
    }
    Ok(())
}

/// All that is known of a culprit but the command that replays it, with labels.
pub(super) fn lines(culprit: &Culprit) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(place) = &culprit.place {
        lines.push(("where", spot(place)));
    }
    if let Some(request) = culprit.written_by {
        lines.push(("written by", format!("request {request}")));
    }
    if let Some(request) = culprit.owed_by {
        lines.push((
            "owed by",
            format!("request {request}, at the end of which it should have gone"),
        ));
    }
    if !culprit.requests.is_empty() {
        let requests = listed(&culprit.requests);
        let alone = match culprit.requests.len() {
            1 => "request",
            _ => "requests",
        };
        lines.push(("shown by", format!("{alone} {requests} alone")));
    }
    lines
}

fn spot(spot: &Spot) -> String {
    let mut text = format!("0x{:x}", spot.offset);
    if spot.memory > 0 {
        text.push_str(&format!(" of memory {}", spot.memory));
    }
    text.push_str(&format!(" ({})", spot.region));
    if let Some(symbol) = &spot.symbol {
        text.push_str(&format!(", in {symbol}"));
    }
    text
}

fn figures(f: &mut fmt::Formatter<'_>, report: &Report, look: Look) -> fmt::Result {
    let told = |figure: Figure| {
        figure
            .of(&report.figures)
            .map(|amount| figure.unit().tell(amount))
    };
    let known = |figure| told(figure).unwrap_or_default();
    let mut block = vec![
        ("component", known(Figure::Component)),
        (
            "memory",
            format!(
                "{} at first, {} at most, grown by {} after the warm-up",
                known(Figure::MemoryInitial),
                known(Figure::MemoryPeak),
                known(Figure::MemoryGrown)
            ),
        ),
    ];
    let arena = told(Figure::ArenaPeak).zip(told(Figure::ArenaCommitted));
    if let Some((peak, committed)) = arena {
        block.push(("arena", format!("{peak} used at most, of {committed}")));
    }
    block.push((
        "pages",
        format!(
            "{} of 4 KiB written by the request that wrote the most, {} by any",
            known(Figure::PagesOfARequest),
            known(Figure::PagesOfAll)
        ),
    ));
    block.push((
        "left",
        format!(
            "{} by the request that left the most when it was over",
            known(Figure::BytesLeft)
        ),
    ));
    for (label, text) in block {
        write!(f, "{label:<width$}", width = LABEL + 2)?;
        hanging(f, &text, LABEL + 2, look)?;
    }
    Ok(())
}

/// A label under a detail, and a text beside it.
fn labelled(f: &mut fmt::Formatter<'_>, label: &str, text: &str, look: Look) -> fmt::Result {
    write!(f, "{:INDENT$}{label:<LABEL$}", "")?;
    hanging(f, text, INDENT + LABEL, look)
}

/// The rest of a line that has `column` columns already, and further lines under it.
fn hanging(f: &mut fmt::Formatter<'_>, text: &str, column: usize, look: Look) -> fmt::Result {
    let lines = wrap(text, look.width().saturating_sub(column));
    for (number, line) in lines.iter().enumerate() {
        let indent = if number == 0 { 0 } else { column };
        writeln!(f, "{:indent$}{line}", "")?;
    }
    Ok(())
}
