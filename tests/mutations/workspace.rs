//! A small workspace with a copy of the library and of one guest, in which mistakes are
//! made and taken back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lavandula_host::build::{Build, BuildError};
use tokio::sync::mpsc::{self, Receiver};

use crate::judge::{Caught, Mutant};
use crate::support::root;

/// The guest that is built on the library.
const GUEST: &str = "tests/guests/thorough";

/// The one whose invocations overlap.
const OVERLAPPING: &str = "tests/guests/overlap";

/// What is copied besides the manifest.
const COPIED: [&str; 7] = [
    "src",
    "wit",
    "wit-0.3",
    "Cargo.lock",
    GUEST,
    OVERLAPPING,
    // What the guest depends on.
    "tests/guests/support",
];

/// Bounds of the copy: nothing of the host's is needed, and a build is a matter of
/// seconds without.
const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\".\", \"tests/guests/*\"]\n";

/// Which guest it is, and which global allocator it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heap {
    /// `InvocationHeap`: there is an image.
    Invocation,
    /// Another one: a rewind is about the arena and the stack.
    Other,
    /// Another one, in the guest whose invocations have an arena each.
    Leases,
}

/// The copy.
pub struct Workspace {
    folder: PathBuf,
}

/// What is written in the place of something else.
#[derive(Debug, Clone, Copy)]
pub struct Replacement {
    /// Relative to the root.
    pub file: &'static str,
    /// Occurs there once.
    pub old: &'static str,
    pub new: &'static str,
}

/// Why a component with a mistake in it was not made.
#[derive(Debug)]
pub enum MakeError {
    /// The text occurs so often.
    Occurs {
        of: Replacement,
        times: usize,
    },
    File {
        path: PathBuf,
        error: io::Error,
    },
    Build(BuildError),
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occurs { of, times } => write!(
                f,
                "its old text occurs {times} times in {}, and has to occur once: write it anew in \
                 tests/mutations/mutants, as the file has it now:\n{}",
                of.file, of.old
            ),
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Build(error) => write!(
                f,
                "it does not build ({error}): write its new text anew in tests/mutations/mutants, \
                 so that it compiles without warnings"
            ),
        }
    }
}

impl Workspace {
    /// A copy of the library as it is now. What was compiled of an earlier one is
    /// kept where it is of use.
    pub fn new() -> Result<Self, MakeError> {
        let folder = root().join("target/mutations/work");
        for part in COPIED {
            let (from, to) = (root().join(part), folder.join(part));
            copy(&from, &to)?;
        }
        let manifest = read(&root().join("Cargo.toml"))?;
        write(&folder.join("Cargo.toml"), &reduced(&manifest))?;
        Ok(Self { folder })
    }

    /// The component with this mistake in it, or as it should be. Afterwards the copy
    /// is as before.
    pub fn make(
        &self,
        name: &str,
        mistake: Option<Replacement>,
        heap: Heap,
    ) -> Result<PathBuf, MakeError> {
        let Some(mistake) = mistake else {
            return self.build(name, heap);
        };
        let file = self.folder.join(mistake.file);
        let right = read(&file)?;
        let times = right.matches(mistake.old).count();
        if times != 1 {
            return Err(MakeError::Occurs { of: mistake, times });
        }
        write(&file, &right.replacen(mistake.old, mistake.new, 1))?;
        let built = self.build(name, heap);
        write(&file, &right)?;
        built
    }

    /// A component for each way in which the mutant is checked.
    fn make_all(&self, mutant: &Mutant) -> Result<Vec<PathBuf>, MakeError> {
        let mut made: HashMap<Heap, PathBuf> = HashMap::new();
        for caught in mutant.caught {
            let heap = caught.setup.heap;
            if let Entry::Vacant(vacant) = made.entry(heap) {
                let component = self.make(mutant.name, Some(mutant.replacement), heap)?;
                vacant.insert(component);
            }
        }
        let of = |caught: &Caught| made.get(&caught.setup.heap).cloned();
        Ok(mutant.caught.iter().filter_map(of).collect())
    }

    fn build(&self, name: &str, heap: Heap) -> Result<PathBuf, MakeError> {
        let (guest, kind, feature) = match heap {
            Heap::Invocation => (GUEST, "image", None),
            Heap::Other => (GUEST, "no-image", Some("without-image")),
            Heap::Leases => (OVERLAPPING, "leases", None),
        };
        let components = self.folder.join("components");
        let built = Build::new(self.folder.join(guest))
            .features(feature.map(str::to_owned))
            .output(components.join(format!("{name}-{kind}.wasm")))
            .quiet()
            .run();
        Ok(built.map_err(MakeError::Build)?.component)
    }
}

/// A mutant, built as often as it is checked in another way.
pub struct Made {
    pub mutant: &'static Mutant,
    pub components: Result<Vec<PathBuf>, MakeError>,
}

/// Makes mutants in another thread: while one is checked, the next is built.
pub fn makes(workspace: Workspace, mutants: Vec<&'static Mutant>) -> Receiver<Made> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for mutant in mutants {
            let components = workspace.make_all(mutant);
            // A test that failed wants no more.
            if sender.blocking_send(Made { mutant, components }).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The manifest of the library without the rest of its workspace, and without what its
/// own tests need.
fn reduced(manifest: &str) -> String {
    let mut reduced = WORKSPACE.to_owned();
    let mut keep = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keep = line != "[workspace]" && !line.contains("dev-dependencies");
        }
        if keep {
            reduced.push_str(line);
            reduced.push('\n');
        }
    }
    reduced
}

/// A file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), MakeError> {
    let because = |path: &Path| {
        let path = path.to_owned();
        move |error| MakeError::File { path, error }
    };
    if from.is_file() {
        return write(to, &read(from)?);
    }
    if to.exists() {
        fs::remove_dir_all(to).map_err(because(to))?;
    }
    for entry in fs::read_dir(from).map_err(because(from))? {
        let entry = entry.map_err(because(from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, MakeError> {
    let path = path.to_owned();
    fs::read_to_string(&path).map_err(|error| MakeError::File { path, error })
}

fn write(path: &Path, text: &str) -> Result<(), MakeError> {
    let made = match path.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    };
    let path = path.to_owned();
    made.and_then(|()| fs::write(&path, text))
        .map_err(|error| MakeError::File { path, error })
}
