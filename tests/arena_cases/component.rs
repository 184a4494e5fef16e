//! The door `wit`: the component that `lavandula build` makes, in wasmtime.

use lavandula_host::bindings::arenas::Arenas;
use lavandula_host::bindings::arenas::exports::lavandula::arena::arenas::GuestArena;
use lavandula_host::bindings::invocation::lavandula::arena::types::Error;
use tokio::runtime::{self, Runtime};
use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Engine, ResourceLimiter, Store};

use crate::door::{Arena, Door, Figures, Place, Refusal};
use crate::support;
use crate::table::Case;

const PAGE: usize = 64 * 1024;

/// The component, compiled once.
pub struct Compiled {
    engine: Engine,
    component: Component,
}

impl Compiled {
    pub fn new() -> Self {
        let engine = Engine::default();
        let component = Component::from_file(&engine, support::component("."));
        Self {
            component: component.expect("the component of this crate"),
            engine,
        }
    }

    /// An instance for a case, with as much memory as it has.
    pub fn open(&self, case: &Case) -> Box<dyn Door> {
        let growth = Growth {
            begun: None,
            pages: case.pages,
        };
        let mut store = Store::new(&self.engine, growth);
        store.limiter(|growth| growth);
        // An empty linker: anything that it imported would be missing.
        let linker = Linker::new(&self.engine);
        let runtime = runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let arenas = runtime.block_on(async {
            let instance = linker.instantiate_async(&mut store, &self.component).await;
            Arenas::new(&mut store, &instance.expect("an instance"))
        });
        Box::new(Wit {
            runtime,
            store,
            arenas: arenas.expect("it exports arenas"),
            made: Vec::new(),
        })
    }
}

/// By how much memory may grow from what it begins with.
struct Growth {
    begun: Option<usize>,
    pages: Option<usize>,
}

impl ResourceLimiter for Growth {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let begun = *self.begun.get_or_insert(desired);
        Ok(self
            .pages
            .is_none_or(|pages| desired <= begun + pages * PAGE))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

struct Wit {
    runtime: Runtime,
    store: Store<Growth>,
    arenas: Arenas,
    made: Vec<ResourceAny>,
}

/// Calls a function of an arena: `call!(self, arena, call_alloc(size))`.
macro_rules! call {
    ($self:ident, $arena:expr, $call:ident($($argument:expr),*)) => {{
        let calls: GuestArena<'_> = $self.arenas.lavandula_arena_arenas().arena();
        let arena = $self.made[$arena];
        let called = calls.$call(&mut $self.store, arena $(, $argument)*);
        $self.runtime.block_on(called).map_err(of_host)
    }};
}

/// A size that WIT can carry.
fn word(size: u64) -> Result<u32, Refusal> {
    u32::try_from(size).map_err(|_| Refusal::Unsaid("a size has 32 bits"))
}

/// What the host says in the place of the component.
fn of_host(error: wasmtime::Error) -> Refusal {
    let text = format!("{error:?}");
    match text.contains("unknown handle index") {
        true => Refusal::Freed,
        false => Refusal::Other(text),
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::OutOfMemory(requested) => Self::OutOfMemory { requested },
            Error::Budget(exceeded) => Self::Budget {
                requested: exceeded.requested,
                remaining: exceeded.remaining,
            },
            Error::Layout => Self::Layout,
            Error::BlockSize => Self::BlockSize,
            Error::StaleAddress => Self::StaleAddress,
            Error::State(text) => Self::Other(text),
        }
    }
}

fn place(arena: Arena, at: u32, length: u64) -> Place {
    Place {
        arena,
        at: at.into(),
        length,
        resets: 0,
    }
}

impl Door for Wit {
    fn largest_size(&self) -> u64 {
        u32::MAX.into()
    }

    fn create(&mut self, block_size: Option<u64>) -> Result<Arena, Refusal> {
        let calls = self.arenas.lavandula_arena_arenas().arena();
        let arena = match block_size {
            None => {
                let called = calls.call_constructor(&mut self.store);
                self.runtime.block_on(called).map_err(of_host)?
            }
            Some(size) => {
                let called = calls.call_with_block_size(&mut self.store, word(size)?);
                self.runtime.block_on(called).map_err(of_host)??
            }
        };
        self.made.push(arena);
        Ok(self.made.len() - 1)
    }

    fn alloc(&mut self, arena: Arena, size: u64, align: Option<u64>) -> Result<Place, Refusal> {
        if align.is_some() {
            return Err(Refusal::Unsaid("it takes no alignment"));
        }
        let at = call!(self, arena, call_alloc(word(size)?))??;
        Ok(place(arena, at, size))
    }

    fn calloc(&mut self, arena: Arena, count: u64, size: u64) -> Result<Place, Refusal> {
        let at = call!(self, arena, call_calloc(word(count)?, word(size)?))??;
        Ok(place(arena, at, count * size))
    }

    fn strdup(&mut self, arena: Arena, text: &str) -> Result<Place, Refusal> {
        let at = call!(self, arena, call_strdup(text))??;
        Ok(place(arena, at, text.len() as u64))
    }

    fn strndup(&mut self, arena: Arena, text: &str, max: u64) -> Result<Place, Refusal> {
        let (at, length) = call!(self, arena, call_strndup(text, word(max)?))??;
        Ok(place(arena, at, length.into()))
    }

    fn read(&mut self, place: Place, from: u64, length: u64) -> Result<Vec<u8>, Refusal> {
        let at = word(place.at + from)?;
        Ok(call!(self, place.arena, call_read(at, word(length)?))??)
    }

    fn write(&mut self, place: Place, from: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let at = word(place.at + from)?;
        Ok(call!(self, place.arena, call_write(at, bytes))??)
    }

    fn reset(&mut self, arena: Arena) -> Result<(), Refusal> {
        call!(self, arena, call_reset())
    }

    fn free(&mut self, arena: Arena) -> Result<(), Refusal> {
        let dropped = self.made[arena].resource_drop_async(&mut self.store);
        self.runtime.block_on(dropped).map_err(of_host)
    }

    fn set_budget(&mut self, _: Arena, _: Option<u64>) -> Result<(), Refusal> {
        Err(Refusal::Unsaid("budgets are set in Rust"))
    }

    fn figures(&mut self, arena: Arena) -> Result<Figures, Refusal> {
        let usage = call!(self, arena, call_usage())?;
        Ok(Figures {
            told: [
                call!(self, arena, call_used())?,
                call!(self, arena, call_total_allocated())?,
            ],
            used: usage.used,
            total_allocated: usage.total_allocated,
            peak_used: usage.peak_used,
            committed: usage.committed,
            tail_waste: usage.tail_waste,
            free: usage.free,
            overhead: usage.overhead,
            blocks: usage.blocks.into(),
            resets: usage.resets,
            grows: usage.grows,
            budget: usage.budget,
        })
    }
}
