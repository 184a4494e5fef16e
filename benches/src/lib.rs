//! Measures the arena beside its peers, in WebAssembly: one module with all
//! allocators, under wasmtime and under V8. And whole requests with what keeps them
//! apart, which is in [`requests`], and whole servers, which is in [`serve`], and several
//! of those, which is in [`fleet`]: each has its own order of things. [`edge`] measures
//! little: it runs a handler on the runtimes that there are.
//!
//! ```text
//! catalogue   what is measured, in words
//! guest       builds the module ──► engine ──► measure ──► report ──► table
//!                  │                  │ (wasmtime, node)      ▲         plot
//!                  ├──► operations ───┼───────────────────────┤
//!                  └──► self-tests, fuel, memory ─────────────┘
//! ```
//!
//! What is timed and what is counted are kept apart: times depend on the machine
//! and its other work, and only their ratios within one run mean something;
//! operations, fuel and pages are the same in every run.
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![warn(missing_docs)]

pub mod catalogue;
pub mod cli;
pub mod edge;
pub mod engine;
pub mod fixed;
pub mod fleet;
pub mod guest;
pub mod measure;
pub mod operations;
pub mod progress;
pub mod report;
pub mod requests;
pub mod serve;

mod environment;
mod failure;
mod plot;
mod svg;
mod table;

pub use failure::Failure;
