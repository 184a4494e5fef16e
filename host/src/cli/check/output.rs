//! How `lavandula check` tells what it found: a table, JSON, JUnit, a page.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::AutoStream;
use clap::ColorChoice;
use lavandula_host::check::{Colour, Comparison, Look, Report, SCHEMA, junit, junit_of_comparison};
use serde::Serialize;

use super::super::{BROKEN, Result, print};

/// How the report is told.
#[derive(Debug, clap::Args)]
// Its name is that of others, and clap would make a group of it.
#[group(skip)]
pub struct Arguments {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of the report, and check nothing.
    #[arg(long)]
    json_schema: bool,
    /// Write the report to this file as JUnit XML too, for CI.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report to this file as a page too, with the map of memory over the
    /// requests.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Whether the table has colours. `auto` means: on a terminal, unless NO_COLOR says
    /// otherwise, and elsewhere where CLICOLOR_FORCE does.
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

impl Arguments {
    /// Whether the schema is all that is asked for.
    pub fn schema_only(&self) -> bool {
        self.json_schema
    }

    /// Tells what one check found.
    pub fn report(&self, report: &Report) -> Result<ExitCode> {
        self.page(report)?;
        self.tell(
            report,
            || junit(report),
            || report.shown(self.look()).to_string(),
        )?;
        Ok(code(report.holds()))
    }

    /// Tells what two of them come to, and all of the second one, which is the one
    /// that is judged.
    pub fn comparison(&self, comparison: &Comparison) -> Result<ExitCode> {
        let table = || {
            let look = self.look();
            let candidate = comparison.candidate.shown(look);
            format!("{candidate}\n{}", comparison.shown(look))
        };
        self.page(&comparison.candidate)?;
        self.tell(comparison, || junit_of_comparison(comparison), table)?;
        Ok(code(comparison.passes()))
    }

    fn page(&self, report: &Report) -> Result<()> {
        match &self.html {
            Some(file) => write(file, &report.html()),
            None => Ok(()),
        }
    }

    /// The file first: where it cannot be written, nothing says that all went well.
    fn tell(
        &self,
        data: &impl Serialize,
        junit: impl FnOnce() -> String,
        table: impl FnOnce() -> String,
    ) -> Result<()> {
        if let Some(file) = &self.junit {
            write(file, &junit())?;
        }
        if self.json {
            print(&format!("{}\n", serde_json::to_string(data)?))
        } else {
            print(&table())
        }
    }

    fn look(&self) -> Look {
        let stdout = std::io::stdout();
        let colour = match self.color {
            ColorChoice::Never => Colour::Off,
            ColorChoice::Always => Colour::On,
            ColorChoice::Auto => match AutoStream::choice(&stdout) {
                anstream::ColorChoice::Never => Colour::Off,
                _ => Colour::On,
            },
        };
        Look::new(width(), colour)
    }
}

/// Prints the schema.
pub fn schema() -> Result<ExitCode> {
    print(SCHEMA)?;
    Ok(ExitCode::SUCCESS)
}

/// What a report calls this component: its path, without the folder that the command
/// runs in. That one is another on each machine, and a stored report should not be.
pub fn named(component: &Path) -> String {
    let here = std::env::current_dir().ok();
    let inside = here.and_then(|here| component.strip_prefix(here).ok());
    inside.unwrap_or(component).display().to_string()
}

fn code(good: bool) -> ExitCode {
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(BROKEN),
    }
}

/// The columns of the table: as the environment says, as the terminal has, or as
/// many as fit into a log.
fn width() -> usize {
    let told = std::env::var("COLUMNS").ok();
    let told = told.and_then(|columns| columns.parse().ok());
    let told = told.filter(|&columns: &usize| columns > 0);
    let terminal = || {
        let stdout = std::io::stdout();
        let size = stdout
            .is_terminal()
            .then(|| terminal_size::terminal_size_of(&stdout));
        size.flatten().map(|(width, _)| usize::from(width.0))
    };
    told.or_else(terminal).unwrap_or(Look::WIDTH)
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|error| {
        format!(
            "cannot write {}: {error}: name a file in a folder that exists and may be written to",
            file.display()
        )
        .into()
    })
}
