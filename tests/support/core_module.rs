//! Core modules of the guests that are no components, built for
//! `wasm32-unknown-unknown` and optimised.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lavandula_host::build::{Target, add_target};

/// Builds the guest in this folder of `tests/guests` and returns its module.
///
/// # Panics
/// Where it does not build: nothing can be tested then.
#[track_caller]
pub fn core_module(guest: &str, features: &[&str]) -> PathBuf {
    add_target(Target::Unknown, false).unwrap_or_else(|error| panic!("{error}"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/guests")
        .join(guest)
        .join("Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustc", "--lib", "--crate-type", "cdylib", "--quiet"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .args(["--target", Target::Unknown.as_str()])
        .args(["--features", &features.join(",")])
        // The profile of the library's own builds for a host, which keeps names
        // and is the same whatever the workspace's says of release builds.
        .args(["--profile", "handler"]);
    for setting in [
        "inherits=\"release\"",
        "opt-level=3",
        "lto=true",
        "codegen-units=1",
        "panic=\"abort\"",
        "strip=\"debuginfo\"",
    ] {
        cargo.args(["--config", &format!("profile.handler.{setting}")]);
    }
    let built = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(built.status.success(), "{guest} does not build");
    let name = format!("{guest}_guest");
    let module = String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == *name)
        .filter_map(|message| {
            let files = message["filenames"].as_array()?.clone();
            let paths = files.iter().filter_map(|file| file.as_str());
            paths
                .rev()
                .find(|path| path.ends_with(".wasm"))
                .map(PathBuf::from)
        })
        .next_back();
    module.unwrap_or_else(|| panic!("cargo named no module of {guest}"))
}
