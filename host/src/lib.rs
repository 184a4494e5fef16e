//! Serves WebAssembly edge handlers, one fresh instance per request, with exact
//! limits on what a request may use.
//!
//! ```text
//! config -> engine -> program -> sandbox -> invoke
//!                                   ^
//!                   server -> host -+
//!                                   v
//!                    check -> program -> invoke     (an engine of its own)
//! ```
//!
//! [`Host`] is the way in: it loads a component and answers requests, in a test
//! as well as behind a [`Server`]. What may go wrong is in one place each:
//! [`LoadError`] before the first request, [`Failure`] in a request,
//! [`ServeError`] for the socket.
//!
//! # What a guest can do
//! Read its request, use up to [`Limits::max_memory`] bytes for
//! [`Limits::timeout`], look at the clock, draw random numbers, write to the
//! log and answer. Files, the environment, sockets and requests of its own are
//! there as far as [`Grants`] say, which is not at all where nothing is said.
//!
//! # What keeps requests apart
//! An instance serves one request, as a type: see [`sandbox`]. Its memory comes
//! from a pool of slots and goes back there; the slot is put back, by the
//! kernel or by copying, to what the component's image says before anybody else
//! gets it. With [`Isolation::Rewind`] an instance goes on to the next request
//! after a rewind that the host found clean. With [`Isolation::Shared`] it is the
//! handler that keeps those apart that an instance has at a time.
//!
//! # What it tells
//! [`Host::metrics`] is what was counted, and an [`Admin`] answers those who ask for
//! it. Events go to `tracing`: one for each request, with its trace, and the lines
//! that guests write. A build with the feature `otel` exports a span of each request.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![warn(missing_docs)]
#![allow(
    clippy::manual_async_fn,
    reason = "an `async fn` has room for its arguments twice, and these futures are moved about"
)]

pub mod ahead;
pub mod bindings;
pub mod build;
pub mod check;
pub mod inspect;
pub mod npm;
pub mod sandbox;

mod account;
mod admin;
mod answer;
mod body;
mod border;
mod call;
mod concurrency;
mod config;
mod engine;
mod epoch;
mod failure;
mod figures;
mod flow;
mod grants;
mod guest_log;
mod host;
mod invoke;
mod limits;
mod link_map;
mod memories;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod outbound;
mod pace;
mod place;
mod program;
mod reload;
mod response;
mod run;
mod segments;
mod server;
mod service;
mod sharing;
mod stable;
mod state;
mod symbols;
#[cfg(test)]
mod testing;
mod told;
mod trace;
mod trim;
mod unfold;
// For the command, which is of this package.
#[doc(hidden)]
pub mod whole_file;

pub use admin::{Admin, Readiness};
pub use answer::{Aborted, ResponseBody};
pub use config::{HalfClose, Isolation, Limits, Reuse, ServerConfig, Sharing};
pub use failure::{BadResponse, ERROR_HEADER, Failure};
pub use figures::{ArenaUse, Disclose, MEMORY_HEADER};
pub use grants::{
    Access, AllowedAddress, AllowedAddressError, GrantedDir, GrantedDirError, Grants,
};
pub use host::{Host, HostBuilder, Outcome};
pub use limits::MemoryUse;
#[cfg(feature = "otel")]
pub use otel::{ExportError, Exporter};
pub use outbound::{AllowedHost, AllowedHostError};
pub use program::{Door, LoadError, Program, UnknownDoor};
pub use reload::{Current, Reload, ReloadError};
pub use server::{ServeError, Server, ServerBuilder};
pub use unfold::Excess;
