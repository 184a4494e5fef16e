//! The guest under V8: a Node.js process that takes a line for each run.
//!
//! V8 compiles with its optimising compiler from the start (`--no-liftoff`): what
//! is compared are allocators, and not the moments at which it would have changed
//! compilers.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{Engine, Run};
use crate::Failure;

const HARNESS: &str = include_str!("node.mjs");

/// Names, separated by commas, what must not be skipped where it is missing.
const REQUIRE: &str = "LAVANDULA_REQUIRE";

/// Whether it is a failure if there is no Node.js.
pub fn node_is_required() -> bool {
    std::env::var(REQUIRE).is_ok_and(|names| names.split(',').any(|name| name.trim() == "node"))
}

/// A Node.js process with the guest's module.
pub struct Node {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Of Node.js and V8.
    version: String,
}

impl Node {
    /// Starts the process and waits until it has compiled the module.
    ///
    /// # Errors
    /// [`Failure::Node`] where there is no Node.js, or not one that does.
    pub fn start(module: &Path) -> Result<Self, Failure> {
        let mut child = Command::new("node")
            .args(["--no-liftoff", "--no-wasm-lazy-compilation", "--expose-gc"])
            .args(["--input-type=module", "--eval", HARNESS, "--"])
            .arg(module)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::Node(error.to_string()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| Failure::Node("it has no pipes".into()))?;
        let mut node = Self {
            child,
            to,
            from: BufReader::new(from),
            version: String::new(),
        };
        node.version = node.line()?;
        Ok(node)
    }

    /// Versions of Node.js and of V8.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(0) => Err(Failure::Node("it ended; see above".into())),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(Failure::Node(error.to_string())),
        }
    }
}

impl Engine for Node {
    fn name(&self) -> &'static str {
        "node"
    }

    fn run(&mut self, entry: usize, repeats: u32) -> Result<Run, Failure> {
        writeln!(self.to, "{entry} {repeats}")
            .and_then(|()| self.to.flush())
            .map_err(|error| Failure::Node(error.to_string()))?;
        let line = self.line()?;
        let run = line.split_once(' ').and_then(|(elapsed, operations)| {
            Some(Run {
                elapsed: elapsed.parse().ok()?,
                operations: operations.parse().ok()?,
            })
        });
        run.ok_or_else(|| Failure::Guest {
            what: format!("entry {entry} of the guest's list, under Node.js"),
            reason: line,
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It would end by itself with its input, but perhaps not at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
