//! What runs the guest: an instance of its own for each measurement, so that no
//! one finds the memory that another one left behind.

mod node;
mod wasmtime;

use crate::Failure;

pub use self::node::{Node, node_is_required};
pub use self::wasmtime::{Meter, Requests, Wasmtime};

/// Something that runs the guest and times it.
pub trait Engine {
    /// As in the report.
    fn name(&self) -> &'static str;

    /// Runs an entry of the guest's list in a new instance.
    ///
    /// # Errors
    /// [`Failure`] where the guest trapped or the engine is gone.
    fn run(&mut self, entry: usize, repeats: u32) -> Result<Run, Failure>;
}

/// What the timed sections of a run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Nanoseconds, or units of fuel.
    pub elapsed: f64,
    /// Operations that were timed.
    pub operations: f64,
}

impl Run {
    /// What one operation took.
    pub fn per_operation(self) -> f64 {
        self.elapsed / self.operations
    }
}

/// A workload with an allocator, numbered by its place in the guest's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The workload.
    pub workload: String,
    /// The allocator.
    pub allocator: String,
}

/// What the guest can do.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Workloads with allocators, by number.
    pub entries: Vec<Entry>,
    /// Allocators whose memory over many requests can be looked at, by number.
    pub cycles: Vec<String>,
}

impl List {
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut list = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            match <[String; 3]>::try_from(words) {
                Ok([kind, workload, allocator]) if kind == "run" => list.entries.push(Entry {
                    workload,
                    allocator,
                }),
                Err(words) if words.len() == 2 && words[0] == "cycles" => {
                    list.cycles.extend(words.into_iter().nth(1));
                }
                _ => return Err(Failure::Module(format!("its list says `{line}`"))),
            }
        }
        Ok(list)
    }
}
