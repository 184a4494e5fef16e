//! A report as JUnit XML, which is what CI systems read.
//!
//! There is no standard. This keeps to what the schemas in use have in common, of
//! which the narrowest is Jenkins' `junit-10.xsd`: suites with properties and cases,
//! cases with one failure, skip or output.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::path::Path;

use super::super::compare::{Comparison, Figure, FigureChange, Judgement};
use super::super::report::{Culprit, Evidence, Report, name_of};
use super::table;

/// A suite for the check, and a case for each kind of evidence.
pub fn junit(report: &Report) -> String {
    document(&[of_report(report)])
}

/// A suite for the check of the candidate, and one for the comparison, with a case
/// for each figure and each kind of evidence.
pub fn junit_of_comparison(comparison: &Comparison) -> String {
    document(&[of_report(&comparison.candidate), of_comparison(comparison)])
}

struct Suite {
    name: String,
    properties: Vec<(String, String)>,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    name: &'static str,
    found: Found,
}

enum Found {
    Passed {
        output: String,
    },
    Skipped {
        why: String,
    },
    Failed {
        kind: &'static str,
        message: String,
        text: String,
    },
}

fn of_report(report: &Report) -> Suite {
    let mut properties = vec![
        ("lavandula".to_owned(), report.lavandula.clone()),
        ("verdict".to_owned(), report.verdict.to_string()),
        ("requests".to_owned(), report.requests.to_string()),
        ("seed".to_owned(), report.seed.to_string()),
        ("door".to_owned(), report.door.to_string()),
        ("isolation".to_owned(), name_of(report.isolation).to_owned()),
    ];
    if let Some(overlap) = &report.overlap {
        let told = [
            ("overlap.at_a_time", overlap.at_a_time),
            ("overlap.in_flight", overlap.in_flight),
        ];
        let told = told.map(|(name, number)| (name.to_owned(), number.to_string()));
        properties.extend(told);
    }
    if let Some(component) = &report.component {
        properties.push(("component".to_owned(), component.clone()));
    }
    properties.push(("memory".to_owned(), report.memory.to_string()));
    for figure in Figure::ALL {
        if let Some(amount) = figure.of(&report.figures) {
            properties.push((format!("figures.{figure}"), amount.to_string()));
        }
    }
    let class = class("lavandula.check", report);
    Suite {
        name: name("lavandula check", report),
        properties,
        cases: report
            .evidence
            .iter()
            .map(|evidence| Case {
                class: class.clone(),
                name: evidence.kind.name(),
                found: of_evidence(evidence),
            })
            .collect(),
    }
}

fn of_evidence(evidence: &Evidence) -> Found {
    if evidence.holds {
        return Found::Passed {
            output: evidence.detail.clone(),
        };
    }
    let mut text = format!("{}\n\nexpected: {}\n", evidence.detail, evidence.expected);
    if let Some(culprit) = &evidence.culprit {
        text.push_str(&of_culprit(culprit));
    }
    Found::Failed {
        kind: "broken",
        message: evidence.detail.clone(),
        text,
    }
}

fn of_culprit(culprit: &Culprit) -> String {
    let mut text = String::new();
    for (label, line) in table::lines(culprit) {
        text.push_str(&format!("{label}: {line}\n"));
    }
    if let Some(replay) = &culprit.replay {
        text.push_str(&format!("replay with:\n{replay}\n"));
    }
    text
}

fn of_comparison(comparison: &Comparison) -> Suite {
    let Comparison {
        baseline,
        candidate,
        ..
    } = comparison;
    let mut properties = vec![
        ("trend".to_owned(), comparison.trend.to_string()),
        ("baseline.lavandula".to_owned(), baseline.lavandula.clone()),
        ("baseline.verdict".to_owned(), baseline.verdict.to_string()),
    ];
    if let Some(component) = &baseline.component {
        properties.push(("baseline.component".to_owned(), component.clone()));
    }
    let class = class("lavandula.compare", candidate);
    let figures = comparison.figures.iter().map(|change| Case {
        class: class.clone(),
        name: change.figure.name(),
        found: of_figure(change),
    });
    let evidence = comparison.evidence.iter().map(|change| Case {
        class: class.clone(),
        name: change.kind.name(),
        found: judged(
            change.judgement,
            match (change.before, change.after) {
                (Some(true), Some(false)) => "it held before and is broken now",
                (Some(false), Some(true)) => "it was broken before and holds now",
                (Some(true), Some(true)) => "it holds as before",
                (Some(false), Some(false)) => "it is broken as before",
                _ => "only one of the reports has it",
            }
            .to_owned(),
        ),
    });
    Suite {
        name: name("lavandula compare", candidate),
        properties,
        cases: figures.chain(evidence).collect(),
    }
}

fn of_figure(change: &FigureChange) -> Found {
    let tell = |amount: Option<u64>| {
        amount.map_or_else(|| "not told".to_owned(), |amount| change.unit.tell(amount))
    };
    let mut text = format!("{} before, {} now", tell(change.before), tell(change.after));
    if let (Judgement::Worse | Judgement::Within, Some(limit)) = (change.judgement, change.limit) {
        text.push_str(&format!(", {} allowed", change.unit.tell(limit)));
    }
    judged(change.judgement, text)
}

fn judged(judgement: Judgement, text: String) -> Found {
    match judgement {
        Judgement::Worse => Found::Failed {
            kind: "worse",
            message: text.clone(),
            text,
        },
        Judgement::Unjudged => Found::Skipped { why: text },
        Judgement::Better | Judgement::Same | Judgement::Within => Found::Passed { output: text },
    }
}

/// The name of a suite, which tells checks of several components in one file apart.
fn name(what: &str, report: &Report) -> String {
    match &report.component {
        None => what.to_owned(),
        Some(component) => format!("{what} {component}"),
    }
}

/// The class of the cases. CI systems follow a test over time by it and by its name, so
/// it has the component's name and not the folder, which differs between machines;
/// and dots in it would be packages.
fn class(what: &str, report: &Report) -> String {
    let component = report.component.as_deref().map(Path::new);
    match component.and_then(Path::file_stem) {
        None => what.to_owned(),
        Some(stem) => format!("{what}.{}", stem.to_string_lossy().replace('.', "_")),
    }
}

fn document(suites: &[Suite]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = write_suites(&mut xml, suites);
    xml
}

fn write_suites(xml: &mut String, suites: &[Suite]) -> std::fmt::Result {
    let tests: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let failures: usize = suites.iter().map(Suite::failures).sum();
    writeln!(
        xml,
        "<testsuites name=\"lavandula\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">"
    )?;
    for suite in suites {
        writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            attribute(&suite.name),
            suite.cases.len(),
            suite.failures(),
            suite.skipped()
        )?;
        writeln!(xml, "    <properties>")?;
        for (name, value) in &suite.properties {
            writeln!(
                xml,
                "      <property name=\"{}\" value=\"{}\"/>",
                attribute(name),
                attribute(value)
            )?;
        }
        writeln!(xml, "    </properties>")?;
        for case in &suite.cases {
            write_case(xml, case)?;
        }
        writeln!(xml, "  </testsuite>")?;
    }
    writeln!(xml, "</testsuites>")
}

fn write_case(xml: &mut String, case: &Case) -> std::fmt::Result {
    writeln!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\">",
        attribute(case.name),
        attribute(&case.class)
    )?;
    match &case.found {
        Found::Passed { output } => {
            writeln!(xml, "      <system-out>{}</system-out>", content(output))?;
        }
        Found::Skipped { why } => {
            writeln!(xml, "      <skipped message=\"{}\"/>", attribute(why))?;
        }
        Found::Failed {
            kind,
            message,
            text,
        } => {
            writeln!(
                xml,
                "      <failure type=\"{kind}\" message=\"{}\">{}</failure>",
                attribute(message),
                content(text)
            )?;
        }
    }
    writeln!(xml, "    </testcase>")
}

impl Suite {
    fn failures(&self) -> usize {
        let failed = |case: &&Case| matches!(case.found, Found::Failed { .. });
        self.cases.iter().filter(failed).count()
    }

    fn skipped(&self) -> usize {
        let skipped = |case: &&Case| matches!(case.found, Found::Skipped { .. });
        self.cases.iter().filter(skipped).count()
    }
}

/// Text between tags.
fn content(text: &str) -> String {
    // Unescaped, a parser would make a line end of it.
    escape(text, |character| (character == '\r').then_some("&#13;"))
}

/// Text between quotes, where line ends and tabs would become blanks.
fn attribute(text: &str) -> String {
    escape(text, |character| match character {
        '"' => Some("&quot;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        '\t' => Some("&#9;"),
        _ => None,
    })
}

fn escape(text: &str, special: impl Fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|&character| allowed(character)) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            // Alone it does no harm; after `]]` it does.
            '>' => escaped.push_str("&gt;"),
            other => match special(other) {
                Some(entity) => escaped.push_str(entity),
                None => escaped.push(other),
            },
        }
    }
    escaped
}

/// XML 1.0 has no way to write the other ones, not even escaped.
fn allowed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}
