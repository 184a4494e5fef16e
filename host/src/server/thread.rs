//! A thread that serves connections, all by itself.

use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shared;
use super::connection::Connection;
use crate::config::Isolation;
use crate::host::Host;
use crate::reload::Current;

/// A connection that was accepted, with its place among all of them.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) place: Result<OwnedSemaphorePermit, AcquireError>,
}

/// A thread, as the one that accepts sees it.
pub(super) struct Worker {
    arrivals: UnboundedSender<Arrival>,
    /// Connections that it has.
    open: Arc<AtomicUsize>,
    /// Dropped when it is done.
    done: oneshot::Receiver<()>,
}

impl Worker {
    /// As many as the configuration says, or as there are cores. At least one: where
    /// the system gives no thread at all, the server cannot run.
    pub(super) fn start_all(shared: &Arc<Shared>) -> Vec<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let wanted = shared.config.threads.map_or(cores, NonZeroUsize::get);
        let mut workers = Vec::with_capacity(wanted);
        for index in 0..wanted {
            match Self::start(index, wanted, shared.clone()) {
                Ok(worker) => workers.push(worker),
                Err(error) => tracing::error!(%error, "cannot start thread {index} of {wanted}"),
            }
        }
        workers
    }

    fn start(index: usize, of: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let (arrivals, connections) = unbounded_channel();
        let (ended, done) = oneshot::channel();
        let open = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let counter = open.clone();
        thread::Builder::new()
            .name(format!("lavandula-{index}"))
            .spawn(move || {
                runtime.block_on(work(connections, counter, of, shared));
                drop(runtime);
                drop(ended);
            })?;
        Ok(Self {
            arrivals,
            open,
            done,
        })
    }

    /// The one that has the fewest connections.
    pub(super) fn of_fewest(workers: &[Self]) -> Option<&Self> {
        let open = |worker: &Self| worker.open.load(Ordering::Relaxed);
        workers.iter().min_by_key(|worker| open(worker))
    }

    /// Gives it another.
    pub(super) fn give(&self, arrival: Arrival) {
        self.open.fetch_add(1, Ordering::Relaxed);
        // It only goes away when it is told to.
        let _ = self.arrivals.send(arrival);
    }

    /// Tells it that no more will come, and waits until it has no connection any
    /// more.
    pub(super) async fn end(self) {
        drop(self.arrivals);
        // An error is what is waited for.
        let _ = self.done.await;
    }
}

/// What a thread does in all its life.
async fn work(
    mut arrivals: UnboundedReceiver<Arrival>,
    open: Arc<AtomicUsize>,
    threads: usize,
    shared: Arc<Shared>,
) {
    let hosts = Arc::new(Hosts::new(&shared, threads));
    if let Isolation::Rewind(_) = hosts.now().isolation() {
        // Who starts the server has tried this and told what came of it.
        let _ = hosts.now().prepare(1).await;
    }

    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            // Only takes what has ended off the list.
            Some(_) = connections.join_next() => {}
            arrival = arrivals.recv() => {
                let Some(Arrival { stream, place }) = arrival else {
                    break;
                };
                let connection = Connection::new(hosts.clone(), shared.clone());
                let open = open.clone();
                connections.spawn(async move {
                    connection.serve(stream).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                    drop(place);
                });
            }
        }
    }

    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(shared.config.grace, drained).await.is_err() {
        let cut = connections.len();
        tracing::warn!(
            cut,
            "the grace is over; closing the connections that are left"
        );
        connections.shutdown().await;
    }
}

/// The host of this thread: that of the server, with instances of its own.
pub(super) struct Hosts {
    current: Current,
    threads: usize,
    /// Instances that wait ahead of their requests.
    ahead: usize,
    host: Mutex<Host>,
}

impl Hosts {
    /// To be called within the runtime of the thread.
    fn new(shared: &Shared, threads: usize) -> Self {
        let ahead = usize::try_from(shared.config.ready_instances).unwrap_or(usize::MAX);
        let current = shared.current.clone();
        let host = Self::start(&current, threads, ahead);
        Self {
            current,
            threads,
            ahead,
            host: Mutex::new(host),
        }
    }

    fn start(current: &Current, threads: usize, ahead: usize) -> Host {
        let host = current.host().for_thread(threads);
        let grooms = host.clone();
        tokio::spawn(async move { grooms.groom(ahead).await });
        host
    }

    /// The host of now: another one where the component was replaced.
    pub(super) fn now(&self) -> Host {
        // Nobody else is on this thread, and a change is a single assignment.
        let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if self.current.is_other_than(&host) {
            host.retire();
            *host = Self::start(&self.current, self.threads, self.ahead);
        }
        host.clone()
    }
}
