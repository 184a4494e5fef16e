//! The production engine: one request per instance, from a pool of slots.
//!
//! An instance is taken from the pool for each request and given back after
//! it. What that costs is decided here: how much of a slot stays resident, and
//! how the pages that a request wrote are put back to what they were.

use std::fmt;
use std::fs;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::ahead::Machine;
use crate::concurrency::Concurrency;
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

/// Stacks of one component whose guests can wait for several things at a time:
/// one that runs, and one for each task that waits in the middle of its code.
/// Most tasks leave no stack behind when they wait.
const STACKS_PER_CONCURRENT_COMPONENT: u32 = 8;

/// The largest linear memory that a slot can hold. Slots reserve address space,
/// not memory, and 4 GiB is what makes bounds checks free; the limit on what a
/// request may use is the ledger's.
pub(crate) const SLOT_BYTES: usize = 1 << 32;

/// Bytes of a slot's memory and tables that are put back in place, by copying,
/// rather than given back to the kernel and faulted in again. A request of this
/// project's guests dirties well under this much.
const KEEP_RESIDENT: usize = 1 << 20;

/// The same where the kernel cannot tell which pages were written, so that all
/// of it is copied every time: about 8 microseconds at this size.
const KEEP_RESIDENT_BLIND: usize = 256 << 10;

/// Less than most requests write, so that some of it is put back and the rest
/// given back: see [`Restore::all`].
const KEEP_RESIDENT_LITTLE: usize = 64 << 10;

/// How the pages that a request wrote are found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Find {
    /// The kernel lists the pages that were written (`PAGEMAP_SCAN`, Linux 6.7)
    /// and only these are put back.
    Written,
    /// The first bytes of every slot are put back, written or not.
    Blind,
}

impl Find {
    /// Scanning is only sound without swap. wasmtime asks the kernel for pages
    /// that are both written *and present*; a page that a request wrote and
    /// that was swapped out since is not present, is therefore neither restored
    /// nor given back, and would return to memory, with its old content, in a
    /// later request (wasmtime issue 14357).
    fn detect() -> Self {
        let swap = fs::read_to_string("/proc/swaps");
        match swap {
            Ok(swaps)
                if !has_swap(&swaps) && PoolingAllocationConfig::is_pagemap_scan_available() =>
            {
                Self::Written
            }
            // Unreadable counts as swap: slower, but never unsound.
            _ => Self::Blind,
        }
    }
}

/// How a slot is put back to what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restore {
    find: Find,
    /// Bytes of the slot that are put back in place. The rest is given back to
    /// the kernel.
    keep_resident: usize,
}

impl Restore {
    /// The way of the production engine on this machine.
    pub(crate) fn production() -> Self {
        let find = Find::detect();
        let keep_resident = match find {
            Find::Written => KEEP_RESIDENT,
            Find::Blind => KEEP_RESIDENT_BLIND,
        };
        Self {
            find,
            keep_resident,
        }
    }

    /// Every way that is sound on this machine, that of the production engine
    /// first. The others are what it would do on another machine, and what it
    /// does with a request that writes more than it keeps in place.
    pub(crate) fn all() -> Vec<Self> {
        let way = |find, keep_resident| Self {
            find,
            keep_resident,
        };
        let mut all = vec![Self::production()];
        if Find::detect() == Find::Written {
            all.push(way(Find::Written, KEEP_RESIDENT_LITTLE));
            all.push(way(Find::Blind, KEEP_RESIDENT_BLIND));
        }
        all.push(way(Find::Blind, 0));
        all
    }
}

impl fmt::Display for Restore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = self.keep_resident / 1024;
        match (self.find, kib) {
            (_, 0) => write!(f, "all of it given back"),
            (Find::Written, _) => write!(f, "the first {kib} KiB that were written in place"),
            (Find::Blind, _) => write!(f, "the first {kib} KiB in place"),
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
pub(crate) fn production(limits: &Limits, concurrency: Concurrency) -> Result<Engine, LoadError> {
    // As many again for instances that wait while all that run belong to others.
    let slots = Limits {
        max_in_flight: limits.max_in_flight.saturating_mul(2),
        ..*limits
    };
    let pooled = Engine::new(&pooling(&slots, Restore::production(), concurrency));
    let engine = pooled.or_else(|why| {
        let why = format!("{why:#}");
        tracing::warn!(
            why,
            "no address space for the instance pool; allocating on demand"
        );
        Engine::new(&base(concurrency))
    });
    let engine = engine.map_err(LoadError::Engine)?;
    epoch::start(&engine).map_err(LoadError::Clock)?;
    Ok(engine)
}

/// An engine for code that is kept, to be run by a production engine in another
/// process. It has no pool and no clock.
pub(crate) fn compiling(machine: &Machine, concurrency: Concurrency) -> Result<Engine, LoadError> {
    let mut config = base(concurrency);
    match machine {
        Machine::This => Engine::new(&config).map_err(LoadError::Engine),
        Machine::Triple(triple) => {
            let engine = config.target(triple).and_then(|config| Engine::new(config));
            engine.map_err(|source| LoadError::Machine {
                triple: triple.clone(),
                source,
            })
        }
    }
}

/// What every engine of this host has in common. Code that was compiled with other
/// settings is refused, so that a change here calls for compiling it again.
fn base(concurrency: Concurrency) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Without it a store is cheaper to make.
        .concurrency_support(concurrency == Concurrency::On);
    config
}

/// An engine with a pool, whose slots are put back in the way of `restore`.
pub(crate) fn pooling(limits: &Limits, restore: Restore, concurrency: Concurrency) -> Config {
    let slots = limits.max_in_flight.max(1);
    let total = |per_component: u32| slots.saturating_mul(per_component);
    let stacks = match concurrency {
        Concurrency::Off => 1,
        Concurrency::On => STACKS_PER_CONCURRENT_COMPONENT,
    };

    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(total(stacks))
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
    pool.linear_memory_keep_resident(restore.keep_resident)
        .table_keep_resident(restore.keep_resident)
        .pagemap_scan(match restore.find {
            Find::Written => Enabled::Auto,
            Find::Blind => Enabled::No,
        });

    let mut config = base(concurrency);
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
    fn production_is_the_first_of_the_ways_and_no_way_comes_twice() {
        let all = Restore::all();
        assert_eq!(all.first(), Some(&Restore::production()));
        for (i, way) in all.iter().enumerate() {
            assert!(!all[..i].contains(way), "{way}");
        }
        assert_eq!(all.last().map(|way| way.keep_resident), Some(0));
    }

    #[test]
    fn the_pool_exists_and_has_a_slot_for_every_request_in_flight() {
        for concurrency in [Concurrency::Off, Concurrency::On] {
            let engine = production(&Limits::default(), concurrency).expect("an engine");
            assert!(engine.pooling_allocator_metrics().is_some());
            assert_eq!(Concurrency::of(&engine), concurrency);
        }
    }

    #[test]
    fn without_address_space_instances_are_allocated_on_demand() {
        let limits = Limits {
            max_in_flight: 1_000_000,
            ..Limits::default()
        };
        let engine = production(&limits, Concurrency::Off).expect("an engine all the same");
        assert!(engine.pooling_allocator_metrics().is_none());
    }
}
