//! One instance of a component, driven by hand: sealed or not, rewound or not,
//! asked again and again. The library's own host never does that outside of its
//! check.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use lavandula_host::Door;
use lavandula_host::bindings::handler::Fast;
use lavandula_host::bindings::handler::exports::lavandula::arena::handler as fast;
use lavandula_host::bindings::invocation::Rewinding;
use lavandula_host::bindings::invocation::exports::lavandula::arena::invocation::Region;
use lavandula_host::bindings::invocation::lavandula::arena::types::{Error, Usage};
use tokio::sync::oneshot;
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, Engine, ResourceLimiter, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

/// How long it is from one tick of the clock to the next.
const TICK: Duration = Duration::from_millis(100);

/// The longest that one call may take, in ticks.
const PATIENCE: u64 = 300;

/// Bytes of output that are kept.
const OUTPUT: usize = 1 << 20;

/// A component, compiled and linked.
pub struct Guest {
    instance: InstancePre<State>,
    patience: u64,
}

impl Guest {
    /// The component in this file.
    #[track_caller]
    pub fn load(component: &Path) -> Self {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).expect("an engine");
        let clock = engine.weak();
        // Ends with the engine.
        thread::spawn(move || {
            while let Some(engine) = clock.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        });
        let component = Component::from_file(&engine, component).expect("a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("an empty linker");
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)
            .expect("a linker without HTTP");
        Self {
            instance: linker
                .instantiate_pre(&component)
                .expect("all of its imports are there"),
            patience: PATIENCE,
        }
    }

    /// The same, for a guest of which it is expected that it never comes back from
    /// a call.
    pub fn impatiently(self) -> Self {
        Self {
            patience: 3,
            ..self
        }
    }

    /// A new instance.
    pub async fn start(&self) -> Running {
        self.start_within(usize::MAX).await
    }

    /// A new instance, with this many bytes of memory at most.
    pub async fn start_within(&self, bytes: usize) -> Running {
        let mut store = Store::new(self.instance.engine(), State::new(bytes));
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(self.patience);
        let instance = self.instance.instantiate_async(&mut store).await;
        let instance = instance.expect("it starts");
        let fast = Fast::new(&mut store, &instance).expect("the fast door");
        let wasi = Proxy::new(&mut store, &instance).expect("the standard door");
        let invocation = Rewinding::new(&mut store, &instance).expect("`invocation`");
        Running {
            store,
            patience: self.patience,
            fast,
            wasi,
            invocation,
        }
    }
}

/// An instance. It stays what it is, whatever is asked of it.
pub struct Running {
    store: Store<State>,
    patience: u64,
    fast: Fast,
    wasi: Proxy,
    invocation: Rewinding,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub door: Door,
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Question {
    /// A `GET` by the fast door.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            door: Door::Fast,
            method: "GET",
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn by(self, door: Door) -> Self {
        Self { door, ..self }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same for the library's host.
    pub fn to_http(&self) -> Request<Vec<u8>> {
        self.request(self.body.clone())
    }

    fn request<B>(&self, body: B) -> Request<B> {
        let uri = format!("http://{AUTHORITY}{}", self.path);
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(body).expect("a request")
    }
}

const AUTHORITY: &str = "example.org";

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Running {
    /// Calls `seal`.
    pub async fn seal(&mut self) -> Result<(), Error> {
        self.try_seal().await.expect("no trap")
    }

    /// Calls `seal`. An error of wasmtime is a trap.
    pub async fn try_seal(&mut self) -> wasmtime::Result<Result<(), Error>> {
        let calls = self.invocation.lavandula_arena_invocation();
        calls.call_seal(&mut self.store).await
    }

    /// Calls `rewind`.
    pub async fn rewind(&mut self) -> Result<(), Error> {
        let calls = self.invocation.lavandula_arena_invocation();
        calls.call_rewind(&mut self.store).await.expect("no trap")
    }

    /// Calls `usage`.
    pub async fn usage(&mut self) -> Usage {
        let calls = self.invocation.lavandula_arena_invocation();
        calls.call_usage(&mut self.store).await.expect("no trap")
    }

    /// Calls `image-store`.
    pub async fn image_store(&mut self) -> Vec<Region> {
        let calls = self.invocation.lavandula_arena_invocation();
        let called = calls.call_image_store(&mut self.store).await;
        called.expect("no trap")
    }

    /// Calls `blocks`.
    pub async fn blocks(&mut self) -> Vec<Region> {
        let calls = self.invocation.lavandula_arena_invocation();
        let called = calls.call_blocks(&mut self.store).await;
        called.expect("no trap")
    }

    /// Lets it have this many bytes of memory from now on.
    pub fn allow(&mut self, bytes: usize) {
        self.store.data_mut().memory.largest = bytes;
    }

    /// Asks, and expects an answer.
    pub async fn ask(&mut self, question: &Question) -> Answer {
        match self.handle(question).await {
            Ok(answer) => answer,
            Err(error) => panic!("{} was not answered: {error:#}", question.path),
        }
    }

    /// Asks. An error is a trap.
    pub async fn handle(&mut self, question: &Question) -> wasmtime::Result<Answer> {
        self.store.set_epoch_deadline(self.patience);
        match question.door {
            Door::Fast => self.handle_fast(question).await,
            Door::WasiHttp => self.handle_wasi(question).await,
            Door::Service => panic!("no guest that is asked here has this door"),
        }
    }

    async fn handle_fast(&mut self, question: &Question) -> wasmtime::Result<Answer> {
        let headers = &question.headers;
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let request = fast::Request {
            method: question.method,
            path_with_query: &question.path,
            authority: Some(AUTHORITY),
            headers: &headers,
            body: &question.body,
        };
        let calls = self.fast.lavandula_arena_handler();
        let answer = calls.call_handle(&mut self.store, request).await?;
        Ok(Answer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }

    async fn handle_wasi(&mut self, question: &Question) -> wasmtime::Result<Answer> {
        let request = question.request(http_body_util::Full::from(question.body.clone()));
        let (answer, answered) = oneshot::channel();
        let mut http = self.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request)?;
        let out = http.new_response_outparam(answer)?;
        // Beside the call: the guest can only write as much as is taken.
        let collected = tokio::spawn(async {
            let (head, body) = answered.await.ok()?.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some(Answer {
                status: head.status.as_u16(),
                headers: head
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                    .collect(),
                body: body.to_vec(),
            })
        });
        let calls = self.wasi.wasi_http_incoming_handler();
        calls.call_handle(&mut self.store, request, out).await?;
        let collected = collected.await?;
        collected.ok_or_else(|| wasmtime::Error::msg("the response is missing or cut short"))
    }

    /// Bytes of linear memory that it has.
    pub fn memory(&self) -> usize {
        self.store.data().memory.bytes
    }

    /// Resources of the host that it holds.
    pub fn resources(&mut self) -> usize {
        self.store.data_mut().table.iter_mut().count()
    }

    /// What it wrote to its standard output.
    pub fn stdout(&self) -> String {
        text(&self.store.data().stdout)
    }

    /// What it wrote to its standard error.
    pub fn stderr(&self) -> String {
        text(&self.store.data().stderr)
    }
}

fn text(pipe: &MemoryOutputPipe) -> String {
    String::from_utf8_lossy(&pipe.contents()).into_owned()
}

/// The data of its store.
struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    egress: NoEgress,
    memory: Memory,
    stdout: MemoryOutputPipe,
    stderr: MemoryOutputPipe,
}

impl State {
    fn new(largest: usize) -> Self {
        let (stdout, stderr) = (MemoryOutputPipe::new(OUTPUT), MemoryOutputPipe::new(OUTPUT));
        Self {
            wasi: WasiCtx::builder()
                .stdout(stdout.clone())
                .stderr(stderr.clone())
                .build(),
            http: WasiHttpCtx::new(),
            table: ResourceTable::new(),
            egress: NoEgress,
            memory: Memory { bytes: 0, largest },
            stdout,
            stderr,
        }
    }
}

/// Counts linear memory, of which a guest of ours has one, and bounds it.
struct Memory {
    bytes: usize,
    largest: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.largest {
            return Ok(false);
        }
        self.bytes = desired;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
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

/// Sends nothing.
struct NoEgress;

type Transfer = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Transfer), HttpError>;

impl WasiHttpHooks for NoEgress {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Transfer,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)))
    }
}
