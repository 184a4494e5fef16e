//! A hundred thousand requests in one instance of WebAssembly: memory stops
//! growing, whatever the requests need and however they use arenas.
//!
//! The guest knows a thousand requests, with seeded sizes of up to four pages,
//! and answers them in a seeded order: it writes, checks and resets. It says
//! which one was the last to make memory grow.

#[path = "support/core_module.rs"]
mod core_module;

use std::sync::OnceLock;

use core_module::core_module;
use wasmtime::{Engine, Linker, Module, Store};

const REQUESTS: u32 = 100_000;

/// Requests after which memory has to be what it will be. In ten thousand each of
/// the thousand different ones has come, or all but one; from there on each finds
/// what it had the last time, or more. (Memory stops growing much sooner: every
/// test prints when.)
const WARM_UP: u32 = 10_000;

/// How requests use arenas: the guest's numbers for it.
#[derive(Clone, Copy)]
enum Kind {
    OneArena = 0,
    TwoArenas = 1,
    Scopes = 2,
    Forgotten = 3,
}

/// What the guest says of a run.
#[derive(Debug)]
struct Soaked {
    last_growth: u32,
    pages: u32,
}

fn soak(kind: Kind, requests: u32, seed: u64) -> Soaked {
    static BUILT: OnceLock<(Engine, Module)> = OnceLock::new();
    let (engine, module) = BUILT.get_or_init(|| {
        let engine = Engine::default();
        let module = Module::from_file(&engine, core_module("soak", &[])).expect("a module");
        (engine, module)
    });
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine)
        .instantiate(&mut store, module)
        .expect("it imports nothing");
    let soak = instance
        .get_typed_func::<(u32, u32, u64), u64>(&mut store, "soak")
        .expect("it is exported");
    let packed = soak
        .call(&mut store, (kind as u32, requests, seed))
        .expect("no request fails, and nothing that it wrote is lost");
    let memory = instance.get_memory(&mut store, "memory").expect("exported");
    let soaked = Soaked {
        last_growth: (packed >> 32) as u32,
        pages: packed as u32,
    };
    assert_eq!(memory.size(&store), u64::from(soaked.pages));
    println!("{soaked:?}");
    soaked
}

#[test]
fn one_arena_needs_no_page_more_after_the_warm_up() {
    let soaked = soak(Kind::OneArena, REQUESTS, 1);
    assert!(soaked.last_growth <= WARM_UP, "{soaked:?}");
}

#[test]
fn two_arenas_share_what_neither_retains() {
    let soaked = soak(Kind::TwoArenas, REQUESTS, 2);
    assert!(soaked.last_growth <= WARM_UP, "{soaked:?}");
}

#[test]
fn scopes_in_each_request_leave_nothing_behind() {
    let soaked = soak(Kind::Scopes, REQUESTS, 3);
    assert!(soaked.last_growth <= WARM_UP, "{soaked:?}");
}

/// The measurement notices what it is there for.
#[test]
fn an_arena_that_is_forgotten_in_each_request_is_seen_growing() {
    let soaked = soak(Kind::Forgotten, 1_000, 4);
    assert_eq!(soaked.last_growth, 1_000);
    assert!(soaked.pages > 1_000, "{soaked:?}");
}
