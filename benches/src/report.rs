//! The report, as it is printed with `--json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::environment::Machine;
use crate::fixed::{FuelRow, MemoryRow, OperationsRow};
use crate::measure::Row;

/// All that was found, and with what.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Versions by name.
    pub versions: BTreeMap<String, String>,
    /// The machine.
    pub machine: Machine,
    /// The command line that does it again.
    pub command: String,
    /// How the guest was compiled.
    pub guest: String,
    /// How many rounds the medians are of.
    pub rounds: u32,
    /// Times.
    pub rows: Vec<Row>,
    /// Operations of the fast path: the same in every run.
    pub operations: Vec<OperationsRow>,
    /// Fuel: the same in every run.
    pub fuel: Vec<FuelRow>,
    /// Memory over many requests: the same in every run.
    pub memory: Vec<MemoryRow>,
}

impl Report {
    /// The engines that took part, in order.
    pub fn engines(&self) -> Vec<&'static str> {
        let mut engines = Vec::new();
        for row in &self.rows {
            if !engines.contains(&row.engine) {
                engines.push(row.engine);
            }
        }
        engines
    }

    /// The workloads that were measured, in order.
    pub fn workloads(&self) -> Vec<&str> {
        let mut workloads: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !workloads.contains(&row.workload.as_str()) {
                workloads.push(&row.workload);
            }
        }
        workloads
    }

    /// The allocators of a workload, in order.
    pub fn allocators(&self, workload: &str) -> Vec<&str> {
        let mut allocators: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|row| row.workload == workload) {
            if !allocators.contains(&row.allocator.as_str()) {
                allocators.push(&row.allocator);
            }
        }
        allocators.sort_by_key(|allocator| crate::catalogue::rank(allocator));
        allocators
    }

    /// One row.
    pub fn row(&self, workload: &str, allocator: &str, engine: &str) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.workload == workload && row.allocator == allocator && row.engine == engine
        })
    }
}
