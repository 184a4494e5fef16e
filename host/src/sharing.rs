//! Instances that have several requests at a time, and the requests that wait for a
//! seat in one.
//!
//! ```text
//! request ─ ask ─► waiting ─ take ─► seat ─► guest ─► answer
//!                     │               instance.rs: one event loop, several seats
//!                     └ nobody has a seat: another instance is made
//! ```
//! A thread has a book of its own. A request is put down in it, and an instance that
//! has a free seat takes it, when its guest has done all that it can for those that it
//! has: two that compute are no faster in one instance than one after the other. What
//! holds all the time is that there are as many seats, in instances that are open or
//! being made, as requests that wait. Where that would not hold any more, because a
//! request came, or because an instance turned out to have no seat (its guest refuses a
//! second one, computes, or is to take no more), another one is made.
//!
//! Instances are bounded by the requests: each that is busy has at least one, which has
//! its place among all that run. Those that have none stay for a while, as many as
//! there is room for.

mod bell;
mod clock;
mod floor;
mod instance;
mod needs;
mod seat;
mod turn;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::config::Sharing;
pub(crate) use instance::start;
pub(crate) use seat::{Ask, Holds, Spoken};

/// The shared instances of one thread, or of one host.
pub(crate) struct Shared {
    policy: Sharing,
    /// Instances without a request that stay at most.
    room: usize,
    /// Whether a guest was seen to refuse a request while it had one: then others of it
    /// do so as well.
    alone: AtomicBool,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    waiting: VecDeque<Ask>,
    /// Instances with a free seat. The one that was busy last is at the end: its memory
    /// is in the caches.
    open: Vec<Open>,
    /// Instances that are being made.
    coming: usize,
    /// Instances that have nothing to do.
    idle: usize,
    /// Set when nobody is to stay without a request.
    closed: bool,
    /// The number of the next instance.
    next: u64,
}

/// An instance with free seats.
#[derive(Debug)]
struct Open {
    instance: u64,
    seats: u32,
    waker: Waker,
}

/// Whether an instance has to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "somebody waits for it"]
pub(crate) enum Need {
    /// One, which is counted as coming already.
    Another,
    None,
}

impl Shared {
    /// None yet, of which `room` may stay without a request.
    pub(crate) fn new(policy: Sharing, room: usize) -> Self {
        Self {
            policy,
            room,
            alone: AtomicBool::new(false),
            book: Mutex::default(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change is complete before anything could panic.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats of an instance of which nothing is known yet.
    fn seats(&self) -> u32 {
        if self.alone.load(Ordering::Relaxed) {
            1
        } else {
            self.policy.at_a_time.get().min(self.policy.requests.get())
        }
    }

    /// A guest was seen to refuse a request while it had one.
    fn learn_alone(&self) {
        self.alone.store(true, Ordering::Relaxed);
    }

    /// Puts a request down, for the next instance that has a seat.
    pub(crate) fn ask(&self, ask: Ask) -> Need {
        let mut book = self.book();
        book.waiting.push_back(ask);
        book.cover(self.seats())
    }

    /// Another instance is being made, for nobody in particular.
    pub(crate) fn expect(&self) {
        self.book().coming += 1;
    }

    /// Instances without a request, those included that are being made.
    pub(crate) fn without_request(&self) -> usize {
        let book = self.book();
        book.idle + book.coming
    }

    /// How many may be so.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// The request that has waited longest, if its client still does.
    fn take(&self) -> Option<Ask> {
        let mut book = self.book();
        std::iter::from_fn(|| book.waiting.pop_front()).find(|ask| !ask.is_given_up())
    }

    /// Has no instance stay without a request any more: those that have none go now.
    pub(crate) fn close(&self) {
        let mut book = self.book();
        book.closed = true;
        for open in &book.open {
            open.waker.wake_by_ref();
        }
    }
}

impl Book {
    /// Sees to it that everybody who waits will have a seat.
    fn cover(&mut self, new: u32) -> Need {
        if self.waiting.is_empty() {
            return Need::None;
        }
        let open = self.open.iter().map(|open| u64::from(open.seats));
        let coming = (self.coming as u64).saturating_mul(u64::from(new));
        let seats = open.sum::<u64>().saturating_add(coming);
        if let Some(open) = self.open.last() {
            open.waker.wake_by_ref();
        }
        if seats < self.waiting.len() as u64 {
            self.coming += 1;
            Need::Another
        } else {
            Need::None
        }
    }
}

/// The part of an instance in the book. While it lives, the instance counts.
struct Entry {
    shared: Arc<Shared>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is being made.
    Coming,
    /// It is there, by this number.
    There { instance: u64, idle: bool },
    /// It is not in the book any more.
    Gone,
}

/// Whether an instance without a request may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    Yes,
    No,
}

impl Entry {
    /// Of an instance that is counted as coming.
    fn coming(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            stage: Stage::Coming,
        }
    }

    /// It has so many free seats now, and is to be woken by `waker` when somebody wants
    /// one.
    fn tell(&mut self, seats: u32, waker: &Waker) -> Need {
        let mut book = self.shared.book();
        let (instance, idle) = match self.stage {
            Stage::Coming => {
                book.coming -= 1;
                book.next += 1;
                (book.next, false)
            }
            Stage::There { instance, idle } => (instance, idle),
            Stage::Gone => return Need::None,
        };
        self.stage = Stage::There { instance, idle };
        let at = book.open.iter().position(|open| open.instance == instance);
        match (at, seats) {
            (None, 0) => {}
            (Some(at), 0) => drop(book.open.remove(at)),
            (Some(at), _) => {
                book.open[at].seats = seats;
                book.open[at].waker.clone_from(waker);
            }
            (None, _) => book.open.push(Open {
                instance,
                seats,
                waker: waker.clone(),
            }),
        }
        // Somebody may have come since it looked, or have counted on more of them.
        book.cover(self.shared.seats())
    }

    /// It has nothing to do. Whether it may wait until it has.
    fn rests(&mut self) -> Stay {
        let mut book = self.shared.book();
        if let Stage::There { idle, .. } = &mut self.stage
            && !*idle
        {
            if book.closed || book.idle >= self.shared.room {
                return Stay::No;
            }
            *idle = true;
            book.idle += 1;
        }
        if book.closed { Stay::No } else { Stay::Yes }
    }

    /// It has something to do.
    fn works(&mut self) {
        if let Stage::There { idle, .. } = &mut self.stage
            && *idle
        {
            *idle = false;
            self.shared.book().idle -= 1;
        }
    }

    /// It is gone.
    fn leave(mut self) -> Need {
        self.strike();
        let seats = self.shared.seats();
        self.shared.book().cover(seats)
    }

    /// Takes it out of the book.
    fn strike(&mut self) {
        let shared = self.shared.clone();
        let mut book = shared.book();
        match self.stage {
            Stage::Coming => book.coming -= 1,
            Stage::There { instance, idle } => {
                book.open.retain(|open| open.instance != instance);
                book.idle -= usize::from(idle);
            }
            Stage::Gone => {}
        }
        self.stage = Stage::Gone;
    }
}

impl Drop for Entry {
    /// Where it did not leave by itself: its runtime has ended, and nothing can be made
    /// on that for those who counted on it.
    fn drop(&mut self) {
        if self.stage == Stage::Gone {
            return;
        }
        self.strike();
        let mut book = self.shared.book();
        if book.open.is_empty() && book.coming == 0 {
            book.waiting.clear();
        }
    }
}
