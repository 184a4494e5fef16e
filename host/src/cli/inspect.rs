//! `lavandula inspect`: what a component is, without running it.

use std::path::PathBuf;
use std::process::ExitCode;

use lavandula_host::inspect::Inspection;

use super::subject::Subject;
use super::{Result, print};

/// Tells what a component exports, imports and starts with, without running it.
///
/// Where the component lies as `lavandula build` has left it, with the file
/// NAME.wasm.symbols beside it, also which of its statics may change, the largest
/// first: with InvocationHeap a rewind copies them after each request.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A component, or the folder of a handler crate to build first. Default:
    /// the sample handler.
    #[arg(value_name = "COMPONENT|PATH")]
    subject: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let subject = Subject::resolve(arguments.subject.as_deref())?;
    let inspection = Inspection::of_file(&subject.component)?;
    if arguments.json {
        print(&format!("{}\n", serde_json::to_string(&inspection)?))?;
    } else {
        print(&inspection.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
