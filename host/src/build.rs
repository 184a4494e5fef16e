//! Builds a handler crate into a component, with what the toolchain needs for it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;

use crate::symbols::{self, Symbols};
use crate::{border, program, whole_file};

mod compile;
mod sections;
mod sources;

use compile::{Compilation, Compiled, Origin, Purpose};

pub use sources::{Depth, Sources};

/// Shadow stack of a built handler, in bytes: one page. Small, because a rewind
/// clears it; a handler that recurses deeply asks for more.
const STACK_SIZE: u32 = 64 * 1024;

/// What a handler is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Target {
    /// `std` with files, clocks and environment, through WASI 0.2.
    #[default]
    #[serde(rename = "wasm32-wasip2")]
    Wasip2,
    /// `std` without a system below it: the component imports only what the
    /// handler itself uses, and is smaller.
    #[serde(rename = "wasm32-unknown-unknown")]
    Unknown,
    /// A program with `lavandula::door!(...)`, for a runtime that has an ABI of its own:
    /// a core module, which is no component and is left one.
    #[serde(rename = "wasm32-wasip1")]
    Wasip1,
}

/// What is made for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Of a library.
    Component,
    /// Of a program.
    Module,
}

impl Target {
    /// The name that rustc knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wasip2 => "wasm32-wasip2",
            Self::Unknown => "wasm32-unknown-unknown",
            Self::Wasip1 => "wasm32-wasip1",
        }
    }

    const fn made(self) -> Made {
        match self {
            Self::Wasip2 | Self::Unknown => Made::Component,
            Self::Wasip1 => Made::Module,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[package.metadata.lavandula]` of a handler's `Cargo.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    target: Option<Target>,
    features: Vec<String>,
    default_features: Option<bool>,
    stack_size: Option<u32>,
    strip: bool,
    npm_core: Option<PathBuf>,
    request: Vec<TypicalRequest>,
}

/// A request that the author of a handler calls typical: one entry of
/// `[[package.metadata.lavandula.request]]`. The check sends it, and `serve`
/// suggests it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TypicalRequest {
    /// `GET` where none is given.
    #[serde(default = "get")]
    pub method: String,
    /// The path, with a query where there is one.
    pub path: String,
    /// Header names and values.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A file with the body. Relative to the crate in its Cargo.toml, absolute
    /// here.
    pub body: Option<PathBuf>,
}

fn get() -> String {
    "GET".to_owned()
}

impl TypicalRequest {
    /// A command line that sends it to the server at `origin`.
    pub fn curl(&self, origin: &str) -> String {
        let mut line = "curl".to_owned();
        if self.method != "GET" && !(self.method == "POST" && self.body.is_some()) {
            line.push_str(&format!(" -X {}", self.method));
        }
        for (name, value) in &self.headers {
            line.push_str(&format!(" -H '{name}: {value}'"));
        }
        if let Some(body) = &self.body {
            line.push_str(&format!(" --data-binary @{}", shown(body)));
        }
        line.push_str(&format!(" '{origin}{}'", self.path));
        line
    }
}

/// A path as one would type it here.
fn shown(path: &Path) -> std::path::Display<'_> {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path)
        .display()
}

/// How to build a handler crate.
///
/// What is not set here comes from `[package.metadata.lavandula]` of the crate
/// (`target`, `features`, `default-features`, `stack-size`, `strip`), and then
/// from the defaults.
///
/// ```no_run
/// use lavandula_host::build::Build;
///
/// let built = Build::new("examples/json-api").run()?;
/// println!("{} ({} bytes)", built.component.display(), built.bytes);
/// # Ok::<(), lavandula_host::build::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Build {
    path: PathBuf,
    target: Option<Target>,
    features: Vec<String>,
    output: Option<PathBuf>,
    optimised: bool,
    quiet: bool,
}

/// A component that was built, or a module where the target is of that kind.
#[derive(Debug, Clone)]
pub struct Built {
    /// Where it is.
    pub component: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the names of its statics are, which `lavandula inspect` shows, if the
    /// linker tells them.
    pub symbols: Option<PathBuf>,
    /// What it was compiled for.
    pub target: Target,
    /// What its author calls typical requests.
    pub typical: Vec<TypicalRequest>,
}

/// A module for JavaScript, on which wasm-bindgen has still to work.
pub(crate) struct Module {
    pub(crate) package: Package,
    pub(crate) bytes: Vec<u8>,
    pub(crate) optimised: bool,
    pub(crate) target_directory: PathBuf,
    /// Where the crate wants it, if the package around it is made by hand.
    pub(crate) npm_core: Option<PathBuf>,
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no crate at the path.
    #[error("there is no Cargo.toml at {0}: give the folder of a handler crate")]
    NoCrate(PathBuf),
    /// Cargo could not read the crate.
    #[error("cargo cannot read the crate: {0}")]
    Metadata(#[from] cargo_metadata::Error),
    /// A workspace without a package of its own.
    #[error("{0} is a workspace without a package: give the folder of one of its members")]
    NoPackage(PathBuf),
    /// A crate that is no handler.
    #[error(
        "{0} does not depend on lavandula: a handler for JavaScript has it among its \
         dependencies, and exports itself with `lavandula::export!(...)`"
    )]
    NoDependency(String),
    /// A package without a library.
    #[error("{0} has no library: a handler is a library crate with `lavandula::export!(...)`")]
    NoLibrary(String),
    /// A package without a program, or with more than one.
    #[error(
        "{package} has {} for {}: it needs one, a src/main.rs with `lavandula::door!(...)`",
        match .programs { 0 => "no program".to_owned(), many => format!("{many} programs") },
        Target::Wasip1
    )]
    NoProgram {
        /// The package.
        package: String,
        /// How many it has.
        programs: usize,
    },
    /// The package's metadata makes no sense.
    #[error("[package.metadata.lavandula] of {package}: {error}")]
    Settings {
        /// The package.
        package: String,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// The target is missing and could not be added.
    #[error(
        "the target {target} is missing and `rustup target add {target}` failed ({reason}): \
         install it by hand and build again"
    )]
    TargetMissing {
        /// The target.
        target: Target,
        /// What rustup said.
        reason: String,
    },
    /// A program could not be started.
    #[error("cannot run {program}: {error}")]
    Spawn {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// The compiler refused it, and has said why on stderr.
    #[error("{0} does not compile for {1}: the compiler's messages are above")]
    Compile(String, Target),
    /// Cargo succeeded without an artifact.
    #[error("cargo built {0} and named no .wasm file")]
    NoArtifact(String),
    /// The module is no component and cannot be made one.
    #[error("{package} cannot be made a component: {reason}")]
    Encode {
        /// The package.
        package: String,
        /// Why.
        reason: String,
    },
    /// What cargo built could not be read.
    #[error("cannot read {}, which cargo has just built: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The result could not be written.
    #[error("cannot write {}: {error}; give another place with `--output`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Build {
    /// Builds the crate at `path`: a folder, or a `Cargo.toml`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            target: None,
            features: Vec::new(),
            output: None,
            optimised: true,
            quiet: false,
        }
    }

    /// Compiles for this target.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Turns on features of the crate, besides those that it asks for itself.
    pub fn features(mut self, features: impl IntoIterator<Item = String>) -> Self {
        self.features.extend(features);
        self
    }

    /// Puts the component here, and not into the target directory.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }

    /// Compiles without optimisation, and with debug information.
    pub fn unoptimised(mut self) -> Self {
        self.optimised = false;
        self
    }

    /// Says nothing on stderr but errors.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Builds. The component appears whole or not at all; beside it appear the
    /// names of its statics, in a file with `.symbols` behind its name.
    ///
    /// # Errors
    /// [`BuildError`], each of which says what to do. What the compiler has to
    /// say goes to stderr.
    pub fn run(&self) -> Result<Built, BuildError> {
        let (metadata, package) = self.read()?;
        let settings = settings(&package)?;
        let target = self.target.or(settings.target).unwrap_or_default();
        let origin = match target.made() {
            Made::Component => library(&package)?,
            Made::Module => program(&package)?,
        };
        add_target(target, self.quiet)?;

        let Compiled { module, symbols } = Compilation {
            build: self,
            metadata: &metadata,
            package: &package,
            settings: &settings,
            target,
            purpose: Purpose::Component,
            origin,
        }
        .run()?;
        let mut component = match target.made() {
            Made::Component => componentize(&package, module)?,
            Made::Module => sections::without_descriptions(module),
        };
        border::write(&mut component);
        let output = match &self.output {
            Some(path) => path.clone(),
            None => metadata
                .target_directory
                .join("lavandula")
                .join(format!("{}.wasm", package.name))
                .into(),
        };
        write_whole(&output, &component)?;
        Ok(Built {
            symbols: write_symbols(&output, &component, symbols)?,
            bytes: component.len() as u64,
            component: output,
            target,
            typical: settings.request,
        })
    }

    /// Builds a module for JavaScript, with what `lavandula npm` exports.
    pub(crate) fn module(&self) -> Result<Module, BuildError> {
        let (metadata, package) = self.read()?;
        let settings = settings(&package)?;
        let target = Target::Unknown;
        let origin = library(&package)?;
        add_target(target, self.quiet)?;
        let feature = javascript(&package)?;
        let Compiled { module, .. } = Compilation {
            build: &self.clone().features([feature]),
            metadata: &metadata,
            package: &package,
            settings: &settings,
            target,
            purpose: Purpose::JavaScript,
            origin,
        }
        .run()?;
        let folder = package.manifest_path.parent();
        Ok(Module {
            npm_core: settings.npm_core.map(|core| match folder {
                Some(folder) => folder.as_std_path().join(core),
                None => core,
            }),
            package,
            bytes: module,
            optimised: self.optimised,
            target_directory: metadata.target_directory.into(),
        })
    }

    fn read(&self) -> Result<(Metadata, Package), BuildError> {
        let manifest = if self.path.is_dir() {
            self.path.join("Cargo.toml")
        } else {
            self.path.clone()
        };
        let manifest = std::fs::canonicalize(&manifest)
            .ok()
            .filter(|path| path.ends_with("Cargo.toml"))
            .ok_or_else(|| BuildError::NoCrate(self.path.clone()))?;
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .no_deps()
            .exec()?;
        let package = metadata
            .packages
            .iter()
            .find(|package| package.manifest_path.as_std_path() == manifest)
            .cloned()
            .ok_or_else(|| BuildError::NoPackage(self.path.clone()))?;
        Ok((metadata, package))
    }
}

/// The library of a package.
fn library(package: &Package) -> Result<Origin, BuildError> {
    let mut targets = package.targets.iter();
    targets
        .any(|target| target.is_lib() || target.is_cdylib() || target.is_rlib())
        .then_some(Origin::Library)
        .ok_or_else(|| BuildError::NoLibrary(package.name.to_string()))
}

/// The one program of a package.
fn program(package: &Package) -> Result<Origin, BuildError> {
    let programs = package.targets.iter().filter(|target| target.is_bin());
    let programs: Vec<_> = programs.collect();
    match programs.as_slice() {
        [one] => Ok(Origin::Program(one.name.clone())),
        several => Err(BuildError::NoProgram {
            package: package.name.to_string(),
            programs: several.len(),
        }),
    }
}

/// The feature by which a crate exports for JavaScript: that of our own crate, by the
/// name that its manifest has for it.
fn javascript(package: &Package) -> Result<String, BuildError> {
    const OURS: &str = "lavandula";
    if package.name.as_str() == OURS {
        return Ok("js".to_owned());
    }
    let dependency = package.dependencies.iter().find(|one| one.name == OURS);
    let dependency =
        dependency.ok_or_else(|| BuildError::NoDependency(package.name.to_string()))?;
    let name = dependency.rename.as_deref().unwrap_or(OURS);
    Ok(format!("{name}/js"))
}

/// Writes the symbols of a component beside it. Without them, those of the one
/// that was there before go.
fn write_symbols(
    output: &Path,
    component: &[u8],
    symbols: Option<Symbols>,
) -> Result<Option<PathBuf>, BuildError> {
    let file = symbols::file(output);
    let Some(symbols) = symbols else {
        let _ = std::fs::remove_file(&file);
        return Ok(None);
    };
    write_whole(&file, symbols.to_text(component).as_bytes())?;
    Ok(Some(file))
}

fn settings(package: &Package) -> Result<Settings, BuildError> {
    match package.metadata.get("lavandula") {
        None => Ok(Settings::default()),
        Some(value) => {
            let mut settings =
                Settings::deserialize(value).map_err(|error| BuildError::Settings {
                    package: package.name.to_string(),
                    error,
                })?;
            let folder = package.manifest_path.parent();
            for request in &mut settings.request {
                if let (Some(folder), Some(body)) = (folder, &mut request.body) {
                    *body = folder.as_std_path().join(&*body);
                }
            }
            Ok(settings)
        }
    }
}

/// The cargo that runs us, where one does.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Adds the target through rustup where the compiler does not have it.
///
/// # Errors
/// [`BuildError::Spawn`] and [`BuildError::TargetMissing`].
pub fn add_target(target: Target, quiet: bool) -> Result<(), BuildError> {
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target.as_str()])
        .output()
        .map_err(|error| BuildError::Spawn {
            program: "rustc".into(),
            error,
        })?;
    let libraries = String::from_utf8_lossy(&libraries.stdout);
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    if !quiet {
        eprintln!("adding the target {target} with rustup");
    }
    let failed = |reason: String| BuildError::TargetMissing { target, reason };
    let added = Command::new("rustup")
        .args(["target", "add", target.as_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !added.status.success() {
        let said = String::from_utf8_lossy(&added.stderr);
        return Err(failed(said.trim().lines().last().unwrap_or("").to_owned()));
    }
    Ok(())
}

/// A component of what the compiler made, which for one target is a component
/// already and for the other a core module that describes one.
fn componentize(package: &Package, module: Vec<u8>) -> Result<Vec<u8>, BuildError> {
    if program::expect_component(&module).is_ok() {
        return Ok(module);
    }
    let encode = || {
        wit_component::ComponentEncoder::default()
            .validate(true)
            .module(&module)?
            .encode()
    };
    encode().map_err(|error| BuildError::Encode {
        package: package.name.to_string(),
        reason: format!("{error:#}"),
    })
}

/// Writes a file of which nobody sees half.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    whole_file::write(path, bytes).map_err(|error| BuildError::Write {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let error = Build::new("/nowhere/at/all").run().unwrap_err();
        assert!(matches!(error, BuildError::NoCrate(_)));
        assert!(error.to_string().contains("/nowhere/at/all"));
    }
}
