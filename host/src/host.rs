//! The host as a library: load a component once, hand it requests.
//!
//! The way of a request:
//! ```text
//! admit -> body -> place -> instance -> guest -> answer
//!   431      413     503      500        500      whole, or as it comes
//!   400      408                         504
//! ```
//! Bodies that a guest is given whole are read before a place is taken, so that slow
//! clients keep nobody from being served; what they can hold is bounded by
//! [`Limits::max_buffered`]. A guest runs in the future of its request, not in a task
//! of its own: one hop less, and a client that goes away ends its guest.

use std::fmt;
use std::future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use wasmtime::Engine;

use crate::account::{Account, Ran};
use crate::ahead::{self, Trust};
use crate::answer::{Flowing, ResponseBody};
use crate::body::{BoxError, Buffered, Buffers, Incoming, Intake, RequestBody, Terms};
use crate::call;
use crate::check::{self, CheckError, Plan, Report};
use crate::concurrency::Concurrency;
use crate::config::{Isolation, Limits, Reuse};
use crate::engine;
use crate::failure::{BadResponse, Failure};
use crate::figures::{ArenaUse, Disclose, Measure, disclose};
use crate::flow::{Flow, Patience, Reply, Said, Told};
use crate::grants::Grants;
use crate::guest_log::GuestOutput;
use crate::limits::MemoryUse;
use crate::metrics::{Counter, Gauge, Metrics, Shard};
use crate::place::{Place, Places};
use crate::program::{self, Door, Exports, Guest, LoadError, Program, Refused};
use crate::response::size;
use crate::run::{Awaited, Cut, Long, Run};
use crate::sandbox::{Ready, Retirement, Sandbox, Unready, Used};
use crate::sharing::{self, Ask, Holds, Need, Shared, Spoken};
use crate::stable::{Stable, UsedInPlace};
use crate::state::State;
use crate::symbols::Symbols;
use crate::trace::TraceContext;
use crate::trim::{self, Parts};
use crate::unfold;

/// Bytes of memory of an instance that is rewound before its answer is sent, which takes
/// some microseconds at most. It is at hand for the next request then; where several have
/// come at once, each would have an instance of its own otherwise, of which none is in the
/// caches. Those that have more are left to the groom.
const SMALL_REWIND: usize = 1 << 20;

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
pub struct Host {
    loaded: Arc<Loaded>,
    stable: Arc<Stable>,
    /// The instances of [`Isolation::Shared`].
    shared: Option<Arc<Shared>>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("program", &self.loaded.program)
            .field("limits", self.limits())
            .finish_non_exhaustive()
    }
}

/// A component, and what it runs on.
struct Loaded {
    /// Kept for the check, which compiles it for an engine of its own.
    bytes: Vec<u8>,
    /// Likewise, to tell where in the guest something was found.
    symbols: Option<Symbols>,
    program: Program,
    /// What it was loaded with, so that another one can be.
    builder: HostBuilder,
    ground: Arc<Ground>,
}

/// What does not change when another component takes the place of the first.
struct Ground {
    limits: Limits,
    isolation: Isolation,
    places: Places,
    buffers: Arc<Buffers>,
    metrics: Arc<Metrics>,
    long: Arc<Long>,
    disclose: Disclose,
    measure: Measure,
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
    /// What the request used of its arena, where [`HostBuilder::measure_arena`] asked
    /// for it and the guest can tell.
    pub arena: Option<ArenaUse>,
    /// The door by which the request entered.
    pub door: Door,
}

/// What is left of a call when it is over.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// The instance, if there was one.
    used: Option<UsedInPlace>,
    /// What it came to.
    ran: Ran,
}

impl Rest {
    /// Of a call that came to this, in an instance that is somebody else's matter.
    pub(crate) fn of(ran: Ran) -> Self {
        Self { used: None, ran }
    }
}

/// A guest's answer, as the way of a request ends.
enum Answer {
    Whole(Response<Bytes>, Box<Flow<Run, Rest>>),
    Flowing(
        response::Parts,
        Box<Flow<Run, Rest>>,
        Option<Intake>,
        Awaited,
    ),
}

impl Host {
    /// The choices to make before a component is loaded.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Answers one request, in an instance that nobody used before and nobody
    /// will use after, unless [`HostBuilder::isolation`] says otherwise.
    ///
    /// The response comes whole, with all that is known of it: this is for tests, and
    /// for those who want to know. [`respond`](Self::respond) is for servers.
    ///
    /// Needs a tokio runtime whose timer is enabled. Dropping the future ends
    /// the guest.
    pub async fn request(&self, request: Request<impl Into<Bytes>>) -> Outcome {
        let mut account = Account::begin(&self.loaded.ground.metrics, &request);
        let request = request.map(|body| Full::new(body.into()));
        let answer = self.answer(request, Patience::Endless, &mut account).await;
        let result = match answer {
            Ok(Answer::Whole(response, mut flow)) => {
                // The guest may have more to do.
                future::poll_fn(|cx| flow.poll_end(cx)).await;
                self.settle(&mut flow, &mut account).await;
                match flow.take_failure() {
                    Some(failure) => Err(failure),
                    None => Ok(response),
                }
            }
            // Nobody without end of patience is given one.
            Ok(Answer::Flowing(..)) => Err(BadResponse::Unfinished.into()),
            Err(failure) => Err(failure),
        };
        let (memory, arena) = account.uses();
        let door = self.door();
        match result {
            Ok(response) => {
                account.answered(response.status(), response.body().len());
                Outcome {
                    response,
                    failure: None,
                    memory,
                    arena,
                    door,
                }
            }
            Err(failure) => {
                account.failed(&failure);
                Outcome {
                    response: failure.response(),
                    failure: Some(failure),
                    memory,
                    arena,
                    door,
                }
            }
        }
    }

    /// Answers one request as a server does: its body is taken as it arrives, and the
    /// response is given as the guest makes it, as far as the door allows it.
    ///
    /// There is always an answer: what stands for a failure is one, too. A body that
    /// fails is a guest that failed after its head was told.
    ///
    /// Needs a tokio runtime whose timer is enabled. Dropping the future, or the body
    /// of the response, ends the guest.
    pub fn respond<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Response<ResponseBody>> + Send
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        async move {
            let mut account = Account::begin(&self.loaded.ground.metrics, &request);
            let method = request.method().clone();
            let patience = Patience::UntilItWaits;
            match self.answer(request, patience, &mut account).await {
                Ok(Answer::Whole(mut response, mut flow)) => {
                    let (status, bytes) = (response.status(), response.body().len());
                    if flow.run().is_some() {
                        Flowing::new(self.clone(), flow, None, account, status).finish_later();
                    } else {
                        self.settle(&mut flow, &mut account).await;
                        if self.loaded.ground.disclose == Disclose::Memory {
                            let (memory, arena) = account.uses();
                            disclose(response.headers_mut(), &memory, arena);
                        }
                        account.answered(status, bytes);
                    }
                    response.map(ResponseBody::whole)
                }
                Ok(Answer::Flowing(head, flow, intake, awaited)) => {
                    let flowing = Flowing::new(self.clone(), flow, intake, account, head.status);
                    let flowing = flowing.of_length(&method, &head).awaited(awaited);
                    Response::from_parts(head, ResponseBody::flowing(flowing))
                }
                Err(failure) => {
                    account.failed(&failure);
                    failure.response().map(ResponseBody::whole)
                }
            }
        }
    }

    /// Answers a request that is refused before anybody looks at it.
    pub(crate) fn refuse<B>(&self, request: &Request<B>, why: &Failure) -> Response<ResponseBody> {
        Account::begin(&self.loaded.ground.metrics, request).failed(why);
        why.response().map(ResponseBody::whole)
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
            symbols,
            program,
            ..
        } = &*self.loaded;
        let limits = self.limits();
        check::run(bytes, program, limits, plan, symbols.as_ref(), progress).await
    }

    /// The way of a request up to its answer.
    fn answer<B>(
        &self,
        request: Request<B>,
        patience: Patience,
        account: &mut Account,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        async move {
            let ground = &self.loaded.ground;
            let limits = &ground.limits;
            self.admit_head(&request)?;
            let (mut head, body) = request.into_parts();
            let cut = head.extensions.remove::<Cut>();
            account.trace().hand_on(&mut head.headers);
            let method = head.method.clone();
            let body = Incoming::new(
                body,
                Terms {
                    limit: limits.max_request_body,
                    pause: limits.body_idle,
                },
            )?;
            let mut buffered = Buffered::new(&ground.buffers);
            let (body, intake) = if self.door() == Door::Fast || body.is_small() {
                let whole = body.whole(|bytes| buffered.reserve(bytes)).await?;
                account.received(whole.len());
                (RequestBody::Whole(whole), None)
            } else {
                let intake = body.intake();
                (RequestBody::Pieces(body.boxed_unsync()), Some(intake))
            };
            let place = self.place(account).await?;

            let request = Request::from_parts(head, body);
            let (told, mut flow) = match &self.shared {
                None => {
                    let (reply, replied) = oneshot::channel();
                    let run = self.begin(account.trace(), request, reply, place, buffered);
                    let mut flow = Box::new(Flow::new(run, Some(replied), method, limits));
                    let told = future::poll_fn(|cx| flow.poll_told(cx, patience)).await;
                    (told, flow)
                }
                Some(shared) => {
                    let (tell, told) = oneshot::channel();
                    let ask = Ask {
                        request,
                        method,
                        intake: intake.clone(),
                        patience,
                        deadline: Instant::now() + limits.timeout,
                        trace: account.trace().clone(),
                        tell,
                        holds: Holds { place, buffered },
                    };
                    match Box::pin(self.ask(shared, ask, told)).await {
                        Ok((told, flow)) => (Ok(told), Box::new(flow)),
                        Err((failure, ran)) => {
                            account.ran(ran);
                            let broken = intake.as_ref().and_then(Intake::failure);
                            return Err(broken.unwrap_or(failure));
                        }
                    }
                }
            };
            // A guest that was left without its request has nothing to say of its own.
            let broken = intake.as_ref().and_then(Intake::failure);
            let told = match broken {
                Some(failure) => Err(failure),
                None => told,
            };
            match told {
                Ok(Told::Whole(response)) => Ok(Answer::Whole(response, flow)),
                Ok(Told::Head(head)) => {
                    let awaited = flow.run().map(|run| run.detach(self.clone(), cut));
                    let awaited = awaited.unwrap_or_default();
                    Ok(Answer::Flowing(head, flow, intake, awaited))
                }
                Err(failure) => {
                    self.settle(&mut flow, account).await;
                    Err(failure)
                }
            }
        }
    }

    /// Begins the guest's part of it. Not in `answer` itself, whose future would have
    /// room for all of this although it is in a box.
    fn begin(
        &self,
        trace: &TraceContext,
        request: Request<RequestBody>,
        reply: Reply,
        place: Place,
        buffered: Buffered,
    ) -> Run {
        let run = self.clone().run(request, reply, place, buffered);
        Run::new(self.loaded.ground.long.clone(), trace, run)
    }

    /// The same in an instance that others use as well.
    async fn ask(&self, shared: &Arc<Shared>, ask: Ask, told: oneshot::Receiver<Spoken>) -> Spoken {
        let deadline = ask.deadline;
        if shared.ask(ask) == Need::Another {
            self.shard().count(Counter::ReadyMiss);
            sharing::start(self.clone(), shared.clone(), &Handle::current());
        }
        match timeout_at((deadline + call::LATE).into(), told).await {
            Ok(Ok(spoken)) => spoken,
            Ok(Err(_)) => Err((call::abandoned(), Ran::default())),
            Err(_) => {
                let limit = self.limits().timeout;
                Err((Failure::Deadline { limit }, Ran::default()))
            }
        }
    }

    /// An instance to be shared.
    pub(crate) async fn guest(&self) -> Result<Guest, Refused> {
        let Loaded {
            program, ground, ..
        } = &*self.loaded;
        let state = State::granted(&ground.limits, GuestOutput::Log, program.granted());
        let exports = match ground.measure {
            Measure::Memory => Exports::Door,
            Measure::Arena => Exports::All,
        };
        let guest = program.instantiate(state, exports).await?;
        self.shard().count(Counter::Created);
        Ok(guest)
    }

    /// The threads for guests that compute for long.
    pub(crate) fn long(&self) -> &Arc<Long> {
        &self.loaded.ground.long
    }

    /// The guest's part of it. What was held for its request goes when it is over.
    fn run(
        self,
        request: Request<RequestBody>,
        reply: Reply,
        place: Place,
        buffered: Buffered,
    ) -> impl Future<Output = (Said, Rest)> + Send {
        async move {
            let _buffered = buffered;
            let _running = self.shard().hold(Gauge::InFlight);
            let mut ran = Ran::default();
            let ready = match self.stable.take() {
                Some(sandbox) => {
                    self.shard().shift(Gauge::Ready, -1);
                    Ok(sandbox)
                }
                None => {
                    self.shard().count(Counter::ReadyMiss);
                    let began = Instant::now();
                    // Seldom, and with a large future.
                    let made = match self.isolation() {
                        Isolation::Instance | Isolation::Shared(_) => Box::pin(self.fresh()).await,
                        Isolation::Rewind(_) => Box::pin(self.prepared()).await,
                    };
                    ran.instantiate = Some(began.elapsed());
                    made
                }
            };
            let sandbox = match ready {
                Ok(sandbox) => sandbox,
                Err(Unready { failure, memory }) => {
                    ran.memory = memory;
                    return (Err(failure), Rest { used: None, ran });
                }
            };
            let began = Instant::now();
            let (said, mut used) = sandbox.converse(request, reply).await;
            ran.guest = Some(began.elapsed());
            if self.loaded.ground.measure == Measure::Arena {
                ran.arena = Box::pin(used.arena()).await;
            }
            ran.memory = used.memory();
            let used = Some((used, place));
            (said, Rest { used, ran })
        }
    }

    /// A place for a request, now or when its turn comes.
    async fn place(&self, account: &mut Account) -> Result<Place, Failure> {
        let places = &self.loaded.ground.places;
        if let Some(place) = places.free() {
            account.placed(Duration::ZERO);
            return Ok(place);
        }
        let began = Instant::now();
        let _queued = self.shard().hold(Gauge::Queued);
        let place = places.wait().await?;
        account.placed(began.elapsed());
        Ok(place)
    }

    /// Where the calling thread counts.
    pub(crate) fn shard(&self) -> &Arc<Shard> {
        self.loaded.ground.metrics.shard()
    }

    /// Puts what is left of a call in order, now or soon.
    async fn settle(&self, flow: &mut Flow<Run, Rest>, account: &mut Account) {
        let Some(mut rest) = flow.take_rest() else {
            return;
        };
        account.ran(rest.ran);
        self.settle_rest(&mut rest).await;
    }

    /// The same without an account.
    pub(crate) async fn settle_rest(&self, rest: &mut Rest) {
        if let Some(used) = self.leave(rest) {
            // Of the isolations of a server only one does it here, and its future is large.
            Box::pin(self.tidy(used)).await;
        }
    }

    /// The same where nobody can wait for it.
    pub(crate) fn settle_later(&self, mut rest: Rest, account: &mut Account) {
        account.ran(rest.ran);
        if let Some(used) = self.leave(&mut rest) {
            let host = self.clone();
            tokio::spawn(async move { host.tidy(used).await });
        }
    }

    /// Leaves the instance of a call to the groom; gives it back where there is none, one
    /// who is behind, or nothing to leave to one.
    fn leave(&self, rest: &mut Rest) -> Option<UsedInPlace> {
        let used = rest.used.take()?;
        let is_small = used.0.memory().current <= SMALL_REWIND;
        match self.isolation() {
            Isolation::Rewind(_) if is_small => Some(used),
            _ => self.stable.leave(used),
        }
    }

    async fn tidy(&self, (used, place): UsedInPlace) {
        let began = Instant::now();
        match self.loaded.ground.isolation {
            Isolation::Instance | Isolation::Shared(_) => drop(used.retire()),
            Isolation::Rewind(reuse) => self.use_again(used, &reuse).await,
        }
        drop(place);
        self.shard().tidied(began.elapsed());
    }

    async fn fresh(&self) -> Result<Sandbox<Ready>, Unready> {
        let Loaded {
            program, ground, ..
        } = &*self.loaded;
        let sandbox = match ground.measure {
            Measure::Memory => Sandbox::for_one(program, &ground.limits).await?,
            Measure::Arena => Sandbox::new(program, &ground.limits).await?,
        };
        self.shard().count(Counter::Created);
        Ok(sandbox)
    }

    async fn prepared(&self) -> Result<Sandbox<Ready>, Unready> {
        let Loaded {
            program, ground, ..
        } = &*self.loaded;
        let sandbox = Sandbox::new(program, &ground.limits).await?;
        self.shard().count(Counter::Created);
        sandbox.prepare().await
    }

    /// Rewinds an instance, and keeps it if that went well.
    async fn use_again(&self, used: Sandbox<Used>, reuse: &Reuse) {
        match used.rewind(reuse).await {
            Ok(ready) => {
                self.shard().count(Counter::Rewound);
                self.keep(ready);
            }
            Err(why) => self.tell(&why),
        }
    }

    /// Has an instance wait for a request, where there is room.
    fn keep(&self, ready: Sandbox<Ready>) {
        if self.stable.put(ready) {
            self.shard().shift(Gauge::Ready, 1);
        }
    }

    pub(crate) fn tell(&self, why: &Retirement) {
        self.shard().retired(why);
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
    /// needed. Shared ones stay for no longer than [`Sharing::idle`](crate::Sharing::idle).
    ///
    /// # Errors
    /// [`Failure`] where an instance does not come to be, or cannot be rewound
    /// although it should: the component keeps no image of itself.
    pub async fn prepare(&self, instances: usize) -> Result<(), Failure> {
        if let Some(shared) = &self.shared {
            if shared.without_request() < instances {
                // To be told now if there cannot be any.
                self.try_out().await?;
            }
            while shared.without_request() < instances.min(shared.room()) {
                shared.expect();
                sharing::start(self.clone(), shared.clone(), &Handle::current());
            }
            return Ok(());
        }
        while self.stable.lacks(instances) {
            let sandbox = self.first().await?;
            self.keep(sandbox);
        }
        Ok(())
    }

    /// Whether an instance comes to be, and can be used as it is to be used.
    pub(crate) async fn try_out(&self) -> Result<(), Failure> {
        self.first().await.map(drop)
    }

    async fn first(&self) -> Result<Sandbox<Ready>, Failure> {
        let sandbox = self.prepared().await.map_err(|unready| unready.failure)?;
        if matches!(self.isolation(), Isolation::Rewind(_)) && !sandbox.rewinds() {
            return Err(Failure::Invocation {
                call: "rewind",
                why: Retirement::NoImage.to_string(),
            });
        }
        Ok(sandbox)
    }

    /// The component in the file at `path`, loaded with the same choices as this
    /// one. It has the same engine where it can, so that both share one pool, and the
    /// same limits: what runs in one of them counts for the other. See
    /// [`Current`](crate::Current) for a server that goes on with it.
    ///
    /// # Errors
    /// As [`HostBuilder::load`].
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let (bytes, symbols) = read(path.as_ref())?;
        self.successor(bytes, symbols)
    }

    /// The same, or none where the file holds the component that this one is of.
    pub(crate) fn reload_changed(&self, path: &Path) -> Result<Option<Self>, LoadError> {
        let (bytes, symbols) = read(path)?;
        if bytes == self.loaded.bytes {
            return Ok(None);
        }
        self.successor(bytes, symbols).map(Some)
    }

    fn successor(&self, bytes: Vec<u8>, symbols: Option<Symbols>) -> Result<Self, LoadError> {
        let builder = &self.loaded.builder;
        let engine = self.loaded.program.engine();
        let program = builder.program(&bytes, Some(engine))?;
        self.loaded.ground.metrics.tell_of(program.engine());
        let ground = self.loaded.ground.clone();
        Ok(builder.clone().host(program, bytes, symbols, ground))
    }

    /// Whether this is of the same load as `other`.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.loaded, &other.loaded)
    }

    /// No requests are to come. The instances that wait for one go now, and the
    /// others when they have answered theirs.
    pub(crate) fn retire(&self) {
        if let Some(shared) = &self.shared {
            shared.close();
        }
        let gone = self.stable.close();
        self.shard()
            .shift(Gauge::Ready, -i64::try_from(gone).unwrap_or(i64::MAX));
    }

    /// Tells whether anybody still has this host.
    #[cfg(test)]
    pub(crate) fn life(&self) -> std::sync::Weak<dyn std::any::Any> {
        let weak: std::sync::Weak<Loaded> = Arc::downgrade(&self.loaded);
        weak
    }

    /// The same component for one of `threads` threads of a server, with instances
    /// of its own, which [`groom`](Self::groom) puts in order.
    pub(crate) fn for_thread(&self, threads: usize) -> Self {
        let all = self.limits().max_in_flight as usize;
        let room = all.div_ceil(threads.max(1));
        let stable = Stable::groomed(room);
        // What was made ready before there were threads is for the first of them.
        if let Some(ready) = self.stable.take() {
            stable.put(ready);
        }
        // One that lives in an event loop cannot be handed over, and goes.
        if let Some(shared) = &self.shared {
            shared.close();
        }
        Self {
            loaded: self.loaded.clone(),
            stable: Arc::new(stable),
            shared: shared(self.isolation(), room),
        }
    }

    /// Puts used instances in order and has `ahead` of them wait for their requests,
    /// until the host retires.
    pub(crate) async fn groom(&self, ahead: usize) {
        while !self.stable.is_closed() {
            self.stable.called().await;
            let mut again = true;
            while again {
                again = false;
                while let Some(used) = self.stable.next_used() {
                    self.tidy(used).await;
                }
                if self.isolation() == Isolation::Instance && self.stable.lacks(ahead) {
                    again = self.breed().await;
                }
            }
        }
    }

    /// Makes one instance ahead. Whether that went well.
    async fn breed(&self) -> bool {
        match self.fresh().await {
            Ok(sandbox) => {
                self.keep(sandbox.ahead());
                true
            }
            // The request that needs one will say why it gets none.
            Err(_) => false,
        }
    }

    /// What was counted so far, in the text format of OpenMetrics: requests with
    /// their times, memory and bodies, instances, the pool, connections.
    pub fn metrics(&self) -> String {
        self.loaded.ground.metrics.encode()
    }

    /// Refuses what no instance should be started for, as far as it can be told
    /// before the body is there.
    fn admit_head<B>(&self, request: &Request<B>) -> Result<(), Failure> {
        let limit = self.limits().max_header_bytes;
        let target = request
            .uri()
            .path_and_query()
            .map_or(0, |path| path.as_str().len());
        if target.saturating_add(size(request.headers())) > limit {
            return Err(Failure::HeadersTooLarge { limit });
        }
        Ok(())
    }

    /// What keeps requests apart.
    pub fn isolation(&self) -> Isolation {
        self.loaded.ground.isolation
    }

    /// The door by which requests enter.
    pub fn door(&self) -> Door {
        self.loaded.program.door()
    }

    /// The limits of every request.
    pub fn limits(&self) -> &Limits {
        &self.loaded.ground.limits
    }
}

/// Makes a [`Host`].
#[derive(Clone, Debug, Default)]
pub struct HostBuilder {
    limits: Limits,
    grants: Grants,
    door: Option<Door>,
    isolation: Isolation,
    disclose: Disclose,
    measure: Measure,
    trust: Option<Trust>,
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

    /// What guests may reach beyond their request: nothing where nothing is said.
    /// The check does without.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// Enters the component by `door`, instead of by the fastest that it has.
    pub fn door(mut self, door: Door) -> Self {
        self.door = Some(door);
        self
    }

    /// What clients are told besides their responses.
    pub fn disclose(mut self, disclose: Disclose) -> Self {
        self.disclose = disclose;
        self
    }

    /// Has the guest tell after each request what that used of the arena, for
    /// [`Outcome::arena`] and the metrics. It takes a third of a microsecond.
    pub fn measure_arena(mut self) -> Self {
        self.measure = Measure::Arena;
        self
    }

    /// Takes components that were compiled ahead of time
    /// ([`ahead::compile`](crate::ahead::compile)) as well, which saves nearly all of
    /// the time that loading takes. Without it they are refused.
    ///
    /// Code that was compiled by another version, with other settings, or for a
    /// processor that can do more than this one, is recognised and refused as well.
    ///
    /// # Safety
    /// Compiled code is not checked: it does in this process whatever it was made to
    /// do. Everything compiled that is loaded with this builder, and everything that
    /// its hosts are reloaded with, must have been made by
    /// [`ahead::compile`](crate::ahead::compile) and not been changed since. Whoever
    /// can write the file must be trusted as the makers of this program are.
    pub unsafe fn allow_precompiled(mut self) -> Self {
        // SAFETY: the caller promises what is needed.
        self.trust = Some(unsafe { Trust::given() });
        self
    }

    /// Compiles the component in the file at `path`.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Host, LoadError> {
        let (bytes, symbols) = read(path.as_ref())?;
        self.load_with(bytes, symbols)
    }

    /// Compiles the component that `bytes` are.
    pub fn load_bytes(self, bytes: &[u8]) -> Result<Host, LoadError> {
        self.load_with(bytes.to_vec(), None)
    }

    fn load_with(self, bytes: Vec<u8>, symbols: Option<Symbols>) -> Result<Host, LoadError> {
        let program = self.program(&bytes, None)?;
        let metrics = Metrics::new();
        metrics.tell_of(program.engine());
        let limits = self.limits;
        let ground = Ground {
            places: Places::new(&limits),
            buffers: Arc::new(Buffers::new(limits.max_buffered)),
            metrics: Arc::new(metrics),
            long: Arc::default(),
            limits,
            isolation: self.isolation,
            disclose: self.disclose,
            measure: match self.disclose {
                Disclose::Memory => Measure::Arena,
                Disclose::Nothing => self.measure,
            },
        };
        Ok(self.host(program, bytes, symbols, Arc::new(ground)))
    }

    /// Loads a component into `engine`, if it is one that fits, or into a new one.
    fn program(&self, bytes: &[u8], engine: Option<&Engine>) -> Result<Program, LoadError> {
        let with = |concurrency| match engine {
            Some(engine) if Concurrency::of(engine) == concurrency => Ok(engine.clone()),
            _ => engine::production(&self.limits, concurrency),
        };
        let program = match self.trust {
            // Compiled code does not say which of both it was compiled for, and fits
            // no other.
            Some(trust) if ahead::is_compiled(bytes) => {
                let engines = [Concurrency::Off, Concurrency::On];
                trust.load(bytes, engines.into_iter().map(with))?
            }
            _ => self.compile(&with(Concurrency::needed_by(bytes))?, bytes)?,
        };
        let program = program
            .within(&self.limits)?
            .granting(self.grants.clone())?;
        match (self.isolation, self.door) {
            (Isolation::Shared(_), None | Some(Door::Service)) => program
                .with_door(Door::Service)
                .map_err(|_| LoadError::NotShared),
            (Isolation::Shared(_), Some(_)) => Err(LoadError::NotShared),
            (_, Some(door)) => program.with_door(door),
            (_, None) => Ok(program),
        }
    }

    /// Compiles a component: as far as the door needs it that it is entered by.
    fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Program, LoadError> {
        if let Isolation::Instance | Isolation::Rewind(_) = self.isolation
            && let None | Some(Door::Fast) = self.door
            && unfold::excess(bytes).is_none()
            && let Some(lean) = trim::to_fast_door(bytes)
        {
            match Program::new(engine, &lean.component) {
                Ok(program) => {
                    let Parts { modules, imports } = lean.parts;
                    tracing::debug!(modules, imports, "left out what only other doors need");
                    return Ok(program);
                }
                // There may be nothing wrong with all of it.
                Err(error) => tracing::debug!(%error, "cannot leave out other doors"),
            }
        }
        Program::new(engine, bytes)
    }

    fn host(
        self,
        program: Program,
        bytes: Vec<u8>,
        symbols: Option<Symbols>,
        ground: Arc<Ground>,
    ) -> Host {
        let room = usize::try_from(ground.limits.max_in_flight).unwrap_or(usize::MAX);
        Host {
            shared: shared(self.isolation, room),
            loaded: Arc::new(Loaded {
                bytes,
                symbols,
                program,
                builder: self,
                ground,
            }),
            stable: Arc::new(Stable::new(room)),
        }
    }
}

/// Where the instances are that are shared, if they are.
fn shared(isolation: Isolation, room: usize) -> Option<Arc<Shared>> {
    match isolation {
        Isolation::Shared(policy) => Some(Arc::new(Shared::new(policy, room))),
        Isolation::Instance | Isolation::Rewind(_) => None,
    }
}

/// A component, and the names of its statics if they lie beside it.
fn read(path: &Path) -> Result<(Vec<u8>, Option<Symbols>), LoadError> {
    let bytes = program::read(path)?;
    let symbols = Symbols::beside(path, &bytes);
    Ok((bytes, symbols))
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

    /// Futures are moved before they are first polled, from hand to hand and whole. When
    /// these had 27 and 17 KB, that was a tenth of all that a request cost.
    #[tokio::test]
    async fn what_is_handed_around_of_a_request_is_small() {
        const MOST: usize = 3 * 1024;
        let host = host(testing::HELLO, Limits::default());
        let respond = host.respond(Request::new(Full::new(Bytes::new())));
        assert!(size_of_val(&respond) <= MOST, "{}", size_of_val(&respond));
        let place = host.loaded.ground.places.free().expect("a place");
        let (reply, _replied) = oneshot::channel();
        let request = Request::new(RequestBody::Whole(Bytes::new()));
        let buffered = Buffered::new(&host.loaded.ground.buffers);
        let run = host.clone().run(request, reply, place, buffered);
        assert!(size_of_val(&run) <= MOST, "{}", size_of_val(&run));
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
    async fn answered_requests_hold_few_places_where_the_groom_has_no_turn() {
        let limits = Limits {
            max_in_flight: 16,
            max_queue: 0,
            ..Limits::default()
        };
        // Nobody grooms here: this is a batch of requests that leaves no time for it.
        let host = host(testing::HELLO, limits).for_thread(1);
        for _ in 0..40 {
            assert_eq!(label(&ask(&host).await), "ok");
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
    async fn a_full_house_is_overload() {
        let host = host(
            "(loop $l (br $l)) unreachable",
            Limits {
                max_in_flight: 1,
                timeout: Duration::from_millis(200),
                queue_wait: Duration::from_millis(50),
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
