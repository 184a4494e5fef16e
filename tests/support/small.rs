//! Crates that are made for one test.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::command::{Done, lavandula, run};

/// What a crate's manifest needs for a component.
pub const CDYLIB: &str = "[lib]\ncrate-type = [\"cdylib\"]";

/// A crate of one file, outside of every workspace.
pub struct Crate {
    folder: TempDir,
}

impl Crate {
    pub fn new(manifest: &str, file: &str, source: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let package = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        let manifest = format!("{package}\n{manifest}\n[workspace]\n");
        let this = Self { folder };
        this.write("Cargo.toml", &manifest);
        this.write(file, source);
        this
    }

    /// Writes a file of it.
    pub fn write(&self, name: &str, text: &str) {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `lavandula COMMAND` on it, with whatever it writes inside of it.
    pub fn ask(&self, command: &str, arguments: &[&OsStr]) -> Done {
        self.ask_with(command, arguments, &[])
    }

    /// The same, with these in its environment.
    pub fn ask_with(
        &self,
        command: &str,
        arguments: &[&OsStr],
        environment: &[(&str, &OsStr)],
    ) -> Done {
        run(lavandula()
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .envs(environment.iter().copied())
            .arg(command)
            .arg(self.path())
            .args(arguments))
    }

    /// Where its component appears.
    pub fn component(&self) -> PathBuf {
        self.path().join("target/lavandula/small.wasm")
    }

    #[track_caller]
    pub fn refused(&self, command: &str, wrong: &str, advice: &str) {
        let done = self.ask(command, &[]);
        assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{done:?}");
        for expected in [wrong, advice] {
            let says = done.stderr.contains(expected);
            assert!(says, "no `{expected}` in: {}", done.stderr);
        }
        assert!(!self.component().exists(), "{done:?}");
    }
}
