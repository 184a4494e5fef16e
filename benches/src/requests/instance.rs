//! A component in an engine, an instance of it in a store, and the calls that a
//! host makes.

use lavandula_host::bindings::handler::exports::lavandula::arena::handler as fast;
use lavandula_host::bindings::handler::{Fast, FastIndices};
use lavandula_host::bindings::invocation::lavandula::arena::types::{Error as Refusal, Usage};
use lavandula_host::bindings::invocation::{Rewinding, RewindingIndices};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store, UpdateDeadline};

use super::state::{MAX_HANDLES, MAX_MEMORY, State};
use crate::Failure;
use crate::engine::Meter;

pub use fast::Response;

/// A request, as it goes through the fast door.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// The path, with the query.
    pub path: &'static str,
    /// The body.
    pub body: &'static [u8],
}

/// Headers of a request as clients send it, but for what a host keeps to itself.
const HEADERS: &[fast::HeaderParam<'static>] = &[
    ("user-agent", b"curl/8.5.0"),
    ("accept", b"*/*"),
    ("content-type", b"application/x-www-form-urlencoded"),
];

/// More fuel than any request uses.
const FUEL: u64 = u64::MAX / 2;

/// A component that was compiled and linked.
#[derive(Clone)]
pub struct Program {
    pre: InstancePre<State>,
    fast: FastIndices,
    /// Where the component has it.
    invocation: Option<RewindingIndices>,
    meter: Meter,
}

/// What is looked up in an instance. Whoever has one for each request needs no more
/// than the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// `lavandula:arena/handler`.
    Handler,
    /// That, and `lavandula:arena/invocation`.
    Invocation,
}

impl Program {
    /// Compiles and links a component.
    ///
    /// # Errors
    /// [`Failure::Engine`] where it is none that this can call. `meter` is what the
    /// engine has.
    pub fn new(engine: &Engine, component: &[u8], meter: Meter) -> Result<Self, Failure> {
        let link = || {
            let component = Component::from_binary(engine, component)?;
            let mut linker = Linker::new(engine);
            wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
            wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
            let pre = linker.instantiate_pre(&component)?;
            Ok(Self {
                fast: FastIndices::new(&pre)?,
                invocation: RewindingIndices::new(&pre).ok(),
                pre,
                meter,
            })
        };
        link().map_err(|error: wasmtime::Error| Failure::Engine(format!("{error:#}")))
    }

    /// A new instance, as `Program::instantiate` of the host makes it.
    pub async fn instance(&self, calls: Calls) -> Result<Instance, Failure> {
        let mut store = Store::new(self.pre.engine(), State::new());
        store.limiter(|state| &mut state.ledger);
        store.set_hostcall_fuel(2 * MAX_MEMORY);
        store.set_max_component_handles(MAX_HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let load = async {
            if self.meter == Meter::Fuel {
                store.set_fuel(FUEL)?;
            }
            let instance = self.pre.instantiate_async(&mut store).await?;
            let fast = self.fast.load(&mut store, &instance)?;
            let invocation = match &self.invocation {
                Some(found) if calls == Calls::Invocation => {
                    Some(found.load(&mut store, &instance)?)
                }
                _ => None,
            };
            Ok((fast, invocation))
        };
        let (fast, invocation) = load.await.map_err(failed("an instantiation"))?;
        Ok(Instance {
            store,
            fast,
            invocation,
        })
    }
}

/// An instance in its store.
pub struct Instance {
    store: Store<State>,
    fast: Fast,
    invocation: Option<Rewinding>,
}

impl Instance {
    /// Answers a request.
    pub async fn handle(&mut self, request: Request) -> Result<Response, Failure> {
        let request = fast::Request {
            method: request.method,
            path_with_query: request.path,
            authority: Some("127.0.0.1:8080"),
            headers: HEADERS,
            body: request.body,
        };
        let guest = self.fast.lavandula_arena_handler();
        let called = guest.call_handle(&mut self.store, request).await;
        called.map_err(failed("`handle`"))
    }

    /// Ends initialisation.
    pub async fn seal(&mut self) -> Result<(), Failure> {
        let guest = invocation(&self.invocation)?.lavandula_arena_invocation();
        granted("`seal`", guest.call_seal(&mut self.store).await)
    }

    /// Takes back what the requests have left.
    pub async fn rewind(&mut self) -> Result<(), Failure> {
        let guest = invocation(&self.invocation)?.lavandula_arena_invocation();
        granted("`rewind`", guest.call_rewind(&mut self.store).await)
    }

    /// The figures of the arena.
    pub async fn usage(&mut self) -> Result<Usage, Failure> {
        let guest = invocation(&self.invocation)?.lavandula_arena_invocation();
        let called = guest.call_usage(&mut self.store).await;
        called.map_err(failed("`usage`"))
    }

    /// Bytes of the image: of the last region of its store, since the others are
    /// bookkeeping. Whole pages where the image is a large one.
    pub async fn image_bytes(&mut self) -> Result<u32, Failure> {
        let guest = invocation(&self.invocation)?.lavandula_arena_invocation();
        let called = guest.call_image_store(&mut self.store).await;
        let regions = called.map_err(failed("`image-store`"))?;
        Ok(regions.last().map_or(0, |region| region.len))
    }

    /// Units of fuel so far.
    pub fn fuel(&self) -> Result<u64, Failure> {
        let left = self.store.get_fuel();
        left.map(|left| FUEL - left).map_err(failed("the meter"))
    }
}

fn invocation(found: &Option<Rewinding>) -> Result<&Rewinding, Failure> {
    found.as_ref().ok_or_else(|| Failure::Guest {
        what: "a call of `lavandula:arena/invocation`".to_owned(),
        reason: "the component does not have it, or it was not looked up".to_owned(),
    })
}

fn failed(what: &'static str) -> impl Fn(wasmtime::Error) -> Failure {
    move |error| Failure::Guest {
        what: what.to_owned(),
        reason: format!("{error:#}"),
    }
}

fn granted(
    what: &'static str,
    called: wasmtime::Result<Result<(), Refusal>>,
) -> Result<(), Failure> {
    match called {
        Ok(Ok(())) => Ok(()),
        Ok(Err(refusal)) => Err(Failure::Guest {
            what: what.to_owned(),
            reason: refusal.to_string(),
        }),
        Err(error) => Err(failed(what)(error)),
    }
}
