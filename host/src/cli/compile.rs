//! `lavandula compile`: a component becomes machine code.

use std::path::PathBuf;
use std::process::ExitCode;

use lavandula_host::Door;
use lavandula_host::ahead::{self, Machine};

use super::subject::Subject;
use super::{Result, print};

/// Compiles a component ahead of time and prints where the code is.
///
/// A server starts faster with it, and needs `--allow-precompiled` for it. The code
/// is good for this version of lavandula, so compile again with the next one; and for
/// this machine, or for all machines of the kind that `--target` names.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A component, or the folder of a handler crate to build first. Default:
    /// the sample handler.
    #[arg(value_name = "COMPONENT|PATH")]
    subject: Option<PathBuf>,
    /// Where to put the code. Default: beside the component, as NAME.cwasm.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compile for every machine of this kind, such as x86_64-unknown-linux-gnu,
    /// instead of for the processor of this one with all that it can do. The kind has
    /// to be that of this machine: there is a compiler for no other.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Compile for servers that enter the component by this door, without what others
    /// alone need: each request is spared their imports. `serve` takes `fast` where there
    /// is one. Default: for all doors.
    #[arg(long, value_name = "fast|wasi-http|wasi-http-0.3")]
    door: Option<Door>,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let component = Subject::resolve(arguments.subject.as_deref())?.component;
    let output = arguments
        .output
        .unwrap_or_else(|| component.with_extension(ahead::EXTENSION));
    let machine = arguments.target.map_or(Machine::This, Machine::Triple);
    let bytes = ahead::compile_file(&component, &output, &machine, arguments.door)?;
    let file = output.display();
    print(&format!("{file}\n"))?;
    eprintln!(
        "{bytes} bytes for {machine}: serve it with `lavandula serve --allow-precompiled {file}`"
    );
    Ok(ExitCode::SUCCESS)
}
