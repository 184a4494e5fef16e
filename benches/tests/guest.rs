//! The real guest: how many operations an allocation has, that every allocator
//! keeps its promises in every workload, and that the timed loops do allocate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use lavandula_bench::catalogue::{ALLOCATORS, WORKLOADS};
use lavandula_bench::engine::{Engine, Entry, Meter, Node, Wasmtime, node_is_required};
use lavandula_bench::fixed;
use lavandula_bench::guest::{self, Guest};
use lavandula_bench::operations::{FastPath, Functions, Operations};

/// Built once, by the function that the command uses.
fn guest() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| guest::build().expect("the guest compiles"))
}

fn timer() -> &'static Wasmtime {
    static ENGINE: OnceLock<Wasmtime> = OnceLock::new();
    ENGINE.get_or_init(|| Wasmtime::new(&guest().module, Meter::Time).expect("a valid module"))
}

fn fast_path(name: &str) -> Operations {
    let functions = Functions::parse(&guest().module).expect("a valid module");
    match functions.fast_path(name) {
        Some(FastPath::Found(operations)) => operations,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_constant_object_costs_six_operations() {
    let path = fast_path("fast_constant_lavandula");
    assert_eq!(path.operations, 6, "{:?}", path.path);
    let kinds = (
        path.loads,
        path.stores,
        path.arithmetic,
        path.compares,
        path.branches,
    );
    assert_eq!(kinds, (2, 1, 1, 1, 1));
}

/// A size that is not known is rounded up to 8, and an alignment that is not known
/// is one more choice.
#[test]
fn what_is_not_known_costs_three_and_five_more() {
    let sized = fast_path("fast_sized_lavandula");
    assert_eq!(sized.operations, 9, "{:?}", sized.path);
    let layout = fast_path("fast_layout_lavandula");
    assert_eq!(layout.operations, 11, "{:?}", layout.path);
}

#[test]
fn no_peer_has_fewer_operations_for_a_constant_object() {
    let ours = fast_path("fast_constant_lavandula").operations;
    for row in fixed::operations(&guest().module).expect("a valid module") {
        if let ("constant", Some(path)) = (row.layout, row.fast_path) {
            assert!(
                ours <= path.operations,
                "{}: {:?}",
                row.allocator,
                path.path
            );
        }
    }
}

#[test]
fn a_counter_in_the_arena_would_be_noticed() {
    let plain = fast_path("fast_constant_lavandula");
    let counting = fast_path("fast_constant_counting");
    assert_eq!(
        counting.operations,
        plain.operations + 3,
        "{:?}",
        counting.path
    );
    assert_eq!(counting.stores, plain.stores + 1);
}

#[test]
fn the_catalogue_and_the_guest_know_the_same_workloads_and_allocators() {
    let list = timer().list().expect("a list");
    let workloads: BTreeSet<_> = list.entries.iter().map(|e| e.workload.as_str()).collect();
    let allocators: BTreeSet<_> = list.entries.iter().map(|e| e.allocator.as_str()).collect();
    assert_eq!(workloads, WORKLOADS.iter().map(|w| w.name).collect());
    assert_eq!(allocators, ALLOCATORS.iter().map(|a| a.name).collect());
    assert!(
        list.cycles
            .iter()
            .all(|name| allocators.contains(name.as_str()))
    );
}

#[test]
fn every_allocator_keeps_its_promises_in_every_workload() {
    let list = timer().list().expect("a list");
    for (number, entry) in list.entries.iter().enumerate() {
        let checked = timer()
            .check(number)
            .unwrap_or_else(|error| panic!("{entry:?}: {error}"));
        assert_eq!(checked, entry.allocator != "empty", "{entry:?}");
    }
}

#[test]
fn every_workload_runs_and_counts_its_operations() {
    let mut engine = Wasmtime::new(&guest().module, Meter::Time).expect("a valid module");
    let list = engine.list().expect("a list");
    for (number, entry) in list.entries.iter().enumerate() {
        let run = engine
            .run(number, 1)
            .unwrap_or_else(|error| panic!("{entry:?}: {error}"));
        assert!(
            run.operations >= 1.0 && run.elapsed > 0.0,
            "{entry:?}: {run:?}"
        );
    }
}

#[test]
fn the_same_module_runs_under_node() {
    let mut node = match Node::start(&guest().path) {
        Ok(node) => node,
        Err(failure) if node_is_required() => panic!("{failure}"),
        Err(failure) => {
            eprintln!("SKIPPED: nothing ran under V8. {failure}");
            return;
        }
    };
    for (number, entry) in timer().list().expect("a list").entries.iter().enumerate() {
        let run = node
            .run(number, 1)
            .unwrap_or_else(|error| panic!("{entry:?}: {error}"));
        assert!(run.operations >= 1.0, "{entry:?}: {run:?}");
    }
}

/// If the compiler kept a cursor in a register over many allocations, or left them
/// out, the loop would store the objects' words and nothing else, as the zero's
/// loop does.
#[test]
fn the_timed_loops_do_allocate() {
    let functions = Functions::parse(&guest().module).expect("a valid module");
    // The cursor, and the three words of the object.
    let allocation = ["i32.store", "i64.store", "i64.store", "i64.store"];
    let allocates = |round: &Operations| round.path.windows(4).any(|four| four == allocation);
    let allocating = functions
        .rounds("constant_small")
        .iter()
        .filter(|rounds| rounds.iter().any(allocates))
        .count();
    // One function for each of six arenas and for the floor. The heaps' loops have
    // calls in them, so there is no more to say about those than their times.
    assert_eq!(allocating, 7);
}

#[test]
fn fuel_is_the_same_in_every_run() {
    assert_eq!(fuel_of("mixed-sizes"), fuel_of("mixed-sizes"));
}

fn fuel_of(workload: &str) -> BTreeMap<String, f64> {
    let mut engine = Wasmtime::new(&guest().module, Meter::Fuel).expect("a valid module");
    let list = engine.list().expect("a list");
    let entries: Vec<(usize, Entry)> = list
        .entries
        .into_iter()
        .enumerate()
        .filter(|(_, entry)| entry.workload == workload)
        .collect();
    let rows = fixed::fuel(&mut engine, &entries, || {}).expect("no trap");
    rows.into_iter()
        .map(|row| (row.allocator, row.fuel_per_op))
        .collect()
}

#[test]
fn an_arena_that_keeps_its_blocks_stops_growing() {
    let list = timer().list().expect("a list");
    let ours = list
        .cycles
        .iter()
        .position(|name| name == "lavandula")
        .expect("ours");
    let pages = |requests| timer().cycles(ours, requests).expect("no trap");
    let (few, many) = (pages(200), pages(400));
    assert!(many.need >= few.need && many.before == few.before);
    assert!(many.after <= few.after + 16, "{few:?} {many:?}");
}
