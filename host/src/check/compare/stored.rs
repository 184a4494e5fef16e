//! A report that was written as JSON, read again.
#![forbid(unsafe_code)]

use serde_json::Value;

use super::super::report::{FORMAT, Report, Verdict};

/// Why a text is no report that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// It is not JSON.
    #[error(
        "it is not JSON ({0}): store a report with `lavandula check --json > FILE`, and nothing else in the file"
    )]
    Json(#[source] serde_json::Error),
    /// It is what a comparison printed.
    #[error(
        "it is a comparison of two reports: store one report, with `lavandula check --json` and \
         nothing to compare with"
    )]
    Comparison,
    /// It is JSON of something else.
    #[error(
        "it is JSON, but no report of `lavandula check`, which has a `format`: store one with \
         `lavandula check --json > FILE`"
    )]
    Another,
    /// It was written in another form.
    #[error(
        "it has format {found}, and this lavandula reads format {FORMAT}: make it again with \
         this lavandula, or use the one that made it"
    )]
    Format {
        /// The form that it has.
        found: u64,
    },
    /// It has the right form, and something in it is wrong.
    #[error("it is no report as lavandula writes them ({0}): make it again")]
    Malformed(#[source] serde_json::Error),
    /// Its verdict does not follow from its evidence.
    #[error("its verdict does not follow from its evidence, so it was edited: make it again")]
    Verdict,
}

impl Report {
    /// The report as JSON, on one line: what `lavandula check --json` prints.
    ///
    /// # Errors
    /// None that can be named: what a report consists of can be written.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The report that was written as this JSON.
    ///
    /// # Errors
    /// Where it is none, or was written in another form.
    pub fn from_json(text: &str) -> Result<Self, StoredError> {
        let value: Value = serde_json::from_str(text).map_err(StoredError::Json)?;
        if value.get("baseline").is_some() && value.get("candidate").is_some() {
            return Err(StoredError::Comparison);
        }
        let format = value.get("format").and_then(Value::as_u64);
        match format.ok_or(StoredError::Another)? {
            found if found == u64::from(FORMAT) => {}
            found => return Err(StoredError::Format { found }),
        }
        let report: Self = serde_json::from_value(value).map_err(StoredError::Malformed)?;
        let holds = report.evidence.iter().all(|evidence| evidence.holds);
        if holds != (report.verdict == Verdict::Holds) {
            return Err(StoredError::Verdict);
        }
        Ok(report)
    }
}
