//! What `lavandula-bench` measures: every allocator in one WebAssembly module.
//!
//! ```text
//! cell -> subject -> subjects (one file per allocator)
//!            |          |
//!            v          v
//!         checked -> workloads -> registry -> exports
//!            |
//!          global  (the one `#[global_allocator]`, which passes on)
//! ```
//!
//! All of it is compiled together, with the same settings, so that what differs
//! between two rows of the report is the allocator. A workload is one generic
//! function; what runs is its instance for one allocator. The host asks for the
//! list (`registry`) and calls by number, so that no name is written twice.
#![cfg(target_arch = "wasm32")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod cell;
mod checked;
mod clock;
mod exports;
mod fast_path;
mod global;
mod memory;
mod registry;
mod subject;
mod subjects;
mod workloads;
