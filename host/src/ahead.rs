//! Compiling ahead of time: what a server would do when it starts is done before.
//!
//! What comes of it is machine code. Nobody can look at it and tell what it does,
//! and it runs with every right of the process, outside of every sandbox. Hence
//! the trust that loading it takes is something that somebody has to say: see
//! [`HostBuilder::allow_precompiled`](crate::HostBuilder::allow_precompiled).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use crate::concurrency::Concurrency;
use crate::engine;
use crate::program::{self, Door, LoadError, Program};
use crate::trim;
use crate::whole_file;

/// The usual ending of a file with compiled code.
pub const EXTENSION: &str = "cwasm";

/// What compiled code is to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Machine {
    /// The processor of this machine, with all that it can do. Another one of the
    /// same kind may be able to do less, and refuses the code then.
    #[default]
    This,
    /// Every machine of this kind, by the name that rustc has for it, such as
    /// `x86_64-unknown-linux-gnu`.
    Triple(String),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::This => f.write_str("this machine"),
            Self::Triple(triple) => f.write_str(triple),
        }
    }
}

/// Compiles the component that `bytes` are, for a host of this version.
///
/// With a `door`, for hosts that enter it by that one: what it needs for others alone is
/// left out, as it is by a host that loads the component itself. Without, every host can
/// choose, and each instance has the imports of all doors.
///
/// ```no_run
/// use lavandula_host::{Host, ahead};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let code = ahead::compile(&std::fs::read("handler.wasm")?, &ahead::Machine::This, None)?;
///
/// // SAFETY: it is what was compiled just now.
/// let builder = unsafe { Host::builder().allow_precompiled() };
/// let host = builder.load_bytes(&code)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`LoadError`], for everything that would keep the component from being served:
/// that is better known here than where the code is to run.
pub fn compile(bytes: &[u8], machine: &Machine, door: Option<Door>) -> Result<Vec<u8>, LoadError> {
    program::expect_component(bytes)?;
    let lean = match door {
        Some(Door::Fast) => trim::to_fast_door(bytes),
        Some(Door::WasiHttp | Door::Service) | None => None,
    };
    let bytes = lean.as_ref().map_or(bytes, |lean| &lean.component);
    let concurrency = Concurrency::needed_by(bytes);
    let engine = engine::compiling(&Machine::This, concurrency)?;
    let component = Component::from_binary(&engine, bytes).map_err(LoadError::Compile)?;
    let program = Program::link(&component)?;
    if let Some(door) = door {
        program.with_door(door)?;
    }
    match machine {
        Machine::This => component.serialize(),
        Machine::Triple(_) => engine::compiling(machine, concurrency)?.precompile_component(bytes),
    }
    .map_err(LoadError::Compile)
}

/// The same from file to file. Returns the size of `output`, which appears whole or
/// not at all.
///
/// # Errors
/// [`CompileError`], each of which says what to do.
pub fn compile_file(
    input: &Path,
    output: &Path,
    machine: &Machine,
    door: Option<Door>,
) -> Result<u64, CompileError> {
    let bytes = program::read(input)?;
    let code = compile(&bytes, machine, door)?;
    if is_same_file(input, output) {
        return Err(CompileError::Input(output.to_owned()));
    }
    whole_file::write(output, &code).map_err(|source| CompileError::Write {
        path: output.to_owned(),
        source,
    })?;
    Ok(code.len() as u64)
}

/// Whether both are there and the same, by whatever name.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Why a component was not compiled into a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// It cannot be served.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The component itself would be overwritten.
    #[error("{} is the component itself; give another file with `--output`", .0.display())]
    Input(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}; give another place with `--output`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// Whether these are the bytes of compiled code.
pub(crate) fn is_compiled(bytes: &[u8]) -> bool {
    Engine::detect_precompiled(bytes) == Some(Precompiled::Component)
}

/// Somebody's word that the compiled code that they give is what [`compile`] made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust(());

impl Trust {
    /// # Safety
    /// All compiled code that is loaded with it was made by [`compile`], and was
    /// not changed since.
    pub(crate) const unsafe fn given() -> Self {
        Self(())
    }

    /// Loads compiled code into the first of `engines` that it fits, which are made
    /// one after another, as far as they are needed.
    pub(crate) fn load(
        self,
        code: &[u8],
        engines: impl IntoIterator<Item = Result<Engine, LoadError>>,
    ) -> Result<Program, LoadError> {
        let mut first = None;
        for engine in engines {
            // SAFETY: the code is what the compiler made: whoever made this trust
            // has promised it. These are bytes of our own, not a file that is
            // mapped, so that nobody can change them from here on. Whether they
            // fit the engine is not trusted but checked by wasmtime.
            match unsafe { Component::deserialize(&engine?, code) } {
                Ok(component) => return Program::link(&component),
                Err(misfit) => first = first.or(Some(misfit)),
            }
        }
        Err(LoadError::Misfit(first.unwrap_or_else(|| {
            wasmtime::Error::msg("there is no engine to load it into")
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::testing;
    use crate::{Failure, Host, HostBuilder};

    fn trusting() -> HostBuilder {
        // SAFETY: the tests here load what they have compiled themselves, or what
        // wasmtime refuses because of its first bytes.
        unsafe { Host::builder().allow_precompiled() }
    }

    fn code() -> Vec<u8> {
        compile(&testing::handler(testing::HELLO), &Machine::This, None).expect("it compiles")
    }

    async fn assert_answers(host: &Host) {
        let outcome = host
            .request(http::Request::get("/").body("").unwrap())
            .await;
        let label = outcome.failure.as_ref().map_or("ok", Failure::label);
        assert_eq!((label, &outcome.response.body()[..]), ("ok", &b"hello"[..]));
    }

    #[tokio::test]
    async fn compiled_code_is_loaded_where_it_is_trusted_and_only_there() {
        let code = code();
        assert_answers(&trusting().load_bytes(&code).expect("it loads")).await;
        let refused = Host::builder().load_bytes(&code).expect_err("no trust");
        assert!(matches!(refused, LoadError::Precompiled), "{refused}");
        assert!(refused.to_string().contains("--allow-precompiled"));
    }

    #[tokio::test]
    async fn a_component_is_loaded_as_ever_where_compiled_code_is_trusted() {
        let component = testing::handler(testing::HELLO);
        assert_answers(&trusting().load_bytes(&component).expect("it loads")).await;
        let error = trusting().load_bytes(b"text").expect_err("it is none");
        assert!(matches!(error, LoadError::NotWasm), "{error}");
    }

    #[tokio::test]
    async fn it_does_not_matter_how_many_instances_the_host_has_room_for() {
        // The second has no pool at all.
        for max_in_flight in [1, 1_000_000] {
            let limits = Limits {
                max_in_flight,
                ..Limits::default()
            };
            let host = trusting().limits(limits).load_bytes(&code());
            assert_answers(&host.expect("it loads")).await;
        }
    }

    #[tokio::test]
    async fn code_for_every_machine_of_this_kind_runs_on_this_one() {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let component = testing::handler(testing::HELLO);
        let code = compile(&component, &Machine::Triple(triple), None).expect("it compiles");
        assert_answers(&trusting().load_bytes(&code).expect("it loads")).await;
    }

    #[test]
    fn a_machine_that_there_is_no_compiler_for_is_refused_by_name() {
        let component = testing::handler(testing::HELLO);
        for triple in ["pdp11-dec-unix", "no machine"] {
            let machine = Machine::Triple(triple.to_owned());
            let error = compile(&component, &machine, None).expect_err("there is none");
            assert!(error.to_string().contains(triple), "{error}");
        }
    }

    #[test]
    fn code_of_another_version_is_to_be_compiled_again() {
        let mut code = code();
        // wasmtime notes its major version, which it compares before all else: a
        // zero, the length, the digits.
        let version = memchr::memmem::find(&code, b"\0\x0248").expect("it is noted");
        code[version + 3] = b'7';
        let error = trusting().load_bytes(&code).expect_err("another version");
        assert!(matches!(error, LoadError::Misfit(_)), "{error}");
        assert!(error.to_string().contains("compile it again"), "{error}");
    }

    #[test]
    fn code_of_another_configuration_is_to_be_compiled_again() {
        let engine = Engine::default();
        let component = testing::handler(testing::HELLO);
        let code = engine
            .precompile_component(&component)
            .expect("it compiles");
        let error = trusting().load_bytes(&code).expect_err("no epochs");
        assert!(matches!(error, LoadError::Misfit(_)), "{error}");
    }

    #[test]
    fn code_goes_to_the_first_engine_that_it_fits_and_no_further() {
        let code = code();
        // SAFETY: it was compiled just now.
        let trust = unsafe { Trust::given() };
        let other = || Ok(Engine::default());
        let fitting = || engine::compiling(&Machine::This, Concurrency::Off);
        let never = || unreachable!("it was loaded by then");
        let engines = [&other as &dyn Fn() -> _, &fitting, &never];
        trust
            .load(&code, engines.into_iter().map(|engine| engine()))
            .expect("the second");
    }

    #[test]
    fn what_cannot_be_served_is_not_compiled() {
        for (bytes, wrong) in [
            (b"text".to_vec(), "not WebAssembly"),
            (b"\0asm\x0d\0\x01\0".to_vec(), "no request handler"),
            (testing::importing("acme:db/store@1.0.0"), "acme:db/store"),
            (code(), "compiled code"),
        ] {
            let error = compile(&bytes, &Machine::This, None).expect_err(wrong);
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }

    #[tokio::test]
    async fn compiled_code_cannot_be_checked() {
        let host = trusting().load_bytes(&code()).expect("it loads");
        let error = host.check(&crate::check::Plan::new()).await;
        let error = error.expect_err("its memory is not the host's").to_string();
        assert!(error.contains("compiled code cannot be checked"), "{error}");
    }
}
