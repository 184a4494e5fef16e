//! A component that was compiled, checked and linked: all that is done once,
//! so that a request only has to instantiate it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use thiserror::Error;
use wasmtime::component::types::Component as ComponentType;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyIndices};
use wasmtime_wasi_http::p3::bindings::{Service, ServiceIndices};

use crate::ahead;
use crate::bindings::endings::{Overlapping, OverlappingIndices};
use crate::bindings::handler::{Fast, FastIndices};
use crate::bindings::invocation::{Rewinding, RewindingIndices};
use crate::call::{self, DeadlinePassed, Phase};
use crate::concurrency::Concurrency;
use crate::config::Limits;
use crate::epoch;
use crate::failure::Failure;
use crate::grants::{Granted, Grants};
use crate::limits::MemoryUse;
use crate::memories;
use crate::state::State;
use crate::told::{self, Told};
use crate::unfold::{self, Excess};
use crate::whole_file::{self, MAX_COMPONENT, ReadError};

/// The exports that a request can come in by, as they are looked up. A version
/// that is compatible is found as well: any 0.1.x, any 0.2.x, any
/// 0.3.x.
const FAST: &str = "lavandula:arena/handler@0.1.0";
const WASI_HTTP: &str = "wasi:http/incoming-handler@0.2.0";
const SERVICE: &str = "wasi:http/handler@0.3.0";
const INVOCATION: &str = "lavandula:arena/invocation@0.1.0";
const ENDINGS: &str = "lavandula:service/endings@0.1.0";

/// Bytes of a wasm page.
pub(crate) const PAGE: u64 = 64 * 1024;

/// An export by which a request enters a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// `lavandula:arena/handler`: one call with plain values.
    Fast,
    /// `wasi:http/incoming-handler`, any 0.2.x: what every `wasi:http`
    /// component has.
    WasiHttp,
    /// `wasi:http/handler`, any 0.3.x: an asynchronous call, with bodies that
    /// are streams.
    Service,
}

impl Door {
    /// Every door, the preferred one first.
    const ALL: [Self; 3] = [Self::Fast, Self::WasiHttp, Self::Service];

    fn export(self) -> &'static str {
        match self {
            Self::Fast => FAST,
            Self::WasiHttp => WASI_HTTP,
            Self::Service => SERVICE,
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast",
            Self::WasiHttp => "wasi-http",
            Self::Service => "wasi-http-0.3",
        })
    }
}

impl FromStr for Door {
    type Err = UnknownDoor;

    fn from_str(name: &str) -> Result<Self, UnknownDoor> {
        Self::ALL
            .into_iter()
            .find(|door| door.to_string() == name)
            .ok_or(UnknownDoor)
    }
}

/// A name that is no door's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a door is `fast`, `wasi-http` or `wasi-http-0.3`")]
pub struct UnknownDoor;

/// Why a component cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read `{path}`; check that it exists and may be read", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },

    /// It is a folder, a pipe or a device, which may have no end.
    #[error(
        "`{path}` is {kind} and not a file; give the `.wasm` file of a component, or write what \
         comes out of it into one",
        path = path.display()
    )]
    NotAFile {
        /// Where it lies.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },

    /// The file is larger than any component.
    #[error(
        "`{path}` has more than {limit} bytes; check that it is the component, and build it with \
         optimisation and without debug information",
        path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },

    /// The bytes are something else altogether.
    #[error("this is not WebAssembly; give the `.wasm` file of a component")]
    NotWasm,

    /// A core module, as `wasm32-unknown-unknown` and `wasm32-wasip1` make.
    #[error(
        "this is a core module, not a component; build it with `lavandula build` \
         or with `--target wasm32-wasip2`, unless it is a program with a door of its own \
         (`wasm32-wasip1`): that is run by the runtime it was made for"
    )]
    CoreModule,

    /// Code that was compiled already, which was not allowed.
    #[error(
        "this is compiled code (`.cwasm`), which runs outside of every sandbox: if you trust where \
         it comes from, serve it with `--allow-precompiled`; for everything else give the `.wasm` \
         file that it was made of"
    )]
    Precompiled,

    /// Code that was compiled for something else.
    #[error(
        "this compiled code is for another version of lavandula, or for a processor that can do \
         more than this one; compile it again with this `lavandula compile`, here or with `--target`"
    )]
    Misfit(#[source] wasmtime::Error),

    /// There is no compiler for that machine.
    #[error(
        "cannot compile for `{triple}`; give the target triple of a machine of this kind, such as \
         `{arch}-unknown-linux-gnu`, or compile on the machine itself",
        arch = std::env::consts::ARCH
    )]
    Machine {
        /// The machine that was asked for.
        triple: String,
        /// What is wrong with it.
        source: wasmtime::Error,
    },

    /// The component does not compile.
    #[error(
        "the component does not compile; rebuild it, and if it uses wasm proposals \
         that are not standard yet, without them"
    )]
    Compile(#[source] wasmtime::Error),

    /// The component may be small, and would be huge when compiled.
    #[error("the component would take too much to compile: it has {0}")]
    Excess(Excess),

    /// The component needs something that this host does not offer.
    #[error(
        "the component imports `{name}`, which this host does not offer; it offers WASI 0.2 \
         and 0.3 with `wasi:http`, so build the component without it or compose it with one that has it",
        name = Told(name)
    )]
    MissingImport {
        /// The import.
        name: String,
        /// What does not match.
        source: wasmtime::Error,
    },

    /// The component has no export that takes a request.
    #[error(
        "the component exports no request handler but {exports}; export \
         `lavandula:arena/handler` or `wasi:http/incoming-handler` (in Rust: `lavandula::export!`), \
         or `wasi:http/handler` of WASI 0.3"
    )]
    NoDoor {
        /// What it exports instead: a few of the names.
        exports: String,
    },

    /// The component has a door, but not the one that was asked for.
    #[error("the component does not export `{export}`; leave the choice of the door to the host")]
    DoorMissing {
        /// The export that was asked for.
        export: &'static str,
    },

    /// Instances are to be shared, and the component has no door for that.
    #[error(
        "the component does not export `{SERVICE}`, and only by that can an instance have several \
         requests at a time; export it (in Rust: `lavandula::export!(async handler)`), or serve the \
         component with `--isolation instance`"
    )]
    NotShared,

    /// An interface has the right name and lacks a function.
    #[error(
        "an interface that the component exports is not the one that this host knows; \
         rebuild it against the same version of `lavandula:arena`"
    )]
    Interface(#[source] wasmtime::Error),

    /// The component could not even start within the limit.
    #[error(
        "the component starts with {needed} bytes of memory and the limit is {limit}; raise the \
         memory limit or link the component with less initial memory and a smaller stack"
    )]
    Memory {
        /// What all its memories have together when it starts, as far as that can be
        /// told, in bytes.
        needed: u64,
        /// The limit, in bytes.
        limit: usize,
    },

    /// A folder that is granted cannot be opened.
    #[error(
        "cannot open the folder `{path}` for the guest; create it, check that it may be read, \
         or leave it out of `--dir`",
        path = path.display()
    )]
    Dir {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        source: wasmtime::Error,
    },

    /// The machine cannot run compiled guests.
    #[error("cannot set up the WebAssembly engine on this machine")]
    Engine(#[source] wasmtime::Error),

    /// The thread that interrupts guests could not be started.
    #[error("cannot start the thread that interrupts guests; allow this process one more thread")]
    Clock(#[source] io::Error),
}

/// A component, ready to be instantiated any number of times.
#[derive(Clone)]
pub struct Program {
    instance: InstancePre<State>,
    door: Door,
    fast: Option<FastIndices>,
    wasi: Option<ProxyIndices>,
    service: Option<ServiceIndices>,
    invocation: Option<RewindingIndices>,
    endings: Option<OverlappingIndices>,
    /// Bytes of memory that an instance begins with, or fewer.
    initial_memory: u64,
    granted: Granted,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("door", &self.door)
            .field("invocation", &self.has_invocation())
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles and links a component. Where it has several doors, the fast one
    /// comes before `wasi:http` 0.2, and that before 0.3.
    ///
    /// WASI 0.3 takes an engine with `concurrency_support`.
    ///
    /// Deadlines are only as good as the engine: guest code is interrupted by
    /// its epoch, which `HostBuilder::load` sets up and keeps moving.
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let program = Self::link(&compile(engine, bytes)?)?;
        Ok(Self {
            initial_memory: program.initial_memory.max(memories::initial(bytes)),
            ..program
        })
    }

    /// Of a component that is all there is: of compiled code nobody can tell what
    /// all its memories have together.
    pub(crate) fn link(component: &Component) -> Result<Self, LoadError> {
        let engine = component.engine();
        let ty = component.component_type();

        // The door first: a library, or a command, is better told what it is
        // than which of its imports is missing.
        let has = |export| exports_it(component, export);
        let door = *doors(component).first().ok_or_else(|| LoadError::NoDoor {
            exports: exports(engine, &ty),
        })?;

        let linker = linker(engine).map_err(LoadError::Engine)?;
        let instance = linker
            .instantiate_pre(component)
            .map_err(|source| missing_import(engine, &ty, source))?;

        // Names only: wasmtime compares types when it has an instance, so that
        // an export of another type shows as `Failure::Instantiate`.
        fn indices<T>(
            present: bool,
            find: impl FnOnce() -> wasmtime::Result<T>,
        ) -> Result<Option<T>, LoadError> {
            let found = present.then(find).transpose();
            found.map_err(|error| LoadError::Interface(told::cause(error)))
        }
        Ok(Self {
            door,
            fast: indices(has(FAST), || FastIndices::new(&instance))?,
            wasi: indices(has(WASI_HTTP), || ProxyIndices::new(&instance))?,
            service: indices(has(SERVICE), || ServiceIndices::new(&instance))?,
            invocation: indices(has(INVOCATION), || RewindingIndices::new(&instance))?,
            endings: indices(has(ENDINGS), || OverlappingIndices::new(&instance))?,
            instance,
            initial_memory: largest_memory(component),
            granted: Granted::default(),
        })
    }

    /// The same program for another engine, without compiling it once more. The
    /// engines may differ in where instances live, not in what code is like.
    pub(crate) fn for_engine(&self, engine: &Engine) -> Result<Self, LoadError> {
        let code = self.instance.component().serialize();
        let code = code.map_err(LoadError::Compile)?;
        // SAFETY: `deserialize` trusts that the bytes are what `serialize` or the
        // compiler made. They come from `serialize`, just above, and
        // nobody had them in between. Whether the code fits the engine is not
        // trusted but checked, and an error if it does not.
        let component = unsafe { Component::deserialize(engine, code) };
        let program = Self::link(&component.map_err(LoadError::Compile)?)?;
        Self {
            initial_memory: self.initial_memory,
            ..program
        }
        .with_door(self.door)
    }

    /// The same program, entered by `door`.
    pub fn with_door(self, door: Door) -> Result<Self, LoadError> {
        let present = match door {
            Door::Fast => self.fast.is_some(),
            Door::WasiHttp => self.wasi.is_some(),
            Door::Service => self.service.is_some(),
        };
        if !present {
            let export = door.export();
            return Err(LoadError::DoorMissing { export });
        }
        Ok(Self { door, ..self })
    }

    /// The same program, if an instance of it can exist at all within `limits`.
    pub fn within(self, limits: &Limits) -> Result<Self, LoadError> {
        let needed = self.initial_memory;
        let limit = limits.max_memory;
        if usize::try_from(needed).is_ok_and(|needed| needed <= limit) {
            Ok(self)
        } else {
            Err(LoadError::Memory { needed, limit })
        }
    }

    /// The same program, whose instances may reach what `grants` say.
    ///
    /// # Errors
    /// [`LoadError::Dir`] for a folder that cannot be opened.
    pub fn granting(self, grants: Grants) -> Result<Self, LoadError> {
        let granted = grants.open()?;
        Ok(Self { granted, ..self })
    }

    /// What its instances may reach.
    pub(crate) fn granted(&self) -> &Granted {
        &self.granted
    }

    /// The engine that it was compiled for.
    pub(crate) fn engine(&self) -> &Engine {
        self.instance.engine()
    }

    /// The door by which requests enter.
    pub fn door(&self) -> Door {
        self.door
    }

    /// Whether the component exports `lavandula:arena/invocation`, which a
    /// caller needs to seal and rewind an instance of it.
    pub fn has_invocation(&self) -> bool {
        self.invocation.is_some()
    }

    /// A new instance, which has the store's whole life to itself, with the `exports`
    /// that will be called.
    ///
    /// The state's deadline runs from here on: in guest code through the epoch,
    /// and in the host's through the timer that each call is wrapped in.
    pub(crate) async fn instantiate(
        &self,
        state: State,
        exports: Exports,
    ) -> Result<Guest, Refused> {
        let mut store = Store::new(self.instance.engine(), state);
        let limits = *store.data().limits();
        store.limiter(|state| &mut state.ledger);
        store.set_hostcall_fuel(limits.hostcall_bytes());
        store.set_max_component_handles(limits.max_handles);
        store.set_epoch_deadline(epoch::TURN);
        store.epoch_deadline_callback(|mut context| {
            if Instant::now() >= deadline(&mut context) {
                Err(DeadlinePassed.into())
            } else {
                // Lets the other requests of this thread run.
                call::gives_way();
                Ok(UpdateDeadline::Yield(1))
            }
        });

        let mut guest = Guest {
            store,
            fast: None,
            wasi: None,
            service: None,
            invocation: None,
            endings: None,
        };
        match self.load(&mut guest, exports).await {
            Ok(()) => {
                guest.store.data_mut().ledger.instantiated();
                Ok(guest)
            }
            Err(failure) => Err(Refused {
                failure,
                memory: guest.memory_use(),
            }),
        }
    }

    /// Puts an instance into the guest's store, and its exports beside it.
    async fn load(&self, guest: &mut Guest, exports: Exports) -> Result<(), Failure> {
        let store = &mut guest.store;
        let deadline = store.data().deadline;
        let instance = call::until(deadline, self.instance.instantiate_async(&mut *store)).await;
        let instance = instance.map_err(|why| call::explain(why, store.data(), Phase::Start))?;

        // Those alone that will be called: finding one takes as long as a small call.
        macro_rules! load {
            ($($name:ident if $called:expr),* $(,)?) => {$(
                let indices = self.$name.as_ref().filter(|_| $called);
                let found = indices.map(|i| i.load(&mut *store, &instance));
                guest.$name = found
                    .transpose()
                    .map_err(|error| Failure::Instantiate(told::death(error)))?;
            )*};
        }
        load!(
            fast if self.door == Door::Fast,
            wasi if self.door == Door::WasiHttp,
            service if self.door == Door::Service,
            invocation if exports == Exports::All,
            endings if exports == Exports::All && self.door == Door::Service,
        );
        Ok(())
    }
}

/// When the code that runs has to be over.
fn deadline(context: &mut StoreContextMut<'_, State>) -> Instant {
    let mut own = None;
    if context.data().has_several() {
        // The call of the host is the last of them.
        let task = context.async_call_stack().ok().and_then(Iterator::last);
        own = task.and_then(|task| context.data().deadline_of(task));
    }
    own.unwrap_or(context.data().deadline)
}

/// Which exports of an instance will be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exports {
    /// That of the door.
    Door,
    /// That of the door and those of `lavandula:arena/invocation`.
    All,
}

/// An instance that did not come to be.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) failure: Failure,
    /// What it had of memory by then.
    pub(crate) memory: MemoryUse,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

/// An instance in its store, with what it exports. How it is called is the
/// matter of `invoke.rs`.
pub(crate) struct Guest {
    pub(crate) store: Store<State>,
    pub(crate) fast: Option<Fast>,
    pub(crate) wasi: Option<Proxy>,
    pub(crate) service: Option<Service>,
    pub(crate) invocation: Option<Rewinding>,
    pub(crate) endings: Option<Overlapping>,
}

/// Bytes that the largest memory of a component begins with.
fn largest_memory(component: &Component) -> u64 {
    let required = component.resources_required();
    let pages = required.and_then(|required| required.max_initial_memory_size);
    pages.unwrap_or(0).saturating_mul(PAGE)
}

fn exports_it(component: &Component, export: &str) -> bool {
    component.get_export_index(None, export).is_some()
}

/// The doors that a component has, the preferred one first.
pub(crate) fn doors(component: &Component) -> Vec<Door> {
    let mut doors = Door::ALL.to_vec();
    doors.retain(|door| exports_it(component, door.export()));
    doors
}

/// Whether a component can be sealed and rewound.
pub(crate) fn rewinds(component: &Component) -> bool {
    exports_it(component, INVOCATION)
}

/// The bytes of a component in a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    whole_file::read(path, MAX_COMPONENT).map_err(|error| {
        let path = path.to_owned();
        match error {
            ReadError::Io(source) => LoadError::Io { path, source },
            ReadError::NotAFile(kind) => LoadError::NotAFile { path, kind },
            ReadError::TooLarge(limit) => LoadError::TooLarge { path, limit },
        }
    })
}

/// Tells a component from what is commonly given in its place.
pub(crate) fn expect_component(bytes: &[u8]) -> Result<(), LoadError> {
    // Four bytes of magic, two of version, two of layer: 0 for modules, 1 for
    // components.
    match bytes.first_chunk::<8>() {
        Some(b"\0asm\x01\0\0\0") => Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', ..]) => Ok(()),
        _ if ahead::is_compiled(bytes) => Err(LoadError::Precompiled),
        _ => Err(LoadError::NotWasm),
    }
}

/// Compiles a component, if that costs no more than its size suggests.
///
/// Whatever it is called and whatever its names are, the text of an error can be
/// shown.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    expect_component(bytes)?;
    if let Some(excess) = unfold::excess(bytes) {
        return Err(LoadError::Excess(excess));
    }
    Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile(told::cause(error)))
}

/// All that a guest may import.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    // A component of WASI 0.3 may well import 0.2 too: its standard library does.
    if Concurrency::of(engine) == Concurrency::On {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

/// What a component exports, for people.
fn exports(engine: &Engine, ty: &ComponentType) -> String {
    let names = told::some(ty.exports(engine).map(|(name, _)| name));
    if names.is_empty() {
        "nothing at all".to_owned()
    } else {
        names
    }
}

/// Names the import that is to blame for `source`.
fn missing_import(engine: &Engine, ty: &ComponentType, source: wasmtime::Error) -> LoadError {
    // wasmtime names it in the text of the error only, and stops at the first,
    // so that the import that its text names is the one.
    let text = format!("{source:#}");
    let named = ty
        .imports(engine)
        .map(|(name, _)| name)
        .find(|name| text.contains(&format!("`{name}`")));
    LoadError::MissingImport {
        name: named.unwrap_or("(see the cause)").to_owned(),
        source: told::cause(source),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::testing;

    fn load(bytes: &[u8]) -> Result<Program, LoadError> {
        Program::new(&Engine::default(), bytes)
    }

    #[test]
    fn bytes_that_are_not_wasm_are_told_apart_from_a_core_module() {
        for bytes in [&b""[..], b"\0asm", b"#!/bin/sh\nexit 0\n"] {
            assert!(matches!(load(bytes), Err(LoadError::NotWasm)));
        }
        let module = b"\0asm\x01\0\0\0";
        assert!(matches!(load(module), Err(LoadError::CoreModule)));
    }

    #[test]
    fn a_component_that_is_cut_off_does_not_compile() {
        let whole = testing::handler(testing::HELLO);
        let error = load(&whole[..whole.len() / 2]).expect_err("cut off");
        assert!(matches!(error, LoadError::Compile(_)), "{error}");
        assert!(error.source().is_some());
    }

    #[test]
    fn a_component_without_a_door_is_told_what_it_exports() {
        let empty = load(b"\0asm\x0d\0\x01\0").expect_err("no door");
        assert!(empty.to_string().contains("but nothing at all"), "{empty}");
        let command =
            testing::component("(component (core module $m) (export \"m\" (core module $m)))");
        let command = load(&command).expect_err("no door");
        assert!(command.to_string().contains("but `m`"), "{command}");
    }

    #[test]
    fn a_missing_import_is_named() {
        let error = load(&testing::importing("acme:db/store@1.0.0")).expect_err("missing");
        match &error {
            LoadError::MissingImport { name, .. } => assert_eq!(name, "acme:db/store@1.0.0"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_door_that_is_not_there_cannot_be_forced() {
        let program = load(&testing::handler(testing::HELLO)).expect("a program");
        assert_eq!(program.door(), Door::Fast);
        assert!(!program.has_invocation());
        let program = program.with_door(Door::Fast).expect("it is there");
        let error = program.with_door(Door::WasiHttp).expect_err("it is not");
        assert!(error.to_string().contains("wasi:http/incoming-handler"));
    }

    #[test]
    fn the_fastest_door_comes_first_and_each_has_a_name() {
        let export = |door: Door| format!("(export \"{}\" (instance $i))", door.export());
        let exports: String = Door::ALL.into_iter().rev().map(export).collect();
        let text = format!("(component (instance $i) {exports})");
        let component =
            Component::new(&Engine::default(), testing::component(&text)).expect("a component");
        let doors = doors(&component);
        assert_eq!(doors, [Door::Fast, Door::WasiHttp, Door::Service]);
        for door in doors {
            assert_eq!(door.to_string().parse(), Ok(door));
        }
    }

    #[test]
    fn a_component_that_cannot_start_within_the_limit_is_refused() {
        let program = load(&testing::handler(testing::HELLO)).expect("a program");
        let tight = Limits {
            max_memory: 64 * 1024,
            ..Limits::default()
        };
        let error = program.within(&tight).expect_err("it has more pages");
        assert!(matches!(error, LoadError::Memory { .. }), "{error}");
    }

    #[test]
    fn memories_that_exceed_the_limit_only_together_are_refused() {
        // Two pages, and one in a memory of its own.
        let component = testing::handler_with_hidden_memory(testing::HELLO);
        let program = load(&component).expect("a program");
        let limits = |pages: usize| Limits {
            max_memory: pages * 64 * 1024,
            ..Limits::default()
        };
        let error = program.clone().within(&limits(2)).expect_err("three pages");
        assert!(error.to_string().contains("with 196608 bytes"), "{error}");
        let program = program.within(&limits(3)).expect("it may run");
        // Also where it is compiled for another engine.
        let elsewhere = program.for_engine(&Engine::default()).expect("it fits");
        elsewhere.within(&limits(2)).expect_err("three pages");
    }

    #[test]
    fn an_interface_without_its_function_is_refused_at_load() {
        let error = load(&testing::component(testing::NO_HANDLE)).expect_err("no function");
        assert!(matches!(error, LoadError::Interface(_)), "{error}");
    }
}
