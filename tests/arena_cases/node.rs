//! The doors `npm` and `jco`: the npm package, and the component as jco transpiles
//! it, both in Node.js. What runs there is in `js/conformance`.
//!
//! Where Node.js is missing it says so, unless `LAVANDULA_REQUIRE` names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use lavandula_host::npm::{Content, Npm};
use serde::Deserialize;

use crate::program::Outcome;
use crate::support::{self, optional};

/// What Node.js runs, once it is there.
#[derive(Clone)]
pub struct Node {
    folder: PathBuf,
}

/// Makes the npm package and the transpiled component. Nothing where there is no
/// Node.js.
pub fn prepared() -> Option<Node> {
    static PREPARED: Mutex<Option<Option<Node>>> = Mutex::new(None);
    let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    prepared.get_or_insert_with(prepare).clone()
}

fn prepare() -> Option<Node> {
    if !has_node() {
        return None;
    }
    let js = support::root().join("js");
    let conformance = js.join("conformance");
    if !has_modules(&js) || !has_modules(&conformance) {
        return None;
    }
    let core = Npm::new(support::root()).content(Content::Core).quiet();
    core.run().expect("the module of the npm package");
    run(Command::new("node").arg("bundle.mjs").current_dir(&js));

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("arena_cases");
    // Not what an earlier version has left there.
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of the last run");
    }
    fs::create_dir_all(&folder).expect("a folder");
    run(Command::new("node")
        .arg("node_modules/@bytecodealliance/jco/dist/jco.js")
        .arg("transpile")
        .arg(support::component("."))
        .args(["--name", "arena", "--instantiation", "sync", "--quiet"])
        .arg("--out-dir")
        .arg(folder.join("jco"))
        .current_dir(conformance));
    Some(Node { folder })
}

impl Node {
    /// What comes of the cases of this table behind the door.
    pub fn outcomes(&self, door: &str, table: &str) -> Vec<(String, Outcome)> {
        /// As `run.mjs` prints it.
        #[derive(Deserialize)]
        #[serde(tag = "outcome", rename_all = "lowercase")]
        enum Printed {
            Passed,
            Excepted,
            Failed { step: String, why: String },
        }
        #[derive(Deserialize)]
        struct Row {
            name: String,
            #[serde(flatten)]
            printed: Printed,
        }
        // A name of its own: the tests of a door run side by side.
        let file = self.folder.join(format!("{door}-{}.json", table.len()));
        fs::write(&file, table).expect("a table");
        let printed = run(Command::new("node")
            .args(["run.mjs", "--json", "--door", door])
            .arg("--cases")
            .arg(&file)
            .arg("--component")
            .arg(self.folder.join("jco"))
            .current_dir(support::root().join("js/conformance")));
        let rows: Vec<Row> = serde_json::from_slice(&printed).expect("JSON on stdout");
        rows.into_iter()
            .map(|Row { name, printed }| match printed {
                Printed::Passed => (name, Outcome::Passed),
                Printed::Excepted => (name, Outcome::Excepted),
                Printed::Failed { step, why } => (name, Outcome::Failed { step, why }),
            })
            .collect()
    }
}

/// Runs it and returns what it prints. Its errors go where they are seen.
#[track_caller]
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

/// What is said where it is missing.
const UNTESTED: &str = "no case ran in Node.js";

fn has_node() -> bool {
    let has = optional::starts("node");
    if !has {
        optional::missing("node", "there is no node: install it", UNTESTED);
    }
    has
}

/// Whether the development dependencies of the folder are there, or could be fetched.
fn has_modules(folder: &Path) -> bool {
    let has = optional::installed(folder);
    if !has {
        let folder = folder.display();
        let why = format!("`npm ci` failed in {folder}: it needs npm and its registry");
        optional::missing("node", &why, UNTESTED);
    }
    has
}
