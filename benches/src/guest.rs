//! Builds the guest: one core module with every allocator and workload.
//!
//! As `lavandula build` does it for handlers, with a profile of its own given on
//! the command line, so that those of the workspace stay as they are. That
//! function makes components, which this module is not.

use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Message, MetadataCommand};

use lavandula_host::build::{Target, add_target};

use crate::Failure;

const PACKAGE: &str = "lavandula-bench-guest";
const TARGET: &str = Target::Unknown.as_str();
const PROFILE: &str = "bench-guest";

/// The settings that all allocators are compiled with.
const SETTINGS: &[(&str, &str)] = &[
    ("inherits", "\"release\""),
    ("opt-level", "3"),
    ("lto", "\"fat\""),
    ("codegen-units", "1"),
    ("panic", "\"abort\""),
    // Names stay, for the traces of a trap.
    ("strip", "\"debuginfo\""),
];

/// The module, and where it came from.
#[derive(Debug)]
pub struct Guest {
    /// The module's bytes.
    pub module: Vec<u8>,
    /// Where they are.
    pub path: PathBuf,
    /// The root of the workspace that it was built in.
    pub workspace: PathBuf,
}

/// The settings of the build, for the report.
pub fn settings() -> String {
    let settings: Vec<_> = SETTINGS.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("{TARGET}, {}", settings.join(" ").replace('"', ""))
}

/// Builds the guest, or finds that it is built. What the compiler has to say goes
/// to stderr.
///
/// # Errors
/// [`Failure`], which says what to do.
pub fn build() -> Result<Guest, Failure> {
    add_target(Target::Unknown, false)?;
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest/Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(&manifest)
        .no_deps()
        .exec()
        .map_err(|error| Failure::Workspace(error.to_string()))?;

    let mut cargo = Command::new(cargo());
    cargo
        .args(["build", "--lib", "--quiet", "--target", TARGET])
        .args(["--profile", PROFILE])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest);
    for (key, value) in SETTINGS {
        cargo.args(["--config", &format!("profile.{PROFILE}.{key}={value}")]);
    }
    let spawn = |error| Failure::Spawn {
        program: "cargo",
        error,
    };
    let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(spawn)?;
    let mut path = None;
    if let Some(stdout) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if let Ok(Message::CompilerArtifact(artifact)) = message
                && artifact.target.name == PACKAGE.replace('-', "_")
            {
                let mut files = artifact.filenames.into_iter();
                path = files.find(|file| file.extension() == Some("wasm")).or(path);
            }
        }
    }
    if !child.wait().map_err(spawn)?.success() {
        return Err(Failure::Build("the compiler's messages are above".into()));
    }
    let path = path.ok_or_else(|| Failure::Build("cargo named no .wasm file".into()))?;
    let module = std::fs::read(&path)
        .map_err(|error| Failure::Build(format!("cannot read {path}: {error}")))?;
    Ok(Guest {
        module,
        path: path.into(),
        workspace: metadata.workspace_root.into(),
    })
}

/// The cargo that runs us, where one does.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
