//! A request in a shared instance: what it brings, and what is said of it.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Method, Request};
use tokio::sync::oneshot;

use crate::account::Ran;
use crate::body::{Buffered, Intake, RequestBody};
use crate::failure::Failure;
use crate::figures::ArenaUse;
use crate::flow::{Flow, Patience, Said, Told};
use crate::host::Rest;
use crate::limits::MemoryUse;
use crate::metrics::Held;
use crate::place::Place;
use crate::run::{Run, Tells};
use crate::trace::TraceContext;

/// What is said of a request, once: its response as far as it can be told, with what is
/// to come of it; or that there is none, and what it came to.
pub(crate) type Spoken = Result<(Told, Flow<Run, Rest>), (Failure, Ran)>;

/// A request that waits for a seat.
pub(crate) struct Ask {
    pub(crate) request: Request<RequestBody>,
    pub(crate) method: Method,
    /// What becomes of its body, where that comes in pieces.
    pub(crate) intake: Option<Intake>,
    pub(crate) patience: Patience,
    pub(crate) deadline: Instant,
    pub(crate) trace: TraceContext,
    pub(crate) tell: oneshot::Sender<Spoken>,
    pub(crate) holds: Holds,
}

/// What a request has for as long as it runs.
#[derive(Debug)]
#[allow(dead_code, reason = "it is held, not used")]
pub(crate) struct Holds {
    pub(crate) place: Place,
    pub(crate) buffered: Buffered,
}

impl Ask {
    /// Whether nobody waits for it any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.tell.is_closed()
    }
}

/// How the client of a request hears of it.
pub(super) enum Line {
    /// It was told nothing.
    Silent(oneshot::Sender<Spoken>),
    /// It has the head, and takes the body. It is told when that is all, for certain.
    Told(Tells),
    /// Nobody listens.
    Dead,
}

/// A request that an instance has.
pub(super) struct Seat {
    pub(super) line: Line,
    pub(super) deadline: Instant,
    pub(super) patience: Patience,
    pub(super) intake: Option<Intake>,
    pub(super) trace: TraceContext,
    pub(super) began: Instant,
    /// How long its instance took to be made, if it was made for it.
    pub(super) instantiate: Option<Duration>,
    /// What memory was when it began.
    pub(super) memory: MemoryUse,
    /// How many the instance had before it.
    pub(super) entry: u64,
    /// Whether there was no other at any time.
    pub(super) alone: bool,
    /// What it needed of the arena, once that was told.
    pub(super) arena: Option<ArenaUse>,
    #[allow(dead_code, reason = "they are held, not used")]
    pub(super) holds: (Holds, Held),
}

impl Seat {
    /// What it has come to by now, where its instance has this memory.
    pub(super) fn ran(&mut self, memory: &MemoryUse) -> Ran {
        Ran {
            instantiate: self.instantiate.take(),
            guest: Some(self.began.elapsed()),
            memory: memory.since(&self.memory),
            arena: self.arena,
        }
    }

    /// Whether somebody listens. Who asks is woken when nobody does any more.
    pub(super) fn is_heard(&mut self, cx: &mut Context<'_>) -> bool {
        let closed = match &mut self.line {
            Line::Silent(tell) => tell.poll_closed(cx),
            Line::Told(tells) => tells.poll_closed(cx),
            Line::Dead => return false,
        };
        if let Poll::Ready(()) = closed {
            self.line = Line::Dead;
        }
        closed.is_pending()
    }

    /// Says why there will be no response, or no more of it.
    pub(super) fn fail(&mut self, failure: Failure, memory: &MemoryUse) {
        let ran = self.ran(memory);
        // Nobody may listen.
        match std::mem::replace(&mut self.line, Line::Dead) {
            Line::Silent(tell) => drop(tell.send(Err((failure, ran)))),
            Line::Told(tells) => drop(tells.send((Err(failure), ran))),
            Line::Dead => {}
        }
    }

    /// Says how the call ended whose response was handed on.
    pub(super) fn end(&mut self, said: Said, ran: Ran) {
        if let Line::Told(tells) = std::mem::replace(&mut self.line, Line::Dead) {
            drop(tells.send((said, ran)));
        }
    }

    /// Whether its client broke off, so that it is not the guest's fault if it failed.
    pub(super) fn is_broken(&self) -> bool {
        let intake = self.intake.as_ref();
        intake.and_then(Intake::failure).is_some()
    }
}
