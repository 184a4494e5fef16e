//! Where instances are between requests: those that wait for one, and those that
//! were used and wait to be put in order.
//!
//! An instance is made, rewound or given back within microseconds, but a client
//! that waits for its answer need not wait for these too. A server's thread has a
//! stable of its own and a groom, a task that works when all requests that have
//! arrived were answered. A host in a test has no groom, and puts every instance in
//! order before its answer is returned.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::place::Place;
use crate::sandbox::{Ready, Sandbox, Used};

/// When used instances are put in order.
#[derive(Debug)]
enum Order {
    /// Before the answer is returned.
    AtOnce,
    /// By the groom, who is called by this.
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
}

impl Stable {
    /// A stable without a groom.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            ready: Mutex::default(),
            used: Mutex::default(),
            order: Order::AtOnce,
            room,
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
        self.waiting() < wanted.min(self.room)
    }

    /// Has one wait, where there is room.
    pub(crate) fn put(&self, sandbox: Sandbox<Ready>) {
        let mut ready = self.ready();
        if ready.len() < self.room {
            ready.push(sandbox);
        }
    }

    /// Leaves a used instance to the groom; gives it back where there is none.
    pub(crate) fn leave(&self, used: UsedInPlace) -> Option<UsedInPlace> {
        match &self.order {
            Order::AtOnce => Some(used),
            Order::Later(call) => {
                self.used().push(used);
                call.notify_one();
                None
            }
        }
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
