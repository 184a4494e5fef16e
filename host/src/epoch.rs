//! The clock of the guests: one thread per engine that advances its epoch.
//!
//! Guest code looks at the epoch at every loop and every call. When it has
//! moved on, the guest comes back to the host, which lets others run or ends
//! it: see `Program::instantiate`.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use wasmtime::Engine;

/// How often guests come back to the host. Deadlines are late by at most this
/// much; shorter ticks only cost wake-ups.
const TICK: Duration = Duration::from_millis(10);

/// The ticks that a guest has to itself before it comes back for the first time. The
/// next one may come at once, so that this is one tick at least.
pub(crate) const TURN: u64 = 2;

/// The ticks after which `time` is certainly over.
pub(crate) fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1
}

/// Ticks so far, of all engines of this process.
static TICKED: AtomicU64 = AtomicU64::new(0);

/// How often guests came back to the host, or would have, in all engines of this
/// process together.
pub(crate) fn ticked() -> u64 {
    TICKED.load(Relaxed)
}

/// Starts the clock of `engine`. It holds the engine weakly and ends within a
/// tick of the engine's own end.
pub(crate) fn start(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("lavandula-epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                TICKED.fetch_add(1, Relaxed);
                // Nothing may hold the engine during the pause.
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map(drop)
}
