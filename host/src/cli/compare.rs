//! What `lavandula check` compares with: a second build, or a stored report.

use std::path::{Path, PathBuf};

use lavandula_host::check::{Allowance, Plan, Report, Thresholds};

use super::Result;
use super::subject::Subject;

/// What to compare with, and how strictly.
#[derive(Debug, clap::Args)]
// Its name is that of others, and clap would make a group of it.
#[group(skip)]
pub struct Arguments {
    /// A second component or folder: both are checked in the same way, and exit code
    /// 1 says that this one is worse than the first, or broken.
    #[arg(value_name = "CANDIDATE")]
    candidate: Option<PathBuf>,
    /// Compare with this report, which `lavandula check --json` printed.
    #[arg(long, value_name = "FILE", conflicts_with = "candidate")]
    baseline: Option<PathBuf>,
    /// How much worse a figure may become: `memory-peak=5%`, `arena-peak=4KiB`,
    /// `pages-of-a-request=2`; `all=1%` for those that no other --allow is for. May be
    /// given more than once. The component's size is judged only where it is named here.
    #[arg(long, value_name = "FIGURE=AMOUNT")]
    allow: Vec<Allowance>,
}

/// What a check is compared with.
#[derive(Debug)]
pub enum Against {
    /// Nothing.
    Nothing,
    /// A report that there is.
    Stored(Box<Report>),
    /// The check of the first subject; the second one is this.
    First {
        /// What is judged.
        candidate: PathBuf,
    },
}

impl Arguments {
    /// What is judged, where it is the second of two.
    pub fn candidate(&self) -> Option<&Path> {
        self.candidate.as_deref()
    }

    /// Reads what is there to compare with.
    pub fn against(&self) -> Result<Against> {
        match (&self.candidate, &self.baseline) {
            (Some(candidate), _) => Ok(Against::First {
                candidate: candidate.clone(),
            }),
            (None, Some(file)) => Ok(Against::Stored(Box::new(read(file)?))),
            (None, None) if self.allow.is_empty() => Ok(Against::Nothing),
            (None, None) => Err(
                "--allow says how much worse something may become, and there is \
                                 nothing to compare with: give a second component, or --baseline"
                    .into(),
            ),
        }
    }

    /// How much worse it may be.
    pub fn thresholds(&self) -> Result<Thresholds> {
        Ok(Thresholds::new(self.allow.iter().copied())?)
    }
}

impl Against {
    /// Whether a check with this plan can be compared, before it takes its time.
    pub fn fits(&self, plan: &Plan) -> Result<()> {
        match self {
            Self::Stored(baseline) => Ok(baseline.fits(plan)?),
            Self::Nothing | Self::First { .. } => Ok(()),
        }
    }

    /// What is checked: what comes first, where there are two, and what is judged.
    pub fn subjects(&self, first: Option<&Path>) -> Result<(Option<Subject>, Subject)> {
        let Self::First { candidate } = self else {
            return Ok((None, Subject::resolve(first)?));
        };
        let before = Subject::resolve(first)?;
        let judged = Subject::resolve(Some(candidate))?;
        // A shared target folder, for one: then what was built first is gone, and the
        // second build would be compared with itself.
        if before.component == judged.component && first != Some(candidate.as_path()) {
            return Err(format!(
                "both are built as {}, so only the second one is left: build the first one with \
                 `lavandula build --output FILE`, and name that file",
                judged.component.display()
            )
            .into());
        }
        Ok((Some(before), judged))
    }
}

fn read(file: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        format!(
            "cannot read the baseline {}: {error}: make one with `lavandula check --json > FILE`",
            file.display()
        )
    })?;
    Report::from_json(&text)
        .map_err(|error| format!("{} is no baseline: {error}", file.display()).into())
}
