//! One table of programs of the arena, behind each of its doors: the crate itself,
//! the component in wasmtime, the npm package, and the component as jco transpiles
//! it.
//!
//! The cases are in `cases.json`, and docs/arena-cases.md is made of them;
//! `LAVANDULA_BLESS=1` writes it.

#[path = "../support/mod.rs"]
mod support;

mod component;
mod door;
mod native;
mod node;
mod page;
mod program;
mod table;
mod wrong;

use component::Compiled;
use program::{Outcome, outcome};
use table::Case;

const CASES: &str = include_str!("cases.json");

const INTRODUCTION: &str = include_str!("introduction.md");

/// The faults of the original that design and documentation name.
const FAULTS: [&str; 6] = [
    "blocks lost after reset",
    "wrap-around in the size rounding",
    "unchecked `count * size`",
    "over-read in strndup",
    "alignment that holds only on 64-bit targets",
    "oversized block as current",
];

/// What the table has to have: each operation, and each figure, as it stands there.
const OPERATIONS: [&str; 24] = [
    "\"create\":",
    "\"block-size\":",
    "\"alloc\":",
    "\"calloc\":",
    "\"strdup\":",
    "\"strndup\":",
    "\"read\":",
    "\"write\":",
    "\"reset\":",
    "\"free\":",
    "\"budget\":",
    "\"exhaust\":",
    "\"align\":",
    "\"figure\": \"used\"",
    "\"figure\": \"total-allocated\"",
    "\"figure\": \"peak-used\"",
    "\"figure\": \"committed\"",
    "\"figure\": \"tail-waste\"",
    "\"figure\": \"free\"",
    "\"figure\": \"overhead\"",
    "\"figure\": \"blocks\"",
    "\"figure\": \"resets\"",
    "\"figure\": \"grows\"",
    "\"figure\": \"budget\"",
];

/// Runs all cases of a table, given as JSON.
type Runner = dyn Fn(&str) -> Vec<(String, Outcome)>;

fn parsed(table: &str) -> Vec<Case> {
    table::parse(table).unwrap_or_else(|error| panic!("cases.json: {error}"))
}

fn natively(table: &str) -> Vec<(String, Outcome)> {
    let run = |case: &Case| {
        let mut door = native::open(case);
        (case.name.clone(), outcome(case, "rust", &mut *door))
    };
    parsed(table).iter().map(run).collect()
}

fn in_wasmtime() -> Box<Runner> {
    let compiled = Compiled::new();
    Box::new(move |table| {
        let run = |case: &Case| {
            let mut door = compiled.open(case);
            (case.name.clone(), outcome(case, "wit", &mut *door))
        };
        parsed(table).iter().map(run).collect()
    })
}

/// Nothing where there is no Node.js.
fn in_node(door: &'static str) -> Option<Box<Runner>> {
    let node = node::prepared()?;
    Some(Box::new(move |table| node.outcomes(door, table)))
}

/// Every case passes behind the door, but those that the table excepts.
#[track_caller]
fn every_case_holds(door: &str, run: &Runner) {
    let cases = parsed(CASES);
    let outcomes = run(CASES);
    assert!(
        cases
            .iter()
            .map(|case| &case.name)
            .eq(outcomes.iter().map(|(name, _)| name)),
        "{door} ran other cases than there are"
    );
    let mut wrong = Vec::new();
    let mut excepted = 0;
    for (case, (name, outcome)) in cases.iter().zip(&outcomes) {
        match outcome {
            Outcome::Passed if !case.except.contains_key(door) => {}
            Outcome::Excepted if case.except.contains_key(door) => excepted += 1,
            Outcome::Failed { step, why } => wrong.push(format!("{name}, step {step}: {why}")),
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "behind the door {door}:\n{}",
        wrong.join("\n")
    );
    println!("{door}: {} cases, {excepted} of them excepted", cases.len());
}

/// Whatever is made wrong about a case, it fails where that is.
#[track_caller]
fn every_wrong_expectation_is_noticed(door: &str, run: &Runner) {
    let wrong = wrong::all(CASES, door);
    let outcomes = run(&wrong::table(&wrong));
    assert_eq!(wrong.len(), outcomes.len(), "{door}");
    let mut missed = Vec::new();
    for (wrong, (name, outcome)) in wrong.iter().zip(&outcomes) {
        assert_eq!(&wrong.name, name);
        let noticed = matches!(outcome, Outcome::Failed { step, .. } if *step == wrong.step);
        if !noticed {
            missed.push(format!("{name}: {outcome:?}"));
        }
    }
    assert!(
        missed.is_empty(),
        "behind the door {door}:\n{}",
        missed.join("\n")
    );
    println!("{door}: {} wrong expectations, all noticed", wrong.len());
}

#[test]
fn every_case_holds_natively() {
    every_case_holds("rust", &natively);
}

#[test]
fn every_case_holds_through_wit() {
    every_case_holds("wit", &*in_wasmtime());
}

#[test]
fn every_case_holds_in_the_npm_package() {
    if let Some(run) = in_node("npm") {
        every_case_holds("npm", &*run);
    }
}

#[test]
fn every_case_holds_in_the_transpiled_component() {
    if let Some(run) = in_node("jco") {
        every_case_holds("jco", &*run);
    }
}

#[test]
fn every_wrong_expectation_is_noticed_natively() {
    every_wrong_expectation_is_noticed("rust", &natively);
}

#[test]
fn every_wrong_expectation_is_noticed_through_wit() {
    every_wrong_expectation_is_noticed("wit", &*in_wasmtime());
}

#[test]
fn every_wrong_expectation_is_noticed_in_the_npm_package() {
    if let Some(run) = in_node("npm") {
        every_wrong_expectation_is_noticed("npm", &*run);
    }
}

#[test]
fn every_wrong_expectation_is_noticed_in_the_transpiled_component() {
    if let Some(run) = in_node("jco") {
        every_wrong_expectation_is_noticed("jco", &*run);
    }
}

#[test]
fn every_operation_and_every_fault_of_the_original_has_a_case() {
    let cases = parsed(CASES);
    for fault in FAULTS {
        let shown = cases
            .iter()
            .any(|case| case.fault.as_deref() == Some(fault));
        assert!(shown, "no case shows that this does not come back: {fault}");
    }
    for case in &cases {
        let known = case
            .fault
            .as_deref()
            .is_none_or(|fault| FAULTS.contains(&fault));
        assert!(
            known,
            "{}: {:?} is no fault of the original",
            case.name, case.fault
        );
    }
    for operation in OPERATIONS {
        assert!(CASES.contains(operation), "no case has {operation}");
    }
}

#[test]
fn a_table_that_says_what_nobody_reads_is_refused() {
    let case = |rest: &str| {
        let case = format!(r#"{{"name": "n", "means": "m", "do": [{{"create": "a"}}]{rest}}}"#);
        table::parse(&format!(r#"{{"cases": [{case}]}}"#)).map(|cases| cases.len())
    };
    let step = |step: &str| {
        let case = format!(r#"{{"name": "n", "means": "m", "do": [{step}]}}"#);
        table::parse(&format!(r#"{{"cases": [{case}]}}"#)).map(|cases| cases.len())
    };
    assert_eq!(case(""), Ok(1));
    assert_eq!(case(r#", "except": {"jco": "a reason"}"#), Ok(1));
    assert_eq!(step(r#"{"alloc": "a", "size": 8, "at": "x"}"#), Ok(1));
    let all = r#", "except": {"rust": "r", "wit": "r", "npm": "r", "jco": "r"}"#;
    for (refused, why) in [
        (
            case(r#", "expect": {"jco": "a reason"}"#),
            "unknown field `expect`",
        ),
        (case(r#", "except": {"js": "a reason"}"#), "is no door"),
        (case(r#", "except": {"jco": ""}"#), "no reason"),
        (case(all), "no door"),
        (step(""), "does nothing"),
        (step(r#"{"aloc": "a", "size": 8}"#), "no operation"),
        (
            step(r#"{"alloc": "a", "size": 8, "att": "x"}"#),
            "unknown field `att`",
        ),
        (step(r#"{"alloc": "a", "size": -1}"#), "did not match"),
        (
            step(r#"{"reset": "a", "fails": "sometimes"}"#),
            "unknown variant",
        ),
        (
            step(r#"{"repeat": 2, "do": [{"reset": "a", "is": 1}]}"#),
            "unknown field `is`",
        ),
    ] {
        let error = refused.expect_err(why);
        assert!(error.contains(why), "{why}: {error}");
    }
    let twice = r#"{"name": "n", "means": "m", "do": [{"create": "a"}]}"#;
    let twice = table::parse(&format!(r#"{{"cases": [{twice}, {twice}]}}"#));
    assert!(twice.is_err_and(|error| error.contains("two of this name")));
}

#[test]
fn the_table_in_the_docs_is_the_one_that_is_run() {
    let rendered = page::render(INTRODUCTION, &parsed(CASES));
    support::docs::is_what_is_tested("arena-cases", &rendered);
}
