//! One shared instance, from the first request to the last.
//!
//! ```text
//! poll ─┬─► the loop works: guests run, bodies flow             until it waits
//!       ├─► it waits: what can be told is told, a request is taken, and it works again
//!       └─► nothing to do: seats are told, deadlines watched
//! ```
//! All calls are in one event loop, which is polled in two ways. While it *works* the
//! guest does what it can, and a response that is not whole may yet become so. When it
//! *waits* there is nothing more to come for now, so that heads are told, ended calls
//! struck off, and a free seat given to the next request, which sets it to work again.
//!
//! A guest that computes, or waits for the host in the middle of a call, keeps all of
//! the loop from going on. So what concerns time is kept outside of it: deadlines hold
//! whatever the guest does.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::coop::unconstrained;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime_wasi_http::p3::bindings::Service;

use super::bell::Poller;
use super::clock::Clock;
use super::floor::{Closing, End, Floor};
use super::needs::{Needs, Tellers};
use super::seat::{Ask, Line, Seat};
use super::turn::{Call, Pass, Step, Talk, Turn};
use super::{Entry, Need, Shared, Stay};
use crate::account::Ran;
use crate::call::{self, Phase};
use crate::config::Sharing;
use crate::epoch;
use crate::failure::BadResponse;
use crate::flow::{Flow, Told};
use crate::host::{Host, Rest};
use crate::invoke::service::{Exchange, is_ready};
use crate::metrics::Gauge;
use crate::program::{Guest, Refused};
use crate::run::Long;
use crate::sandbox::Retirement;
use crate::state::State;
use crate::trace;

/// How often the loop works and waits before others have their turn. A request takes
/// three or four.
const ROUNDS: usize = 64;

/// Makes an instance that is counted as coming, and has it live.
pub(crate) fn start(host: Host, shared: Arc<Shared>, home: &Handle) {
    let long = host.long().clone();
    let life = live(host, shared, home.clone());
    home.spawn(drive(Box::pin(life), long));
}

/// The same where there is need of it.
fn start_if(need: Need, host: &Host, shared: &Arc<Shared>, home: &Handle) {
    if need == Need::Another {
        start(host.clone(), shared.clone(), home);
    }
}

/// Drives an instance where its connections are, and elsewhere while it computes for
/// long: see [`crate::run`].
async fn drive(life: Pin<Box<impl Future<Output = ()> + Send + 'static>>, long: Arc<Long>) {
    // It ends its turns by itself, when there is nothing to do for now. With a budget of
    // tokio's, what is ready might look as if it were not.
    let mut life = Box::pin(unconstrained(life));
    loop {
        let computes = std::future::poll_fn(|cx| {
            call::has_given_way();
            match life.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending if call::has_given_way() => Poll::Ready(true),
                Poll::Pending => Poll::Pending,
            }
        });
        if !computes.await {
            return;
        }
        let Some(away) = long.runtime() else {
            tokio::task::yield_now().await;
            continue;
        };
        let (back, waits) = oneshot::channel();
        away.spawn(async move {
            let over = std::future::poll_fn(|cx| {
                call::has_given_way();
                match life.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(true),
                    Poll::Pending if call::has_given_way() => Poll::Pending,
                    Poll::Pending => Poll::Ready(false),
                }
            });
            if !over.await {
                // Nobody is there where the thread has ended.
                let _ = back.send(life);
            }
        });
        match waits.await {
            Ok(there) => life = there,
            Err(_) => return,
        }
    }
}

/// All that an instance does.
async fn live(host: Host, shared: Arc<Shared>, home: Handle) {
    let mut entry = Entry::coming(shared.clone());
    let began = Instant::now();
    match Box::pin(host.guest()).await {
        Ok(guest) => {
            let resident = Resident {
                host: &host,
                shared: &shared,
                home: &home,
                floor: Mutex::new(Floor::new(began.elapsed())),
            };
            resident.stay(guest, &mut entry).await;
        }
        Err(Refused { failure, memory }) => {
            // Whose instance it would have been, or another one that waits as well.
            if let Some(ask) = shared.take() {
                let ran = Ran {
                    memory,
                    ..Ran::default()
                };
                drop(ask.tell.send(Err((failure, ran))));
            }
        }
    }
    start_if(entry.leave(), &host, &shared, &home);
}

/// An instance, as far as it is no matter of its store.
struct Resident<'a> {
    host: &'a Host,
    shared: &'a Arc<Shared>,
    home: &'a Handle,
    floor: Mutex<Floor>,
}

/// A task of the host's in the event loop that is there and does nothing.
///
/// A loop without any polls its future once more before it waits, although nothing has
/// gone on. Here that would look as if something had, for ever.
struct Company;

impl AccessorTask<State> for Company {
    async fn run(self, _: &Accessor<State>) -> wasmtime::Result<()> {
        std::future::pending().await
    }
}

/// What came of a poll of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Now {
    /// Everything in it waits for something.
    Waits,
    /// The guest computes, or has the host do something in the middle of a call, and
    /// nothing else goes on.
    Busy,
}

impl Resident<'_> {
    fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn policy(&self) -> &Sharing {
        &self.shared.policy
    }

    /// Lives in `guest`, to its end.
    async fn stay(&self, guest: Guest, entry: &mut Entry) {
        let Guest {
            mut store,
            service,
            invocation,
            endings,
            ..
        } = guest;
        let Some(service) = service else {
            // It was loaded for this door.
            return;
        };
        let tellers = Tellers {
            endings: endings.as_ref(),
            invocation: invocation.as_ref(),
        };
        let end = {
            let run = store
                .run_concurrent(async |accessor| self.attend(&service, tellers, accessor).await);
            let mut run = pin!(run);
            let mut clock = Clock::new();
            std::future::poll_fn(|cx| {
                trace::for_several(|| self.poll(cx, run.as_mut(), entry, &mut clock))
            })
            .await
        };
        // The loop is gone, with all that was in it.
        let began = Instant::now();
        let why = match end {
            End::Trapped(error) => {
                let memory = store.data().ledger.memory_use();
                let failure = call::explain(error, store.data(), Phase::Call);
                self.floor().fail_all(failure, &memory);
                Some(Retirement::Failed)
            }
            End::Retired(why) => Some(why),
            End::Spare => None,
        };
        drop(store);
        self.host.shard().tidied(began.elapsed());
        if let Some(why) = why {
            self.host.tell(&why);
        }
    }

    /// Polls the loop until it waits, and sees to all that is not its own matter.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        mut run: Pin<&mut impl Future<Output = wasmtime::Result<wasmtime::Error>>>,
        entry: &mut Entry,
        clock: &mut Clock,
    ) -> Poll<End> {
        loop {
            let now = match self.work(cx, run.as_mut()) {
                Ok(now) => now,
                Err(error) => return Poll::Ready(End::Trapped(error)),
            };
            let mut floor = self.floor();
            if clock.has_struck(cx) && floor.expire(Instant::now(), self.host.limits()) {
                // The loop is to know.
                if now == Now::Waits {
                    continue;
                }
            }
            let time = Instant::now();
            if let Some(end) = floor.end(cx, time) {
                return Poll::Ready(end);
            }
            let quiet = now == Now::Waits && floor.quiet && floor.seats.is_empty();
            let seats = match now {
                Now::Waits if floor.ready => floor.free(self.policy(), time),
                _ => 0,
            };
            let next = floor.next(time);
            drop(floor);
            start_if(
                entry.tell(seats, cx.waker()),
                self.host,
                self.shared,
                self.home,
            );

            let over = if quiet {
                if entry.rests() == Stay::No {
                    return Poll::Ready(End::Spare);
                }
                let idle = self.policy().idle;
                let since = clock.rest(time, || self.host.shard().hold(Gauge::Ready));
                if since + idle <= time {
                    return Poll::Ready(End::Retired(Retirement::Idle { for_: idle }));
                }
                Some(since + idle)
            } else {
                entry.works();
                clock.work();
                None
            };
            if let Some(at) = next.into_iter().chain(over).min()
                && clock.set(at, cx)
            {
                continue;
            }
            return Poll::Pending;
        }
    }

    /// Has the loop work and wait in turn, until there is nothing to do in either.
    fn work(
        &self,
        cx: &mut Context<'_>,
        mut run: Pin<&mut impl Future<Output = wasmtime::Result<wasmtime::Error>>>,
    ) -> wasmtime::Result<Now> {
        let mut waited = false;
        {
            let mut floor = self.floor();
            floor.pass = Pass::Works;
            floor.rested = true;
        }
        for _ in 0..ROUNDS {
            call::has_given_way();
            if let Poll::Ready(ended) = run.as_mut().poll(cx) {
                return Err(ended.unwrap_or_else(|error| error));
            }
            if call::has_given_way() {
                // Whoever drives this is to know as well.
                call::gives_way();
                return Ok(Now::Busy);
            }
            let floor = &mut *self.floor();
            match floor.pass {
                Pass::Works if !waited || floor.acted => {
                    floor.pass = Pass::Waits;
                    floor.acted = false;
                    waited = true;
                }
                Pass::Works => return Ok(Now::Waits),
                // The loop was not even asked.
                Pass::Waits => return Ok(Now::Busy),
            }
        }
        // Others of this thread have their turn as well.
        cx.waker().wake_by_ref();
        Ok(Now::Waits)
    }

    /// The loop itself. It ends with an error, or by being dropped.
    async fn attend(
        &self,
        service: &Service,
        tellers: Tellers<'_>,
        accessor: &Accessor<State>,
    ) -> wasmtime::Error {
        let mut needs = Needs::new(tellers);
        let trap = Mutex::new(None);
        let mut turns: Vec<Turn<'_>> = Vec::new();
        let poller = Arc::new(Poller::default());
        if let Err(error) = accessor.spawn(Company) {
            return error;
        }
        std::future::poll_fn(|cx| {
            poller.is(cx.waker());
            let mut floor = self.floor();
            let rested = std::mem::replace(&mut floor.rested, false);
            floor.memory = accessor.with(|mut store| {
                if rested {
                    // The last turn of the guest is long over.
                    store.as_context_mut().set_epoch_deadline(epoch::TURN);
                }
                store.data_mut().ledger.memory_use()
            });
            let pass = std::mem::replace(&mut floor.pass, Pass::Works);
            let Floor { seats, memory, .. } = &mut *floor;
            let mut failed = false;
            for (turn, seat) in turns.iter_mut().zip(seats) {
                if turn.is_due(seat, pass) {
                    failed |= turn.step(seat, pass, memory, self.host) == Step::Failed;
                }
            }
            if let Some(error) = trap.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Poll::Ready(error);
            }
            if failed {
                floor.closing = Some(Closing::Ends(Retirement::Failed));
            }
            if let Err(error) = needs.hear(cx, &mut floor.seats) {
                return Poll::Ready(error);
            }
            // Where it is asked again, it has gone on meanwhile.
            floor.acted = true;
            if pass == Pass::Waits {
                let asks = !needs.is_mute() && !needs.awaits() && Turn::want_figures(&mut turns);
                if asks {
                    needs.ask(accessor);
                }
                let told = !needs.awaits() && self.strike_off(&mut floor, &mut turns);
                floor.acted = asks || told;
                self.settle(cx, &mut floor, accessor, turns.is_empty());
                floor.ready = is_ready(service, accessor, cx);
                if !floor.ready && !turns.is_empty() {
                    self.shared.learn_alone();
                }
                if floor.ready
                    && floor.free(self.policy(), Instant::now()) > 0
                    && let Some(ask) = self.shared.take()
                {
                    floor.acted = true;
                    match self.seat(ask, &mut floor, service, accessor, &trap, &poller) {
                        Ok(turn) => turns.push(turn),
                        Err(error) => return Poll::Ready(error),
                    }
                }
            }
            // What a guest says while there are several cannot be told apart.
            trace::now_for(match &*floor.seats {
                [one] => Some(&one.trace),
                _ => None,
            });
            Poll::Pending
        })
        .await
    }

    /// Gives a request a seat, and calls the guest.
    fn seat<'a>(
        &self,
        ask: Ask,
        floor: &mut Floor,
        service: &Service,
        accessor: &'a Accessor<State>,
        trap: &'a Mutex<Option<wasmtime::Error>>,
        poller: &Arc<Poller>,
    ) -> wasmtime::Result<Turn<'a>> {
        let Ask {
            request,
            method,
            intake,
            patience,
            deadline,
            trace,
            tell,
            holds,
        } = ask;
        let running = self.host.shard().hold(Gauge::InFlight);
        floor.quiet = false;
        for other in &mut floor.seats {
            other.alone = false;
        }
        let seat = Seat {
            line: Line::Silent(tell),
            deadline,
            patience,
            intake,
            trace,
            began: Instant::now(),
            instantiate: floor.made.take(),
            memory: floor.memory,
            entry: u64::from(floor.taken),
            alone: floor.seats.is_empty() && floor.unsettled.is_none(),
            arena: None,
            holds: (holds, running),
        };
        floor.seats.push(seat);
        floor.taken += 1;
        if floor.taken >= self.policy().requests.get() {
            floor.ends(Retirement::Served {
                requests: floor.taken,
            });
        }
        let request = request.map(crate::body::RequestBody::into_wasi);
        let exchange = Exchange::begin(service, accessor, request)?;
        let task = exchange.task();
        accessor.with(|mut store| store.data_mut().begin_beside(task, deadline));
        let (reply, replied) = oneshot::channel();
        let call: Call<'a> = Box::pin(async move {
            match exchange.respond(accessor, reply).await {
                Ok(Ok(())) => (Ok(None), ()),
                Ok(Err(code)) => (Err(BadResponse::ErrorCode(code.to_string()).into()), ()),
                Err(error) => {
                    *trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    std::future::pending().await
                }
            }
        });
        let flow = Flow::new(call, Some(replied), method, self.host.limits());
        Ok(Turn::new(Talk::Flowing(flow), poller))
    }

    /// Takes those off the list whose calls are over. Whether there were any.
    fn strike_off(&self, floor: &mut Floor, turns: &mut Vec<Turn<'_>>) -> bool {
        let mut any = false;
        for at in (0..turns.len()).rev() {
            if !matches!(turns[at].talk, Talk::Over { .. }) {
                continue;
            }
            any = true;
            let Talk::Over { whole, said, .. } = turns.swap_remove(at).talk else {
                continue;
            };
            let mut seat = floor.seats.swap_remove(at);
            let ran = seat.ran(&floor.memory);
            match (whole, std::mem::replace(&mut seat.line, Line::Dead)) {
                (Some((response, flow)), Line::Silent(tell)) => {
                    let (_, flow) = flow.hand_on(None, Some(Rest::of(ran)));
                    drop(tell.send(Ok((Told::Whole(response), flow))));
                }
                (_, line) => {
                    seat.line = line;
                    seat.end(said, ran);
                }
            }
            floor.unsettled.get_or_insert(seat.deadline);
        }
        if any {
            let (memory, limit) = (floor.memory, self.policy().memory);
            if memory.denied > 0 {
                floor.ends(Retirement::Denied);
            } else if memory.current > limit {
                floor.ends(Retirement::Memory {
                    bytes: memory.current,
                    limit,
                });
            }
        }
        any
    }

    /// Looks whether anything goes on in the guest, and what it holds if not.
    fn settle(
        &self,
        cx: &mut Context<'_>,
        floor: &mut Floor,
        accessor: &Accessor<State>,
        empty: bool,
    ) {
        let quiet = empty && accessor.poll_no_interesting_tasks(cx).is_ready();
        if quiet && !floor.quiet {
            floor.unsettled = None;
            let now = accessor.with(|mut store| {
                let state = store.data_mut();
                state.all_ended();
                state.resources()
            });
            let before = *floor.resources.get_or_insert(now);
            if now > before {
                floor.ends(Retirement::Resources {
                    sealed: before,
                    now,
                });
            }
        }
        floor.quiet = quiet;
    }
}
