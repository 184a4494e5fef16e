//! `lavandula-bench fleet`: servers behind a balancer, of which one is drained and one
//! killed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::serve::{Verdict, seconds};
use crate::Failure;
use crate::fleet::traffic::Pace;
use crate::fleet::{self, Plan, Safeguard};
use crate::progress::{Steps, print};

/// Looks at what clients see when a server ends: several servers behind HAProxy, under
/// load. Of `lavandula serve`, one is drained and replaced by another build, and another
/// one is killed; of wasmCloud's hosts, one is killed and a blank one started.
///
/// Exits with 1 where a request failed that should not have: any while one is drained
/// or replaced, and while one is killed any that may be sent twice.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// What serves.
    #[arg(long, value_enum, default_value_t = Of::Lavandula)]
    of: Of,
    /// Servers behind the balancer.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    servers: u8,
    /// Clients, each with a connection that it keeps.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    clients: u16,
    /// Requests in a second, of all clients together.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds for which it goes on after each thing that is done.
    #[arg(long, value_name = "N", default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Leave this out, to see what it is good for.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    without: Vec<Safeguard>,
    /// Where the program is that serves. Default: `lavandula` beside this program, built
    /// if need be, or what was built in benches/wasmcloud.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    Lavandula,
    Wasmcloud,
}

/// Runs it.
///
/// # Errors
/// [`Failure`] where there is no report.
pub fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let plan = Plan {
        members: arguments.servers.into(),
        pace: Pace {
            clients: arguments.clients.into(),
            rate: arguments.rate,
        },
        time: Duration::from_secs_f64(arguments.seconds),
        without: arguments.without.clone(),
        program: arguments.program.clone(),
        command: command(arguments),
    };
    let steps = Steps::new();
    let report = match arguments.of {
        Of::Lavandula => fleet::ours::run(&plan, &steps)?,
        Of::Wasmcloud => fleet::wasmcloud::run(&plan, &steps)?,
    };
    print(&if arguments.json {
        let text = serde_json::to_string_pretty(&report);
        text.map_err(|error| Failure::Print(error.into()))? + "\n"
    } else {
        fleet::table(&report)
    })?;
    match report.out_of_bound() {
        0 => Ok(Verdict::Clean),
        _ => Ok(Verdict::Errors),
    }
}

/// The command line that does the same again. Paths of this machine are left out.
fn command(arguments: &Arguments) -> String {
    let mut line = format!(
        "cargo run --release -p lavandula-bench -- fleet --servers {} --clients {} --rate {} \
         --seconds {}",
        arguments.servers, arguments.clients, arguments.rate, arguments.seconds
    );
    if arguments.of == Of::Wasmcloud {
        line.push_str(" --of wasmcloud");
    }
    if !arguments.without.is_empty() {
        let names: Vec<_> = arguments
            .without
            .iter()
            .map(|one| format!("{one:?}"))
            .collect();
        line.push_str(" --without ");
        line.push_str(&names.join(",").to_lowercase());
    }
    line
}
