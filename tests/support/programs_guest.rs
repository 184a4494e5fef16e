//! The guest that runs programs of arena operations, as a core module of which
//! the host takes pages, and to which it denies them.

use std::sync::OnceLock;

use lavandula_programs::Transcript;
use wasmtime::{
    AsContext, Caller, Engine, Extern, Instance, Linker, Memory, Module, ResourceLimiter, Store,
    TypedFunc,
};

use crate::core_module::core_module;

/// What the guest's arenas stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Ground {
    Strip = 0,
    Separate = 1,
    LinearMemory = 2,
    /// Blocks of three pages, without books of the pages.
    Plain = 3,
}

/// Half of what a size near `isize::MAX` needs: else linear memory would have it,
/// and a program that asks for what nothing has would get it.
const LARGEST_MEMORY: usize = 1 << 30;

/// What the host does with requests for memory, and what the guest has said.
#[derive(Default)]
struct Hostile {
    /// Growths that the guest itself asked for, since the start.
    asked: u32,
    /// From this one on they are denied.
    deny_from: Option<u32>,
    last_words: String,
}

impl ResourceLimiter for Hostile {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let denied = self.deny_from.is_some_and(|from| self.asked >= from);
        self.asked += 1;
        Ok(!denied && desired <= LARGEST_MEMORY)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// An instance of the guest.
pub struct Inside {
    store: Store<Hostile>,
    memory: Memory,
    room: TypedFunc<u32, u32>,
    run: TypedFunc<(u32, u32, u32), u64>,
    free: TypedFunc<(u32, u32), ()>,
}

impl Inside {
    /// A new instance, with nothing taken yet but what the guest needs itself.
    pub fn new() -> Self {
        static BUILT: OnceLock<(Engine, Module)> = OnceLock::new();
        let (engine, module) = BUILT.get_or_init(|| {
            let engine = Engine::default();
            let path = core_module("programs", &[]);
            let module = Module::from_file(&engine, path).expect("a module");
            (engine, module)
        });
        let mut store = Store::new(engine, Hostile::default());
        store.limiter(|hostile| hostile);
        let instance = linker(engine)
            .instantiate(&mut store, module)
            .expect("nothing else is imported");
        let mut inside = Self {
            memory: instance
                .get_memory(&mut store, "memory")
                .expect("guests export their memory"),
            room: function(&instance, &mut store, "room"),
            run: function(&instance, &mut store, "run_program"),
            free: function(&instance, &mut store, "free"),
            store,
        };
        let start = function::<(), ()>(&instance, &mut inside.store, "start");
        start.call(&mut inside.store, ()).expect("it starts");
        inside.store.data_mut().asked = 0;
        inside
    }

    /// Denies memory from the `k`th growth on that the guest asks for.
    pub fn deny_from(&mut self, k: u32) {
        self.store.data_mut().deny_from = Some(k);
    }

    /// How often the guest asked for memory.
    pub fn asked(&self) -> u32 {
        self.store.data().asked
    }

    /// Takes pages of the guest's memory, so that its next ones are not adjacent.
    pub fn take_pages(&mut self, pages: u64) {
        let grown = self.memory.grow(&mut self.store, pages);
        grown.expect("the host denies itself nothing");
    }

    /// Runs a program, its plan in front.
    ///
    /// # Panics
    /// With the guest's last words where it traps.
    #[track_caller]
    pub fn run(&mut self, ground: Ground, program: &[u8]) -> Transcript {
        let len = u32::try_from(program.len()).expect("a short program");
        let result = self.room.call(&mut self.store, len).and_then(|at| {
            self.memory.write(&mut self.store, at as usize, program)?;
            let packed = self.run.call(&mut self.store, (ground as u32, at, len))?;
            let (at, len) = ((packed >> 32) as u32, packed as u32);
            let bytes = self.memory.data(self.store.as_context());
            let bytes = bytes[at as usize..][..len as usize].to_vec();
            self.free.call(&mut self.store, (at, len))?;
            Ok(bytes)
        });
        match result {
            Ok(bytes) => Transcript::from_bytes(&bytes),
            Err(trap) => panic!("{}\n{trap:?}", self.store.data().last_words),
        }
    }
}

fn function<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    instance: &Instance,
    store: &mut Store<Hostile>,
    name: &str,
) -> TypedFunc<P, R> {
    instance
        .get_typed_func(store, name)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn linker(engine: &Engine) -> Linker<Hostile> {
    let mut linker = Linker::new(engine);
    let report = |mut caller: Caller<'_, Hostile>, at: u32, len: u32| {
        if let Some(Extern::Memory(memory)) = caller.get_export("memory") {
            let bytes = memory.data(&caller).get(at as usize..(at + len) as usize);
            let text = String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            caller.data_mut().last_words = text;
        }
    };
    let foreign = |mut caller: Caller<'_, Hostile>| -> u32 {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            return 0;
        };
        // What the host takes for itself is no growth of the guest's.
        let asked = caller.data().asked;
        let page = memory.grow(&mut caller, 1).unwrap_or(0);
        caller.data_mut().asked = asked;
        page as u32
    };
    linker.func_wrap("env", "report", report).expect("once");
    linker.func_wrap("env", "foreign", foreign).expect("once");
    linker
}
