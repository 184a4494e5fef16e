//! What a report must name to be worth anything: versions and the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use serde::Serialize;

use crate::Failure;

/// What the work in a guest is done with: its versions matter as well.
pub const WORK: [&str; 3] = ["wasmtime", "serde_json", "pulldown-cmark"];

/// The machine that was measured on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub cpu: String,
    /// How many threads run at the same time.
    pub cores: usize,
}

impl Machine {
    pub fn this() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok();
        let cpu = cpu.as_deref().and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            cpu: cpu
                .or_else(|| said("sysctl", &["-n", "machdep.cpu.brand_string"]))
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// Versions by name: those of packages from Cargo.lock, the compiler's from itself,
/// and Node.js's where it takes part.
pub fn versions<'a>(
    workspace: &Path,
    packages: impl IntoIterator<Item = &'a str>,
    node: Option<&str>,
) -> Result<BTreeMap<String, String>, Failure> {
    let path = workspace.join("Cargo.lock");
    let lock = std::fs::read_to_string(&path)
        .map_err(|error| Failure::Workspace(format!("{}: {error}", path.display())))?;
    let mut versions = BTreeMap::new();
    for package in packages {
        let found = locked(&lock, package);
        if found.is_empty() {
            return Err(Failure::Workspace(format!("Cargo.lock has no {package}")));
        }
        versions.insert(package.to_owned(), found.join(" and "));
    }
    if let Some(rustc) = said("rustc", &["--version"]) {
        let version = rustc.strip_prefix("rustc ").unwrap_or(&rustc);
        versions.insert("rustc".to_owned(), version.to_owned());
    }
    if let Some(node) = node {
        versions.insert("node".to_owned(), node.to_owned());
    }
    Ok(versions)
}

/// The versions of a package in a Cargo.lock, of which each `[[package]]` has its
/// name and then its version, a line each.
fn locked(lock: &str, package: &str) -> Vec<String> {
    let name = format!("name = \"{package}\"");
    lock.split("[[package]]")
        .filter(|entry| entry.lines().any(|line| line == name))
        .filter_map(|entry| {
            let line = entry.lines().find(|line| line.starts_with("version = "))?;
            Some(line.split('"').nth(1)?.to_owned())
        })
        .collect()
}

/// The root of the workspace that this belongs to.
pub fn workspace() -> Result<PathBuf, Failure> {
    let metadata = MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .no_deps()
        .exec();
    let metadata = metadata.map_err(|error| Failure::Workspace(error.to_string()))?;
    Ok(metadata.workspace_root.into())
}

/// What the system's kernel calls itself, where it says so.
pub fn kernel() -> Option<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    kernel.map(|kernel| kernel.trim().to_owned())
}

/// The first line that a program says, where it succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_the_package_with_exactly_this_name() {
        let lock = "version = 4\n\n[[package]]\nname = \"talc\"\nversion = \"5.1.1\"\n\n\
                    [[package]]\nname = \"talc-extra\"\nversion = \"9.0.0\"\n";
        assert_eq!(locked(lock, "talc"), ["5.1.1"]);
        assert!(locked(lock, "tal").is_empty());
    }
}
