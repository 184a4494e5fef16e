//! Finds the programs of the runtimes, asks each for its version, and knows how each is
//! started with a handler.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::catalogue::{Door, Kind, Runtime};
use super::guests::Guest;
use super::javascript::{self, Listed};
use super::process::{Listens, Serves, free};
use crate::Failure;
use crate::fleet::wasmcloud::PROGRAM;
use crate::serve::programs::{Wasmtime, command, lavandula};

/// Where programs are that are not looked for elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// `lavandula`, where it is not the one beside this program.
    pub lavandula: Option<PathBuf>,
    /// `wasmtime`, where it is not to be built.
    pub wasmtime: Option<PathBuf>,
    /// `viceroy`, where it is not on the `PATH`.
    pub viceroy: Option<PathBuf>,
    /// `lavandula-bench-wasmcloud`, where it is not in its workspace.
    pub wasmcloud: Option<PathBuf>,
}

/// Whether a runtime was asked for by its name: then it is wrong where it is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It was.
    ByName,
    /// All were.
    WithAll,
}

/// A runtime that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it says its version is.
    pub version: String,
    /// What there is to know of it.
    pub note: Option<String>,
    /// How it comes here, where it says so itself.
    pub install: Option<String>,
    program: PathBuf,
}

/// How to start a runtime.
#[derive(Debug)]
pub struct Start {
    /// The command.
    pub command: Command,
    /// How it is known where it listens.
    pub listens: Listens,
    /// Which of its processes serve.
    pub serves: Serves,
}

/// Finds programs.
#[derive(Debug)]
pub struct Programs {
    root: PathBuf,
    named: Named,
    /// What is found once for several rows.
    lavandula: Option<Result<PathBuf, String>>,
    wasmtime: Option<Result<Wasmtime, String>>,
    javascript: Option<Result<BTreeMap<String, Listed>, String>>,
}

/// An address with a port of the system's choice.
const ANY: &str = "127.0.0.1:0";

impl Programs {
    /// Of the workspace at `root`.
    pub fn new(root: &Path, named: Named) -> Self {
        Self {
            root: root.to_owned(),
            named,
            lavandula: None,
            wasmtime: None,
            javascript: None,
        }
    }

    /// Finds the program of a runtime, and its version.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn find(&mut self, runtime: &Runtime) -> Result<Found, String> {
        let found = match runtime.kind {
            Kind::Lavandula(_) => {
                let named = self.named.lavandula.as_deref();
                let program = self
                    .lavandula
                    .get_or_insert_with(|| lavandula(named).map_err(|error| error.to_string()))
                    .clone()?;
                let note = unoptimised(&program);
                Found {
                    note,
                    ..of(program)?
                }
            }
            Kind::Wasmtime(_) => {
                let named = self.named.wasmtime.as_deref();
                let wasmtime = self
                    .wasmtime
                    .get_or_insert_with(|| Wasmtime::find(named).map_err(|error| error.to_string()))
                    .clone()?;
                Found {
                    version: wasmtime.version,
                    note: unoptimised(&wasmtime.path),
                    program: wasmtime.path,
                    install: None,
                }
            }
            Kind::Viceroy => of(absolute(self.named.viceroy.as_deref(), "viceroy"))
                .map_err(|why| with(&why, runtime, "or give `--viceroy PATH`"))?,
            Kind::Spin => of("spin".into()).map_err(|why| with(&why, runtime, ""))?,
            Kind::Wasmcloud => self
                .wasmcloud()
                .and_then(of)
                .map_err(|why| with(&why, runtime, "or give `--wasmcloud PATH`"))?,
            Kind::JavaScript => self.listed(runtime)?,
        };
        match runtime.least {
            Some(least) if is_older(&found.version, least) => Err(format!(
                "version {} is too old: {least} is the oldest that it is known to run on; install \
                 it anew: {}",
                found.version, runtime.install
            )),
            _ => Ok(found),
        }
    }

    /// The one that is named, or else what was built in its workspace.
    fn wasmcloud(&self) -> Result<PathBuf, String> {
        if let Some(named) = &self.named.wasmcloud {
            return Ok(absolute(Some(named), PROGRAM));
        }
        let program = self.root.join("benches").join(PROGRAM);
        match program.exists() {
            true => Ok(program),
            false => Err("it is not built".to_owned()),
        }
    }

    fn listed(&mut self, runtime: &Runtime) -> Result<Found, String> {
        let root = &self.root;
        let list = self
            .javascript
            .get_or_insert_with(|| javascript::list(root));
        let list = list.as_ref().map_err(Clone::clone)?;
        let listed = list
            .get(runtime.name)
            .ok_or_else(|| format!("`{} --list` does not name it", javascript::SCRIPT))?;
        match &listed.version {
            Some(version) => Ok(Found {
                version: version.clone(),
                note: listed.note.clone().filter(|note| !note.is_empty()),
                install: Some(format!("`{}`", listed.install)),
                program: PathBuf::from(javascript::NODE),
            }),
            None => Err(format!("it is not there; install it: `{}`", listed.install)),
        }
    }

    /// How to start a runtime with this.
    ///
    /// # Errors
    /// [`Failure`] where the system has no port, or a file cannot be written.
    pub fn start(&self, runtime: &Runtime, found: &Found, guest: &Guest) -> Result<Start, Failure> {
        self.start_with(runtime, found, guest, &[])
    }

    /// The same with more options, which stand before the guest.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        &self,
        runtime: &Runtime,
        found: &Found,
        guest: &Guest,
        options: &[&str],
    ) -> Result<Start, Failure> {
        let mut command = command(&found.program);
        let mut listens = Listens::Says;
        let mut serves = Serves::Started;
        match runtime.kind {
            Kind::Lavandula(how) => {
                command.args(["serve", "--addr", ANY, "--log", "warn"]);
                command.args(how).args(options).arg(&guest.path);
            }
            Kind::Wasmtime(how) => {
                command.args(["serve", "--addr", ANY]);
                command.args(how).args(options).arg(&guest.path);
            }
            Kind::Viceroy => {
                let addr = free().map_err(Failure::Client)?;
                listens = Listens::At(addr);
                command.args(["serve", "--addr", &addr.to_string()]);
                command.args(options).arg(&guest.path);
            }
            Kind::Wasmcloud => {
                let addr = free().map_err(Failure::Client)?;
                command.arg("serve").arg(&guest.path);
                command.args(["--addr", &addr.to_string()]).args(options);
            }
            Kind::Spin => {
                let addr = free().map_err(Failure::Client)?;
                listens = Listens::At(addr);
                let manifest = guest.path.with_extension("spin.toml");
                fs::write(&manifest, spin_manifest(guest)).map_err(|error| Failure::Write {
                    path: manifest.clone(),
                    error,
                })?;
                command.args(["up", "--from"]).arg(manifest);
                command.args(["--listen", &addr.to_string()]).args(options);
            }
            Kind::JavaScript => {
                command.args([javascript::SCRIPT, runtime.name]);
                command.arg(match runtime.door {
                    Door::Fetch => "--package",
                    _ => "--component",
                });
                command.arg(&guest.path).args(options);
                command.current_dir(&self.root);
                serves = Serves::Told;
            }
        }
        Ok(Start {
            command,
            listens,
            serves,
        })
    }
}

/// A program that was named, as it is seen from other folders, or its name for the `PATH`.
fn absolute(named: Option<&Path>, name: &str) -> PathBuf {
    match named {
        Some(path) => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        None => PathBuf::from(name),
    }
}

/// What is to be known of a program of this workspace that was built for development.
fn unoptimised(program: &Path) -> Option<String> {
    let folder = program.parent()?.file_name()?;
    (folder == "debug").then(|| "a build without optimisation: its times say nothing".to_owned())
}

fn with(why: &str, runtime: &Runtime, otherwise: &str) -> String {
    let text = format!("{why}; install it: {} {otherwise}", runtime.install);
    text.trim_end().to_owned()
}

/// A program that tells its version.
fn of(program: PathBuf) -> Result<Found, String> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let output = Command::new(&program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no `{name}`"),
            _ => format!("`{name}` cannot be run: {error}"),
        })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match version(&said) {
        Some(version) if output.status.success() => Ok(Found {
            version: version.to_owned(),
            note: None,
            install: None,
            program,
        }),
        _ => Err(format!(
            "`{name} --version` says {:?}, which is no version",
            said.trim()
        )),
    }
}

/// The first word that begins with a digit.
fn version(said: &str) -> Option<&str> {
    let words = said.lines().next()?.split_whitespace();
    let mut words = words.map(|word| word.trim_start_matches('v'));
    words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

/// By the numbers in front, as far as `least` has any.
fn is_older(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let parts = text.split(['.', '-', '+']);
        parts.map_while(|part| part.parse().ok()).collect()
    };
    let least = numbers(least);
    let mut version = numbers(version);
    version.resize(least.len(), 0);
    version < least
}

/// What Spin is told: the component at every path.
fn spin_manifest(guest: &Guest) -> String {
    format!(
        "spin_manifest_version = 2\n\n[application]\nname = \"everywhere\"\nversion = \"0.1.0\"\n\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"everywhere\"\n\n\
         [component.everywhere]\nsource = {:?}\n",
        guest.path.display().to_string()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::catalogue::{RUNTIMES, runtime};

    #[test]
    fn versions_are_read_and_compared_by_their_numbers() {
        assert_eq!(version("viceroy 0.22.0\n"), Some("0.22.0"));
        assert_eq!(version("spin 3.4.1 (abc 2026-01-01)"), Some("3.4.1"));
        assert_eq!(version("v24.1.0"), Some("24.1.0"));
        assert_eq!(version("no such command"), None);
        assert!(is_older("0.9.9", "0.16") && is_older("2.9", "3"));
        assert!(!is_older("0.16.0", "0.16") && !is_older("48.0.8", "48"));
        assert!(!is_older("4.1-pre", "4") && !is_older("10", "9.9"));
    }

    #[test]
    fn a_build_for_development_is_told_as_one() {
        assert!(unoptimised(Path::new("/here/target/debug/lavandula")).is_some());
        assert!(unoptimised(Path::new("/here/target/release/lavandula")).is_none());
        assert!(unoptimised(Path::new("lavandula")).is_none());
    }

    #[test]
    fn one_that_is_missing_says_what_installs_it() {
        let named = Named {
            viceroy: Some("/nowhere/viceroy".into()),
            ..Named::default()
        };
        let mut programs = Programs::new(Path::new("/nowhere"), named);
        let viceroy = runtime("viceroy").expect("it is in the catalogue");
        let why = programs.find(viceroy).expect_err("it is missing");
        assert!(
            why.contains("no `viceroy`") && why.contains("cargo install viceroy"),
            "{why}"
        );
    }

    #[test]
    fn one_that_is_too_old_is_told_by_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("viceroy");
        std::fs::write(&old, "#!/bin/sh\necho viceroy 0.9.1\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&old, executable).unwrap();
        let named = Named {
            viceroy: Some(old),
            ..Named::default()
        };
        let viceroy = RUNTIMES.iter().find(|one| one.kind == Kind::Viceroy);
        let why = Programs::new(Path::new("/nowhere"), named)
            .find(viceroy.expect("it is there"))
            .expect_err("it is old");
        assert!(why.contains("0.9.1 is too old"), "{why}");
    }
}
