//! The runtimes of JavaScript, which `js/edge/serve.mjs` lists and starts.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Who knows them, as seen from the root of the workspace.
pub const SCRIPT: &str = "js/edge/serve.mjs";

/// What runs it.
pub const NODE: &str = "node";

/// One of them, as the script tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    name: String,
    /// What it says its version is. None where it is not there.
    pub version: Option<String>,
    /// The command that installs it.
    pub install: String,
    /// What there is to know of it.
    pub note: Option<String>,
}

/// Those that there are, by their names.
///
/// # Errors
/// What is missing to ask for them, and what to do.
pub fn list(root: &Path) -> Result<BTreeMap<String, Listed>, String> {
    let output = Command::new(NODE)
        .arg(SCRIPT)
        .arg("--list")
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            format!(
                "cannot run {NODE}: {error}; install Node.js 20 or later, and put it on the PATH"
            )
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("nothing").to_owned();
        return Err(format!("`{NODE} {SCRIPT} --list` failed: {last}"));
    }
    of(&output.stdout)
}

fn of(json: &[u8]) -> Result<BTreeMap<String, Listed>, String> {
    let list: Vec<Listed> = serde_json::from_slice(json)
        .map_err(|error| format!("`{NODE} {SCRIPT} --list` prints no list: {error}"))?;
    let named = list.into_iter().map(|listed| (listed.name.clone(), listed));
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_those_that_are_missing_as_well() {
        let list = of(br#"[
            {"name":"node","door":"fetch","version":"24.1.0","install":"npm ci","note":"kept"},
            {"name":"bun","door":"fetch","version":null,"install":"npm ci","note":null}
        ]"#)
        .unwrap();
        assert_eq!(list["node"].version.as_deref(), Some("24.1.0"));
        assert_eq!(list["bun"].version, None);
        assert!(of(b"Serving").is_err());
    }
}
