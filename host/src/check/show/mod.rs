//! A report as people and other programs want it. Nothing here looks at memory.
#![forbid(unsafe_code)]

mod html;

use std::fmt;

use super::report::{Report, name_of};

/// The table for people. Long details are wrapped at 100 columns.
pub(super) fn table(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const INDENT: usize = 21;
    for evidence in &report.evidence {
        let holds = if evidence.holds { "holds" } else { "BROKEN" };
        write!(f, "{:<12} {holds:<7}", evidence.kind)?;
        let mut column = INDENT;
        for word in evidence.detail.split(' ') {
            let len = word.chars().count() + 1;
            if column + len > 100 && column > INDENT {
                write!(f, "\n{:1$}", "", INDENT - 1)?;
                column = INDENT;
            }
            write!(f, " {word}")?;
            column += len;
        }
        writeln!(f)?;
    }
    writeln!(
        f,
        "\nverdict: {} ({} requests by the {} door, isolation {}, seed {}, {} KiB of memory)",
        report.verdict,
        report.requests,
        report.door,
        name_of(report.isolation),
        report.seed,
        report.memory / 1024
    )
}
