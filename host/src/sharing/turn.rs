//! One request within the event loop of a shared instance: how far its call and its
//! response have come, and what is done with them next.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;

use super::bell::{Bell, Poller};
use super::seat::{Line, Seat};
use crate::flow::{Flow, Patience, Said, Told};
use crate::host::{Host, Rest};
use crate::limits::MemoryUse;
use crate::run::Run;

/// A call of the guest, in its event loop.
pub(super) type Call<'a> = Pin<Box<dyn Future<Output = (Said, ())> + Send + 'a>>;

/// How the loop is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The guest does what it can.
    Works,
    /// It waits, and there is nothing more to come for now.
    Waits,
}

/// A request within the loop.
pub(super) struct Turn<'a> {
    pub(super) talk: Talk<'a>,
    bell: Arc<Bell>,
    /// Its own, by which the bell is rung.
    waker: Waker,
    /// Whether it has gone on since the loop last waited.
    moved: bool,
}

/// How far it has come.
pub(super) enum Talk<'a> {
    /// Nothing of its response was told.
    Flowing(Flow<Call<'a>, ()>),
    /// Its response is whole, and its call not over yet.
    Whole(Response<Bytes>, Flow<Call<'a>, ()>),
    /// Its response has been handed on, or is nobody's.
    Handed(Call<'a>),
    /// Its call is over.
    Over {
        whole: Option<(Response<Bytes>, Flow<Call<'a>, ()>)>,
        said: Said,
        /// Whether the guest was asked what it needed.
        asked: bool,
    },
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Fine,
    /// The guest has failed.
    Failed,
}

impl<'a> Turn<'a> {
    pub(super) fn new(talk: Talk<'a>, poller: &Arc<Poller>) -> Self {
        let bell = Bell::new(poller.clone());
        Self {
            talk,
            waker: bell.clone().into(),
            bell,
            moved: true,
        }
    }

    /// Whether there is something to do for it in this pass.
    pub(super) fn is_due(&mut self, seat: &Seat, pass: Pass) -> bool {
        let rung = self.bell.was_rung();
        // Its time may be up, of which no bell tells.
        let dead = matches!(seat.line, Line::Dead) && matches!(self.talk, Talk::Flowing(_));
        let due = rung || dead || pass == Pass::Waits && self.moved;
        self.moved = pass == Pass::Works && (due || self.moved);
        due
    }

    /// Whether there are some that are over and of which the guest was not asked, which
    /// it is now.
    pub(super) fn want_figures(turns: &mut [Self]) -> bool {
        let mut any = false;
        for turn in turns {
            if let Talk::Over { asked, .. } = &mut turn.talk {
                any |= !std::mem::replace(asked, true);
            }
        }
        any
    }

    /// Goes on as far as it can.
    pub(super) fn step(
        &mut self,
        seat: &mut Seat,
        pass: Pass,
        memory: &MemoryUse,
        host: &Host,
    ) -> Step {
        let waker = self.waker.clone();
        let cx = &mut Context::from_waker(&waker);
        let mut step = Step::Fine;
        loop {
            let talk = std::mem::replace(&mut self.talk, Talk::over(Ok(None)));
            let (next, goes_on) = match talk {
                Talk::Flowing(flow) if !seat.is_heard(cx) => (Talk::unheard(flow), true),
                Talk::Flowing(flow) => Self::flow(flow, cx, seat, pass, memory, host, &mut step),
                Talk::Whole(response, mut flow) => match flow.poll_end(cx) {
                    Poll::Ready(()) => {
                        let said = flow.take_failure().map_or(Ok(None), Err);
                        let (whole, asked) = (Some((response, flow)), false);
                        (Talk::Over { whole, said, asked }, false)
                    }
                    Poll::Pending => (Talk::Whole(response, flow), false),
                },
                Talk::Handed(mut call) => {
                    let heard = seat.is_heard(cx);
                    match call.as_mut().poll(cx) {
                        Poll::Ready((said, ())) => {
                            if heard && said.is_err() && !seat.is_broken() {
                                step = Step::Failed;
                            }
                            (Talk::over(said), false)
                        }
                        Poll::Pending => (Talk::Handed(call), false),
                    }
                }
                over @ Talk::Over { .. } => (over, false),
            };
            self.talk = next;
            if !goes_on {
                return step;
            }
        }
    }

    /// Goes on with a response that was not told.
    fn flow(
        mut flow: Flow<Call<'a>, ()>,
        cx: &mut Context<'_>,
        seat: &mut Seat,
        pass: Pass,
        memory: &MemoryUse,
        host: &Host,
        step: &mut Step,
    ) -> (Talk<'a>, bool) {
        let patience = match (seat.patience, pass) {
            (Patience::UntilItWaits, Pass::Works) => Patience::WhileItWorks,
            (patience, _) => patience,
        };
        match flow.poll_told(cx, patience) {
            Poll::Pending => (Talk::Flowing(flow), false),
            Poll::Ready(Ok(Told::Whole(response))) => (Talk::Whole(response, flow), true),
            Poll::Ready(Ok(Told::Head(head))) => {
                let limit = host.limits().timeout;
                let (tells, run) = Run::beside(host.long().clone(), seat.deadline, limit);
                let (call, flow) = flow.hand_on(Some(run), None);
                let line = std::mem::replace(&mut seat.line, Line::Told(tells));
                if let Line::Silent(tell) = line {
                    drop(tell.send(Ok((Told::Head(head), flow))));
                }
                (Talk::handed(call), true)
            }
            Poll::Ready(Err(failure)) => {
                if !seat.is_broken() {
                    *step = Step::Failed;
                }
                seat.fail(failure, memory);
                (Talk::unheard(flow), true)
            }
        }
    }
}

impl<'a> Talk<'a> {
    fn over(said: Said) -> Self {
        let (whole, asked) = (None, false);
        Self::Over { whole, said, asked }
    }

    fn handed(call: Option<Call<'a>>) -> Self {
        call.map_or_else(|| Self::over(Ok(None)), Self::Handed)
    }

    /// Of a response that nobody wants: it is dropped as soon as it comes.
    fn unheard(flow: Flow<Call<'a>, ()>) -> Self {
        let (call, _) = flow.hand_on::<Run, Rest>(None, None);
        Self::handed(call)
    }
}
