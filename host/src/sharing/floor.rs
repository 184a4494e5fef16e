//! What the event loop of a shared instance and whoever polls it both know: who has a
//! seat, what the guest does, and whether the instance is to go.

use std::task::Context;
use std::time::{Duration, Instant};

use wasmtime::Trap;

use super::seat::Seat;
use super::turn::Pass;
use crate::config::{Limits, Sharing};
use crate::failure::Failure;
use crate::limits::MemoryUse;
use crate::sandbox::Retirement;

/// They take turns with it.
pub(super) struct Floor {
    /// In the order of the loop's own list.
    pub(super) seats: Vec<Seat>,
    pub(super) pass: Pass,
    /// Whether others had a turn since the guest had its last.
    pub(super) rested: bool,
    /// Whether the last pass that waited has given the guest something to do.
    pub(super) acted: bool,
    /// Whether the guest takes another call.
    pub(super) ready: bool,
    /// Whether nothing goes on in the guest.
    pub(super) quiet: bool,
    /// Requests so far.
    pub(super) taken: u32,
    pub(super) closing: Option<Closing>,
    /// When the first of those has to be over whose response is complete, and of whom
    /// nobody can tell whether they are.
    pub(super) unsettled: Option<Instant>,
    /// What the guest held of the host's resources when nothing went on for the first
    /// time.
    pub(super) resources: Option<usize>,
    pub(super) memory: MemoryUse,
    /// How long the instance took to be made, until that was told.
    pub(super) made: Option<Duration>,
}

/// Why it takes no more requests.
pub(super) enum Closing {
    /// It goes when nothing goes on in it.
    Ends(Retirement),
    /// It goes when nobody waits for anything of it.
    Fails,
}

/// What an instance ends with.
pub(super) enum End {
    Trapped(wasmtime::Error),
    Retired(Retirement),
    /// Nobody needs it.
    Spare,
}

impl Floor {
    pub(super) fn new(made: Duration) -> Self {
        Self {
            seats: Vec::new(),
            pass: Pass::Works,
            rested: true,
            acted: false,
            ready: true,
            quiet: true,
            taken: 0,
            closing: None,
            unsettled: None,
            resources: None,
            memory: MemoryUse::default(),
            made: Some(made),
        }
    }

    /// Requests that it may take now.
    pub(super) fn free(&self, policy: &Sharing, now: Instant) -> u32 {
        let settled = self.unsettled.is_none_or(|until| until > now);
        if self.closing.is_some() || !settled {
            return 0;
        }
        let here = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        let seats = policy.at_a_time.get().saturating_sub(here);
        seats.min(policy.requests.get().saturating_sub(self.taken))
    }

    pub(super) fn ends(&mut self, why: Retirement) {
        self.closing.get_or_insert(Closing::Ends(why));
    }

    /// The next time at which something has to be looked at.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let deadlines = self.seats.iter().map(|seat| seat.deadline);
        let all = deadlines.chain(self.unsettled);
        all.filter(|at| *at > now).min()
    }

    /// Ends those whose time is up. Whether there were any.
    pub(super) fn expire(&mut self, now: Instant, limits: &Limits) -> bool {
        let limit = limits.timeout;
        let memory = self.memory;
        let late = self.seats.iter_mut().filter(|seat| seat.deadline <= now);
        let late = late.map(|seat| seat.fail(Failure::Deadline { limit }, &memory));
        let any = late.count() > 0;
        if any {
            // Their calls cannot be ended, but by ending the instance.
            self.closing = Some(Closing::Fails);
        }
        any
    }

    /// Whether it is time to go.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<End> {
        let overdue = self.unsettled.is_some_and(|until| until <= now);
        match &self.closing {
            Some(Closing::Fails) => {
                let heard = |seat: &mut Seat| seat.is_heard(cx);
                let heard = self.seats.iter_mut().map(heard).filter(|heard| *heard);
                // All of them, so that each wakes this.
                (heard.count() == 0).then_some(End::Retired(Retirement::Failed))
            }
            Some(Closing::Ends(_)) if self.seats.is_empty() && (self.quiet || overdue) => {
                match self.closing.take() {
                    Some(Closing::Ends(why)) => Some(End::Retired(why)),
                    _ => None,
                }
            }
            None if self.seats.is_empty() && !self.quiet && overdue => {
                tracing::warn!(
                    "a request was still at work when its time was up, long after its response was complete"
                );
                Some(End::Retired(Retirement::Failed))
            }
            _ => None,
        }
    }

    /// Says to all that the instance is gone, which is known of one of them, at most.
    pub(super) fn fail_all(&mut self, failure: Failure, memory: &MemoryUse) {
        let now = Instant::now();
        let beside = beside(&failure);
        let mut own = Some(failure);
        for mut seat in self.seats.drain(..) {
            let failure = match &own {
                Some(Failure::Deadline { limit }) if seat.deadline <= now => {
                    Failure::Deadline { limit: *limit }
                }
                Some(Failure::Deadline { .. }) | None => beside(),
                Some(_) => own.take().unwrap_or_else(&beside),
            };
            seat.fail(failure, memory);
        }
    }
}

/// What a failure is to those who were in the same instance.
fn beside(failure: &Failure) -> impl Fn() -> Failure + use<> {
    const SHARED: &str = "it shared an instance with a request that ended this";
    enum Kind {
        Memory { asked: usize, limit: usize },
        Trap(Option<Trap>),
    }
    let kind = match failure {
        &Failure::OutOfMemory { asked, limit } => Kind::Memory { asked, limit },
        Failure::Trap(error) => Kind::Trap(error.downcast_ref().copied()),
        _ => Kind::Trap(None),
    };
    move || match &kind {
        &Kind::Memory { asked, limit } => Failure::OutOfMemory { asked, limit },
        Kind::Trap(Some(trap)) => Failure::Trap(wasmtime::Error::from(*trap).context(SHARED)),
        Kind::Trap(None) => Failure::Trap(wasmtime::Error::msg(SHARED)),
    }
}
