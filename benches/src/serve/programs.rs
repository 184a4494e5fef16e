//! The programs that are measured: ours and `wasmtime`, built like this one where no
//! others are named.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// The variables that settings of ours come from begin with it. None of the caller's
/// own is to be measured.
const OURS: &str = "LAVANDULA_";

/// A `wasmtime` that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wasmtime {
    /// Where it is, or its name.
    pub path: PathBuf,
    /// Its version, without its name.
    pub version: String,
    /// Where it is from.
    pub source: Source,
}

/// Where a `wasmtime` is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Built with this program: `benches/wasmtime`.
    Workspace,
    /// Named by the caller.
    Named,
}

impl Source {
    /// In words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Workspace => "built with this profile, as benches/wasmtime",
            Self::Named => "as it was found where --wasmtime says",
        }
    }
}

impl Wasmtime {
    /// The one that was named, or else that of this workspace, built with the profile of
    /// this program, or found to be built. One that happens to be on the `PATH` is not
    /// taken unless it is named: what is measured would depend on the machine.
    ///
    /// # Errors
    /// [`Failure`] where there is none or it does not build.
    pub fn find(named: Option<&Path>) -> Result<Self, Failure> {
        match named {
            // As it is named here: servers are started in other folders.
            Some(path) => Self::of(
                path.canonicalize().unwrap_or_else(|_| path.to_owned()),
                Source::Named,
            ),
            None => Self::of(built(WASMTIME)?, Source::Workspace),
        }
    }

    fn of(path: PathBuf, source: Source) -> Result<Self, Failure> {
        let output = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Failure::Wasmtime(format!(
                    "{} cannot be run ({error}): give `--wasmtime PATH`, or leave it away and it is \
                     built",
                    path.display()
                ))
            })?;
        let said = String::from_utf8_lossy(&output.stdout);
        match version(&said) {
            Some(version) if output.status.success() => Ok(Self {
                version: version.to_owned(),
                path,
                source,
            }),
            _ => Err(Failure::Wasmtime(format!(
                "{} is no wasmtime: to `--version` it said {:?}",
                path.display(),
                said.trim()
            ))),
        }
    }
}

/// Of `wasmtime 48.0.8 (…)`.
fn version(said: &str) -> Option<&str> {
    said.strip_prefix("wasmtime ")?.split_whitespace().next()
}

/// This executable's own profile, by cargo's name.
///
/// # Errors
/// [`Failure::Build`] where it does not lie where cargo puts it.
pub fn profile() -> Result<String, Failure> {
    Ok(Place::find()?.profile)
}

/// Where cargo has put this executable.
struct Place {
    /// The folder of its profile.
    folder: PathBuf,
    profile: String,
}

impl Place {
    fn find() -> Result<Self, Failure> {
        let failed = |what: String| Failure::Build(format!("{what}; run this through cargo"));
        let this = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        // Tests lie one folder deeper.
        let folder = this
            .ancestors()
            .skip(1)
            .find(|folder| folder.file_name() != Some(OsStr::new("deps")));
        let name = folder.and_then(|folder| Some((folder, folder.file_name()?.to_str()?)));
        let (folder, name) =
            name.ok_or_else(|| failed(format!("{} lies in no folder", this.display())))?;
        let profile = match name {
            "debug" => "dev",
            name => name,
        };
        Ok(Self {
            profile: profile.to_owned(),
            folder: folder.to_owned(),
        })
    }
}

/// This program, which is the floor as well.
///
/// # Errors
/// [`Failure::Build`] where it does not lie where cargo puts it.
pub fn bench() -> Result<PathBuf, Failure> {
    let name = format!("lavandula-bench{}", std::env::consts::EXE_SUFFIX);
    Ok(Place::find()?.folder.join(name))
}

/// A program of this workspace.
struct Built {
    /// Its name.
    name: &'static str,
    /// Packages that it is built with. Together they decide the features of their
    /// dependencies, as cargo chooses them.
    packages: &'static [&'static str],
    /// What else may be done where it does not compile.
    otherwise: &'static str,
}

/// With the package of this program, so that nothing is compiled a second time that was
/// for this program.
const LAVANDULA: Built = Built {
    name: "lavandula",
    packages: &["lavandula-bench", "lavandula-host"],
    otherwise: "give `--lavandula PATH`",
};

/// Alone, since it needs features of wasmtime that `lavandula` is built without.
const WASMTIME: Built = Built {
    name: "lavandula-bench-wasmtime",
    packages: &["lavandula-bench-wasmtime"],
    otherwise: "give `--wasmtime PATH`, or name others with `--server`",
};

/// The command `lavandula` at this path, or else the one beside this program, built
/// with the same profile, or found to be built.
///
/// # Errors
/// [`Failure`] where it does not build, or is not there. What the compiler has to say
/// goes to stderr.
pub fn lavandula(path: Option<&Path>) -> Result<PathBuf, Failure> {
    match path {
        // As it is named here: servers are started in other folders.
        Some(path) => path.canonicalize().map_err(|error| {
            Failure::Build(format!(
                "there is no `lavandula` at {}: {error}",
                path.display()
            ))
        }),
        None => built(LAVANDULA),
    }
}

/// Builds it with the profile of this program, or finds that it is built.
fn built(program: Built) -> Result<PathBuf, Failure> {
    let place = Place::find()?;
    let target = place.folder.parent().unwrap_or(Path::new("."));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet"]);
    for package in program.packages {
        command.args(["-p", package]);
    }
    let status = command
        .args(["--bin", program.name, "--profile", &place.profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|error| Failure::Spawn {
            program: "cargo",
            error,
        })?;
    if !status.success() {
        return Err(Failure::Build(format!(
            "`{}` does not compile; the compiler's messages are above. Otherwise {}",
            program.name, program.otherwise
        )));
    }
    let name = format!("{}{}", program.name, std::env::consts::EXE_SUFFIX);
    Ok(place.folder.join(name))
}

/// A command without the caller's own settings of what is measured.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with(OURS) || name_text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_what_follows_it_or_without() {
        assert_eq!(version("wasmtime 48.0.8\n"), Some("48.0.8"));
        assert_eq!(version("wasmtime 48.0.8 (abc 2026-01-01)"), Some("48.0.8"));
        assert_eq!(version("node v20"), None);
    }

    #[test]
    fn a_wasmtime_that_is_missing_says_what_to_do() {
        let find = |path| Wasmtime::find(Some(Path::new(path))).map_err(|why| why.to_string());
        let why = find("/nowhere/wasmtime").expect_err("none is there");
        assert!(
            why.contains("/nowhere/wasmtime") && why.contains("leave it away"),
            "{why}"
        );
        let why = find("/bin/echo").expect_err("it is another program");
        assert!(why.contains("no wasmtime"), "{why}");
    }
}
