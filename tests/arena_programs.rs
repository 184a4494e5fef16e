//! Programs of arena operations against an oracle: natively, with sources of
//! pages that fail in every place, and inside WebAssembly, where the host takes
//! pages in between or denies them.
//!
//! What a program is and what the oracle looks at is told in
//! `lavandula-programs`. One that fails is printed as bytes:
//! `LAVANDULA_PROGRAM='[1, 2, 3]' cargo test --test arena_programs replay`
//! runs it again.

#[path = "support/core_module.rs"]
mod core_module;
#[path = "support/programs_guest.rs"]
mod programs_guest;

use std::cell::Cell;
use std::panic;
use std::sync::Once;

use lavandula_programs::{
    Plain, Plan, Recorded, Separate, Strip, Transcript, run, run_on_separate, run_on_strip, seeded,
};
use programs_guest::{Ground, Inside};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// Operations of a seeded program.
const OPERATIONS: usize = 60;

/// Runs a program natively on every source, its plan in front.
fn everywhere(program: &[u8]) {
    let (plan, operations) = Plan::decode(program);
    run_on_strip(plan, operations);
    run_on_separate(plan, operations);
    for block_size in [1 << 16, 3 << 16] {
        run(&Plain { block_size }, operations);
    }
}

#[test]
fn every_program_leaves_the_oracle_content() {
    let config = Config {
        cases: 600,
        failure_persistence: None,
        // The same programs every time. Other ones are for the fuzzer, which
        // also learns from those that it has seen.
        rng_seed: RngSeed::Fixed(0x1A7A_4D01A),
        ..Config::default()
    };
    let plan = proptest::array::uniform4(any::<u8>());
    let operations = proptest::collection::vec(any::<u8>(), 0..400);
    let programs = (plan, operations).prop_map(|(plan, rest)| [&plan[..], &rest].concat());
    let result = TestRunner::new(config).run(&programs, |program| {
        let run = panic::AssertUnwindSafe(|| everywhere(&program));
        quietly(|| panic::catch_unwind(run)).map_err(|payload| {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or(payload.downcast_ref::<&str>().copied());
            TestCaseError::fail(text.unwrap_or("a panic without text").to_owned())
        })
    });
    if let Err(TestError::Fail(reason, program)) = result {
        panic!("{reason}\nRun it again: LAVANDULA_PROGRAM='{program:?}'");
    }
    assert!(result.is_ok(), "{result:?}");
}

/// Does something whose panics are not to be shown: while a program is made
/// smaller there are thousands.
fn quietly<R>(run: impl FnOnce() -> R) -> R {
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}

/// Runs the program of the environment again, where there is one.
#[test]
fn replay() {
    let Ok(bytes) = std::env::var("LAVANDULA_PROGRAM") else {
        return;
    };
    let program: Vec<u8> = serde_json::from_str(&bytes).expect("a list of bytes");
    everywhere(&program);
    assert_same(&mut Inside::new(), &program);
    Inside::new().run(Ground::LinearMemory, &program);
}

#[test]
fn a_source_that_fails_once_or_for_good_is_an_error_and_nothing_worse() {
    let mut failures = 0;
    for seed in 0..100 {
        let program = seeded(seed, OPERATIONS);
        let run_with = |plan: Plan| {
            let strip = Recorded::new(Strip::new(plan.pages as usize), plan);
            let transcript = run(&&strip, &program);
            let separate = Recorded::new(Separate::new(plan.pages as usize), plan);
            run(&&separate, &program);
            (
                transcript.failed(),
                strip.requests().max(separate.requests()),
            )
        };
        let (_, requests) = run_with(Plan::NOTHING);
        for k in 0..requests {
            let once = Plan {
                fail_at: Some(k),
                ..Plan::NOTHING
            };
            let for_good = Plan {
                fail_from: Some(k),
                ..Plan::NOTHING
            };
            failures += run_with(once).0 + run_with(for_good).0;
        }
    }
    assert!(failures > 1_000, "only {failures} operations failed");
}

#[test]
fn inside_webassembly_every_program_does_what_it_does_natively() {
    let mut inside = Inside::new();
    for seed in 0..400 {
        assert_same(&mut inside, &seeded(seed, OPERATIONS));
    }
}

/// Compares the transcripts of one program, step by step.
#[track_caller]
fn assert_same(inside: &mut Inside, program: &[u8]) {
    let (plan, operations) = Plan::decode(program);
    type Native = fn(Plan, &[u8]) -> Transcript;
    for (ground, native) in [
        (Ground::Strip, run_on_strip as Native),
        (Ground::Separate, run_on_separate),
    ] {
        let native = native(plan, operations).steps;
        let wasm = inside.run(ground, program).steps;
        let differ = native.iter().zip(&wasm).position(|(a, b)| a != b);
        if let Some(step) = differ {
            panic!(
                "step {step} on {ground:?} differs: natively {:?}, inside {:?}; program {program:?}",
                native[step], wasm[step]
            );
        }
        assert_eq!(native.len(), wasm.len(), "program {program:?}");
    }
}

#[test]
fn in_linear_memory_nothing_is_lost_whoever_else_takes_pages() {
    let mut inside = Inside::new();
    for seed in 0..600 {
        // An instance has the pages of the programs before, in a pool.
        if seed % 20 == 0 {
            inside = Inside::new();
        }
        if seed % 3 == 0 {
            inside.take_pages(1 + seed % 5);
        }
        inside.run(Ground::LinearMemory, &seeded(seed, OPERATIONS));
        inside.run(Ground::Plain, &seeded(seed, OPERATIONS));
    }
}

#[test]
fn a_host_that_denies_memory_is_an_error_and_never_a_trap() {
    let mut denied = 0;
    for seed in 0..40 {
        let mut program = seeded(seed, OPERATIONS);
        // Nothing but the host shall fail.
        program[..4].fill(0);
        let mut generous = Inside::new();
        let allowed = generous.run(Ground::LinearMemory, &program).failed();
        for k in 0..generous.asked() {
            let mut inside = Inside::new();
            inside.deny_from(k);
            let failed = inside.run(Ground::LinearMemory, &program).failed();
            denied += failed.saturating_sub(allowed);
        }
    }
    assert!(denied > 200, "only {denied} operations were denied memory");
}
