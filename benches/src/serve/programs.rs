//! The programs that are measured: ours, built like this one, and `wasmtime`, where
//! there is one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// The variables that settings of ours come from begin with it. None of the caller's
/// own is to be measured.
const OURS: &str = "LAVANDULA_";

/// A `wasmtime` that can be run.
#[derive(Debug, Clone)]
pub struct Wasmtime {
    /// Where it is, or its name.
    pub path: PathBuf,
    /// Its version, without its name.
    pub version: String,
}

impl Wasmtime {
    /// The one at this path, or that of the `PATH`.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    pub fn find(path: Option<&Path>) -> Result<Self, String> {
        let path = match path {
            // As it is named here: servers are started in other folders.
            Some(path) => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            None => PathBuf::from("wasmtime"),
        };
        let output = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                format!(
                    "{} cannot be run ({error}): install it with `cargo install wasmtime-cli \
                     --locked --version {EXAMPLE}`, or give `--wasmtime PATH`",
                    path.display()
                )
            })?;
        let said = String::from_utf8_lossy(&output.stdout);
        match version(&said) {
            Some(version) if output.status.success() => Ok(Self {
                version: version.to_owned(),
                path,
            }),
            _ => Err(format!(
                "{} is no wasmtime: to `--version` it said {:?}",
                path.display(),
                said.trim()
            )),
        }
    }
}

/// The version to install, in a message: any that is ours does.
const EXAMPLE: &str = "48";

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

/// The command `lavandula` at this path, or else the one beside this program, built
/// with the same profile, or found to be built.
///
/// # Errors
/// [`Failure`] where it does not build, or is not there. What the compiler has to say
/// goes to stderr.
pub fn lavandula(path: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = path {
        // As it is named here: servers are started in other folders.
        return path.canonicalize().map_err(|error| {
            Failure::Build(format!(
                "there is no `lavandula` at {}: {error}",
                path.display()
            ))
        });
    }
    let place = Place::find()?;
    let target = place.folder.parent().unwrap_or(Path::new("."));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo)
        // With this package, so that cargo chooses the features of dependencies as it
        // did for this program, and compiles nothing a second time.
        .args([
            "build",
            "--quiet",
            "-p",
            "lavandula-bench",
            "-p",
            "lavandula-host",
        ])
        .args(["--bin", "lavandula", "--profile", &place.profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .map_err(|error| Failure::Spawn {
            program: "cargo",
            error,
        })?;
    if !status.success() {
        return Err(Failure::Build(
            "`lavandula` does not compile: the compiler's messages are above".to_owned(),
        ));
    }
    let name = format!("lavandula{}", std::env::consts::EXE_SUFFIX);
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
        let why = Wasmtime::find(Some(Path::new("/nowhere/wasmtime"))).expect_err("none is there");
        assert!(why.contains("/nowhere/wasmtime") && why.contains("cargo install wasmtime-cli"));
        let why = Wasmtime::find(Some(Path::new("/bin/echo"))).expect_err("it is another program");
        assert!(why.contains("no wasmtime"), "{why}");
    }
}
