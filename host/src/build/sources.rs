//! What a handler is built of, for those who want to know when to build it again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, Package};

use super::{Build, BuildError};

/// Files that count where they lie directly in the folder of a package. Others that
/// lie there, such as logs, come and go without being a part of it.
const OF_A_PACKAGE: [&str; 3] = ["Cargo.toml", "Cargo.lock", "build.rs"];

/// The folders that a handler and its path dependencies are built of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The folders of packages, and of the workspace.
    packages: BTreeSet<PathBuf>,
    /// The folders in these, as far as they are theirs.
    trees: BTreeSet<PathBuf>,
    /// What is made of all that.
    target: PathBuf,
}

/// How much of a folder is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What lies directly in it.
    Folder,
    /// Everything below it.
    Tree,
}

impl Build {
    /// What the crate is built of: its own files and those of its path dependencies,
    /// as far as these are known to its workspace.
    ///
    /// # Errors
    /// [`BuildError`] where there is no crate that could be built.
    pub fn sources(&self) -> Result<Sources, BuildError> {
        let (metadata, package) = self.read()?;
        Ok(Sources::of(&metadata, &package))
    }
}

impl Sources {
    fn of(metadata: &Metadata, package: &Package) -> Self {
        let mut packages = BTreeSet::new();
        let mut more = vec![folder(package)];
        while let Some(found) = more.pop() {
            if !packages.insert(found.clone()) {
                continue;
            }
            // Outside of the workspace nothing is known of what it depends on.
            let known = metadata.packages.iter().find(|one| folder(one) == found);
            let dependencies = known.iter().flat_map(|one| &one.dependencies);
            // Those for tests are no part of it.
            let built_in = dependencies.filter(|one| one.kind != DependencyKind::Development);
            more.extend(built_in.filter_map(|one| Some(one.path.clone()?.into())));
        }
        let target = metadata.target_directory.as_std_path();
        let others: Vec<_> = metadata.packages.iter().map(folder).collect();
        let trees = packages.iter().flat_map(|package| {
            let folders = std::fs::read_dir(package).into_iter().flatten().flatten();
            folders.map(|entry| entry.path()).filter(|path| {
                path.is_dir()
                    && !is_hidden(path)
                    && path != target
                    && !path.join("Cargo.toml").exists()
                    // A folder of packages, each of which counts for itself.
                    && !others.iter().any(|other| other.starts_with(path))
            })
        });
        let trees = trees.collect();
        packages.insert(metadata.workspace_root.clone().into());
        Self {
            packages,
            trees,
            target: target.to_owned(),
        }
    }

    /// The folders in which something may happen that concerns it.
    pub fn folders(&self) -> impl Iterator<Item = (&Path, Depth)> {
        let packages = self.packages.iter().map(|path| (&**path, Depth::Folder));
        let trees = self.trees.iter().map(|path| (&**path, Depth::Tree));
        packages.chain(trees)
    }

    /// Whether a build may come out different when `path`, which lies in one of
    /// these folders, has changed.
    pub fn concern(&self, path: &Path) -> bool {
        if path.starts_with(&self.target) || is_hidden(path) {
            return false;
        }
        if path
            .parent()
            .is_some_and(|parent| self.packages.contains(parent))
        {
            let name = path.file_name().unwrap_or_default();
            return path.is_dir()
                || path.extension().is_some_and(|ending| ending == "rs")
                || OF_A_PACKAGE.iter().any(|known| name == *known);
        }
        true
    }
}

fn folder(package: &Package) -> PathBuf {
    let manifest = package.manifest_path.as_std_path();
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Whether it is hidden, or what an editor keeps beside a file.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.ends_with(b"~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the workspace")
    }

    fn of_the_sample() -> Sources {
        let sources = Build::new(root().join("examples/json-api")).sources();
        sources.expect("it is a crate")
    }

    #[test]
    fn a_handler_is_built_of_its_own_files_and_of_its_path_dependencies() {
        let sources = of_the_sample();
        let has = |path: &str, depth| {
            let path = root().join(path);
            let mut folders = sources.folders();
            folders.any(|folder| folder == (&*path, depth))
        };
        assert!(has("examples/json-api", Depth::Folder));
        assert!(has("examples/json-api/src", Depth::Tree));
        assert!(has("", Depth::Folder), "lavandula is a dependency");
        assert!(has("src", Depth::Tree));
        assert!(has("wit", Depth::Tree));
        for other in ["examples", "tests", "target", ".git", "fuzz"] {
            assert!(!has(other, Depth::Tree), "{other}");
        }
        // Of the tests of a dependency.
        assert!(!has("host", Depth::Folder) && !has("host/src", Depth::Tree));
    }

    #[test]
    fn what_is_built_or_hidden_or_beside_a_package_is_no_source() {
        let sources = of_the_sample();
        let concern = |path: &str| sources.concern(&root().join(path));
        for source in ["src/lib.rs", "src/data.json", "Cargo.toml", "build.rs"] {
            assert!(concern(source), "{source}");
            let of_the_sample = format!("examples/json-api/{source}");
            assert!(concern(&of_the_sample), "{of_the_sample}");
        }
        for other in [
            "server.log",
            "examples/json-api/server.log",
            "src/.lib.rs.swp",
            "src/lib.rs~",
        ] {
            assert!(!concern(other), "{other}");
        }
        let built = sources.target.join("debug/build/out.rs");
        assert!(!sources.concern(&built));
    }

    #[test]
    fn a_folder_without_a_crate_has_no_sources() {
        let error = Build::new("/nowhere/at/all").sources().unwrap_err();
        assert!(matches!(error, BuildError::NoCrate(_)));
    }
}
