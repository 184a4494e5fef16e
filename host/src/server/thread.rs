//! A thread that serves connections, all by itself.

use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shared;
use super::connection::Connection;
use crate::config::Isolation;

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
    pub(super) fn of_fewest(workers: &mut [Self]) -> Option<&mut Self> {
        let open = |worker: &Self| worker.open.load(Ordering::Relaxed);
        workers.iter_mut().min_by_key(|worker| open(worker))
    }

    /// Gives it another.
    pub(super) fn give(&mut self, arrival: Arrival) {
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
    let host = shared.host.for_thread(threads);
    if let Isolation::Rewind(_) = host.isolation() {
        // Who starts the server has tried this and told what came of it.
        let _ = host.prepare(1).await;
    }
    let groom = tokio::spawn({
        let host = host.clone();
        let ahead = usize::try_from(shared.config.ready_instances).unwrap_or(usize::MAX);
        async move { host.groom(ahead).await }
    });

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
                let connection = Connection::new(host.clone(), shared.clone());
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
    groom.abort();
}
