//! `lavandula-bench edge`: one handler on every runtime that is there.

use std::path::PathBuf;

use clap::Args;

use super::SEED;
use super::serve::Verdict;
use crate::Failure;
use crate::edge::{self, Plan, programs::Named};
use crate::environment::workspace;
use crate::progress::{Steps, print};

/// The page of this project, from its root.
const PAGE: &str = "docs/edge.md";

/// Runs one handler on every edge runtime that is there, and writes docs/edge.md.
///
/// Exits with 1 where something is wrong: an answer, a marker of another request, or a
/// runtime that was asked for by its name and is not there.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run these only; what the page says of others stays. `makers` are components of
    /// the same handler, made with other packages.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Print what was seen as JSON.
    #[arg(long)]
    json: bool,
    /// Requests with a marker: so many one after the other, and so many again 16 at a time.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// The page that is written, with its record as .json beside it. Default: docs/edge.md
    /// of this workspace.
    #[arg(long, value_name = "FILE.md")]
    page: Option<PathBuf>,
    /// Where `lavandula` is. Default: beside this program, built if need be.
    #[arg(long, value_name = "PATH")]
    lavandula: Option<PathBuf>,
    /// Where `wasmtime` is, or its name on the PATH. Default: built, of the version that
    /// ours is built with.
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
    /// Where `viceroy` is. Default: on the PATH.
    #[arg(long, value_name = "PATH")]
    viceroy: Option<PathBuf>,
    /// Where `lavandula-bench-wasmcloud` is. Default: in benches/wasmcloud, where it is
    /// built.
    #[arg(long, value_name = "PATH")]
    wasmcloud: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// [`Failure`] where there is no report.
pub fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let page = match &arguments.page {
        Some(page) => page.clone(),
        None => workspace()?.join(PAGE),
    };
    let plan = Plan {
        only: arguments.only.clone(),
        requests: arguments.requests,
        named: Named {
            lavandula: arguments.lavandula.clone(),
            wasmtime: arguments.wasmtime.clone(),
            viceroy: arguments.viceroy.clone(),
            wasmcloud: arguments.wasmcloud.clone(),
        },
        seed: SEED,
        page,
    };
    let steps = Steps::new();
    let report = edge::run(&plan, &steps)?;
    steps.done();
    print(&match arguments.json {
        true => {
            let json = serde_json::to_string_pretty(&report.seen);
            json.map_err(|error| Failure::Print(error.into()))? + "\n"
        }
        false => edge::table(&report),
    })?;
    Ok(match report.wrong.is_empty() {
        true => Verdict::Clean,
        false => {
            // On stdout already where it is the table.
            if arguments.json {
                for wrong in &report.wrong {
                    eprintln!("wrong: {wrong}");
                }
            }
            Verdict::Errors
        }
    })
}
