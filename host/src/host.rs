//! The host as a library: load a component once, hand it requests.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::check::{self, CheckError, Plan, Report};
use crate::config::{Isolation, Limits, Reuse};
use crate::engine;
use crate::failure::Failure;
use crate::limits::MemoryUse;
use crate::metrics::Metrics;
use crate::program::{Door, LoadError, Program};
use crate::response::size;
use crate::sandbox::{Ready, Retirement, Sandbox, Unready, Used};
use crate::symbols::Symbols;

/// A loaded component that answers requests: each in a fresh instance, or in one
/// that was rewound, as [`Isolation`] says.
///
/// Clones are cheap and share everything. No socket is involved, so a handler's
/// own tests can use it as it is:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lavandula_host::Host;
///
/// let host = Host::builder()
///     .max_memory(16 << 20)
///     .load("target/wasm32-wasip2/release/hello.wasm")?;
///
/// let request = http::Request::get("/greet?name=Ada").body("")?;
/// let outcome = host.request(request).await;
///
/// assert_eq!(outcome.response.status(), 200);
/// assert_eq!(outcome.memory.grows, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host(Arc<Loaded>);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("program", &self.0.program)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

struct Loaded {
    /// Kept for the check, which compiles it for an engine of its own.
    bytes: Vec<u8>,
    /// Likewise, to tell where in the guest something was found.
    symbols: Option<Symbols>,
    program: Program,
    limits: Limits,
    isolation: Isolation,
    /// Instances that wait for a request, the last used one last: it is the one
    /// whose memory is in the caches.
    idle: Mutex<Vec<Sandbox<Ready>>>,
    metrics: Metrics,
}

impl Loaded {
    fn idle(&self) -> MutexGuard<'_, Vec<Sandbox<Ready>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of one request.
#[derive(Debug)]
pub struct Outcome {
    /// What the client is to be sent: the handler's response, or the one that
    /// stands for the failure.
    pub response: Response<Bytes>,
    /// Why there is no response of the handler, if there is none.
    pub failure: Option<Failure>,
    /// What the memory of the instance did.
    pub memory: MemoryUse,
    /// The door by which the request entered.
    pub door: Door,
}

impl Host {
    /// The choices to make before a component is loaded.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Answers one request, in an instance that nobody used before and nobody
    /// will use after, unless [`HostBuilder::isolation`] says otherwise.
    ///
    /// Needs a tokio runtime whose timer is enabled. Dropping the future ends
    /// the guest. More than [`Limits::max_in_flight`] requests at a time fail
    /// with [`Failure::Overload`]; the server is what makes them wait.
    pub async fn request(&self, request: Request<impl Into<Bytes>>) -> Outcome {
        let request = request.map(Into::into);
        let (result, memory) = match self.admit(&request) {
            Ok(()) => self.run(request).await,
            Err(failure) => (Err(failure), MemoryUse::default()),
        };
        self.0.metrics.request(result.as_ref().err());
        let door = self.door();
        match result {
            Ok(response) => Outcome {
                response,
                failure: None,
                memory,
                door,
            },
            Err(failure) => Outcome {
                response: failure.response(),
                failure: Some(failure),
                memory,
                door,
            },
        }
    }

    /// Checks that the component reuses its memory and leaves nothing of a
    /// request in it: see [`check`](crate::check).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use lavandula_host::{Host, check::Plan};
    ///
    /// let host = Host::builder().load("hello.wasm")?;
    /// host.check(&Plan::new().requests(500)).await?.assert_holds();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CheckError`] where there is nothing to judge. A component that is at
    /// fault is no error: its report says so.
    pub async fn check(&self, plan: &Plan) -> Result<Report, CheckError> {
        self.check_with(plan, |_| {}).await
    }

    /// The same, and calls `progress` with the number of requests done.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub async fn check_with(
        &self,
        plan: &Plan,
        progress: impl FnMut(u32),
    ) -> Result<Report, CheckError> {
        let Loaded {
            bytes,
            limits,
            symbols,
            ..
        } = &*self.0;
        check::run(bytes, self.door(), limits, plan, symbols.as_ref(), progress).await
    }

    async fn run(&self, request: Request<Bytes>) -> (Result<Response<Bytes>, Failure>, MemoryUse) {
        let idle = self.0.idle().pop();
        let ready = match (idle, self.0.isolation) {
            (Some(sandbox), _) => Ok(sandbox),
            (None, Isolation::Instance) => self.fresh().await,
            (None, Isolation::Rewind(_)) => self.prepared().await,
        };
        let sandbox = match ready {
            Ok(sandbox) => sandbox,
            Err(unready) => return (Err(unready.failure), unready.memory),
        };
        let (result, used) = sandbox.call(request).await;
        let memory = used.memory();
        match self.0.isolation {
            Isolation::Instance => drop(used.retire()),
            Isolation::Rewind(reuse) => self.use_again(used, &reuse).await,
        }
        (result, memory)
    }

    async fn fresh(&self) -> Result<Sandbox<Ready>, Unready> {
        let sandbox = Sandbox::new(&self.0.program, &self.0.limits).await?;
        self.0.metrics.created();
        Ok(sandbox)
    }

    async fn prepared(&self) -> Result<Sandbox<Ready>, Unready> {
        self.fresh().await?.prepare().await
    }

    /// Rewinds an instance, and keeps it if that went well.
    async fn use_again(&self, used: Sandbox<Used>, reuse: &Reuse) {
        match used.rewind(reuse).await {
            Ok(ready) => {
                self.0.metrics.rewound();
                self.0.idle().push(ready);
            }
            Err(why) => self.tell(&why),
        }
    }

    fn tell(&self, why: &Retirement) {
        self.0.metrics.retired(why);
        let reason = why.label();
        if why.is_expected() {
            tracing::debug!(reason, "instance retired: {why}");
        } else {
            let cause = std::error::Error::source(why).map(|cause| format!("{cause}"));
            tracing::warn!(reason, cause, "instance retired: {why}");
        }
    }

    /// Makes instances ready ahead of the requests, so that `instances` wait for
    /// one. What a handler does once, before its first request, is done by then.
    ///
    /// With [`Isolation::Rewind`] they go on from request to request. Else each is
    /// good for one, and those that come after the last are made when they are
    /// needed.
    ///
    /// # Errors
    /// [`Failure`] where an instance does not come to be, or cannot be rewound
    /// although it should: the component keeps no image of itself.
    pub async fn prepare(&self, instances: usize) -> Result<(), Failure> {
        while self.0.idle().len() < instances {
            let sandbox = self.prepared().await.map_err(|unready| unready.failure)?;
            if self.0.isolation != Isolation::Instance && !sandbox.rewinds() {
                return Err(Failure::Invocation {
                    call: "rewind",
                    why: Retirement::NoImage.to_string(),
                });
            }
            self.0.idle().push(sandbox);
        }
        Ok(())
    }

    /// What was counted so far, in the text format of Prometheus: requests by
    /// outcome, instances made, rewound, and retired by reason.
    pub fn metrics(&self) -> String {
        self.0.metrics.encode()
    }

    /// Refuses what no instance should be started for.
    pub(crate) fn admit(&self, request: &Request<Bytes>) -> Result<(), Failure> {
        self.admit_head(request)?;
        let limit = self.0.limits.max_request_body;
        if request.body().len() > limit {
            return Err(Failure::BodyTooLarge { limit });
        }
        Ok(())
    }

    /// The part of it that can be told before the body is there.
    pub(crate) fn admit_head<B>(&self, request: &Request<B>) -> Result<(), Failure> {
        let limit = self.0.limits.max_header_bytes;
        let target = request
            .uri()
            .path_and_query()
            .map_or(0, |path| path.as_str().len());
        if target.saturating_add(size(request.headers())) > limit {
            return Err(Failure::HeadersTooLarge { limit });
        }
        Ok(())
    }

    /// The door by which requests enter.
    pub fn door(&self) -> Door {
        self.0.program.door()
    }

    /// The limits of every request.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

/// Makes a [`Host`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HostBuilder {
    limits: Limits,
    door: Option<Door>,
    isolation: Isolation,
}

impl HostBuilder {
    /// What keeps requests apart: a new instance for each where nothing is said.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use lavandula_host::{Host, Isolation, Reuse};
    ///
    /// let host = Host::builder()
    ///     .isolation(Isolation::Rewind(Reuse::default()))
    ///     .load("handler.wasm")?;
    /// host.prepare(4).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Bytes of linear memory that a request may have in all.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.limits.max_memory = bytes;
        self
    }

    /// Wall time that a request may take in all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Requests that may run at the same time.
    pub fn max_in_flight(mut self, requests: u32) -> Self {
        self.limits.max_in_flight = requests;
        self
    }

    /// All limits at once, in place of those set so far.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Enters the component by `door`, instead of by the fastest that it has.
    pub fn door(mut self, door: Door) -> Self {
        self.door = Some(door);
        self
    }

    /// Compiles the component in the file at `path`.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Host, LoadError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| LoadError::Io {
            path: path.to_owned(),
            source,
        })?;
        let symbols = Symbols::beside(path, &bytes);
        self.load_with(bytes, symbols)
    }

    /// Compiles the component that `bytes` are.
    pub fn load_bytes(self, bytes: &[u8]) -> Result<Host, LoadError> {
        self.load_with(bytes.to_vec(), None)
    }

    fn load_with(self, bytes: Vec<u8>, symbols: Option<Symbols>) -> Result<Host, LoadError> {
        let engine = engine::production(&self.limits)?;
        let mut program = Program::new(&engine, &bytes)?.within(&self.limits)?;
        if let Some(door) = self.door {
            program = program.with_door(door)?;
        }
        Ok(Host(Arc::new(Loaded {
            bytes,
            symbols,
            program,
            limits: self.limits,
            isolation: self.isolation,
            idle: Mutex::default(),
            metrics: Metrics::new(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::BadResponse;
    use crate::testing;

    const PAGE: usize = 64 * 1024;

    fn host(body: &str, limits: Limits) -> Host {
        let component = testing::handler(body);
        let builder = Host::builder().limits(limits);
        builder.load_bytes(&component).expect("the component loads")
    }

    async fn ask(host: &Host) -> Outcome {
        let request = Request::post("/path?query").header("X-Test", "1");
        host.request(request.body("ping").expect("a request")).await
    }

    fn label(outcome: &Outcome) -> &'static str {
        outcome.failure.as_ref().map_or("ok", Failure::label)
    }

    #[tokio::test]
    async fn a_handler_answers_and_its_memory_is_told() {
        let host = host(testing::HELLO, Limits::default());
        let outcome = ask(&host).await;
        assert_eq!(label(&outcome), "ok", "{:?}", outcome.failure);
        assert_eq!(outcome.response.status(), 200);
        assert_eq!(outcome.response.headers()["x-guest"], "wat");
        assert_eq!(outcome.response.body(), "hello");
        assert_eq!(outcome.door, Door::Fast);
        let memory = outcome.memory;
        assert_eq!((memory.initial, memory.grows), (2 * PAGE, 0));
    }

    #[tokio::test]
    async fn every_request_has_an_instance_of_its_own() {
        let host = host(testing::COUNT, Limits::default());
        for _ in 0..20 {
            assert_eq!(ask(&host).await.response.status(), 201);
        }
    }

    #[tokio::test]
    async fn a_trap_is_told_apart() {
        let host = host("unreachable", Limits::default());
        let outcome = ask(&host).await;
        assert_eq!(label(&outcome), "trap");
        assert_eq!(outcome.response.status(), 500);
    }

    #[tokio::test]
    async fn a_stack_overflow_is_a_trap() {
        let host = host(testing::RECURSE, Limits::default());
        assert_eq!(label(&ask(&host).await), "trap");
    }

    #[tokio::test]
    async fn a_loop_ends_at_the_deadline_and_lets_others_run() {
        let timeout = Duration::from_millis(100);
        let host = host(
            "(loop $l (br $l)) unreachable",
            Limits {
                timeout,
                ..Limits::default()
            },
        );
        // On one thread: each of them has to give way to the other.
        let (one, two) = tokio::join!(ask(&host), ask(&host));
        for outcome in [one, two] {
            assert_eq!(label(&outcome), "deadline");
            assert_eq!(outcome.response.status(), 504);
        }
    }

    #[tokio::test]
    async fn denied_memory_is_told_apart_from_a_trap() {
        let host = host(
            testing::GROW_OR_TRAP,
            Limits {
                max_memory: 4 * PAGE,
                ..Limits::default()
            },
        );
        let outcome = ask(&host).await;
        assert_eq!(label(&outcome), "out_of_memory");
        assert_eq!(outcome.memory.denied, 1);
        assert!(matches!(
            outcome.failure,
            Some(Failure::OutOfMemory { asked, limit }) if asked == 16 * PAGE && limit == 4 * PAGE
        ));
    }

    #[tokio::test]
    async fn a_growth_within_the_limit_is_counted() {
        let host = host(testing::GROW_OR_TRAP, Limits::default());
        let memory = ask(&host).await.memory;
        assert_eq!((memory.grows, memory.peak), (1, 18 * PAGE));
    }

    #[tokio::test]
    async fn a_status_that_is_none_is_a_bad_response() {
        let host = host(&testing::status(42), Limits::default());
        let outcome = ask(&host).await;
        assert_eq!(outcome.response.status(), 502);
        assert!(matches!(
            outcome.failure,
            Some(Failure::BadResponse(BadResponse::Status(42)))
        ));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_a_bad_response() {
        let host = host(
            testing::HELLO,
            Limits {
                max_response_body: 4,
                ..Limits::default()
            },
        );
        assert_eq!(label(&ask(&host).await), "bad_response");
    }

    #[tokio::test]
    async fn a_request_over_a_limit_starts_no_instance() {
        let body = host(
            testing::HELLO,
            Limits {
                max_request_body: 3,
                ..Limits::default()
            },
        );
        let outcome = ask(&body).await;
        assert_eq!(label(&outcome), "body_too_large");
        assert_eq!(outcome.memory, MemoryUse::default());
        let head = host(
            testing::HELLO,
            Limits {
                max_header_bytes: 10,
                ..Limits::default()
            },
        );
        assert_eq!(label(&ask(&head).await), "headers_too_large");
    }

    #[tokio::test]
    async fn an_exhausted_pool_is_overload() {
        let host = host(
            "(loop $l (br $l)) unreachable",
            Limits {
                max_in_flight: 1,
                timeout: Duration::from_millis(200),
                ..Limits::default()
            },
        );
        let (one, two) = tokio::join!(ask(&host), ask(&host));
        assert_eq!([label(&one), label(&two)], ["deadline", "overload"]);
        assert_eq!(two.response.headers()["retry-after"], "1");
    }

    #[tokio::test]
    async fn after_every_failure_the_slot_is_fresh() {
        let host = host(
            testing::COUNT_THEN_TRAP,
            Limits {
                max_in_flight: 1,
                ..Limits::default()
            },
        );
        for _ in 0..10 {
            // The guest answers 200 + what it finds in its memory, or traps
            // when that is not zero.
            let outcome = ask(&host).await;
            assert_eq!(label(&outcome), "trap");
        }
    }

    #[tokio::test]
    async fn a_handler_of_another_type_cannot_be_instantiated() {
        let component = testing::component(testing::WRONG_TYPE);
        let host = Host::builder().load_bytes(&component).expect("it loads");
        assert_eq!(label(&ask(&host).await), "instantiate");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Host::builder().load("/no/such.wasm").expect_err("missing");
        assert!(error.to_string().contains("/no/such.wasm"), "{error}");
    }
}
