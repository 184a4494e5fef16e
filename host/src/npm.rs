//! Makes npm packages: of a handler crate one that answers requests wherever there is
//! the Fetch API, and of the arena itself the module of the package `lavandula`.
//!
//! ```text
//! crate -> build (feature `js`) -> bindings (wasm-bindgen) -> package (files)
//! ```
//!
//! Nothing but this command is needed: wasm-bindgen is a library of it, in the
//! version that the guest's crate has, and the JavaScript of a package is in it.

mod bindings;
mod package;

use std::path::PathBuf;

use crate::build::{Build, BuildError, Module};
use crate::whole_file;

use bindings::Bindings;

/// How to make an npm package of a handler crate.
///
/// ```no_run
/// use lavandula_host::npm::Npm;
///
/// let made = Npm::new("examples/json-api").run()?;
/// println!("npm install {}", made.folder.display());
/// # Ok::<(), lavandula_host::npm::NpmError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Npm {
    build: Build,
    folder: Option<PathBuf>,
    name: Option<String>,
    content: Content,
}

/// How much of a package is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// A package that can be installed.
    #[default]
    Package,
    /// The module and its bindings alone, for a package whose rest is by hand.
    Core,
}

/// A package that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is.
    pub folder: PathBuf,
    /// What it is called.
    pub name: String,
    /// Size of its WebAssembly module, in bytes.
    pub bytes: u64,
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpmError {
    /// The crate does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// wasm-bindgen could not make bindings of the module.
    #[error(
        "wasm-bindgen makes no bindings for {package}: {reason}; what a handler imports must \
         come through wasm-bindgen {version}",
        version = bindings::VERSION
    )]
    Bindings {
        /// The package.
        package: String,
        /// What it said.
        reason: String,
    },
    /// The module needs what JavaScript does not have.
    #[error(
        "{package} imports `{import}` of {from}, which JavaScript does not have: what a \
         handler imports must come through wasm-bindgen, so leave out what asks for it \
         where `target_os = \"unknown\"`"
    )]
    Import {
        /// The package.
        package: String,
        /// What it imports.
        import: String,
        /// From where.
        from: String,
    },
    /// The bindings have a form that cannot be made a factory of.
    #[error("the bindings of {package} cannot be made a factory of instances: {reason}")]
    Form {
        /// The package.
        package: String,
        /// What stands in the way.
        reason: String,
    },
    /// A name that npm would refuse.
    #[error(
        "{0:?} is no name of an npm package: use small letters, digits, `-`, `_` and `.`, at \
         most 214 of them, with `@scope/` in front or not; give another one with `--name`"
    )]
    Name(String),
    /// A file could not be written.
    #[error("cannot write {}: {error}; give another place with `--output`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl Npm {
    /// Makes a package of the crate at `path`: a folder, or a `Cargo.toml`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            build: Build::new(path),
            folder: None,
            name: None,
            content: Content::default(),
        }
    }

    /// Turns on features of the crate, besides those that it asks for itself.
    pub fn features(mut self, features: impl IntoIterator<Item = String>) -> Self {
        self.build = self.build.features(features);
        self
    }

    /// Puts the package here, and not into `lavandula/NAME-npm` of the target directory.
    pub fn output(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Calls the package so, and not as the crate.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes that much of it.
    pub fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Compiles without optimisation.
    pub fn unoptimised(mut self) -> Self {
        self.build = self.build.unoptimised();
        self
    }

    /// Says nothing on stderr but errors.
    pub fn quiet(mut self) -> Self {
        self.build = self.build.quiet();
        self
    }

    /// Builds the crate and writes the package, whole or not at all. Files of an
    /// earlier package at the same place are replaced; others there stay.
    ///
    /// # Errors
    /// [`NpmError`], each of which says what to do. What the compiler has to say goes
    /// to stderr.
    pub fn run(&self) -> Result<Made, NpmError> {
        // A bad name is told before anything is built.
        if let Some(name) = &self.name {
            package::check_name(name)?;
        }
        let module = self.build.module()?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => module.package.name.to_string(),
        };
        package::check_name(&name)?;
        let bindings = Bindings::new(&module)?;
        // Where the author has a place for the core, the rest is by hand.
        let files = match (self.content, &module.npm_core) {
            (Content::Package, None) => package::files(&name, &module, &bindings),
            _ => bindings.files(),
        };
        let folder = self.folder.clone().or_else(|| module.npm_core.clone());
        let folder = folder.unwrap_or_else(|| module.default_folder(&name));
        whole_file::write_all(&folder, &files)
            .map_err(|(path, error)| NpmError::Write { path, error })?;
        Ok(Made {
            folder,
            name,
            bytes: bindings.wasm.len() as u64,
        })
    }
}

impl Module {
    fn default_folder(&self, name: &str) -> PathBuf {
        let name = name.rsplit('/').next().unwrap_or(name);
        self.target_directory
            .join("lavandula")
            .join(format!("{name}-npm"))
    }
}

/// A file of a package: where it goes, and what is in it.
type File = (PathBuf, Vec<u8>);
