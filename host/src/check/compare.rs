//! Two reports side by side: what has become better or worse from one build of a
//! handler to the next.
//!
//! Both have to be of the same check: the same requests by the same door with the same
//! isolation. Then a difference in a figure is one of the handlers, and not of what
//! they were asked.
#![forbid(unsafe_code)]

mod figure;
mod stored;
mod thresholds;

use std::fmt;

use serde::Serialize;

use super::Plan;
use super::report::{FORMAT, Kind, Report, name_of};
use super::show::Look;

pub use self::figure::{Figure, Unit, UnknownFigure};
pub use self::stored::StoredError;
pub use self::thresholds::{Allowance, AllowanceError, Thresholds};

/// A candidate beside a baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The form of the JSON: the same number as that of the reports in it.
    pub format: u32,
    /// What it comes to.
    pub trend: Trend,
    /// Every figure.
    pub figures: Vec<FigureChange>,
    /// Every kind of evidence that either of them has.
    pub evidence: Vec<EvidenceChange>,
    /// What was there before.
    pub baseline: Report,
    /// What is there now.
    pub candidate: Report,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trend {
    /// Something is better, and nothing is worse.
    Better,
    /// Nothing that is judged has changed by more than is allowed.
    Same,
    /// At least one thing is worse.
    Worse,
}

/// What is said of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Judgement {
    /// It is better.
    Better,
    /// It has not changed.
    Same,
    /// It is worse, by no more than is allowed.
    Within,
    /// It is worse.
    Worse,
    /// It is told only: it is not known of both, or not asked for.
    Unjudged,
}

/// One figure, before and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FigureChange {
    /// Which.
    #[serde(rename = "name")]
    pub figure: Figure,
    /// What it counts.
    pub unit: Unit,
    /// What it was, where that is known.
    pub before: Option<u64>,
    /// What it is, where that is known.
    pub after: Option<u64>,
    /// By how much it is more than before.
    pub difference: Option<i64>,
    /// The same in percent of what it was, with two decimals; nothing where it was
    /// zero and is not any more.
    pub percent: Option<f64>,
    /// The most that it may be, where it is judged.
    pub limit: Option<u64>,
    /// What is said of it.
    pub judgement: Judgement,
}

/// One kind of evidence, before and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EvidenceChange {
    /// Which.
    #[serde(rename = "name")]
    pub kind: Kind,
    /// Whether it held, where the baseline has it.
    pub before: Option<bool>,
    /// Whether it holds, where the candidate has it.
    pub after: Option<bool>,
    /// What is said of it.
    pub judgement: Judgement,
}

/// Two reports that are not of the same check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomparable(Vec<Difference>);

/// A thing in which they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    what: &'static str,
    before: String,
    now: String,
    advice: String,
}

impl fmt::Display for Incomparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this check and its baseline cannot be compared:")?;
        for (number, difference) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let Difference {
                what, before, now, ..
            } = difference;
            write!(f, "{comma} the {what} was {before} and is {now}")?;
        }
        let advice: Vec<_> = self.0.iter().map(|one| one.advice.as_str()).collect();
        write!(
            f,
            ": check with {}, or make the baseline again",
            advice.join(" ")
        )
    }
}

impl std::error::Error for Incomparable {}

impl Incomparable {
    fn unless_same(differences: impl IntoIterator<Item = Option<Difference>>) -> Result<(), Self> {
        let differences: Vec<_> = differences.into_iter().flatten().collect();
        if differences.is_empty() {
            Ok(())
        } else {
            Err(Self(differences))
        }
    }
}

fn differ(
    what: &'static str,
    option: &str,
    before: impl fmt::Display,
    now: impl fmt::Display,
) -> Option<Difference> {
    let (before, now) = (before.to_string(), now.to_string());
    (before != now).then(|| Difference {
        what,
        advice: format!("{option} {before}"),
        before,
        now,
    })
}

/// Whether it ended before all requests were sent, since one failed.
fn ended_early(report: &Report) -> bool {
    report
        .evidence(Kind::Answers)
        .is_some_and(|evidence| !evidence.holds)
}

impl Report {
    /// Whether a check with this plan can be compared with this report as its
    /// baseline, as far as that is known before it is made.
    ///
    /// # Errors
    /// Where it cannot: with what differs.
    pub fn fits(&self, plan: &Plan) -> Result<(), Incomparable> {
        Incomparable::unless_same([
            differ(
                "isolation",
                "--isolation",
                name_of(self.isolation),
                name_of(plan.isolation),
            ),
            differ("seed", "--seed", self.seed, plan.seed),
            differ(
                "number of requests",
                "--requests",
                self.requests,
                plan.requests,
            )
            .filter(|_| !ended_early(self)),
        ])
    }
}

impl Comparison {
    /// Compares what is there now with what was there before.
    ///
    /// A check that ended early, since a request failed, has fewer requests than
    /// asked for: its evidence is compared, and its figures are told only.
    ///
    /// # Errors
    /// Where they are not of the same check: with what differs.
    pub fn of(
        baseline: &Report,
        candidate: &Report,
        thresholds: &Thresholds,
    ) -> Result<Self, Incomparable> {
        let same_requests = baseline.requests == candidate.requests;
        let shorter = match baseline.requests < candidate.requests {
            true => baseline,
            false => candidate,
        };
        Incomparable::unless_same([
            (baseline.format != candidate.format).then(|| Difference {
                what: "format of the report",
                before: baseline.format.to_string(),
                now: candidate.format.to_string(),
                advice: format!("the lavandula that made it ({})", baseline.lavandula),
            }),
            differ("door", "--door", baseline.door, candidate.door),
            differ(
                "isolation",
                "--isolation",
                name_of(baseline.isolation),
                name_of(candidate.isolation),
            ),
            differ(
                "number of requests at a time",
                "--overlap",
                at_a_time(baseline),
                at_a_time(candidate),
            ),
            differ("seed", "--seed", baseline.seed, candidate.seed),
            differ(
                "number of requests",
                "--requests",
                baseline.requests,
                candidate.requests,
            )
            .filter(|_| !ended_early(shorter)),
        ])?;

        let figures: Vec<_> = Figure::ALL
            .into_iter()
            .map(|figure| {
                let before = figure.of(&baseline.figures);
                let after = figure.of(&candidate.figures);
                let limit = before
                    .filter(|_| same_requests)
                    .and_then(|before| thresholds.limit(figure, before));
                FigureChange::new(figure, before, after, limit)
            })
            .collect();
        let evidence: Vec<_> = Kind::ALL
            .into_iter()
            .filter_map(|kind| {
                let held = |report: &Report| report.evidence(kind).map(|evidence| evidence.holds);
                EvidenceChange::new(kind, held(baseline), held(candidate))
            })
            .collect();

        let judgements = || {
            let figures = figures.iter().map(|change| change.judgement);
            figures.chain(evidence.iter().map(|change| change.judgement))
        };
        let any = |wanted| judgements().any(|judgement| judgement == wanted);
        let trend = match (any(Judgement::Worse), any(Judgement::Better)) {
            (true, _) => Trend::Worse,
            (false, true) => Trend::Better,
            (false, false) => Trend::Same,
        };
        Ok(Self {
            format: FORMAT,
            trend,
            figures,
            evidence,
            baseline: baseline.clone(),
            candidate: candidate.clone(),
        })
    }

    /// Whether the candidate is good enough: nothing of it is worse, and its own
    /// verdict holds. One that is broken is not, also where the baseline was.
    pub fn passes(&self) -> bool {
        self.trend != Trend::Worse && self.candidate.holds()
    }
}

impl FigureChange {
    fn new(figure: Figure, before: Option<u64>, after: Option<u64>, limit: Option<u64>) -> Self {
        let both = before.zip(after);
        let judgement = match (both, limit) {
            (Some((before, after)), Some(_)) if after < before => Judgement::Better,
            (Some((before, after)), Some(_)) if after == before => Judgement::Same,
            (Some((_, after)), Some(limit)) if after <= limit => Judgement::Within,
            (Some(_), Some(_)) => Judgement::Worse,
            _ => Judgement::Unjudged,
        };
        Self {
            figure,
            unit: figure.unit(),
            before,
            after,
            difference: both.map(|(before, after)| difference(before, after)),
            percent: both.and_then(|(before, after)| percent(before, after)),
            limit: limit.filter(|_| both.is_some()),
            judgement,
        }
    }
}

/// Requests that an instance got at a time.
fn at_a_time(report: &Report) -> u32 {
    report.overlap.map_or(1, |overlap| overlap.at_a_time)
}

fn difference(before: u64, after: u64) -> i64 {
    let difference = i128::from(after) - i128::from(before);
    let most = if difference < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(difference).unwrap_or(most)
}

/// With two decimals: more of them say nothing about a handler.
fn percent(before: u64, after: u64) -> Option<f64> {
    match (before, after) {
        (0, 0) => Some(0.0),
        (0, _) => None,
        (before, after) => {
            let change = (after as f64 - before as f64) / before as f64;
            Some((change * 10_000.0).round() / 100.0)
        }
    }
}

impl EvidenceChange {
    fn new(kind: Kind, before: Option<bool>, after: Option<bool>) -> Option<Self> {
        let judgement = match (before, after) {
            (None, None) => return None,
            (Some(true), Some(false)) => Judgement::Worse,
            (Some(false), Some(true)) => Judgement::Better,
            (Some(_), Some(_)) => Judgement::Same,
            (None, Some(_)) | (Some(_), None) => Judgement::Unjudged,
        };
        Some(Self {
            kind,
            before,
            after,
            judgement,
        })
    }
}

impl Judgement {
    /// The words for it in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Within => "allowed",
            Self::Worse => "WORSE",
            Self::Unjudged => "not judged",
        }
    }
}

/// The table for people, without colours, in 100 columns.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(Look::PLAIN).fmt(f)
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
        })
    }
}

#[cfg(test)]
mod tests;
