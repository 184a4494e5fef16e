//! Builds the components, as `lavandula build` does.

use std::collections::BTreeMap;
use std::path::Path;

use lavandula_host::build::{Build, Target};
use serde::Serialize;
use wasmparser::{Parser, Payload};

use super::catalogue::{Make, Sample};
use crate::Failure;

/// A component, and where it came from.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it was compiled for.
    pub target: Target,
}

/// How large a component is: the same in every run.
#[derive(Debug, Clone, Serialize)]
pub struct SizeRow {
    /// The sample.
    pub sample: &'static str,
    /// Its allocator.
    pub allocator: &'static str,
    /// What it was compiled for.
    pub target: &'static str,
    /// Bytes of the component.
    pub bytes: usize,
    /// Bytes of it without the names of functions, which only traces need.
    pub bytes_without_names: usize,
}

/// Samples by how they are made.
#[derive(Debug)]
pub struct Samples(BTreeMap<(Sample, Make), Component>);

/// Every sample in every make.
pub fn all() -> impl Iterator<Item = (Sample, Make)> {
    Sample::ALL
        .into_iter()
        .flat_map(|sample| Make::ALL.map(|make| (sample, make)))
}

impl Samples {
    /// Builds them, or finds that they are built.
    ///
    /// # Errors
    /// [`Failure::Target`] where one does not build. What the compiler has to say
    /// goes to stderr.
    pub fn build(
        which: impl IntoIterator<Item = (Sample, Make)>,
        mut done: impl FnMut(),
    ) -> Result<Self, Failure> {
        let mut components = BTreeMap::new();
        for (sample, make) in which {
            let (path, features) = make.package(sample);
            components.insert((sample, make), build(&path, features)?);
            done();
        }
        Ok(Self(components))
    }

    /// All that were built.
    pub fn iter(&self) -> impl Iterator<Item = (Sample, Make, &Component)> {
        let components = self.0.iter();
        components.map(|(&(sample, make), component)| (sample, make, component))
    }

    /// One of them.
    pub fn get(&self, sample: Sample, make: Make) -> &Component {
        &self.0[&(sample, make)]
    }

    /// How large they are. What has no isolation to speak of is left out.
    pub fn sizes(&self) -> Vec<SizeRow> {
        let compared = self.iter().filter(|(_, make, _)| *make != Make::Bare);
        compared
            .map(|(sample, make, component)| SizeRow {
                sample: sample.name(),
                allocator: make.allocator(),
                target: component.target.as_str(),
                bytes: component.bytes.len(),
                bytes_without_names: component.bytes.len() - names(&component.bytes),
            })
            .collect()
    }
}

/// KiB of statics that the guest of the rewind can have: see `handlers/rewind`.
pub const STATICS: [u32; 7] = [0, 4, 16, 25, 64, 256, 1024];

/// The guest of the rewind with `statics` KiB that change.
///
/// # Errors
/// [`Failure::Target`] where it does not build.
pub fn rewinding(statics: u32) -> Result<Component, Failure> {
    match statics {
        0 => rewinding_with(&[]),
        statics => rewinding_with(&[&format!("statics-{statics}")]),
    }
}

/// The guest of the rewind with these features.
pub(super) fn rewinding_with(features: &[&str]) -> Result<Component, Failure> {
    build(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers/rewind"),
        features,
    )
}

fn build(path: &Path, features: &[&str]) -> Result<Component, Failure> {
    // Not where `lavandula build` would put it: some have the same name.
    let folder = tempfile::tempdir().map_err(|error| Failure::Build(error.to_string()))?;
    let built = Build::new(path)
        .features(features.iter().map(|feature| (*feature).to_owned()))
        .output(folder.path().join("component.wasm"))
        .quiet()
        .run()?;
    let bytes = std::fs::read(&built.component)
        .map_err(|error| Failure::Build(format!("{}: {error}", built.component.display())))?;
    Ok(Component {
        bytes,
        target: built.target,
    })
}

/// Bytes of names in a component, at all levels.
fn names(component: &[u8]) -> usize {
    let sections = Parser::new(0).parse_all(component).filter_map(Result::ok);
    let names = sections.filter_map(|payload| match payload {
        Payload::CustomSection(section) => {
            matches!(section.name(), "name" | "component-name").then(|| section.data().len())
        }
        _ => None,
    });
    names.sum()
}
