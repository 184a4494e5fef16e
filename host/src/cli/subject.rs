//! What a command works on: a component file, a handler crate, or the sample.

use std::path::{Path, PathBuf};

use lavandula_host::build::{Build, TypicalRequest};

use super::Result;

/// The handler that is served and checked where none is named.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/json-api");

/// Where a component comes from.
pub enum Origin {
    /// It is there.
    File(PathBuf),
    /// It is built.
    Crate(Build),
}

impl Origin {
    /// `path` is a file, the folder of a handler crate or its `Cargo.toml`; without
    /// it the sample is meant.
    pub fn find(path: Option<&Path>) -> Result<Self> {
        let path = match path {
            Some(path) => path,
            None if Path::new(SAMPLE).is_dir() => Path::new(SAMPLE),
            None => {
                return Err(
                    "the sample handler is only there in a checkout of lavandula: name a \
                     component, or the folder of a handler crate"
                        .into(),
                );
            }
        };
        let is_crate = path.is_dir() || path.file_name().is_some_and(|name| name == "Cargo.toml");
        Ok(match is_crate {
            true => Self::Crate(Build::new(path)),
            false => Self::File(path.to_owned()),
        })
    }

    /// Builds the component if need be.
    pub fn resolve(&self) -> Result<Subject> {
        let build = match self {
            Self::File(path) => {
                return Ok(Subject {
                    component: path.clone(),
                    typical: Vec::new(),
                });
            }
            Self::Crate(build) => build,
        };
        let built = build.run()?;
        tracing::info!(
            component = %built.component.display(),
            bytes = built.bytes,
            target = %built.target,
            "built"
        );
        Ok(Subject {
            component: built.component,
            typical: built.typical,
        })
    }
}

/// A component on disk, and what is known of it besides.
pub struct Subject {
    pub component: PathBuf,
    /// Requests that its author calls typical.
    pub typical: Vec<TypicalRequest>,
}

impl Subject {
    /// Finds or builds the component.
    pub fn resolve(path: Option<&Path>) -> Result<Self> {
        Origin::find(path)?.resolve()
    }
}
