//! The guest under wasmtime, with a clock or with a meter of fuel behind the same
//! import.

use std::time::Instant;

use wasmtime::{Caller, Config, Extern, InstancePre, Linker, Module, OptLevel, Store};

use super::{Engine, List, Run};
use crate::Failure;

/// What the guest's clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meter {
    /// Nanoseconds.
    Time,
    /// Units of fuel: one for nearly every instruction that is executed.
    Fuel,
}

/// More fuel than any run uses.
const FUEL: u64 = u64::MAX / 2;

/// What belongs to one instance.
struct State {
    start: Instant,
    complaint: Option<String>,
}

/// The guest, compiled by wasmtime.
pub struct Wasmtime {
    meter: Meter,
    pre: InstancePre<State>,
}

/// Memory over many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Pages before the first one.
    pub before: u32,
    /// Pages after the last one.
    pub after: u32,
    /// Bytes that the largest one asked for.
    pub need: u32,
    /// Bytes that the allocator says it holds in the end, where it does.
    pub held: Option<u64>,
}

impl Wasmtime {
    /// Compiles the module.
    ///
    /// # Errors
    /// [`Failure::Module`] where wasmtime does not take it.
    pub fn new(module: &[u8], meter: Meter) -> Result<Self, Failure> {
        let refused = |error: wasmtime::Error| Failure::Module(format!("{error:#}"));
        let mut config = Config::new();
        config
            .cranelift_opt_level(OptLevel::Speed)
            .consume_fuel(meter == Meter::Fuel);
        let engine = wasmtime::Engine::new(&config).map_err(refused)?;
        let module = Module::new(&engine, module).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        let now = move |caller: Caller<'_, State>| match meter {
            Meter::Time => caller.data().start.elapsed().as_nanos() as f64,
            Meter::Fuel => (FUEL - caller.get_fuel().unwrap_or(FUEL)) as f64,
        };
        linker.func_wrap("bench", "now", now).map_err(refused)?;
        linker
            .func_wrap("bench", "complain", complain)
            .map_err(refused)?;
        let pre = linker.instantiate_pre(&module).map_err(refused)?;
        Ok(Self { meter, pre })
    }

    /// What the guest can do.
    ///
    /// # Errors
    /// [`Failure`] where it does not say so.
    pub fn list(&self) -> Result<List, Failure> {
        let mut instance = self.instance()?;
        let packed: u64 = instance.call("list", ())?;
        let (at, len) = ((packed >> 32) as usize, packed as u32 as usize);
        let text = instance
            .instance
            .get_memory(&mut instance.store, "memory")
            .and_then(|memory| memory.data(&instance.store).get(at..at + len))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or_else(|| Failure::Module("its list is not in its memory".into()))?;
        List::parse(text)
    }

    /// Runs an entry with every answer checked. Whether there was one to check.
    ///
    /// # Errors
    /// [`Failure::Guest`] with what is wrong.
    pub fn check(&self, entry: usize) -> Result<bool, Failure> {
        let checked: u32 = self.instance()?.call("check", entry as u32)?;
        Ok(checked != 0)
    }

    /// Serves `count` requests of different sizes with an allocator of the list.
    ///
    /// # Errors
    /// [`Failure::Guest`] where that traps.
    pub fn cycles(&self, allocator: usize, count: u32) -> Result<Requests, Failure> {
        let mut instance = self.instance()?;
        instance.call::<_, ()>("cycles", (allocator as u32, count))?;
        let held: i64 = instance.call("held", ())?;
        Ok(Requests {
            before: instance.call("pages_before", ())?,
            after: instance.call("pages_after", ())?,
            need: instance.call("need", ())?,
            held: u64::try_from(held).ok(),
        })
    }

    fn instance(&self) -> Result<Instance, Failure> {
        let state = State {
            start: Instant::now(),
            complaint: None,
        };
        let mut store = Store::new(self.pre.module().engine(), state);
        let refused = |error: wasmtime::Error| Failure::Module(format!("{error:#}"));
        if self.meter == Meter::Fuel {
            store.set_fuel(FUEL).map_err(refused)?;
        }
        let instance = self.pre.instantiate(&mut store).map_err(refused)?;
        Ok(Instance { store, instance })
    }
}

impl Engine for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn run(&mut self, entry: usize, repeats: u32) -> Result<Run, Failure> {
        let mut instance = self.instance()?;
        Ok(Run {
            elapsed: instance.call("run", (entry as u32, repeats))?,
            operations: instance.call("operations", ())?,
        })
    }
}

struct Instance {
    store: Store<State>,
    instance: wasmtime::Instance,
}

impl Instance {
    fn call<P, R>(&mut self, name: &str, arguments: P) -> Result<R, Failure>
    where
        P: wasmtime::WasmParams,
        R: wasmtime::WasmResults,
    {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)
            .map_err(|error| Failure::Module(format!("{error:#}")))?;
        function
            .call(&mut self.store, arguments)
            .map_err(|error| Failure::Guest {
                what: format!("`{name}` in the guest"),
                reason: match self.store.data_mut().complaint.take() {
                    Some(complaint) => complaint,
                    None => format!("{error:#}"),
                },
            })
    }
}

/// Keeps what the guest says before it traps.
fn complain(mut caller: Caller<'_, State>, at: u32, len: u32) {
    let text = caller
        .get_export("memory")
        .and_then(Extern::into_memory)
        .and_then(|memory| {
            let bytes = memory.data(&caller).get(at as usize..)?;
            bytes.get(..len as usize)
        })
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    caller.data_mut().complaint = text;
}
