//! Two reports as one table: before, now, the change, and what is said of it.
#![forbid(unsafe_code)]

use std::fmt;

use anstyle::Style;

use super::super::compare::{Comparison, FigureChange, Judgement, Trend};
use super::super::report::{Report, Verdict};
use super::look::{BAD, GOOD, Look, NOTED, Shown};
use super::text::printable;

impl fmt::Display for Shown<'_, Comparison> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, look } = self;
        writeln!(f, "before: {}", named(&what.baseline))?;
        writeln!(f, "now:    {}\n", named(&what.candidate))?;
        writeln!(f, "{:<19} {:>12} {:>12}  change", "", "before", "now")?;
        for change in &what.figures {
            figure(f, change, *look)?;
        }
        for change in &what.evidence {
            // Those that hold as before are told in the line that counts them.
            let told = (change.before, change.after);
            if told == (Some(true), Some(true)) {
                continue;
            }
            let word = |held: Option<bool>| match held {
                None => "-",
                Some(true) => "holds",
                Some(false) => "BROKEN",
            };
            writeln!(
                f,
                "{:<19} {:>12} {:>12}  {:<20} {}",
                change.kind.name(),
                word(change.before),
                word(change.after),
                "",
                judged(change.judgement, *look)
            )?;
        }
        let kept = what
            .evidence
            .iter()
            .filter(|change| (change.before, change.after) == (Some(true), Some(true)))
            .count();
        writeln!(
            f,
            "\n{kept} of {} kinds of evidence hold as before",
            what.evidence.len()
        )?;
        trend(f, what, *look)
    }
}

fn named(report: &Report) -> String {
    let component = report.component.as_deref().unwrap_or("a component");
    format!(
        "{}, verdict {} (lavandula {})",
        printable(component),
        report.verdict,
        printable(&report.lavandula)
    )
}

fn figure(f: &mut fmt::Formatter<'_>, change: &FigureChange, look: Look) -> fmt::Result {
    let told = |amount: Option<u64>| match amount {
        None => "-".to_owned(),
        Some(amount) => change.unit.tell(amount),
    };
    writeln!(
        f,
        "{:<19} {:>12} {:>12}  {:<20} {}",
        change.figure.name(),
        told(change.before),
        told(change.after),
        difference(change),
        judged(change.judgement, look)
    )
}

/// `+64 KiB (+5.56 %)`
fn difference(change: &FigureChange) -> String {
    let difference = match change.difference {
        None => return "-".to_owned(),
        Some(0) => return "0".to_owned(),
        Some(difference) => difference,
    };
    let sign = if difference < 0 { '-' } else { '+' };
    let amount = change.unit.tell(difference.unsigned_abs());
    match change.percent {
        None => format!("{sign}{amount}"),
        Some(percent) => format!("{sign}{amount} ({percent:+.2} %)"),
    }
}

fn judged(judgement: Judgement, look: Look) -> String {
    let style = match judgement {
        Judgement::Better => GOOD,
        Judgement::Worse => BAD,
        Judgement::Within => NOTED,
        Judgement::Same | Judgement::Unjudged => Style::new(),
    };
    look.paint(style, judgement.name())
}

fn trend(f: &mut fmt::Formatter<'_>, what: &Comparison, look: Look) -> fmt::Result {
    let worse = what
        .figures
        .iter()
        .filter(|change| change.judgement == Judgement::Worse)
        .map(|change| change.figure.name())
        .chain(
            what.evidence
                .iter()
                .filter(|change| change.judgement == Judgement::Worse)
                .map(|change| change.kind.name()),
        )
        .collect::<Vec<_>>()
        .join(", ");
    let style = if what.passes() { GOOD } else { BAD };
    let word = look.paint(style, &what.trend.to_string());
    match (what.trend, what.candidate.verdict) {
        (Trend::Worse, _) => writeln!(f, "compared: {word}, in {worse}"),
        (_, Verdict::Holds) => writeln!(f, "compared: {word}"),
        (_, Verdict::Broken) => writeln!(
            f,
            "compared: {word}; it is broken, as it was, which is not good enough"
        ),
    }
}
