//! What one thread counts.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use super::histogram::{self, BYTES, Bounds, Histogram, MEMORY, TIME};
use super::labels::{Counter, Ending, Gauge, Reason, TrapKind};
use crate::failure::Failure;
use crate::figures::ArenaUse;
use crate::limits::MemoryUse;
use crate::sandbox::Retirement;

/// The statuses that are counted each by itself; others, which no HTTP server
/// sends, are counted together.
const STATUSES: std::ops::Range<u16> = 100..600;

/// Everything that there is to count of one request, at its end.
///
/// ```ignore
/// shard.request(&Told {
///     status: 200,
///     duration: began.elapsed(),
///     guest: Some(guest),
///     memory,
///     ..Told::default()
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'a> {
    /// The status that the client was sent.
    pub(crate) status: u16,
    /// Why it was not, or not wholly, answered by its handler.
    pub(crate) failure: Option<&'a Failure>,
    /// From the end of the request's head to the last byte of the response.
    pub(crate) duration: Duration,
    /// How long it waited for its place. None where it never came to that.
    pub(crate) queue_wait: Option<Duration>,
    /// How long its instance took to be made, if it was made for it.
    pub(crate) instantiate: Option<Duration>,
    /// How long its guest ran, if one did.
    pub(crate) guest: Option<Duration>,
    /// What the memory of its instance did. Nothing where there was none.
    pub(crate) memory: MemoryUse,
    /// What its arena did, where the guest tells.
    pub(crate) arena: Option<ArenaUse>,
    /// Bytes of the request's body that were read.
    pub(crate) request_body: u64,
    /// Bytes of the response's body that were sent.
    pub(crate) response_body: u64,
}

/// One of the histograms.
#[derive(Clone, Copy, Debug)]
pub(super) enum Series {
    Request,
    QueueWait,
    Instantiate,
    Guest,
    Teardown,
    MemoryInitial,
    MemoryPeak,
    ArenaUsed,
    ArenaCommitted,
    RequestBody,
    ResponseBody,
}

impl Series {
    pub(super) const COUNT: usize = Self::ResponseBody as usize + 1;

    pub(super) const fn bounds(self) -> &'static Bounds {
        match self {
            Self::Request | Self::QueueWait | Self::Instantiate | Self::Guest | Self::Teardown => {
                &TIME
            }
            Self::MemoryInitial | Self::MemoryPeak => &MEMORY,
            Self::ArenaUsed | Self::ArenaCommitted | Self::RequestBody | Self::ResponseBody => {
                &BYTES
            }
        }
    }
}

/// The counters of one thread, or of a few where there are very many.
///
/// Every operation is a relaxed addition to memory that other threads only read,
/// and that at a scrape: there is nothing to wait for. It lies on cache lines of
/// its own, two at a time because that is what processors fetch.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard {
    histograms: [Histogram; Series::COUNT],
    counters: [AtomicU64; Counter::COUNT],
    gauges: [AtomicI64; Gauge::COUNT],
    traps: [AtomicU64; TrapKind::COUNT],
    retired: [AtomicU64; Reason::COUNT],
    grows: AtomicU64,
    denied: AtomicU64,
    timeouts: AtomicU64,
    /// By status and ending.
    requests: Box<[[AtomicU64; Ending::COUNT]]>,
}

/// One for each status, and one for the rest.
fn statuses() -> usize {
    STATUSES.len() + 1
}

fn place(status: u16) -> usize {
    if STATUSES.contains(&status) {
        usize::from(status - STATUSES.start)
    } else {
        STATUSES.len()
    }
}

impl Shard {
    pub(super) fn new() -> Self {
        Self {
            histograms: Default::default(),
            counters: Default::default(),
            gauges: Default::default(),
            traps: Default::default(),
            retired: Default::default(),
            grows: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            requests: (0..statuses()).map(|_| Default::default()).collect(),
        }
    }

    /// Counts a request that has ended.
    pub(crate) fn request(&self, told: &Told<'_>) {
        let ending = Ending::from(told.failure);
        self.requests[place(told.status)][ending as usize].fetch_add(1, Relaxed);
        match told.failure {
            Some(Failure::Trap(error)) => {
                self.traps[TrapKind::from(error) as usize].fetch_add(1, Relaxed);
            }
            Some(Failure::Deadline { .. }) => {
                self.timeouts.fetch_add(1, Relaxed);
            }
            _ => {}
        }

        self.time(Series::Request, Some(told.duration));
        self.time(Series::QueueWait, told.queue_wait);
        self.time(Series::Instantiate, told.instantiate);
        self.time(Series::Guest, told.guest);

        let memory = &told.memory;
        // Without an instance there was no memory either.
        if memory.peak > 0 {
            self.record(Series::MemoryInitial, memory.initial as u64);
            self.record(Series::MemoryPeak, memory.peak as u64);
        }
        if memory.grows > 0 {
            self.grows.fetch_add(memory.grows, Relaxed);
        }
        if memory.denied > 0 {
            self.denied.fetch_add(memory.denied, Relaxed);
        }
        if let Some(arena) = told.arena {
            self.record(Series::ArenaUsed, arena.peak);
            self.record(Series::ArenaCommitted, arena.committed);
        }
        self.record(Series::RequestBody, told.request_body);
        self.record(Series::ResponseBody, told.response_body);
    }

    /// Counts an instance that was given back or rewound, which took so long.
    pub(crate) fn tidied(&self, took: Duration) {
        self.time(Series::Teardown, Some(took));
    }

    /// Counts one of these.
    pub(crate) fn count(&self, what: Counter) {
        self.counters[what as usize].fetch_add(1, Relaxed);
    }

    /// Counts an instance that was not used again.
    pub(crate) fn retired(&self, why: &Retirement) {
        self.retired[Reason::from(why) as usize].fetch_add(1, Relaxed);
    }

    /// Moves a gauge. What goes up in one shard may come down in another: it is
    /// the sum that counts.
    pub(crate) fn shift(&self, gauge: Gauge, by: i64) {
        self.gauges[gauge as usize].fetch_add(by, Relaxed);
    }

    /// One more, until what is returned is dropped.
    #[must_use = "it counts for as long as it lives"]
    pub(crate) fn hold(self: &Arc<Self>, gauge: Gauge) -> Held {
        self.shift(gauge, 1);
        Held {
            shard: self.clone(),
            gauge,
        }
    }

    #[inline]
    fn time(&self, series: Series, took: Option<Duration>) {
        if let Some(took) = took {
            // 584 years fit.
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.record(series, nanos);
        }
    }

    #[inline]
    fn record(&self, series: Series, value: u64) {
        self.histograms[series as usize].record(series.bounds(), value);
    }
}

/// Something that is counted while it lasts: a request, a connection. It is also
/// counted off where its future is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    shard: Arc<Shard>,
    gauge: Gauge,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shard.shift(self.gauge, -1);
    }
}

/// What several shards have counted together.
#[derive(Debug)]
pub(super) struct Sum {
    histograms: [histogram::Sum; Series::COUNT],
    counters: [u64; Counter::COUNT],
    gauges: [i64; Gauge::COUNT],
    pub(super) traps: [u64; TrapKind::COUNT],
    pub(super) retired: [u64; Reason::COUNT],
    pub(super) grows: u64,
    pub(super) denied: u64,
    pub(super) timeouts: u64,
    requests: Vec<[u64; Ending::COUNT]>,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self {
            histograms: Default::default(),
            counters: Default::default(),
            gauges: Default::default(),
            traps: Default::default(),
            retired: Default::default(),
            grows: 0,
            denied: 0,
            timeouts: 0,
            requests: vec![[0; Ending::COUNT]; statuses()],
        }
    }

    pub(super) fn add(&mut self, shard: &Shard) {
        fn all(sums: &mut [u64], counts: &[AtomicU64]) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count.load(Relaxed);
            }
        }
        all(&mut self.counters, &shard.counters);
        all(&mut self.traps, &shard.traps);
        all(&mut self.retired, &shard.retired);
        for (sums, counts) in self.requests.iter_mut().zip(&shard.requests) {
            all(sums, counts);
        }
        for (sum, gauge) in self.gauges.iter_mut().zip(&shard.gauges) {
            *sum += gauge.load(Relaxed);
        }
        for (sum, histogram) in self.histograms.iter_mut().zip(&shard.histograms) {
            sum.add(histogram);
        }
        self.grows += shard.grows.load(Relaxed);
        self.denied += shard.denied.load(Relaxed);
        self.timeouts += shard.timeouts.load(Relaxed);
    }

    pub(super) fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Never below zero: where a scrape sees what went down and not yet what
    /// went up, in another shard, that is nothing.
    pub(super) fn gauge(&self, gauge: Gauge) -> i64 {
        self.gauges[gauge as usize].max(0)
    }

    pub(super) fn histogram(&self, series: Series) -> &histogram::Sum {
        &self.histograms[series as usize]
    }

    /// The requests that there were, by status and ending. A status that HTTP
    /// does not know is 0.
    pub(super) fn requests(&self) -> impl Iterator<Item = (u16, Ending, u64)> {
        let statuses = STATUSES.chain([0]);
        statuses.zip(&self.requests).flat_map(|(status, endings)| {
            let counts = Ending::ALL.iter().zip(endings);
            counts
                .filter(|(_, count)| **count > 0)
                .map(move |(ending, count)| (status, *ending, *count))
        })
    }
}
