//! What a component is, without running it.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use wasmtime::{Config, Engine};

use crate::program::{self, Door, LoadError};
use crate::symbols::Symbols;
use crate::told::Told;
use crate::trim;

mod statics;

pub use crate::trim::Parts;
pub use statics::{Static, Statics};

/// What a component exports and imports, and what it starts with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Size of the file.
    pub bytes: u64,
    /// The doors by which requests can enter, the preferred one first.
    #[serde(serialize_with = "names")]
    pub doors: Vec<Door>,
    /// Whether a host can seal and rewind it.
    pub rewinds: bool,
    /// What each instance of it consists of, where that can be told.
    pub instance: Option<Parts>,
    /// The same where it is entered by [`Door::Fast`] and something can be left out: by a
    /// host that has an instance for each request, or one that is rewound.
    pub fast_instance: Option<Parts>,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// How many linear memories it has, where that can be told.
    pub memories: Option<u32>,
    /// The largest memory at the start, in bytes, where that can be told.
    pub initial_memory: Option<u64>,
    /// Its statics that may change, where their names are known: see
    /// [`with_symbols_of`](Self::with_symbols_of).
    pub statics: Option<Statics>,
}

fn names<S: serde::Serializer>(doors: &[Door], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(doors.iter().map(ToString::to_string))
}

impl Inspection {
    /// Inspects the component in the file at `path`, with what a build has noted
    /// beside it.
    ///
    /// # Errors
    /// As [`of`](Self::of), and for what cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, LoadError> {
        let bytes = program::read(path)?;
        Ok(Self::of(&bytes)?.with_symbols_of(path, &bytes))
    }

    /// Inspects the component that `bytes` are. It needs no door, and its
    /// imports need not be on offer.
    ///
    /// # Errors
    /// [`LoadError`] for what is no component, and for one that is not valid.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        let engine = Engine::new(&Config::new()).map_err(LoadError::Engine)?;
        let component = program::compile(&engine, bytes)?;
        let ty = component.component_type();
        let resources = component.resources_required();
        Ok(Self {
            bytes: bytes.len() as u64,
            doors: program::doors(&component),
            rewinds: program::rewinds(&component),
            instance: Parts::of(bytes),
            fast_instance: trim::to_fast_door(bytes).map(|lean| lean.parts),
            imports: ty
                .imports(&engine)
                .map(|(name, _)| name.to_owned())
                .collect(),
            exports: ty
                .exports(&engine)
                .map(|(name, _)| name.to_owned())
                .collect(),
            memories: resources.as_ref().map(|resources| resources.num_memories),
            initial_memory: resources
                .and_then(|resources| resources.max_initial_memory_size)
                // 64-bit memories may say that they begin with 2^64 bytes.
                .map(|pages| pages.saturating_mul(program::PAGE)),
            statics: None,
        })
    }

    /// Adds what a build has noted of the statics beside this file, if it is the
    /// one of the component that `bytes` are.
    pub fn with_symbols_of(self, component: &Path, bytes: &[u8]) -> Self {
        let symbols = Symbols::beside(component, bytes);
        Self {
            statics: symbols.map(|symbols| Statics::of(&symbols)),
            ..self
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doors = match self.doors.as_slice() {
            [] => "none: it cannot be served".to_owned(),
            doors => {
                let names: Vec<_> = doors.iter().map(ToString::to_string).collect();
                names.join(", ")
            }
        };
        writeln!(f, "size      {} bytes", self.bytes)?;
        writeln!(f, "doors     {doors}")?;
        writeln!(f, "rewinds   {}", if self.rewinds { "yes" } else { "no" })?;
        match (self.memories, self.initial_memory) {
            (Some(count), Some(initial)) => {
                writeln!(
                    f,
                    "memories  {count}, the largest starts with {} KiB",
                    initial / 1024
                )?;
            }
            (Some(count), None) => writeln!(f, "memories  {count}")?,
            _ => writeln!(f, "memories  known only when it runs")?,
        }
        if let Some(Parts { modules, imports }) = self.instance {
            write!(f, "instance  {modules} modules with {imports} imports")?;
            if let Some(Parts { modules, imports }) = self.fast_instance {
                write!(f, "; entered by `fast` {modules} with {imports}")?;
            }
            writeln!(f)?;
        }
        match &self.statics {
            Some(statics) => write!(f, "{statics}")?,
            None => writeln!(
                f,
                "statics   not known: `lavandula build` notes them beside the component"
            )?,
        }
        list(f, "imports", &self.imports)?;
        list(f, "exports", &self.exports)
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, names: &[String]) -> fmt::Result {
    if names.is_empty() {
        return writeln!(f, "{title}   nothing");
    }
    writeln!(f, "{title}")?;
    names
        .iter()
        .try_for_each(|name| writeln!(f, "  {}", Told(name)))
}
