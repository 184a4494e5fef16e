//! Mistakes in our own arena and rewind, made one at a time in a copy of the library:
//! the check catches every one of them, and by the evidence that docs/mutations.md says.
//!
//! The rows of that page are the data that these tests run from; the last test holds
//! the two against each other. `LAVANDULA_BLESS=1` writes the file.

#[path = "../support/mod.rs"]
mod support;

mod judge;
mod mutants;
mod workspace;

use std::time::Instant;

use tokio::sync::Mutex;

use judge::{SETUPS, judge};
use workspace::Workspace;

/// There is one copy, and one test at a time has it.
static WORKSPACE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn without_a_mistake_everything_holds() {
    let _alone = WORKSPACE.lock().await;
    let workspace = Workspace::new().unwrap_or_else(|error| panic!("{error}"));
    for setup in SETUPS {
        let began = Instant::now();
        let component = workspace
            .make(None, setup.heap)
            .unwrap_or_else(|error| panic!("{error}"));
        eprintln!("built in {:?}", began.elapsed());
        let began = Instant::now();
        let report = judge::check(&component, setup).await;
        eprintln!("{setup:?} in {:?}\n{report}", began.elapsed());
        assert!(report.holds(), "{setup:?}\n{report}");
    }
}

#[tokio::test]
#[ignore = "minutes, one build for each: cargo test --test mutations -- --ignored every_mutant"]
async fn every_mutant_is_caught() {
    let _alone = WORKSPACE.lock().await;
    let workspace = Workspace::new().unwrap_or_else(|error| panic!("{error}"));
    let only = std::env::var("ONLY").ok();
    let mut wrong = Vec::new();
    let mutants: Vec<_> = mutants::all()
        .filter(|m| only.as_ref().is_none_or(|only| only.split(',').any(|o| m.name.contains(o))))
        .collect();
    for (number, mutant) in mutants.iter().enumerate() {
        let began = Instant::now();
        let judged = judge(&workspace, mutant).await;
        eprintln!(
            "{}/{} {} {} in {:.1?}",
            number + 1,
            mutants.len(),
            mutant.name,
            if judged.is_ok() { "is caught" } else { "IS NOT AS WRITTEN" },
            began.elapsed()
        );
        if let Err(w) = judged {
            eprintln!("{w}");
            wrong.push(w);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.len());
}
