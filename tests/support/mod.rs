//! What the integration tests share: guests, built once per run.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod command;
pub mod docs;
pub mod http;
pub mod instance;
pub mod optional;
pub mod small;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lavandula_host::build::{Build, Target};
use lavandula_host::{Host, HostBuilder};

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The component of the crate in this folder of the workspace.
///
/// # Panics
/// Where it does not build: nothing can be tested then.
#[track_caller]
pub fn component(folder: &str) -> PathBuf {
    build(folder, None, &[])
}

/// The same, compiled for `target` whatever the crate itself says.
#[track_caller]
pub fn component_for(folder: &str, target: Target) -> PathBuf {
    build(folder, Some(target), &[])
}

/// The same with features of the crate turned on, for the crate's own target where
/// none is given.
#[track_caller]
pub fn component_with(folder: &str, target: Option<Target>, features: &[&'static str]) -> PathBuf {
    build(folder, target, features)
}

#[track_caller]
fn build(folder: &str, target: Option<Target>, features: &[&'static str]) -> PathBuf {
    type Key = (String, Option<&'static str>, Vec<&'static str>);
    static BUILT: Mutex<Option<HashMap<Key, PathBuf>>> = Mutex::new(None);

    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let key = (
        folder.to_owned(),
        target.map(Target::as_str),
        features.to_vec(),
    );
    built
        .entry(key)
        .or_insert_with(|| {
            let mut build = Build::new(root().join(folder))
                .features(features.iter().map(|&feature| feature.to_owned()))
                .quiet();
            if let Some(target) = target {
                build = build.target(target);
            }
            let parts = target.map(Target::as_str);
            let parts: Vec<_> = parts.iter().chain(features).copied().collect();
            if !parts.is_empty() {
                // Beside the one as the crate has it.
                let name = format!("{}-{}.wasm", folder.replace('/', "-"), parts.join("-"));
                build = build.output(root().join("target/lavandula").join(name));
            }
            match build.run() {
                Ok(built) => built.component,
                Err(error) => panic!("{folder} does not build: {error}"),
            }
        })
        .clone()
}

/// A host with the component of this folder.
#[track_caller]
pub fn host(folder: &str) -> Host {
    host_with(Host::builder(), folder)
}

/// A host with choices of one's own.
#[track_caller]
pub fn host_with(builder: HostBuilder, folder: &str) -> Host {
    match builder.load(component(folder)) {
        Ok(host) => host,
        Err(error) => panic!("{folder} does not load: {error}"),
    }
}

/// The handler that fails in the way that its path says.
pub const FAULTY: &str = "tests/guests/faulty";
