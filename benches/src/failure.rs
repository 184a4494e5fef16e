//! Why a run ended without a report. Each says what to do next.

use std::io;
use std::path::PathBuf;

use lavandula_host::build::BuildError;

/// Why a run ended without a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A program that is needed could not be started.
    #[error("cannot run {program}: {error}; install it, or put it on the PATH")]
    Spawn {
        /// The program.
        program: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The workspace could not be read.
    #[error("cannot read the workspace: {0}; run this from a checkout of it")]
    Workspace(String),
    /// The target could not be added.
    #[error(transparent)]
    Target(#[from] BuildError),
    /// The guest was not built.
    #[error("the guest was not built: {0}")]
    Build(String),
    /// The guest is not what this was written for.
    #[error("the guest's module is not as expected: {0}; `benches` and `benches/guest` differ")]
    Module(String),
    /// wasmtime does not do what is asked of it.
    #[error(
        "wasmtime cannot be set up: {0}; its pools need some terabytes of address space, so see \
         that no `ulimit -v` denies them"
    )]
    Engine(String),
    /// A guest trapped.
    #[error("{what} failed: {reason}")]
    Guest {
        /// What it was doing.
        what: String,
        /// What it said, or where it trapped.
        reason: String,
    },
    /// Node is asked for and not there.
    #[error(
        "node is asked for and cannot be used: {0}; install Node.js 20 or later, or run with \
         `--engine wasmtime`"
    )]
    Node(String),
    /// A server does not do what it is to do.
    #[error("{server} cannot be measured: {reason}")]
    Server {
        /// The server.
        server: String,
        /// What it does instead.
        reason: String,
    },
    /// The system denies the client something.
    #[error("the client of the servers cannot work: {0}")]
    Client(io::Error),
    /// The `wasmtime` that was named is none.
    #[error("{0}")]
    Wasmtime(String),
    /// Servers and client cannot be kept apart.
    #[error("servers and client cannot be kept apart: {0}; run with `--pin no`")]
    Placement(String),
    /// Too few files may be open.
    #[error(
        "{needed} files are needed for so many connections and {allowed} may be open: raise the \
         limit with `ulimit -Hn`, or run with fewer `--connections`"
    )]
    Files {
        /// How many may be open.
        allowed: u64,
        /// How many are needed.
        needed: u64,
    },
    /// No such server, or load.
    #[error("there is no {kind} `{name}`: choose from {known}")]
    Unknown {
        /// What is not known.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No such workload.
    #[error("there is no workload `{name}`: choose from {known}")]
    UnknownWorkload {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The report could not be written.
    #[error("cannot write {}: {error}; choose another place", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What an earlier run has written down cannot be read.
    #[error("{} is no record of an earlier run: {reason}; move it away, or choose another place \
             with `--page`", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The report could not be printed.
    #[error("cannot write to stdout: {0}: see where it leads")]
    Print(io::Error),
}
