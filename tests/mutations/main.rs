//! Mistakes in our own arena and rewind, made one at a time in a copy of the library:
//! the check catches every one of them, by the evidence that docs/mutations.md says.
//!
//! The rows of that page are the data that these tests run from; the last test holds
//! the two against each other. `LAVANDULA_BLESS=1` writes the file.

#[path = "../support/mod.rs"]
mod support;

mod judge;
mod mutants;
mod table;
mod workspace;

use std::time::Instant;

use lavandula_host::check::Kind;
use tokio::sync::{Mutex, MutexGuard};

use judge::{Caught, IMAGE, Mutant, SETUPS, check, judge};
use workspace::{Replacement, Workspace, makes};

const INTRODUCTION: &str = include_str!("introduction.md");
const CONCLUSION: &str = include_str!("conclusion.md");

/// One for each way in which the library can fail: something is left, something is not
/// used again, something wrong is said.
const A_FEW: [&str; 3] = [
    "the_image_ends_a_word_early",
    "a_rewind_frees_no_pages",
    "overhead_is_forgotten",
];

/// Names of mutants, separated by commas: those alone are tried.
const ONLY: &str = "LAVANDULA_MUTANTS";

/// There is one copy, and one test at a time has it.
async fn copied() -> (MutexGuard<'static, ()>, Workspace) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let workspace = Workspace::new().unwrap_or_else(|error| panic!("{error}"));
    (alone, workspace)
}

/// Without this it would mean nothing that mutants are caught.
#[tokio::test]
async fn without_a_mistake_everything_holds() {
    let (_alone, workspace) = copied().await;
    for setup in SETUPS {
        let component = workspace.make("no-mistake", None, setup.heap);
        let component = component.unwrap_or_else(|error| panic!("{error}"));
        let report = check(&component, setup).await;
        assert!(report.holds(), "{setup:?}\n{report}");
        // That it holds because nothing was compared is not enough.
        let identity = &report.evidence(Kind::Identity).expect("it is there").detail;
        let compared = identity.starts_with("42 rewinds put back all of memory");
        assert_eq!(compared, setup.has_identity(), "{setup:?}\n{report}");
    }
}

#[tokio::test]
async fn a_few_mutants_are_caught() {
    let few = |mutant: &&Mutant| A_FEW.contains(&mutant.name);
    let mutants: Vec<_> = mutants::all().filter(few).collect();
    assert_eq!(mutants.len(), A_FEW.len());
    are_caught(mutants).await;
}

#[tokio::test]
#[ignore = "minutes, a build for each: cargo test --test mutations -- --ignored every_mutant"]
async fn every_mutant_is_caught() {
    let only = std::env::var(ONLY).ok();
    let wanted = |mutant: &&Mutant| {
        let only = only.as_deref();
        only.is_none_or(|only| only.split(',').any(|name| name == mutant.name))
    };
    let mutants: Vec<_> = mutants::all().filter(wanted).collect();
    assert!(!mutants.is_empty(), "{ONLY} names no mutant");
    are_caught(mutants).await;
}

/// Makes and checks them one after the other, where the next is made while one is
/// checked.
async fn are_caught(mutants: Vec<&'static Mutant>) {
    let (_alone, workspace) = copied().await;
    let of = mutants.len();
    let mut made = makes(workspace, mutants);
    let mut wrong = Vec::new();
    for number in 1..=of {
        let began = Instant::now();
        let made = made.recv().await.expect("there is one for each");
        let name = made.mutant.name;
        let said = match judge(&made).await {
            Ok(()) => "as written",
            Err(why) => {
                eprintln!("{why}");
                wrong.push(name);
                "NOT AS WRITTEN"
            }
        };
        eprintln!("{number}/{of} {name}: {said} ({:.1?})", began.elapsed());
    }
    assert!(
        wrong.is_empty(),
        "{} of {of} mutants are not as written, see above: {wrong:?}",
        wrong.len()
    );
}

/// A mistake of ours in the list is no catch.
#[tokio::test]
async fn a_mutant_that_is_none_is_told() {
    const EQUIVALENT: Replacement = Replacement {
        file: "src/span.rs",
        old: "    let mut at = whole.start;",
        new: "    let mut at = whole.start.max(0);",
    };
    static MUTANTS: [Mutant; 4] = [
        mutant(EQUIVALENT),
        mutant(Replacement {
            old: "no such text",
            ..EQUIVALENT
        }),
        mutant(Replacement {
            old: "span",
            ..EQUIVALENT
        }),
        mutant(Replacement {
            new: "    let mut at = not_there;",
            ..EQUIVALENT
        }),
    ];
    const fn mutant(replacement: Replacement) -> Mutant {
        Mutant {
            name: "none",
            what: "nothing is wrong",
            replacement,
            caught: &[Caught {
                setup: IMAGE,
                by: &[Kind::Content],
            }],
        }
    }

    let (_alone, workspace) = copied().await;
    let mut made = makes(workspace, MUTANTS.iter().collect());
    for why in [
        "[content] should break, and nothing does: the mutant survives",
        "its old text occurs 0 times in src/span.rs",
        "times in src/span.rs, and has to occur once",
        "it does not build",
    ] {
        let made = made.recv().await.expect("there is one for each");
        let error = judge(&made).await.expect_err("it is none");
        assert!(error.starts_with("none (nothing is wrong)"), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_table_in_the_docs_is_the_one_that_is_tested() {
    let rendered = table::render(INTRODUCTION, mutants::SECTIONS, CONCLUSION);
    support::docs::is_what_is_tested("mutations", &rendered);
}
