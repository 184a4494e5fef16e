//! What is run: the handler of `examples/everywhere` in the forms that runtimes take, with
//! each of its allocators, and the same handler as other makers' packages make it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use lavandula_host::build::Build;
use lavandula_host::inspect::Inspection;
use lavandula_host::npm::Npm;
use tempfile::TempDir;

use super::catalogue::Maker;
use crate::Failure;
use crate::environment::workspace;

/// What a runtime takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A component with the doors of WASI 0.2.
    Wasi02,
    /// A component with the door of WASI 0.3.
    Wasi03,
    /// An npm package.
    Package,
    /// A module for Fastly Compute.
    Fastly,
}

/// Where allocations of the handler lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heap {
    /// In the invocation's arena, with everything else of the request.
    Invocation,
    /// With the platform's allocator.
    Std,
}

impl Heap {
    /// Both, the handler as it comes first.
    pub const ALL: [Self; 2] = [Self::Invocation, Self::Std];

    /// What it is called.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Invocation => "`InvocationHeap`",
            Self::Std => "std's allocator",
        }
    }
}

/// Something that can be run.
#[derive(Debug, Clone)]
pub struct Guest {
    /// A file, or the folder of a package.
    pub path: PathBuf,
    /// Bytes of it, all files together.
    pub bytes: u64,
    /// What it imports, where it is a component.
    pub imports: Vec<String>,
}

impl Guest {
    fn component(path: PathBuf) -> Result<Self, String> {
        let inspection = Inspection::of_file(&path).map_err(|error| error.to_string())?;
        Ok(Self {
            path,
            bytes: inspection.bytes,
            imports: inspection.imports,
        })
    }
}

/// Builds guests, each once.
#[derive(Debug)]
pub struct Guests {
    root: PathBuf,
    files: TempDir,
    built: BTreeMap<(Form, Heap), Result<Guest, String>>,
}

/// The crate of the handler.
const HANDLER: &str = "examples/everywhere";
/// The package that is its door to Fastly.
const FASTLY: &str = "fastly-everywhere";
const FASTLY_TARGET: &str = "wasm32-wasip1";

const STD_HEAP: &str = "std-heap";
const WASI_0_3: &str = "wasi-0-3";

impl Guests {
    /// None yet.
    ///
    /// # Errors
    /// [`Failure`] where there is no place for them.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self {
            root: workspace()?,
            files: tempfile::tempdir().map_err(|error| Failure::Build(error.to_string()))?,
            built: BTreeMap::new(),
        })
    }

    /// The root of the workspace.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The handler in this form, built, or found to be built.
    ///
    /// # Errors
    /// Why it does not build. What the compiler has to say goes to stderr.
    pub fn get(&mut self, form: Form, heap: Heap) -> Result<Guest, String> {
        if let Some(built) = self.built.get(&(form, heap)) {
            return built.clone();
        }
        let built = match form {
            Form::Wasi02 | Form::Wasi03 => self.component(form, heap),
            Form::Package => self.package(heap),
            Form::Fastly => self.fastly(heap),
        };
        self.built.insert((form, heap), built.clone());
        built
    }

    fn features(form: Form, heap: Heap) -> Vec<String> {
        let of_form = (form == Form::Wasi03).then(|| WASI_0_3.to_owned());
        let of_heap = (heap == Heap::Std).then(|| STD_HEAP.to_owned());
        of_form.into_iter().chain(of_heap).collect()
    }

    /// A name for the file, of what it is made with.
    fn name(form: Form, heap: Heap) -> String {
        let features = Self::features(form, heap);
        let parts = [vec!["everywhere".to_owned()], features].concat();
        parts.join("-")
    }

    fn component(&self, form: Form, heap: Heap) -> Result<Guest, String> {
        let file = format!("{}.wasm", Self::name(form, heap));
        let built = Build::new(self.root.join(HANDLER))
            .features(Self::features(form, heap))
            .output(self.files.path().join(file))
            .quiet()
            .run()
            .map_err(|error| error.to_string())?;
        Guest::component(built.component)
    }

    fn package(&self, heap: Heap) -> Result<Guest, String> {
        let folder = format!("{}-npm", Self::name(Form::Package, heap));
        let made = Npm::new(self.root.join(HANDLER))
            .features(Self::features(Form::Package, heap))
            .output(self.files.path().join(folder))
            .quiet()
            .run()
            .map_err(|error| error.to_string())?;
        Ok(Guest {
            bytes: size(&made.folder).map_err(|error| error.to_string())?,
            path: made.folder,
            imports: Vec::new(),
        })
    }

    fn fastly(&self, heap: Heap) -> Result<Guest, String> {
        run(Command::new("rustup").args(["target", "add", FASTLY_TARGET]))?;
        let target = self.root.join("target");
        let mut command = Command::new(cargo());
        command
            .args(["build", "--quiet", "--release", "-p", FASTLY])
            .args(["--target", FASTLY_TARGET, "--target-dir"])
            .arg(&target)
            .current_dir(&self.root);
        if heap == Heap::Std {
            command.args(["--features", STD_HEAP]);
        }
        run(&mut command)?;
        // Under a name of its own: the next build puts another one in its place.
        let made = target
            .join(FASTLY_TARGET)
            .join("release")
            .join(format!("{FASTLY}.wasm"));
        let file = format!("{}-fastly.wasm", Self::name(Form::Fastly, heap));
        let path = self.files.path().join(file);
        let bytes = std::fs::copy(&made, &path)
            .map_err(|error| format!("cannot copy {}: {error}", made.display()))?;
        Ok(Guest {
            path,
            bytes,
            imports: Vec::new(),
        })
    }

    /// The component of another maker.
    ///
    /// # Errors
    /// Why it does not build.
    pub fn made(&self, maker: &Maker) -> Result<Guest, String> {
        let target = self.root.join("target/makers/cargo");
        let mut command = Command::new(cargo());
        command
            .args(["build", "--release", "--locked", "--quiet"])
            .args(["--target", "wasm32-wasip2", "--target-dir"])
            .arg(&target)
            .current_dir(self.root.join("benches/makers").join(maker.folder));
        run(&mut command)?;
        let file = format!("wasm32-wasip2/release/everywhere_{}.wasm", maker.folder);
        Guest::component(target.join(file))
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// Runs a tool, whose messages are the user's.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| format!("cannot run {program}: {error}; put it on the PATH"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!(
            "{program} failed ({status}); its messages are above"
        )),
    }
}

/// Bytes of all files in the folder.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.metadata()?;
        bytes += match file.is_dir() {
            true => size(&entry.path())?,
            false => file.len(),
        };
    }
    Ok(bytes)
}
