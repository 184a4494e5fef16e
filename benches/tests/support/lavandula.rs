//! The command `lavandula`, for tests of what measures it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where it is, built with the packages whose features decide what `cargo test` at the
/// root has compiled, and with a test that all of them have, for the features that only
/// tests need: so wasmtime is not compiled a second time.
pub fn path() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let bench = Path::new(env!("CARGO_BIN_EXE_lavandula-bench"));
        let folder = bench.parent().expect("it lies in PROFILE");
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => panic!("{} names no profile", folder.display()),
        };
        let target = folder.parent().expect("a profile lies in a target folder");
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "-p", "lavandula"])
            .args(["-p", "lavandula-bench", "-p", "lavandula-host"])
            .args(["--bin", "lavandula", "--test", "serve"])
            .args(["--profile", profile])
            .arg("--target-dir")
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the command does not build");
        folder.join(format!("lavandula{}", std::env::consts::EXE_SUFFIX))
    })
}
