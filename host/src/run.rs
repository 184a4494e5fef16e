//! A call into a guest as it is driven: at first where it was begun, and elsewhere
//! if it turns out to be long.
//!
//! Most guests are done within microseconds, and the thread that has the connection
//! is the best place for them: nothing is handed over and nothing waits. A guest that
//! computes for longer than a tick of the clock would keep that thread from its other
//! connections. It comes back to the host at every tick; when it does so for the
//! first time, and has more to compute, it is moved to threads that are there for
//! such, where the long ones take turns among themselves and the kernel shares the
//! processors out between them and the short ones. A guest that waits for something
//! stays where it is: it keeps nobody from anything.

use std::panic;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};

use crate::account::Ran;
use crate::call;
use crate::failure::Failure;
use crate::flow::{Elsewhere, Said};
use crate::host::{Host, Rest};
use crate::trace::{Scoped, TraceContext};

/// What a call comes to.
type Ended = (Said, Rest);

/// The threads for guests that compute for long. There are none before the first of
/// those.
#[derive(Debug, Default)]
pub(crate) struct Long(OnceLock<Option<Runtime>>);

impl Long {
    /// None where the system has no threads to give.
    pub(crate) fn runtime(&self) -> Option<&Runtime> {
        let runtime = self.0.get_or_init(|| {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("lavandula-long")
                .enable_all()
                .build()
                .ok()
        });
        runtime.as_ref()
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        // This may be dropped on a thread of any runtime, which must not wait.
        if let Some(Some(runtime)) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A call, as a part of the trace of its request.
type Call = Scoped<dyn Future<Output = Ended> + Send>;

/// A call that is driven by being polled.
pub(crate) struct Run {
    long: Arc<Long>,
    at: At,
}

enum At {
    /// The thread that polls this.
    Home(Call),
    /// A thread for long ones.
    Away(JoinHandle<Ended>),
    /// An instance that others use as well.
    Beside(Heard),
    /// On the way from one to the other.
    Nowhere,
}

impl Run {
    /// Of the call `run`, which belongs to this trace.
    pub(crate) fn new(
        long: Arc<Long>,
        trace: &TraceContext,
        run: impl Future<Output = Ended> + Send + 'static,
    ) -> Self {
        let run: Pin<Box<dyn Future<Output = Ended> + Send>> = Box::pin(run);
        Self {
            long,
            at: At::Home(trace.scope(run)),
        }
    }
}

/// What is heard of a call that somebody else drives, to be sent when it is over.
pub(crate) type Tells = oneshot::Sender<(Said, Ran)>;

/// The other end of it.
struct Heard {
    ended: oneshot::Receiver<(Said, Ran)>,
    /// When whoever drives it should have said so: a guest that computes keeps it from
    /// that.
    late: Pin<Box<Sleep>>,
    limit: Duration,
}

impl Heard {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        match Pin::new(&mut self.ended).poll(cx) {
            Poll::Ready(Ok((said, ran))) => Poll::Ready((said, Rest::of(ran))),
            Poll::Ready(Err(_)) => Poll::Ready((Err(call::abandoned()), Rest::default())),
            Poll::Pending => {
                let limit = self.limit;
                let late = self.late.as_mut().poll(cx);
                late.map(|()| (Err(Failure::Deadline { limit }), Rest::default()))
            }
        }
    }
}

/// How a connection learns that a response, whose head it has sent, will never be
/// complete. A client that takes nothing keeps it from finding out by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<Notify>);

impl Cut {
    /// Waits until it is so.
    pub(crate) async fn made(&self) {
        self.0.notified().await;
    }
}

/// Whether the rest of a response is awaited. It is until somebody says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Awaited(Arc<AtomicBool>);

impl Awaited {
    /// It is complete, or nobody wants it.
    pub(crate) fn over(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Run {
    /// Of a call that is driven with those of others, and over at `deadline`, which is
    /// after `limit`.
    pub(crate) fn beside(long: Arc<Long>, deadline: Instant, limit: Duration) -> (Tells, Self) {
        let (tells, ended) = oneshot::channel();
        let late = Box::pin(sleep_until((deadline + call::LATE).into()));
        let at = At::Beside(Heard { ended, late, limit });
        (tells, Self { long, at })
    }

    /// Goes on whether this is polled or not, so that a guest is held to its deadline
    /// also where nobody takes its response, and puts its instance in order itself.
    ///
    /// Where it fails, `cut` is made as long as what is returned says that somebody
    /// waits for the rest.
    pub(crate) fn detach(&mut self, host: Host, cut: Option<Cut>) -> Awaited {
        let awaited = Awaited::default();
        let asked = awaited.clone();
        let run = Self {
            long: self.long.clone(),
            at: std::mem::replace(&mut self.at, At::Nowhere),
        };
        self.at = At::Away(tokio::spawn(async move {
            let (said, mut rest) = run.await;
            host.settle_rest(&mut rest).await;
            if let (Err(_), Some(cut), false) = (&said, cut, asked.is_over()) {
                cut.0.notify_one();
            }
            (said, rest)
        }));
        awaited
    }
}

impl Elsewhere for Run {
    fn is_elsewhere(&self) -> bool {
        matches!(self.at, At::Away(_) | At::Beside(_))
    }
}

impl Future for Run {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        if let At::Beside(heard) = &mut this.at {
            return heard.poll(cx);
        }
        if let At::Home(run) = &mut this.at {
            // What others did on this thread is not ours.
            call::has_given_way();
            let polled = Pin::new(run).poll(cx);
            if polled.is_ready() || !call::has_given_way() {
                return polled;
            }
            let Some(long) = this.long.runtime() else {
                return polled;
            };
            if let At::Home(run) = std::mem::replace(&mut this.at, At::Nowhere) {
                this.at = At::Away(long.spawn(run));
            }
        }
        let At::Away(task) = &mut this.at else {
            return Poll::Pending;
        };
        match Pin::new(task).poll(cx) {
            Poll::Ready(Ok(ended)) => Poll::Ready(ended),
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                // As if it had stayed at home.
                Ok(payload) => panic::resume_unwind(payload),
                // Only this cancels it, or the end of the process.
                Err(_) => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let At::Away(task) = &self.at {
            task.abort();
        }
    }
}
