//! Makes a component as its maker does, with the maker's own tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::root;

/// Names, separated by commas, what must not be skipped where it is missing.
const REQUIRE: &str = "LAVANDULA_REQUIRE";

/// What makes the component of a folder.
#[derive(Debug, Clone, Copy)]
pub enum Builder {
    /// A crate.
    Cargo,
    /// A package with a `build.mjs`, which gets the name of the output.
    Node,
    /// An `app.py` for componentize-py.
    Python,
}

impl Builder {
    /// The program that has to be there.
    fn tool(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Node => "npm",
            Self::Python => "python3",
        }
    }

    /// The name by which it is required.
    fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Node => "node",
            Self::Python => "python3",
        }
    }
}

/// The component of `tests/makers/FOLDER`, or none where the tool for it is missing
/// and need not be there.
///
/// # Panics
/// Where it does not build, or where the tool is missing and `LAVANDULA_REQUIRE`
/// names it.
pub fn component(folder: &str, builder: Builder) -> Option<PathBuf> {
    if !is_there(builder.tool()) {
        let (tool, name) = (builder.tool(), builder.name());
        let required = std::env::var(REQUIRE).is_ok_and(|all| all.split(',').any(|it| it == name));
        assert!(
            !required,
            "{REQUIRE} names {name}, and there is no {tool}: install it"
        );
        eprintln!("SKIPPED {folder}: there is no {tool}; install it to have this maker checked");
        return None;
    }
    let source = root().join("tests/makers").join(folder);
    let built = root().join("target/makers");
    std::fs::create_dir_all(&built).expect("a folder for components");
    Some(match builder {
        Builder::Cargo => cargo(folder, &source, &built),
        Builder::Node => node(folder, &source, &built),
        Builder::Python => python(folder, &source, &built),
    })
}

fn is_there(tool: &str) -> bool {
    let asked = Command::new(tool).arg("--version").output();
    asked.is_ok_and(|answer| answer.status.success())
}

/// All crates share a target folder, and with it the dependencies that they share.
fn cargo(folder: &str, source: &Path, built: &Path) -> PathBuf {
    let target = built.join("cargo");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(source);
    run(cargo);
    target.join(format!("wasm32-wasip2/release/maker_{folder}.wasm"))
}

fn node(folder: &str, source: &Path, built: &Path) -> PathBuf {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(source);
    run(npm);
    let output = built.join(format!("{folder}.wasm"));
    let mut node = Command::new("node");
    node.arg("build.mjs").arg(&output).current_dir(source);
    run(node);
    output
}

fn python(folder: &str, source: &Path, built: &Path) -> PathBuf {
    let environment = built.join("python");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&environment);
    run(venv);
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "-r", "requirements.txt"])
        .current_dir(source);
    run(pip);
    let output = built.join(format!("{folder}.wasm"));
    let mut componentize = Command::new(environment.join("bin/componentize-py"));
    for wit in ["wit/deps/io", "wit/deps/clocks", "wit/deps/http"] {
        componentize.arg("-d").arg(root().join(wit));
    }
    componentize
        .args([
            "-d",
            "wit",
            "-w",
            "makers:handler/handler",
            "componentize",
            "app",
            "-o",
        ])
        .arg(&output)
        .current_dir(source);
    run(componentize);
    output
}

#[track_caller]
fn run(mut command: Command) {
    let done = command
        .output()
        .expect("a tool that was there a moment ago");
    assert!(
        done.status.success(),
        "{command:?} failed with {}:\n{}{}",
        done.status,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
