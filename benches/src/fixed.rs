//! What is the same in every run: operations of the fast path, fuel, and pages of
//! memory over many requests.

use serde::Serialize;

use crate::Failure;
use crate::catalogue::rank;
use crate::engine::{Engine, Entry, List, Wasmtime};
use crate::operations::{FastPath, Functions, Operations};

/// What is known of a layout when the code is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutKind {
    /// As in the exports' names and in the report.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
}

/// All three.
pub const LAYOUTS: [LayoutKind; 3] = [
    LayoutKind {
        name: "constant",
        what: "24 bytes, aligned to 8",
    },
    LayoutKind {
        name: "sized",
        what: "any size, aligned to 8",
    },
    LayoutKind {
        name: "layout",
        what: "any size, any alignment",
    },
];

/// The operations of one allocation on its fast path.
#[derive(Debug, Clone, Serialize)]
pub struct OperationsRow {
    /// What is known of the layout: see [`LAYOUTS`].
    pub layout: &'static str,
    /// The allocator.
    pub allocator: String,
    /// Whether every way through it that allocates calls another function. Then
    /// there are no figures.
    pub calls: bool,
    /// The shortest way.
    #[serde(flatten)]
    pub fast_path: Option<Operations>,
}

/// Reads the operations off the module.
///
/// # Errors
/// [`Failure::Module`] where it is none.
pub fn operations(module: &[u8]) -> Result<Vec<OperationsRow>, Failure> {
    let functions = Functions::parse(module).map_err(|error| Failure::Module(error.to_string()))?;
    let mut rows = Vec::new();
    for layout in LAYOUTS {
        let prefix = format!("fast_{}_", layout.name);
        let mut found: Vec<_> = functions
            .names(&prefix)
            .filter_map(|name| {
                let allocator = name.strip_prefix(&prefix)?.replace('_', "-");
                // What else is exported is there for the tests.
                (rank(&allocator) < crate::catalogue::ALLOCATORS.len())
                    .then(|| (allocator, functions.fast_path(name)))
            })
            .collect();
        found.sort_by_key(|(allocator, _)| rank(allocator));
        rows.extend(found.into_iter().map(|(allocator, path)| {
            let fast_path = match path {
                Some(FastPath::Found(operations)) => Some(operations),
                Some(FastPath::Calls) | None => None,
            };
            OperationsRow {
                layout: layout.name,
                allocator,
                calls: fast_path.is_none(),
                fast_path,
            }
        }));
    }
    Ok(rows)
}

/// The fuel of one operation of a workload.
#[derive(Debug, Clone, Serialize)]
pub struct FuelRow {
    /// The workload.
    pub workload: String,
    /// The allocator.
    pub allocator: String,
    /// Units of fuel: instructions that wasmtime charges for, of the loop around
    /// the allocation too.
    pub fuel_per_op: f64,
}

/// Batches that fuel is measured over.
const FUEL_REPEATS: u32 = 4;

/// Measures the fuel of each entry.
///
/// # Errors
/// [`Failure`] where the guest traps.
pub fn fuel(
    engine: &mut Wasmtime,
    entries: &[(usize, Entry)],
    mut done: impl FnMut(),
) -> Result<Vec<FuelRow>, Failure> {
    entries
        .iter()
        .map(|(number, entry)| {
            let run = engine.run(*number, FUEL_REPEATS)?;
            done();
            Ok(FuelRow {
                workload: entry.workload.clone(),
                allocator: entry.allocator.clone(),
                fuel_per_op: run.per_operation(),
            })
        })
        .collect()
}

/// After how many requests memory is looked at.
pub const REQUESTS: [u32; 4] = [1, 10, 100, 1_000];

/// Memory after many requests of different sizes.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryRow {
    /// The allocator.
    pub allocator: String,
    /// How many requests were served.
    pub requests: u32,
    /// Pages of 64 KiB that the instance had before the first one: stack, data,
    /// and the guest's own.
    pub pages_before: u32,
    /// Pages after the last one.
    pub pages: u32,
    /// Bytes that the largest of these requests asked for.
    pub need: u32,
    /// Bytes that the allocator holds after the last reset, where it tells.
    pub held: Option<u64>,
}

/// Serves requests with each allocator, each time in a new instance.
///
/// # Errors
/// [`Failure`] where the guest traps.
pub fn memory(engine: &Wasmtime, list: &List) -> Result<Vec<MemoryRow>, Failure> {
    let mut rows = Vec::new();
    for (number, allocator) in list.cycles.iter().enumerate() {
        for requests in REQUESTS {
            let found = engine.cycles(number, requests)?;
            rows.push(MemoryRow {
                allocator: allocator.clone(),
                requests,
                pages_before: found.before,
                pages: found.after,
                need: found.need,
                held: found.held,
            });
        }
    }
    Ok(rows)
}
