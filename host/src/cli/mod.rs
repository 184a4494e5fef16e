//! The command line: what there is to say, and what to do about it.

mod build;
mod check;
mod compare;
mod compile;
mod config_file;
mod grants;
mod inspect;
mod npm;
mod serve;
mod subject;
mod tell;
mod units;
mod watch;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a command that could not do its work exits with.
const FAILED: u8 = 2;
/// What a check exits with whose verdict does not hold.
const BROKEN: u8 = 1;

/// Per-request memory for WebAssembly edge handlers: builds handlers, serves
/// them one instance per request, and checks that their memory is reused.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such
    /// as `info,lavandula_host=debug`.
    #[arg(long, global = true, env = "LAVANDULA_LOG", default_value = "info")]
    log: String,
    /// How to log: a line of text for people, or a JSON object on a line.
    #[arg(
        long,
        global = true,
        env = "LAVANDULA_LOG_FORMAT",
        value_enum,
        default_value_t = tell::LogFormat::Text
    )]
    log_format: tell::LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Arguments),
    Serve(Box<serve::Arguments>),
    Compile(compile::Arguments),
    Check(Box<check::Arguments>),
    Inspect(inspect::Arguments),
    Npm(npm::Arguments),
}

/// A failure with what to do about it, ready to be printed.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub fn main() -> ExitCode {
    let arguments = match config_file::arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            return ExitCode::from(FAILED);
        }
    };
    if let Err(error) = tell::log(&arguments.log, arguments.log_format) {
        eprintln!("error: {error}");
        return ExitCode::from(FAILED);
    }

    let done = match arguments.command {
        Command::Build(arguments) => build::run(arguments),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Compile(arguments) => compile::run(arguments),
        Command::Check(arguments) => check::run(*arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Npm(arguments) => npm::run(arguments),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", chain(&*error));
        ExitCode::from(FAILED)
    })
}

/// Writes to stdout, whole. Where nobody takes it (a full disk, a closed pipe)
/// that is an error like others, and not the panic that `println!` makes of it.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to stdout: {error}: see where it leads").into())
}

/// An error with its causes, each of which says more than the one before.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&line) {
            text.push_str("\n  because: ");
            text.push_str(line.trim_end());
        }
        cause = error.source();
    }
    text
}
