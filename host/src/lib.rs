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
//! not there.
//!
//! # What keeps requests apart
//! An instance serves one request, as a type: see [`sandbox`]. Its memory comes
//! from a pool of slots and goes back there; the slot is put back, by the
//! kernel or by copying, to what the component's image says before anybody else
//! gets it. With [`Isolation::Rewind`] an instance goes on to the next request
//! after a rewind that the host found clean.

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![warn(missing_docs)]

pub mod bindings;
pub mod build;
pub mod check;
pub mod inspect;
pub mod sandbox;

mod account;
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
mod guest_log;
mod host;
mod invoke;
mod limits;
mod link_map;
mod metrics;
mod pace;
mod place;
mod program;
mod response;
mod run;
mod segments;
mod server;
mod service;
mod stable;
mod state;
mod symbols;
#[cfg(test)]
mod testing;

pub use answer::{Aborted, ResponseBody};
pub use config::{Isolation, Limits, Reuse, ServerConfig};
pub use failure::{BadResponse, ERROR_HEADER, Failure};
pub use figures::{ArenaUse, Disclose, MEMORY_HEADER};
pub use host::{Host, HostBuilder, Outcome};
pub use limits::MemoryUse;
pub use program::{Door, LoadError, Program, UnknownDoor};
pub use server::{ServeError, Server, ServerBuilder};
