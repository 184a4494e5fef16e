//! A program behind a door of its own. Its runtime is `tests/door.rs`, whose ABI is three
//! functions and numbers.
//!
//! A request is a text. The handler tells what it found of the ones before, and keeps the
//! text wherever it can.
#![cfg_attr(target_arch = "wasm32", no_main)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

#[cfg(target_arch = "wasm32")]
mod program;
#[cfg(target_arch = "wasm32")]
mod runtime;

/// Natively there is nothing to run.
#[cfg(not(target_arch = "wasm32"))]
fn main() {}
