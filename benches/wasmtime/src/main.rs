//! `wasmtime serve`: the command of wasmtime itself, with this command line around it.
//!
//! What `wasmtime serve` understands is understood here: the options are its own.

use clap::{Parser, Subcommand};
use wasmtime_cli::commands::ServeCommand;

/// Wasmtime, as far as it serves.
#[derive(Parser)]
#[command(name = "wasmtime", version = wasmtime_environ::VERSION)]
struct Wasmtime {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves requests with a component.
    Serve(Box<ServeCommand>),
}

fn main() -> wasmtime::Result<()> {
    let Command::Serve(serve) = Wasmtime::parse().command;
    serve.execute()
}
