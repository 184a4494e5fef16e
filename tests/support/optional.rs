//! What a test needs beyond cargo and may be missing: the test says so then, and fails
//! where `LAVANDULA_REQUIRE` names it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{Write, stderr};
use std::path::Path;
use std::process::Command;

/// Whether the program tells its version, and so can be started.
pub fn starts(program: impl AsRef<Path>) -> bool {
    let answer = Command::new(program.as_ref()).arg("--version").output();
    answer.is_ok_and(|output| output.status.success())
}

/// Says why something is not tested, and what, where it is seen although the test
/// passes: what tests print is not.
///
/// # Panics
/// Where `LAVANDULA_REQUIRE` names what is missing.
#[track_caller]
pub fn missing(name: &str, why: &str, untested: &str) {
    let required = std::env::var("LAVANDULA_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|one| one.trim() == name));
    assert!(!required, "LAVANDULA_REQUIRE names {name}, and {why}");
    let note = format!("\nSKIPPED: {why}, so {untested}\n");
    stderr().write_all(note.as_bytes()).expect("stderr");
}

/// Installs what the lock file of the folder names, if that has changed since. Says
/// whether it is there.
pub fn installed(folder: &Path) -> bool {
    let changed = |path: &str| fs::metadata(folder.join(path)).and_then(|file| file.modified());
    // npm writes this last.
    let done = changed("node_modules/.package-lock.json").ok();
    if done.is_some() && done >= changed("package-lock.json").ok() {
        return true;
    }
    let fetched = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .status();
    fetched.is_ok_and(|status| status.success())
}
