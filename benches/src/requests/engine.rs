//! wasmtime, set up in the ways that are compared. Directly, and not through the
//! host of this project: what is measured is the guest and what wasmtime needs for
//! each request, so that others can tell what it would be with theirs.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, MemoryCreator, OperatorCost, OptLevel,
    PoolingAllocationConfig, VariableOperatorCost,
};

use super::catalogue::Pool;
use super::state::MAX_TABLE_ELEMENTS;
use crate::Failure;

/// Instances at a time, as `lavandula serve` has it.
const SLOTS: u32 = 64;

/// What a component may have of each, as there.
const MEMORIES: u32 = 4;
const TABLES: u32 = 16;
const CORE_INSTANCES: u32 = 24;
const SLOT_BYTES: usize = 1 << 32;

/// Bytes of a slot that stay resident, as there: where the kernel can tell which
/// pages were written, and where it cannot.
const KEEP_RESIDENT: usize = 1 << 20;
const KEEP_RESIDENT_BLIND: usize = 256 << 10;

/// How often guests are interrupted, as there.
const TICK: Duration = Duration::from_millis(10);

/// How the tuned pool finds what a request wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// The kernel lists the pages.
    Written,
    /// All that is resident is put back, written or not.
    Blind,
}

impl Restore {
    /// As `lavandula serve` decides it on this machine.
    pub fn here() -> Self {
        let swaps = std::fs::read_to_string("/proc/swaps");
        let swapless = swaps.is_ok_and(|swaps| swaps.lines().count() <= 1);
        match swapless && PoolingAllocationConfig::is_pagemap_scan_available() {
            true => Self::Written,
            false => Self::Blind,
        }
    }

    /// For the report.
    pub fn what(self) -> &'static str {
        match self {
            Self::Written => "the pages that a request wrote (PAGEMAP_SCAN)",
            Self::Blind => "the first 256 KiB, since there is swap or no PAGEMAP_SCAN",
        }
    }
}

/// An engine with a pool, its epoch running.
///
/// # Errors
/// [`Failure::Engine`] where there is not enough address space.
pub fn pooled(pool: Pool) -> Result<Engine, Failure> {
    let mut slots = PoolingAllocationConfig::new();
    slots
        .total_component_instances(SLOTS)
        .total_stacks(SLOTS)
        .total_core_instances(SLOTS * CORE_INSTANCES)
        .total_memories(SLOTS * MEMORIES)
        .total_tables(SLOTS * TABLES);
    if pool == Pool::Tuned {
        slots
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_memories_per_module(MEMORIES)
            .max_tables_per_module(TABLES)
            .max_memory_size(SLOT_BYTES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .max_unused_warm_slots(SLOTS);
        match Restore::here() {
            Restore::Written => slots
                .pagemap_scan(Enabled::Auto)
                .linear_memory_keep_resident(KEEP_RESIDENT)
                .table_keep_resident(KEEP_RESIDENT),
            Restore::Blind => slots
                .linear_memory_keep_resident(KEEP_RESIDENT_BLIND)
                .table_keep_resident(KEEP_RESIDENT_BLIND),
        };
    }
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(slots));
    let engine = engine(&config)?;
    tick(&engine)?;
    Ok(engine)
}

/// What fuel is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Price {
    /// Instructions, whatever they move.
    Instructions,
    /// Instructions, and every byte that one of them copies or fills.
    InstructionsAndBytes,
}

/// An engine that meters, with memories that `creator` makes.
///
/// # Errors
/// [`Failure::Engine`] where wasmtime refuses.
pub fn metered(price: Price, creator: Arc<dyn MemoryCreator>) -> Result<Engine, Failure> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .concurrency_support(false)
        // A copy-on-write image can only be mapped into wasmtime's own memories.
        .memory_init_cow(false)
        .memory_reservation(0)
        .memory_guard_size(0)
        .with_host_memory(creator);
    if price == Price::Instructions {
        config.operator_cost(OperatorCost {
            variable: VariableOperatorCost {
                memory_copy_per_byte: 0,
                memory_fill_per_byte: 0,
                memory_init_per_byte: 0,
                ..VariableOperatorCost::new()
            },
            ..OperatorCost::new()
        });
    }
    engine(&config)
}

fn engine(config: &Config) -> Result<Engine, Failure> {
    Engine::new(config).map_err(|error| Failure::Engine(format!("{error:#}")))
}

/// Moves the epoch on as long as there is the engine.
fn tick(engine: &Engine) -> Result<(), Failure> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .spawn(tick)
        .map(drop)
        .map_err(|error| Failure::Engine(error.to_string()))
}
