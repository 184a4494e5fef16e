//! The production engine: one request per instance, from a pool of slots.
//!
//! An instance is taken from the pool for each request and given back after
//! it. What that costs is decided here: how much of a slot stays resident, and
//! how the pages that a request wrote are put back to what they were.

use std::fs;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::config::Limits;
use crate::epoch;
use crate::program::LoadError;

/// Linear memories of one component. A guest of one toolchain has one; each
/// component that is composed into it brings its own.
const MEMORIES_PER_COMPONENT: u32 = 4;

/// Tables of one component. A guest has at least two: its own and the one
/// through which the component model's shims call.
const TABLES_PER_COMPONENT: u32 = 16;

/// Core instances of one component: the guest itself, an adapter, and two shims
/// for each module with imports.
const CORE_INSTANCES_PER_COMPONENT: u32 = 24;

/// The largest linear memory that a slot can hold. Slots reserve address space,
/// not memory, and 4 GiB is what makes bounds checks free; the limit on what a
/// request may use is the ledger's.
const SLOT_BYTES: usize = 1 << 32;

/// Bytes of a slot's memory and tables that are put back in place, by copying,
/// rather than given back to the kernel and faulted in again. A request of this
/// project's guests dirties well under this much.
const KEEP_RESIDENT: usize = 1 << 20;

/// The same where the kernel cannot tell which pages were written, so that all
/// of it is copied every time: about 8 microseconds at this size.
const KEEP_RESIDENT_BLIND: usize = 256 << 10;

/// How the pages that a request wrote are found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restore {
    /// The kernel lists the pages that were written (`PAGEMAP_SCAN`, Linux 6.7)
    /// and only these are put back.
    Written,
    /// The first bytes of every slot are put back, written or not.
    Blind,
}

impl Restore {
    /// Scanning is only sound without swap. wasmtime asks the kernel for pages
    /// that are both written *and present*; a page that a request wrote and
    /// that was swapped out since is not present, is therefore neither restored
    /// nor given back, and would return to memory, with its old content, in a
    /// later request (wasmtime issue 14357).
    fn detect() -> Self {
        let swap = fs::read_to_string("/proc/swaps");
        match swap {
            Ok(swaps) if !has_swap(&swaps) => Self::Written,
            // Unreadable counts as swap: slower, but never unsound.
            _ => Self::Blind,
        }
    }
}

/// Whether `/proc/swaps`, a heading and a line per swap area, lists any.
fn has_swap(swaps: &str) -> bool {
    swaps.lines().skip(1).any(|line| !line.trim().is_empty())
}

/// The engine for `limits`, its clock running.
///
/// The pool needs address space, `max_in_flight` times a few slots of 4 GiB.
/// Where that cannot be had (a `ulimit -v`, a small virtual machine) instances
/// are allocated on demand, which is slower by some tens of microseconds a
/// request and otherwise the same.
pub(crate) fn production(limits: &Limits) -> Result<Engine, LoadError> {
    let pooled = Engine::new(&pooling(limits));
    let engine = pooled.or_else(|why| {
        let why = format!("{why:#}");
        tracing::warn!(
            why,
            "no address space for the instance pool; allocating on demand"
        );
        Engine::new(&base())
    });
    let engine = engine.map_err(LoadError::Engine)?;
    epoch::start(&engine).map_err(LoadError::Clock)?;
    Ok(engine)
}

/// What every engine of this host has in common.
fn base() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Nothing here uses the component model's asynchronous calls, and
        // without them a store is cheaper to make.
        .concurrency_support(false);
    config
}

fn pooling(limits: &Limits) -> Config {
    let slots = limits.max_in_flight.max(1);
    let total = |per_component: u32| slots.saturating_mul(per_component);

    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(total(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(total(MEMORIES_PER_COMPONENT))
        .total_tables(total(TABLES_PER_COMPONENT))
        // Said here as well, so that a component that needs more is refused
        // when it is loaded and not at its first request.
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .max_memory_size(SLOT_BYTES)
        .table_elements(limits.max_table_elements)
        // A slot that was used stays mapped for the next request.
        .max_unused_warm_slots(slots);
    match Restore::detect() {
        Restore::Written if PoolingAllocationConfig::is_pagemap_scan_available() => {
            pool.pagemap_scan(Enabled::Auto)
                .linear_memory_keep_resident(KEEP_RESIDENT)
                .table_keep_resident(KEEP_RESIDENT);
        }
        Restore::Written | Restore::Blind => {
            pool.linear_memory_keep_resident(KEEP_RESIDENT_BLIND)
                .table_keep_resident(KEEP_RESIDENT_BLIND);
        }
    }

    let mut config = base();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_alone_means_no_swap() {
        assert!(!has_swap("Filename\tType\tSize\tUsed\tPriority\n"));
        assert!(!has_swap(""));
        assert!(has_swap(
            "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1 0 -2\n"
        ));
    }

    #[test]
    fn the_pool_exists_and_has_a_slot_for_every_request_in_flight() {
        let engine = production(&Limits::default()).expect("an engine");
        assert!(engine.pooling_allocator_metrics().is_some());
    }

    #[test]
    fn without_address_space_instances_are_allocated_on_demand() {
        let limits = Limits {
            max_in_flight: 1_000_000,
            ..Limits::default()
        };
        let engine = production(&limits).expect("an engine all the same");
        assert!(engine.pooling_allocator_metrics().is_none());
    }
}
