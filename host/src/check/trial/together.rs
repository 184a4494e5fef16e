//! Requests that overlap in one instance, and what is seen of them.
//!
//! All of them are in the event loop of the instance's store at the same time. The host
//! lets one make a step, waits until nothing goes on any more, and lets the next one. So
//! what overlaps is decided by an order, and not by the machine.

use std::collections::{BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::task::coop::unconstrained;
use tokio::task::yield_now;
use tokio::time::timeout;
use wasmtime::AsContextMut;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::bindings::Service;

use super::super::audit::Place;
use super::super::evidence::{Failed, Seen};
use super::super::overlap::order::Order;
use super::super::overlap::paced::{Pace, Paced};
use super::super::pages::{Before, Page, Traces};
use super::super::regions::{Span, spans};
use super::super::traffic::Sent;
use super::super::watch::{Remnant, Sighted, Watch};
use super::{Call, Instance, Life, Trial};
use crate::bindings::invocation::Rewinding;
use crate::bindings::invocation::lavandula::arena::types::Usage;
use crate::call::DeadlinePassed;
use crate::config::Limits;
use crate::epoch;
use crate::failure::{BadResponse, Failure};
use crate::invoke::required;
use crate::invoke::service::Exchange;
use crate::limits::MemoryUse;
use crate::program::Guest;
use crate::response::accept;
use crate::state::State;

/// Polls in which nothing happened, after which nothing goes on any more.
const CALM: u32 = 4;

/// Polls after which it is not waited for that: a guest may do something for ever.
const RESTLESS: u32 = 4_000;

/// How often an instance is looked at while its requests run, at most: each time it is
/// asked, and all of its memory searched.
const LOOKS: usize = 4;

/// What was seen of requests that overlapped.
pub(in crate::check) struct Batch {
    /// In the order of the requests. None of one that had no answer yet when the
    /// instance failed.
    pub(in crate::check) answers: Vec<Option<Given>>,
    pub(in crate::check) looks: Vec<Look>,
    pub(in crate::check) entrance: Entrance,
    pub(in crate::check) sighted: Sighted,
    /// The memory that the guest's addresses are of.
    pub(in crate::check) home: usize,
    /// What there was when all of them had ended.
    pub(in crate::check) end: Result<Box<Seen>, Box<Failed>>,
}

/// An answer, which may be none that can be sent.
type Given = Result<Response<Bytes>, BadResponse>;

/// Whether a guest lets others in while one runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Entrance {
    Open,
    /// There was back-pressure.
    Closed,
}

/// What was seen when nothing went on, while requests ran.
pub(in crate::check) struct Look {
    /// What the guest said. None where it has no interface for it, or lets nobody in.
    pub(in crate::check) said: Option<Said>,
    /// Where markers lay, and of which request of the batch.
    pub(in crate::check) markers: Vec<(Place, usize)>,
    /// Which of the requests had begun and were not answered.
    pub(in crate::check) open: Vec<bool>,
    pub(in crate::check) memory: MemoryUse,
}

/// What a guest said while requests ran.
pub(in crate::check) struct Said {
    pub(in crate::check) usage: Usage,
    pub(in crate::check) blocks: Vec<Span>,
}

impl Trial {
    /// Requests that overlap in this order.
    pub(in crate::check) async fn together(&mut self, sent: &[Sent], order: &Order) -> Batch {
        let instance = match self.instance.take() {
            Some(instance) => Ok(instance),
            None => {
                self.watch.memories().clear();
                self.instantiate().await
            }
        };
        match instance {
            Ok(mut instance) => {
                let batch = self.observe_together(&mut instance, sent, order).await;
                self.instance = Some(instance);
                batch
            }
            Err(failure) => Batch {
                answers: Vec::new(),
                looks: Vec::new(),
                entrance: Entrance::Open,
                sighted: Sighted::default(),
                home: 0,
                end: Err(Box::new(Failed::new(&failure, Traces::default()))),
            },
        }
    }

    async fn observe_together(
        &self,
        instance: &mut Instance,
        sent: &[Sent],
        order: &Order,
    ) -> Batch {
        let watch = &self.watch;
        instance.life = Life::Used;
        instance.guest.undisturbed_for(self.limits.timeout);
        watch.look_for(sent.iter().map(|sent| &sent.marker));
        let running = sent.iter().map(Running::new).collect();
        let before = &instance.before;
        let mut stage = Stage {
            watch,
            limits: &self.limits,
            before,
            running,
            looks: Vec::new(),
            entrance: Entrance::Open,
            written: BTreeSet::new(),
        };
        // As in `observe`.
        let played = unconstrained(stage.play(&mut instance.guest, order)).await;
        let Stage {
            running,
            looks,
            entrance,
            mut written,
            ..
        } = stage;
        let answers = running.into_iter().map(|it| it.answer).collect();
        let sighted = watch.take_seen();
        let home = instance.sealed.as_ref().map_or(0, |sealed| sealed.home);
        // What has gone back by now is zero again, and was seen before.
        let look = |memories: &[&[u8]]| {
            written.extend(before.written(memories));
            Traces {
                written: written.into_iter().collect(),
                lengths: memories.iter().map(|bytes| bytes.len()).collect(),
                ..Traces::default()
            }
        };
        // SAFETY: the event loop does not run, and the guest runs there.
        let traces = unsafe { watch.memories().look(look) };
        let end = match played {
            Err(failure) => Err((failure, traces)),
            Ok(()) => {
                let call = Call {
                    // Each is judged by itself.
                    response: Response::new(Bytes::new()),
                    places: BTreeSet::new(),
                    found_before: None,
                    traces,
                };
                let markers = sent.iter().map(|sent| &sent.marker);
                self.after(instance, markers, call).await
            }
        };
        Batch {
            answers,
            looks,
            entrance,
            sighted,
            home,
            end: match end {
                Ok(seen) => Ok(Box::new(seen)),
                Err((failure, traces)) => Err(Box::new(Failed::new(&failure, traces))),
            },
        }
    }
}

/// Where requests are played in an order.
struct Stage<'a> {
    watch: &'a Watch,
    limits: &'a Limits,
    /// Memory before any of them began.
    before: &'a Before,
    running: Vec<Running<'a>>,
    looks: Vec<Look>,
    entrance: Entrance,
    /// Pages that were not as before at any of the looks.
    written: BTreeSet<Page>,
}

/// One request of several.
struct Running<'a> {
    sent: &'a Sent,
    pace: Pace,
    begun: bool,
    answer: Option<Given>,
}

impl<'a> Running<'a> {
    fn new(sent: &'a Sent) -> Self {
        Self {
            sent,
            pace: Pace::default(),
            begun: false,
            answer: None,
        }
    }

    fn is_open(&self) -> bool {
        self.begun && self.answer.is_none()
    }
}

/// A request on its way, within the event loop.
type OnItsWay<'e> = Pin<Box<dyn Future<Output = wasmtime::Result<Given>> + Send + 'e>>;

/// The event loop of the instance.
#[derive(Clone, Copy)]
struct Loop<'e> {
    accessor: &'e Accessor<State>,
    service: &'e Service,
    invocation: Option<&'e Rewinding>,
}

impl Stage<'_> {
    async fn play(&mut self, guest: &mut Guest, order: &Order) -> Result<(), Failure> {
        let service = required(&guest.service, "handle")?;
        let invocation = guest.invocation.as_ref();
        let ran = guest.store.run_concurrent(async |accessor| {
            let within = Loop {
                accessor,
                service,
                invocation,
            };
            self.play_within(within, order).await
        });
        let ran = ran.await.flatten();
        ran.map_err(|error| guest.explain(error))
    }

    async fn play_within(&mut self, within: Loop<'_>, order: &Order) -> wasmtime::Result<()> {
        let mut on_their_way: Vec<Option<OnItsWay<'_>>> = Vec::new();
        on_their_way.resize_with(self.running.len(), || None);
        let between = order.steps.len().div_ceil(LOOKS + 1).max(1);
        for (number, &who) in order.steps.iter().enumerate() {
            let running = &mut self.running[who];
            if running.begun {
                running.pace.let_on();
            } else {
                running.begun = true;
                let pieces = &order.pieces[who];
                let body = running.sent.request.body();
                let pieces = pieces.iter().map(|piece| body.slice(piece.clone()));
                let pieces: Vec<_> = pieces.collect();
                let pace = running.pace.clone();
                let sent = running.sent.request.clone();
                on_their_way[who] = Some(Box::pin(one(within, sent, pace, pieces, *self.limits)));
            }
            self.give_time(within);
            self.calm_down(&mut on_their_way).await?;
            if (number + 1) % between == 0 {
                self.look(within).await?;
            }
        }
        self.end(within, &mut on_their_way).await
    }

    /// Each step has as much time as a request that is alone.
    fn give_time(&self, within: Loop<'_>) {
        let time = self.limits.timeout;
        within.accessor.with(|mut store| {
            let mut store = store.as_context_mut();
            store.data_mut().deadline = Instant::now() + time;
            store.set_epoch_deadline(epoch::ticks(time));
        });
    }

    /// Has those that can go on do so, until none can.
    async fn calm_down(
        &mut self,
        on_their_way: &mut [Option<OnItsWay<'_>>],
    ) -> wasmtime::Result<()> {
        let mut calm = 0;
        for _ in 0..RESTLESS {
            let before = self.watch.crossings();
            poll_fn(|cx| Poll::Ready(self.poll(on_their_way, cx))).await?;
            // The guest runs when this gives way.
            yield_now().await;
            match self.watch.crossings() == before {
                true => calm += 1,
                false => calm = 0,
            }
            if calm == CALM {
                break;
            }
        }
        Ok(())
    }

    fn poll(
        &mut self,
        on_their_way: &mut [Option<OnItsWay<'_>>],
        cx: &mut Context<'_>,
    ) -> wasmtime::Result<()> {
        let all = on_their_way.iter_mut().zip(&mut self.running);
        for (number, (future, running)) in all.enumerate() {
            let Some(polled) = future else { continue };
            if let Poll::Ready(given) = polled.as_mut().poll(cx) {
                *future = None;
                running.answer = Some(given?);
                self.watch.answered(number);
            }
        }
        Ok(())
    }

    /// All steps are made: waits for the answers, and until nothing goes on. Whoever
    /// makes no crossing for as long as a request may take is over its time.
    async fn end(
        &mut self,
        within: Loop<'_>,
        on_their_way: &mut [Option<OnItsWay<'_>>],
    ) -> wasmtime::Result<()> {
        let time = self.limits.timeout;
        while self.running.iter().any(Running::is_open) {
            let before = self.watch.crossings();
            let goes_on = poll_fn(|cx| {
                if let Err(error) = self.poll(on_their_way, cx) {
                    return Poll::Ready(Err(error));
                }
                let open = self.running.iter().any(Running::is_open);
                match open && self.watch.crossings() == before {
                    true => Poll::Pending,
                    false => Poll::Ready(Ok(())),
                }
            });
            timeout(time, goes_on).await.map_err(|_| DeadlinePassed)??;
            self.give_time(within);
            yield_now().await;
        }
        let settled = poll_fn(|cx| within.accessor.poll_no_interesting_tasks(cx));
        Ok(timeout(time, settled).await.map_err(|_| DeadlinePassed)?)
    }

    /// Looks at the instance when nothing goes on.
    async fn look(&mut self, within: Loop<'_>) -> wasmtime::Result<()> {
        let said = match within.lets_in() {
            Entrance::Open => within.ask().await?,
            Entrance::Closed => {
                self.entrance = Entrance::Closed;
                None
            }
        };
        // SAFETY: this is polled by the event loop, which does not run the guest then.
        let found = unsafe { self.watch.remnants(iter::empty()) };
        let written = |memories: &[&[u8]]| self.before.written(memories);
        // SAFETY: as above.
        let written = unsafe { self.watch.memories().look(written) };
        self.written.extend(written);
        let numbers: HashMap<&[u8], usize> = (self.running.iter())
            .map(|running| running.sent.marker.unique())
            .zip(0..)
            .collect();
        let marker = |remnant: &Remnant| {
            let number = numbers.get(remnant.unique.as_deref()?)?;
            Some((remnant.place, *number))
        };
        self.looks.push(Look {
            said,
            markers: found.iter().filter_map(marker).collect(),
            open: self.running.iter().map(Running::is_open).collect(),
            memory: within.accessor.with(|mut store| {
                let store = store.as_context_mut();
                store.data().ledger.memory_use()
            }),
        });
        Ok(())
    }
}

impl Loop<'_> {
    /// Whether a call would begin.
    fn lets_in(self) -> Entrance {
        let handle = self.service.wasi_http_handler().func_handle();
        let mut cx = Context::from_waker(Waker::noop());
        let ready = (self.accessor).poll_ready_for_concurrent_call(*handle.func(), &mut cx);
        match ready {
            Poll::Ready(()) => Entrance::Open,
            Poll::Pending => Entrance::Closed,
        }
    }

    async fn ask(self) -> wasmtime::Result<Option<Said>> {
        let Some(invocation) = self.invocation else {
            return Ok(None);
        };
        let calls = invocation.lavandula_arena_invocation();
        let (usage,) = calls
            .func_usage()
            .call_concurrent(self.accessor, ())
            .await?;
        let (blocks,) = calls
            .func_blocks()
            .call_concurrent(self.accessor, ())
            .await?;
        Ok(Some(Said {
            usage,
            blocks: spans(&blocks),
        }))
    }
}

/// One request, from its beginning to the end of its answer. Its first steps are the
/// pieces of its body, then comes the body's end, and then its answer is taken.
async fn one(
    within: Loop<'_>,
    sent: Request<Bytes>,
    pace: Pace,
    pieces: Vec<Bytes>,
    limits: Limits,
) -> wasmtime::Result<Given> {
    let takes = pieces.len() + 1;
    let method = sent.method().clone();
    let (reply, replied) = oneshot::channel();
    let request = sent.map(|_| Paced::new(pace.clone(), pieces).boxed_unsync());
    let handed = async {
        let exchange = Exchange::begin(within.service, within.accessor, request)?;
        exchange.respond(within.accessor, reply).await
    };
    let taken = async move {
        let response = replied.await.unwrap_or(Err(BadResponse::Missing))?;
        let (head, body) = response.into_parts();
        pace.reaches(takes).await;
        let body = body.collect().await;
        let body = body.map_err(|_| BadResponse::Unfinished)?.to_bytes();
        accept(&method, head.status.as_u16(), head.headers, body, &limits)
    };
    let (handed, taken) = tokio::join!(handed, taken);
    Ok(match handed? {
        Ok(()) => taken,
        Err(code) => Err(BadResponse::ErrorCode(code.to_string())),
    })
}
