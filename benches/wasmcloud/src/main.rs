//! wasmCloud on NATS with a component of this project: its host and its scheduler as
//! libraries, so that no installation is needed but that of `nats-server`.
//!
//! ```text
//! serve:      nats + host + place           one process, one component, one port
//! scheduler:  nats + wadm, with a manifest  ◄── NATS ──► host, host, ...
//! ```
//!
//! `lavandula-bench fleet --of wasmcloud` runs a scheduler and hosts behind a balancer.
#![forbid(unsafe_code)]
// The futures of the host are nested deeper than rustc looks by default.
#![recursion_limit = "512"]

mod host;
mod life;
mod nats;
mod place;
mod scheduler;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use nats::Nats;

/// The version of the host that this is around, as in Cargo.toml.
const HOST: &str = "0.27.1";

/// wasmCloud on NATS, with a component of a lavandula handler.
///
/// Each command goes on until SIGTERM, Ctrl-C or the end of its standard input.
#[derive(Debug, Parser)]
#[command(name = "wasmcloud-host", version = HOST, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves one component: a NATS server, a host and the host's own HTTP server.
    ///
    /// Prints `Serving HTTP on http://ADDR/` once the component answers.
    Serve {
        /// The component, with `wasi:http/incoming-handler`.
        component: PathBuf,
        /// Address to listen on. No port 0: it is told to others.
        #[arg(long, default_value = "127.0.0.1:8000")]
        addr: SocketAddr,
        /// Where `nats-server` is, 2.10 or later. Default: on the PATH.
        #[arg(long, value_name = "PATH")]
        nats_server: Option<PathBuf>,
    },
    /// One host, without anything in it.
    Host {
        /// The NATS server, as the scheduler prints it.
        #[arg(long, value_name = "URL")]
        nats: String,
        /// A label by which manifests choose it.
        #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
        label: Vec<(String, String)>,
    },
    /// A NATS server and wadm, which puts onto the hosts what the manifest says.
    ///
    /// Prints `NATS on nats://ADDR/` once hosts may connect.
    Scheduler {
        /// The manifest.
        manifest: PathBuf,
        /// Where `nats-server` is, 2.10 or later. Default: on the PATH.
        #[arg(long, value_name = "PATH")]
        nats_server: Option<PathBuf>,
    },
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is no label: write it as name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What host and scheduler say: errors, or what `RUST_LOG` asks for.
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let ran = tokio::runtime::Runtime::new()
        .context("there is no runtime")
        .and_then(|runtime| {
            let ran = runtime.block_on(run(arguments.command));
            // Not waited for: a thread still reads the standard input.
            runtime.shutdown_background();
            ran
        });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(command: Command) -> Result<()> {
    let mut end = pin!(life::end()?);
    match command {
        Command::Serve {
            component,
            addr,
            nats_server,
        } => {
            let nats = Nats::start(nats_server.as_deref()).await?;
            let host = host::start(nats.url(), BTreeMap::new()).await?;
            let id = host.id();
            tokio::select! {
                served = place::serve(nats.url(), &id, &component, addr) => served?,
                () = &mut end => return host.stop().await,
            }
            println!("Serving HTTP on http://{addr}/");
            end.await;
            host.stop().await
        }
        Command::Host { nats, label } => {
            let host = host::start(&nats, label.into_iter().collect()).await?;
            println!(
                "Host {} in the lattice of {}/",
                host.id(),
                nats.trim_end_matches('/')
            );
            end.await;
            host.stop().await
        }
        Command::Scheduler {
            manifest,
            nats_server,
        } => {
            let nats = Nats::start(nats_server.as_deref()).await?;
            let scheduler = tokio::select! {
                started = scheduler::start(nats.address(), &manifest) => started?,
                () = &mut end => return Ok(()),
            };
            println!("NATS on {}/", nats.url());
            tokio::select! {
                () = end => Ok(()),
                error = scheduler.ended() => Err(error),
            }
        }
    }
}
