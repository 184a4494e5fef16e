//! Several servers behind a balancer, and what clients see of it when one of them is
//! drained, replaced or killed.
//!
//! ```text
//! ours, wasmcloud      what is done, one thing after the other
//!   │
//!   ├─► servers ──► balancer ◄── traffic ──► timeline ──► report ──► table
//!   │               (HAProxy)    (clients)   (windows)
//!   └─► builds                      └── reply
//! ```
//!
//! The balancer is a stock HAProxy, told what its manual tells everybody: to look at
//! readiness, to try elsewhere what did not come through, and what may be sent twice.
//! [`Safeguard`]s are left out one by one to see that failures are counted where there
//! are any.

pub mod balancer;
pub mod builds;
pub mod ours;
pub mod report;
pub mod timeline;
pub mod traffic;
pub mod wasmcloud;

mod reply;
mod servers;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use traffic::Pace;

pub use report::Report;
pub use table::print as table;

/// What keeps clients from seeing that a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Safeguard {
    /// The balancer asks each server whether it is ready.
    Readiness,
    /// The balancer tries elsewhere what did not come through.
    Retries,
    /// A server that is told to end goes on for a while.
    Delay,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Servers behind the balancer, two at least.
    pub members: usize,
    /// What the clients do.
    pub pace: Pace,
    /// How long each window lasts in which nothing is waited for.
    pub time: Duration,
    /// What is left out.
    pub without: Vec<Safeguard>,
    /// The program that serves, where it is not the one that is built here.
    pub program: Option<PathBuf>,
    /// The command line that does it again.
    pub command: String,
}

impl Plan {
    fn has(&self, safeguard: Safeguard) -> bool {
        !self.without.contains(&safeguard)
    }
}

/// Before anything counts: connections are opened, and code is paged in.
const WARM_UP: Duration = Duration::from_secs(1);
