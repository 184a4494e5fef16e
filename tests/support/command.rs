//! The real `lavandula` command, built once per run and started with nothing of
//! the caller's own `LAVANDULA_...` settings.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// The longest that a command may take which is expected to end by itself. The
/// slowest of them compile a handler.
const PATIENCE: Duration = Duration::from_secs(240);

/// The command, ready for its arguments.
pub fn lavandula() -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LAVANDULA_") {
            command.env_remove(name);
        }
    }
    command
}

/// Where the command is. It belongs to another package, so cargo neither builds
/// it for these tests nor says where it is; it lies beside the folder of the
/// test executable and is made with the same profile.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its own file");
        let folder = test
            .ancestors()
            .nth(2)
            .expect("a test lies in PROFILE/deps");
        let name = test.file_stem().and_then(OsStr::to_str);
        let name = name.and_then(|name| name.rsplit_once('-'));
        let name = name.expect("a test is called NAME-HASH").0.to_owned();
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => panic!("{} names no profile", folder.display()),
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--bin", "lavandula"])
            .args(["-p", "lavandula", "-p", "lavandula-host"])
            .args(["--profile", profile])
            // This very test as well, which is there already: with it cargo chooses
            // the features of dependencies as it did for the test, and does not
            // compile wasmtime a second time.
            .args(["--test", &name])
            // Also where this was given to `cargo test` and not set for it.
            .arg("--target-dir")
            .arg(folder.parent().expect("a profile lies in a target folder"))
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // What cargo has told this test about its package. Build scripts ask for
        // variables of the same names (that of ring, for one), and would run again
        // each time, for these values and then for none.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the command does not build");
        folder.join(format!("lavandula{}", std::env::consts::EXE_SUFFIX))
    })
}

/// A process that does not outlive the test that started it.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the command starts"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Sends the signal of this name.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status();
        assert!(sent.expect("`kill` runs").success(), "no process to signal");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not come within `limit`.
    #[track_caller]
    pub fn end(&mut self, limit: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("it is our child") {
                return status;
            }
            assert!(began.elapsed() < limit, "still there after {limit:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What became of a command.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    // Into files: a pipe that nobody empties would stop the command.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path| std::fs::File::create(path).expect("a temporary file");
    command
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err));
    let status = Process::start(command).end(PATIENCE);
    let text = |path| std::fs::read_to_string(path).expect("the output is text");
    Done {
        code: status.code(),
        stdout: text(&out),
        stderr: text(&err),
    }
}
