//! The npm packages: made by the real command, then tried by the suites of `js/`,
//! `js/runtimes/` and `js/edge/`, which say what is right. The last one tries components
//! as well.
//!
//! It needs Node.js and npm. Where they are missing it says so and tries the command
//! alone, unless `LAVANDULA_REQUIRE` names `node`; the names of the other runtimes are
//! for `js/runtimes` to look at.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use support::command::{lavandula, run};
use support::small::{CDYLIB, Crate};
use support::{optional, root};

const WORKER: &str = "examples/worker";
const FAULTY: &str = "tests/guests/faulty";
const JAVASCRIPT: &str = "tests/guests/javascript";
const EVERYWHERE: &str = "examples/everywhere";

/// What the packages support, and the suites need.
const OLDEST_NODE: u32 = 20;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The names of all that lies in a folder.
fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// `lavandula npm` with these arguments, which prints one path.
#[track_caller]
fn made<S: AsRef<OsStr>>(arguments: &[S]) -> PathBuf {
    made_by("npm", arguments)
}

/// The same with another command.
#[track_caller]
fn made_by<S: AsRef<OsStr>>(command: &str, arguments: &[S]) -> PathBuf {
    let done = run(lavandula().arg(command).args(arguments).current_dir(root()));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout.lines().count(), 1, "{done:?}");
    done.stdout.trim_end().into()
}

/// `lavandula npm` cannot work with these arguments: it exits with 2, says what is
/// wrong and what to do about it, and leaves nothing behind in `here`.
#[track_caller]
fn refused(arguments: &[&str], here: &Path, wrong: &str, advice: &str) {
    let before = listing(here);
    let done = run(lavandula().arg("npm").args(arguments).current_dir(here));
    assert_eq!(done.code, Some(2), "{arguments:?}: {done:?}");
    for expected in [wrong, advice] {
        let says = done.stderr.contains(expected);
        assert!(says, "{arguments:?}: no `{expected}` in: {}", done.stderr);
    }
    assert_eq!(done.stdout, "", "{arguments:?}");
    assert_eq!(listing(here), before, "{arguments:?}");
}

// The packages.

#[test]
fn the_packages_work_in_every_runtime() {
    let js = root().join("js");
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
    // With or without Node.js: to make a package takes none.
    assert_eq!(made::<&str>(&[]), js.join("dist"));
    for (guest, name) in [
        (WORKER, "worker-npm"),
        (FAULTY, "faulty-guest-npm"),
        (JAVASCRIPT, "javascript-guest-npm"),
    ] {
        let output = packages.join(name);
        let made = made(&[OsStr::new(guest), OsStr::new("-o"), output.as_os_str()]);
        assert_eq!(made, output);
    }
    if !has_node() {
        return;
    }
    install(&js);
    succeeds(&js, "npm", &["run", "bundle"], &packages);
    succeeds(&js, "npm", &["test"], &packages);
    install(&js.join("runtimes"));
    succeeds(&js.join("runtimes"), "npm", &["test"], &packages);
}

#[test]
fn a_handler_is_served_in_every_runtime() {
    let edge = root().join("js/edge");
    let served = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge");
    fs::create_dir_all(&served).expect("a folder");
    for (command, name, features) in [
        ("npm", "everywhere-npm", None),
        ("build", "everywhere.wasm", None),
        ("build", "everywhere-0.3.wasm", Some("wasi-0-3")),
    ] {
        let output = served.join(name);
        let mut arguments = [EVERYWHERE, "-o"].map(OsStr::new).to_vec();
        arguments.push(output.as_os_str());
        if let Some(features) = features {
            arguments.extend(["--features", features].map(OsStr::new));
        }
        assert_eq!(made_by(command, &arguments), output);
    }
    if !has_node() {
        return;
    }
    for tools in ["runtimes", "conformance"] {
        install(&root().join("js").join(tools));
    }
    succeeds(&edge, "npm", &["test"], &served);
}

/// Whether there are Node.js and npm. Where not, it says so, or fails.
fn has_node() -> bool {
    let wrong = match (version("node"), version("npm")) {
        (None, _) => "there is no node".to_owned(),
        (_, None) => "there is no npm".to_owned(),
        (Some(node), _) if node < OLDEST_NODE => format!("node is {node}"),
        _ => return true,
    };
    let why = format!("{wrong}: install Node.js {OLDEST_NODE} or later");
    optional::missing("node", &why, "no JavaScript was run");
    false
}

/// The first number of a program's version. None where it cannot be started.
fn version(program: &str) -> Option<u32> {
    let answer = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let first = text.trim_start_matches('v').split('.').next()?;
    first.parse().ok()
}

/// Installs what the lock file of `folder` names.
#[track_caller]
fn install(folder: &Path) {
    // Two at a time would be in each other's way.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_there = optional::installed(folder);
    assert!(
        is_there,
        "`npm ci` failed in {}, see above",
        folder.display()
    );
}

/// Runs a command to its end. What it prints is shown where the test fails; what it
/// warns of, always.
#[track_caller]
fn succeeds(folder: &Path, program: &str, arguments: &[&str], packages: &Path) {
    let began = Instant::now();
    let done = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("LAVANDULA_PACKAGES", packages)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("it was started before");
    print!("{}", String::from_utf8_lossy(&done.stdout));
    let command = format!("{program} {} in {}", arguments.join(" "), folder.display());
    assert!(done.status.success(), "`{command}` failed, see above");
    println!("{command}: {:.1} s", began.elapsed().as_secs_f64());
}

// The command.

#[test]
fn the_help_says_what_becomes_of_the_package() {
    let done = run(lavandula().args(["npm", "--help"]));
    assert_eq!(done.code, Some(0), "{done:?}");
    for expected in [
        "`export { default } from 'NAME'` is a whole worker",
        "--output <FOLDER>",
        "--name <NAME>",
    ] {
        // It breaks its lines where the terminal ends.
        let said = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(expected), "no `{expected}` in: {said}");
    }
}

#[test]
fn a_package_has_the_name_that_it_is_given() {
    let here = folder();
    let output = here.path().join("new/folder");
    let arguments = [WORKER, "--name", "@me/counter", "-o"].map(OsStr::new);
    let folder = made(&[&arguments[..], &[output.as_os_str()]].concat());
    assert_eq!(folder, output);
    assert_eq!(
        listing(&output),
        ["README.md", "dist", "index.d.ts", "package.json"]
    );
    let text = |file: &str| fs::read_to_string(output.join(file)).expect("it is there");
    let manifest: Value = serde_json::from_str(&text("package.json")).expect("JSON");
    assert_eq!(manifest["name"], "@me/counter");
    assert_eq!(manifest["license"], "MIT OR Apache-2.0");
    assert!(text("README.md").contains("import { handle, usage } from '@me/counter';"));
}

#[test]
fn where_there_is_no_crate_there_is_no_package() {
    let here = folder();
    for path in [".", "nowhere"] {
        let wrong = format!("there is no Cargo.toml at {path}");
        refused(
            &[path],
            here.path(),
            &wrong,
            "give the folder of a handler crate",
        );
    }
}

#[test]
fn a_crate_without_lavandula_is_refused_before_it_is_compiled() {
    let other = Crate::new(CDYLIB, "src/lib.rs", "this does not compile");
    let advice = "`lavandula::export!(...)`";
    other.refused("npm", "small does not depend on lavandula", advice);
    assert_eq!(listing(other.path()), ["Cargo.toml", "src"]);
}

#[test]
fn a_name_that_npm_refuses_is_refused_before_anything_is_compiled() {
    let other = Crate::new(CDYLIB, "src/lib.rs", "this does not compile");
    for name in ["Worker", "my worker", "../worker", "@me", ".worker", ""] {
        let wrong = format!("{name:?} is no name of an npm package");
        refused(&[".", "--name", name], other.path(), &wrong, "`--name`");
    }
}

#[test]
fn a_package_is_written_whole_or_not_at_all() {
    let here = folder();
    let worker = root().join(WORKER);
    let worker = worker.to_str().expect("a path of text");
    fs::write(here.path().join("file"), "of yesterday").expect("a file");
    // In the place of the folder is a file.
    for output in ["file", "file/folder"] {
        let wrong = format!("cannot write {output}/");
        refused(&[worker, "-o", output], here.path(), &wrong, "`--output`");
    }
    let file = fs::read_to_string(here.path().join("file"));
    assert_eq!(file.expect("it is there"), "of yesterday");

    // In the place of a file is a folder; nearly all of the others could be written.
    fs::create_dir_all(here.path().join("package/package.json")).expect("a folder");
    let wrong = "cannot write package/package.json";
    refused(&[worker, "-o", "package"], here.path(), wrong, "`--output`");
    assert_eq!(listing(&here.path().join("package")), ["package.json"]);
}

#[test]
fn a_handler_that_imports_what_javascript_does_not_have_is_refused() {
    let here = folder();
    let outbound = root().join("tests/guests/outbound");
    let outbound = outbound.to_str().expect("a path of text");
    let wrong = "of wasi:http/";
    let advice = "must come through wasm-bindgen";
    refused(&[outbound, "-o", "package"], here.path(), wrong, advice);
}
