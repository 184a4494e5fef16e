//! Where instances are between requests: those that wait for one, and those that
//! were used and wait to be put in order.
//!
//! An instance is made, rewound or given back within microseconds, but a client
//! that waits for its answer need not wait for these too. A server's thread has a
//! stable of its own and a groom, a task that works when all requests that have
//! arrived were answered. A host in a test has no groom, and puts every instance in
//! order before its answer is returned.
//!
//! Nor does a thread to which more requests have come at once than a few leave all of them
//! to its groom: what that cannot keep up with is put in order before the answer. All of
//! them would otherwise have an instance each, whose memory is in no cache, and the place
//! of each for as long as the others are answered. For the same reason instances with
//! little memory are rewound before the answer in any case (`SMALL_REWIND` in `host.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::place::Place;
use crate::sandbox::{Ready, Sandbox, Used};

/// Used instances that wait for the groom at most. Fewer would make clients wait for what
/// could be done after their answers, where a few connections are busy; with more, those
/// of many connections are in each other's way.
const MOST_USED: usize = 8;

/// When used instances are put in order.
#[derive(Debug)]
enum Order {
    /// Before the answer is returned.
    AtOnce,
    /// By the groom, who is called by this, as far as it keeps up.
    Later(Notify),
}

/// A used instance, and the place that it has until it is gone or ready again.
pub(crate) type UsedInPlace = (Sandbox<Used>, Place);

/// The instances of one thread, or of one host.
#[derive(Debug)]
pub(crate) struct Stable {
    /// The one used last is at the end: its memory is in the caches.
    ready: Mutex<Vec<Sandbox<Ready>>>,
    used: Mutex<Vec<UsedInPlace>>,
    order: Order,
    /// Instances that wait at most.
    room: usize,
    /// Set when nobody is to wait any more.
    closed: AtomicBool,
}

impl Stable {
    /// A stable without a groom.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            ready: Mutex::default(),
            used: Mutex::default(),
            order: Order::AtOnce,
            room,
            closed: AtomicBool::new(false),
        }
    }

    /// A stable with a groom.
    pub(crate) fn groomed(room: usize) -> Self {
        Self {
            order: Order::Later(Notify::new()),
            ..Self::new(room)
        }
    }

    fn ready(&self) -> MutexGuard<'_, Vec<Sandbox<Ready>>> {
        // Every change is a single push or pop.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self) -> MutexGuard<'_, Vec<UsedInPlace>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance that waits for a request.
    pub(crate) fn take(&self) -> Option<Sandbox<Ready>> {
        self.ready().pop()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.ready().len()
    }

    /// Whether fewer than `wanted` wait, and there is room for more.
    pub(crate) fn lacks(&self, wanted: usize) -> bool {
        self.waiting() < wanted.min(self.room) && !self.is_closed()
    }

    /// Has one wait. Not where there is no room, which is what this says.
    pub(crate) fn put(&self, sandbox: Sandbox<Ready>) -> bool {
        let mut ready = self.ready();
        let room = ready.len() < self.room && !self.is_closed();
        if room {
            ready.push(sandbox);
        }
        room
    }

    /// Leaves a used instance to the groom; gives it back where there is none, or one who
    /// is behind.
    pub(crate) fn leave(&self, used: UsedInPlace) -> Option<UsedInPlace> {
        match &self.order {
            Order::Later(call) if !self.is_closed() => {
                let mut waiting = self.used();
                if waiting.len() >= MOST_USED {
                    return Some(used);
                }
                waiting.push(used);
                call.notify_one();
                None
            }
            _ => Some(used),
        }
    }

    /// Has nobody wait any more: those who do go now, and the groom with them. Says
    /// how many they were.
    pub(crate) fn close(&self) -> usize {
        // Under the lock, so that nobody is put here behind its back.
        let ready = {
            let mut ready = self.ready();
            self.closed.store(true, Ordering::Relaxed);
            std::mem::take(&mut *ready)
        };
        if let Order::Later(call) = &self.order {
            call.notify_one();
        }
        ready.len()
    }

    /// Whether that was done.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The next used instance, for the groom.
    pub(crate) fn next_used(&self) -> Option<UsedInPlace> {
        self.used().pop()
    }

    /// Waits until the groom is called. For ever where there is none.
    pub(crate) async fn called(&self) {
        match &self.order {
            Order::AtOnce => std::future::pending().await,
            Order::Later(call) => call.notified().await,
        }
    }
}
