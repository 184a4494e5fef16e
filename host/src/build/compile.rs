//! Runs cargo, and keeps the linker's map together with the module that it is of.

use std::ffi::OsString;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::camino::Utf8PathBuf;
use cargo_metadata::{Message, Metadata, Package};

use super::{Build, BuildError, STACK_SIZE, Settings, Target, cargo, shown};
use crate::link_map::LinkMap;
use crate::symbols::Symbols;

/// What a module is compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Component,
    JavaScript,
}

impl Purpose {
    /// The profile that handlers are compiled with: one of our own, so that no setting
    /// of the crate's workspace is needed for a small and fast module. One for each
    /// purpose: with one, either would have the other compiled again.
    const fn profile(self) -> &'static str {
        match self {
            Self::Component => "handler",
            Self::JavaScript => "handler-js",
        }
    }
}

/// Where cargo puts what is compiled with its own profile `dev`.
const UNOPTIMISED_FOLDER: &str = "debug";

/// What lies in the place of the map where the linker writes none.
const NO_MAP: &str = "The linker writes no map of the module. Remove this file to ask it again.\n";

/// What is compiled, and how.
pub(super) struct Compilation<'a> {
    pub(super) build: &'a Build,
    pub(super) metadata: &'a Metadata,
    pub(super) package: &'a Package,
    pub(super) settings: &'a Settings,
    pub(super) target: Target,
    pub(super) purpose: Purpose,
    pub(super) origin: Origin,
}

/// What of the package is compiled.
pub(super) enum Origin {
    Library,
    /// The program of this name.
    Program(String),
}

/// A module, and what its linker said of it.
pub(super) struct Compiled {
    pub(super) module: Vec<u8>,
    pub(super) symbols: Option<Symbols>,
}

/// A module as cargo tells of it.
struct Artifact {
    path: PathBuf,
    freshness: Freshness,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Linked,
    /// It was there, and nothing had to be done.
    Kept,
}

/// What the linker is asked for besides the module.
#[derive(Clone, Copy)]
enum Map<'a> {
    At(&'a Path),
    None,
}

/// What of cargo's and the compiler's words is passed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Say {
    All,
    /// No progress, but warnings and errors.
    Messages,
    Nothing,
}

impl Compilation<'_> {
    /// Makes the module.
    ///
    /// The map lies where the module does, under a name that depends on the same
    /// things, so that cargo, which knows nothing of it, keeps the two together:
    /// what makes it link the module again has the map written again. Where the
    /// map is missing all the same, or is of another module, the module is linked
    /// again.
    pub(super) fn run(&self) -> Result<Compiled, BuildError> {
        if self.purpose == Purpose::JavaScript {
            // wasm-bindgen moves things around: a map would be of another module.
            let artifact = self.cargo(Map::None, self.say())?;
            return Ok(Compiled {
                module: read(&artifact.path)?,
                symbols: None,
            });
        }
        let map = self.map();
        if std::fs::read(&map).is_ok_and(|text| text == NO_MAP.as_bytes()) {
            return self.without_symbols(self.cargo(Map::None, self.say())?, &map);
        }
        let mut artifact = match self.cargo(Map::At(&map), self.say()) {
            // Perhaps it is only that the linker knows of no maps. Most likely it
            // is not, and fails in the same way, which was told already.
            Err(error @ BuildError::Compile(..)) => {
                let Ok(artifact) = self.cargo(Map::None, Say::Nothing) else {
                    return Err(error);
                };
                note_absence(&map);
                return self.without_symbols(artifact, &map);
            }
            artifact => artifact?,
        };
        let mut compiled = compiled(&artifact, &map)?;
        if compiled.symbols.is_none() && artifact.freshness == Freshness::Kept {
            self.forget();
            artifact = self.cargo(Map::At(&map), self.say())?;
            compiled = self::compiled(&artifact, &map)?;
            if compiled.symbols.is_none() {
                // Not again with every build.
                note_absence(&map);
            }
        }
        if compiled.symbols.is_some() {
            return Ok(compiled);
        }
        if !map.exists() {
            note_absence(&map);
        }
        self.without_symbols(artifact, &map)
    }

    /// Where the map goes.
    fn map(&self) -> PathBuf {
        let profile = match self.build.optimised {
            true => self.purpose.profile(),
            false => UNOPTIMISED_FOLDER,
        };
        let target = self.metadata.target_directory.join(self.target.as_str());
        let name = format!("{}.link-map", self.package.name);
        target.join(profile).join(name).into()
    }

    fn without_symbols(&self, artifact: Artifact, map: &Path) -> Result<Compiled, BuildError> {
        if !self.build.quiet {
            eprintln!(
                "the linker writes no map, so that statics have no names; remove {} to ask it again",
                shown(map)
            );
        }
        Ok(Compiled {
            module: read(&artifact.path)?,
            symbols: None,
        })
    }

    fn say(&self) -> Say {
        match self.build.quiet {
            true => Say::Messages,
            false => Say::All,
        }
    }

    /// A command of cargo's about the package, as it is compiled here.
    fn command(&self, name: &str) -> Command {
        let mut cargo = Command::new(cargo());
        cargo
            .arg(name)
            .arg("--manifest-path")
            .arg(&self.package.manifest_path)
            .args(["--target", self.target.as_str()]);
        if self.build.optimised {
            let profile = self.purpose.profile();
            cargo.args(["--profile", profile]);
            // wasm-bindgen needs to know which features of WebAssembly there are, and
            // strips the rest itself.
            let strip = match (self.settings.strip, self.purpose) {
                (true, Purpose::Component) => "symbols",
                (false, _) | (_, Purpose::JavaScript) => "debuginfo",
            };
            for (key, value) in [
                ("inherits", "\"release\""),
                ("lto", "true"),
                ("codegen-units", "1"),
                ("strip", &format!("{strip:?}")),
            ] {
                cargo.args(["--config", &format!("profile.{profile}.{key}={value}")]);
            }
        }
        cargo
    }

    /// Runs cargo and returns the module that it names.
    fn cargo(&self, map: Map<'_>, say: Say) -> Result<Artifact, BuildError> {
        let mut cargo = self.command("rustc");
        match &self.origin {
            Origin::Library => cargo.args(["--lib", "--crate-type", "cdylib"]),
            Origin::Program(name) => cargo.args(["--bin", name]),
        };
        cargo.args(["--message-format", "json-render-diagnostics"]);
        if say != Say::All {
            cargo.arg("--quiet");
        }
        if say == Say::Nothing {
            cargo.stderr(Stdio::null());
        }
        if self.settings.default_features == Some(false) {
            cargo.arg("--no-default-features");
        }
        for feature in self.settings.features.iter().chain(&self.build.features) {
            cargo.args(["--features", feature]);
        }
        // The stack lies first, so that an overflow traps at address zero and
        // never runs into data.
        let stack = self.settings.stack_size.unwrap_or(STACK_SIZE);
        cargo.args(["--", "-Clink-arg=--stack-first"]);
        cargo.arg(format!("-Clink-arg=-zstack-size={stack}"));
        // A module is where it was linked to be. For WASI the compiler assumes
        // otherwise, and counts every constant that holds an address among the
        // statics that may change, which a rewind would put back.
        cargo.arg("-Crelocation-model=static");
        if let Map::At(path) = map {
            let mut argument = OsString::from("-Clink-arg=--Map=");
            argument.push(path);
            cargo.arg(argument);
        }

        let spawn = |error| BuildError::Spawn {
            program: "cargo".into(),
            error,
        };
        let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(spawn)?;
        let mut found = None;
        if let Some(stdout) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(stdout)) {
                if let Ok(Message::CompilerArtifact(artifact)) = message
                    && artifact.package_id == self.package.id
                {
                    let wasm = |path: &&Utf8PathBuf| path.extension() == Some("wasm");
                    let module = artifact.filenames.iter().find(wasm);
                    let module = module.map(|path| Artifact {
                        path: path.into(),
                        freshness: match artifact.fresh {
                            true => Freshness::Kept,
                            false => Freshness::Linked,
                        },
                    });
                    found = module.or(found);
                }
            }
        }
        let package = || self.package.name.to_string();
        if !child.wait().map_err(spawn)?.success() {
            return Err(BuildError::Compile(package(), self.target));
        }
        found.ok_or_else(|| BuildError::NoArtifact(package()))
    }

    /// Makes cargo forget that it has linked the module.
    fn forget(&self) {
        let mut cargo = self.command("clean");
        cargo.args(["--quiet", "-p", &self.package.id.repr]);
        // If it fails, the module stays as it is, without names.
        let _ = cargo.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What there is of a module.
fn compiled(artifact: &Artifact, map: &Path) -> Result<Compiled, BuildError> {
    let module = read(&artifact.path)?;
    let map = std::fs::read_to_string(map).ok();
    let symbols = map.and_then(|map| {
        let map = LinkMap::parse(&map)?;
        map.describes(&module).then(|| map.into_symbols())
    });
    Ok(Compiled { module, symbols })
}

fn read(module: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(module).map_err(|error| BuildError::Read {
        path: module.to_owned(),
        error,
    })
}

/// Keeps later builds from asking the linker for a map.
fn note_absence(map: &Path) {
    // If it cannot be noted, it is found out again.
    let _ = std::fs::write(map, NO_MAP);
}
