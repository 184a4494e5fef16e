//! What the host keeps for one request: the data of its store.
//!
//! A guest gets clocks, randomness, a log and the request. Files, an environment,
//! sockets and a way to send requests of its own it gets as far as they were
//! granted: everything that is not given here is refused by the implementation it
//! is linked to.

use std::time::{Duration, Instant};

use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::config::Limits;
use crate::grants::Granted;
use crate::guest_log::{Channel, GuestLog, GuestOutput};
use crate::limits::MemoryLedger;
use crate::outbound::Outbound;

/// The data of a store. One request's, and gone with it, unless a check keeps
/// the instance on purpose.
pub(crate) struct State {
    /// Made when the guest first asks for any of it: many never do.
    wasi: Option<WasiCtx>,
    world: World,
    granted: Granted,
    http: WasiHttpCtx,
    table: ResourceTable,
    outbound: Outbound,
    limits: Limits,
    /// What the memory of the instance does.
    pub(crate) ledger: MemoryLedger,
    /// When the invocation has to be over. Where there are several, when the last has.
    pub(crate) deadline: Instant,
    /// When each has to be over, where there are several.
    deadlines: Vec<(GuestTaskId, Instant)>,
}

impl State {
    /// A state whose invocation begins now, and to which nothing is granted.
    pub(crate) fn new(limits: &Limits, output: GuestOutput) -> Self {
        Self::with(limits, World::Moving(output), &Granted::default())
    }

    /// A state whose invocation begins now.
    pub(crate) fn granted(limits: &Limits, output: GuestOutput, granted: &Granted) -> Self {
        Self::with(limits, World::Moving(output), granted)
    }

    /// The same in a world where every clock stands still and every draw comes
    /// out the same, so that each instance of a component starts alike.
    pub(crate) fn still(limits: &Limits) -> Self {
        Self::with(limits, World::Still, &Granted::default())
    }

    /// The same in a world whose clocks go and where every draw comes out the same, so
    /// that a request can be compared with another one.
    pub(crate) fn repeatable(limits: &Limits) -> Self {
        Self::with(limits, World::Repeatable, &Granted::default())
    }

    fn with(limits: &Limits, world: World, granted: &Granted) -> Self {
        let mut http = WasiHttpCtx::new();
        // wasmtime counts what a header occupies in the host, which for short
        // headers is about twice what it has on the wire.
        http.set_field_size_limit(limits.max_header_bytes.saturating_mul(2));

        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.max_handles);

        let deadline = Instant::now() + limits.timeout;
        Self {
            wasi: None,
            world,
            granted: granted.clone(),
            http,
            table,
            outbound: Outbound::new(granted.outbound(), deadline),
            limits: *limits,
            ledger: MemoryLedger::new(limits),
            deadline,
            deadlines: Vec::new(),
        }
    }

    /// Another request begins now, in the same instance.
    pub(crate) fn begin(&mut self) {
        self.deadline = Instant::now() + self.limits.timeout;
        self.ledger.begin();
    }

    /// Another request begins beside others, and has to be over by `deadline`.
    pub(crate) fn begin_beside(&mut self, task: GuestTaskId, deadline: Instant) {
        self.deadline = self.deadline.max(deadline);
        // The engine gives the id of one that has ended to another.
        self.deadlines.retain(|(other, _)| *other != task);
        self.deadlines.push((task, deadline));
    }

    /// No request runs any more.
    pub(crate) fn all_ended(&mut self) {
        self.deadlines.clear();
    }

    /// When `task` has to be over, where it is one of several.
    pub(crate) fn deadline_of(&self, task: GuestTaskId) -> Option<Instant> {
        let mut deadlines = self.deadlines.iter();
        deadlines
            .find(|(other, _)| *other == task)
            .map(|(_, deadline)| *deadline)
    }

    /// Whether there may be several at a time.
    pub(crate) fn has_several(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// The limits that this state was made for.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many resources of the host the guest holds.
    pub(crate) fn resources(&mut self) -> usize {
        self.table.iter_mut().count()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self
                .wasi
                .get_or_insert_with(|| self.world.context(&self.limits, &self.granted)),
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            // It may have been moved since.
            hooks: self.outbound.until(self.deadline),
        }
    }
}

/// What a guest finds around it.
#[derive(Clone, Copy, Debug)]
enum World {
    /// Clocks that go and randomness that is.
    Moving(GuestOutput),
    /// Clocks that go, and draws that come out the same.
    Repeatable,
    /// Clocks that stand still, and draws that come out the same.
    Still,
}

impl World {
    fn context(self, limits: &Limits, granted: &Granted) -> WasiCtx {
        let mut wasi = WasiCtx::builder();
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            // The host allocates these bytes; the guest could not hold more.
            .max_random_size(u64::try_from(limits.max_memory).unwrap_or(u64::MAX));
        match self {
            Self::Moving(GuestOutput::Discard) => {}
            Self::Moving(GuestOutput::Log) => {
                wasi.stdout(GuestLog::new(Channel::Stdout))
                    .stderr(GuestLog::new(Channel::Stderr));
            }
            Self::Repeatable => {}
            Self::Still => {
                wasi.wall_clock(StillClock).monotonic_clock(StillClock);
            }
        }
        if let Self::Repeatable | Self::Still = self {
            let chance = || Deterministic::new((0..=u8::MAX).collect());
            wasi.secure_random(chance())
                .insecure_random(chance())
                .insecure_random_seed(0);
        }
        granted.build(wasi)
    }
}

/// A clock that shows the same time for ever: some time after 1970, and a second
/// after the start. Few programs are written for the very first moment.
struct StillClock;

impl HostWallClock for StillClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(1_000_000_000)
    }
}

/// In nanoseconds.
impl HostMonotonicClock for StillClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        1_000_000_000
    }
}
