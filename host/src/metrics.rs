//! What the host counts, for Prometheus.
//!
//! ```text
//! labels    the closed sets that counters are told apart by
//! histogram arrays of atomics
//!   -> shard      what one thread counts
//!   -> collector  their sum, with names, units and help
//! ```
//!
//! A request takes 10 to 20 microseconds in all, so counting it must cost next
//! to nothing and never make one thread wait for another. Each thread therefore
//! adds to a [`Shard`] of its own, and whoever scrapes adds the shards up.

mod collector;
mod histogram;
mod labels;
mod shard;

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use wasmtime::{Engine, PoolingAllocatorMetrics};

pub(crate) use labels::{Counter, Gauge};
pub(crate) use shard::{Held, Shard, Told};

/// What every name begins with.
const PREFIX: &str = "lavandula";

/// The most shards. Threads beyond that share those that there are, which is as
/// right and a little slower.
const SHARDS: usize = 64;

/// The counters of one host.
#[derive(Debug)]
pub(crate) struct Metrics {
    shared: Arc<Shared>,
    registry: Registry,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared {
            shards: [const { OnceLock::new() }; SHARDS],
            pool: Mutex::default(),
        });
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(shared.clone()));
        Self { shared, registry }
    }

    /// Tells of the pool of `engine` from now on, if it has one.
    pub(crate) fn tell_of(&self, engine: &Engine) {
        *self.shared.lock() = engine.pooling_allocator_metrics();
    }

    /// The shard of the calling thread. A thread that is there to serve may
    /// keep it; asking costs a nanosecond or two.
    pub(crate) fn shard(&self) -> &Arc<Shard> {
        self.shared.shards[place()].get_or_init(|| Arc::new(Shard::new()))
    }

    /// All of it, in the text format of OpenMetrics.
    pub(crate) fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

/// The place of the calling thread among the shards: its number, in the order
/// in which threads first counted something.
fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static PLACE: usize = NEXT.fetch_add(1, Relaxed) % SHARDS);
    PLACE.with(|place| *place)
}

/// What a scrape reads.
struct Shared {
    /// Each made when its thread first counts something.
    shards: [OnceLock<Arc<Shard>>; SHARDS],
    pool: Mutex<Option<PoolingAllocatorMetrics>>,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<PoolingAllocatorMetrics>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> Option<PoolingAllocatorMetrics> {
        self.lock().clone()
    }

    fn sum(&self) -> shard::Sum {
        let mut sum = shard::Sum::new();
        for shard in self.shards.iter().filter_map(OnceLock::get) {
            sum.add(shard);
        }
        sum
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
