//! One instance of a component with the door of WASI 0.3, asked many things at once,
//! and an origin on loopback that answers when it is told to.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::alloc::Layout;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use lavandula_host::bindings::invocation::Rewinding;
use lavandula_host::bindings::invocation::lavandula::arena::types::Usage;
use tokio::sync::{Notify, mpsc};
use wasmtime::component::{Accessor, Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, Engine, LinearMemory, MemoryCreator, MemoryType, ResourceLimiter, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p3::Request as GuestRequest;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

/// What is done with a request of the guest's own.
pub type Send = fn(Request<WasiBody>) -> Sending;
pub type Sending = Pin<Box<dyn Future<Output = Sent> + std::marker::Send>>;
pub type Transfer = Box<dyn Future<Output = Result<(), HttpError>> + std::marker::Send>;
pub type Sent = Result<(Response<WasiBody>, Transfer), HttpError>;

/// A component, compiled and linked.
pub struct Guest {
    instance: InstancePre<State>,
    seen: Arc<Seen>,
}

impl Guest {
    /// The component in this file.
    #[track_caller]
    pub fn load(component: &Path) -> Self {
        Self::of(&std::fs::read(component).expect("a file"))
    }

    /// The component that these bytes are.
    #[track_caller]
    pub fn of(component: &[u8]) -> Self {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        let seen = Arc::new(Seen::default());
        let creator: Arc<dyn MemoryCreator> = Arc::clone(&seen) as _;
        config
            .memory_init_cow(false)
            .memory_reservation(0)
            .memory_guard_size(0)
            .with_host_memory(creator);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::from_binary(&engine, component).expect("a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("an empty linker");
        wasmtime_wasi::p3::add_to_linker(&mut linker).expect("a linker without 0.3");
        wasmtime_wasi_http::p3::add_to_linker(&mut linker).expect("a linker without HTTP");
        Self {
            instance: linker.instantiate_pre(&component).expect("it links"),
            seen,
        }
    }

    /// A new instance, whose requests go to the network.
    pub async fn start(&self) -> Instance {
        self.start_with(|request| {
            Box::pin(async {
                let sent = wasmtime_wasi_http::default_send_request(request, None).await?;
                let (response, transfer) = sent;
                let transfer: Transfer = Box::new(transfer);
                Ok((response.map(BodyExt::boxed_unsync), transfer))
            })
        })
        .await
    }

    /// A new instance, whose requests are sent in this way.
    pub async fn start_with(&self, send: Send) -> Instance {
        self.seen.forget();
        let mut store = Store::new(self.instance.engine(), State::new(send));
        store.limiter(|state| &mut state.memory);
        let instance = self.instance.instantiate_async(&mut store).await;
        let instance = instance.expect("it starts");
        let service = Service::new(&mut store, &instance).expect("the door of WASI 0.3");
        let invocation = Rewinding::new(&mut store, &instance).ok();
        let seen = self.seen.all();
        Instance {
            store,
            service,
            invocation,
            seen,
        }
    }
}

/// An instance, which is never exchanged for another.
pub struct Instance {
    store: Store<State>,
    service: Service,
    /// A component of another maker has none.
    invocation: Option<Rewinding>,
    seen: Vec<Arc<Region>>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub whole: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The instance within its event loop: what may be asked, any number of times at once.
#[derive(Clone, Copy)]
pub struct Open<'a> {
    accessor: &'a Accessor<State>,
    service: &'a Service,
    seen: &'a [Arc<Region>],
}

impl Instance {
    /// Runs `act` in the event loop of the instance. An error is a trap.
    pub async fn run<R>(&mut self, act: impl AsyncFnOnce(Open<'_>) -> R) -> wasmtime::Result<R> {
        let (service, seen) = (&self.service, &self.seen);
        let run = async |accessor: &Accessor<State>| {
            act(Open {
                accessor,
                service,
                seen,
            })
            .await
        };
        self.store.run_concurrent(run).await
    }

    /// Waits until nothing goes on in it.
    pub async fn settle(&mut self) {
        let settled = self.run(async |open| open.settle().await).await;
        settled.expect("no trap");
    }

    pub async fn usage(&mut self) -> Usage {
        let calls = self.invocation.as_ref().expect("`invocation`");
        let calls = calls.lavandula_arena_invocation();
        calls.call_usage(&mut self.store).await.expect("no trap")
    }

    pub async fn seal(&mut self) {
        let calls = self.invocation.as_ref().expect("`invocation`");
        let calls = calls.lavandula_arena_invocation();
        let sealed = calls.call_seal(&mut self.store).await.expect("no trap");
        sealed.expect("it seals");
    }

    pub async fn rewind(&mut self) {
        let calls = self.invocation.as_ref().expect("`invocation`");
        let calls = calls.lavandula_arena_invocation();
        let rewound = calls.call_rewind(&mut self.store).await.expect("no trap");
        rewound.expect("it rewinds");
    }

    /// Bytes of linear memory that it has.
    pub fn memory(&self) -> usize {
        self.seen.iter().map(|region| region.bytes()).sum()
    }

    /// Lets it have this many bytes of memory from now on.
    pub fn allow(&mut self, bytes: usize) {
        self.store.data_mut().memory.0 = bytes;
    }

    /// Resources of the host that it holds.
    pub fn resources(&mut self) -> usize {
        self.store.data_mut().table.iter_mut().count()
    }

    /// What the engine holds for it of calls, streams and futures.
    pub fn concurrent_state(&mut self) -> usize {
        self.store.concurrent_state_table_size()
    }
}

impl Open<'_> {
    /// Asks, and expects an answer whose body is whole.
    pub async fn ask<B>(self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes> + std::marker::Send + 'static,
        B::Error: Into<HttpError>,
    {
        let answer = self.try_ask(request).await.expect("no trap");
        assert!(answer.whole, "{answer:?}");
        answer
    }

    /// Asks. An error is a trap.
    pub async fn try_ask<B>(self, request: Request<B>) -> wasmtime::Result<Answer>
    where
        B: http_body::Body<Data = Bytes> + std::marker::Send + 'static,
        B::Error: Into<HttpError>,
    {
        let (head, mut body) = self.head(request).await?.into_parts();
        let mut bytes = Vec::new();
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        Ok(Answer {
            status: head.status.as_u16(),
            body: bytes,
            whole,
        })
    }

    /// Asks, and returns when the head of the answer is there.
    pub async fn head<B>(self, request: Request<B>) -> wasmtime::Result<Response<WasiBody>>
    where
        B: http_body::Body<Data = Bytes> + std::marker::Send + 'static,
        B::Error: Into<HttpError>,
    {
        let request = self.accessor.with(|mut store| {
            let hooks = store.data_mut().http().hooks;
            GuestRequest::from_http(hooks, request).0
        });
        let response = self.service.handle(self.accessor, request).await?;
        let response = response.map_err(|code| wasmtime::format_err!("{code:?}"))?;
        let sent = async { Ok(()) };
        self.accessor.with(|store| response.into_http(store, sent))
    }

    /// Whether these bytes are anywhere in its memory now.
    pub fn finds(self, bytes: &[u8]) -> bool {
        self.seen.iter().any(|region| {
            // SAFETY: nothing of the guest runs while what is asked of it is polled.
            let memory = unsafe { std::slice::from_raw_parts(region.start, region.bytes()) };
            memory.windows(bytes.len()).any(|window| window == bytes)
        })
    }

    /// Bytes of linear memory that it has.
    pub fn memory(self) -> usize {
        self.seen.iter().map(|region| region.bytes()).sum()
    }

    /// Waits until nothing goes on in it.
    pub async fn settle(self) {
        poll_fn(|cx| self.accessor.poll_no_interesting_tasks(cx)).await;
    }
}

/// A `GET` with a marker, which is its body as well, and the address that the guest is
/// to ask.
pub fn get(path: &str, origin: &str) -> Request<Full<Bytes>> {
    post(path, origin, b"")
}

pub fn post(path: &str, origin: &str, body: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://guest.test{path}")).header("x-origin", origin);
    let body = Full::new(Bytes::copy_from_slice(body));
    request.body(body).expect("a request")
}

/// A body that goes on for as long as its other end is there.
pub fn open_ended() -> (mpsc::Sender<Bytes>, OpenEnded) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, OpenEnded(receiver))
}

pub struct OpenEnded(mpsc::Receiver<Bytes>);

impl http_body::Body for OpenEnded {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(cx);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Awaits all of them, which go on at the same time.
pub async fn all<'a, T>(futures: impl IntoIterator<Item = impl Future<Output = T> + 'a>) -> Vec<T> {
    let mut running: Vec<_> = futures
        .into_iter()
        .map(|future| (Some(Box::pin(future)), None))
        .collect();
    poll_fn(|cx| {
        let mut done = true;
        for (future, result) in &mut running {
            if let Some(polled) = future {
                match polled.as_mut().poll(cx) {
                    Poll::Ready(value) => (*future, *result) = (None, Some(value)),
                    Poll::Pending => done = false,
                }
            }
        }
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, result)| result)
        .collect()
}

/// The data of its store.
pub struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    egress: Egress,
    memory: Largest,
}

impl State {
    fn new(send: Send) -> Self {
        Self {
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            egress: Egress(send),
            memory: Largest(usize::MAX),
        }
    }
}

/// Bytes that each linear memory may have.
struct Largest(usize);

impl ResourceLimiter for Largest {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.0)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

/// Linear memories that the test has a second handle on.
#[derive(Default)]
struct Seen(Mutex<Vec<Arc<Region>>>);

impl Seen {
    fn forget(&self) {
        self.regions().clear();
    }

    /// Those of the instance that was made last: several where it is composed.
    fn all(&self) -> Vec<Arc<Region>> {
        self.regions().clone()
    }

    fn regions(&self) -> MutexGuard<'_, Vec<Arc<Region>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Address space for all that a guest of a test may have. Never touched, it takes
/// nothing.
struct Region {
    start: *mut u8,
    bytes: AtomicUsize,
}

impl Region {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }
}

const LARGEST: usize = 256 << 20;

fn layout() -> Layout {
    Layout::from_size_align(LARGEST, 1 << 16).expect("a layout")
}

// SAFETY: whoever reads it does so when the guest does not run.
unsafe impl std::marker::Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { std::alloc::dealloc(self.start, layout()) };
    }
}

/// The engine's handle.
struct Handle(Arc<Region>);

// SAFETY: all of it is there from the start, zeroed, and does not move.
unsafe impl LinearMemory for Handle {
    fn byte_size(&self) -> usize {
        self.0.bytes()
    }

    fn byte_capacity(&self) -> usize {
        LARGEST
    }

    fn grow_to(&mut self, bytes: usize) -> wasmtime::Result<()> {
        if bytes > LARGEST {
            return Err(wasmtime::Error::msg("more than a test may have"));
        }
        self.0.bytes.store(bytes, Ordering::Release);
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.start
    }
}

// SAFETY: each memory is an allocation of its own, and the engine is configured to
// rely on nothing behind it.
unsafe impl MemoryCreator for Seen {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        _: Option<usize>,
        _: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        // SAFETY: the layout has a size.
        let start = unsafe { std::alloc::alloc_zeroed(layout()) };
        if start.is_null() {
            return Err("no address space".to_owned());
        }
        let region = Arc::new(Region {
            start,
            bytes: AtomicUsize::new(minimum),
        });
        self.regions().push(Arc::clone(&region));
        Ok(Box::new(Handle(region)))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.egress,
        }
    }
}

struct Egress(Send);

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Transfer,
    ) -> Box<dyn Future<Output = Sent> + std::marker::Send> {
        Box::new((self.0)(request))
    }
}

/// A server on loopback whose answers wait behind gates.
pub struct Origin {
    address: SocketAddr,
    gates: Arc<Gates>,
}

#[derive(Default)]
struct Gates {
    open: Mutex<HashSet<String>>,
    /// Who waits at which gate.
    waiting: Mutex<Vec<String>>,
    changed: Notify,
}

impl Origin {
    /// Begins to listen. It ends with the runtime.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let gates = Arc::new(Gates::default());
        let served = Arc::clone(&gates);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let gates = Arc::clone(&served);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let gates = Arc::clone(&gates);
                        async move { gates.answer(request).await }
                    });
                    let stream = hyper_util::rt::TokioIo::new(stream);
                    // A guest that goes away is what some of the tests are about.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(stream, service)
                        .await;
                });
            }
        });
        Self { address, gates }
    }

    /// Where it listens.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The address of something that is answered when its gate is open.
    pub fn gate(&self, name: &str) -> String {
        format!("http://{}/gate/{name}", self.address)
    }

    /// The address that sends a body back as it comes.
    pub fn echo(&self) -> String {
        format!("http://{}/echo", self.address)
    }

    /// Opens a gate, for all who wait there and who come.
    pub fn open(&self, name: &str) {
        self.gates.lock_open().insert(name.to_owned());
        self.gates.changed.notify_waiters();
    }

    /// Waits until somebody waits at the gate.
    pub async fn waited_for(&self, name: &str) {
        self.gates
            .until(|gates| gates.lock_waiting().iter().any(|waiting| waiting == name))
            .await;
    }

    /// How many have come to any gate.
    pub fn visitors(&self) -> usize {
        self.gates.lock_waiting().len()
    }
}

impl Gates {
    fn lock_open(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_waiting(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, true_now: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if true_now(self) {
                return;
            }
            changed.await;
        }
    }

    async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<WasiBody>, std::convert::Infallible> {
        if request.uri().path() == "/echo" {
            let body = request.into_body().map_err(HttpError::from);
            return Ok(Response::new(body.boxed_unsync()));
        }
        let name = request.uri().path().trim_start_matches("/gate/").to_owned();
        self.lock_waiting().push(name.clone());
        self.changed.notify_waiters();
        self.until(|gates| gates.lock_open().contains(&name)).await;
        let body = Full::new(Bytes::from(format!("{name} is open")));
        let body = body.map_err(|never| match never {});
        Ok(Response::new(body.boxed_unsync()))
    }
}
