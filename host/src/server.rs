//! HTTP in front of a host: sockets, threads and a good end.
//!
//! ```text
//! accept ──► thread 0: connections, a groom     one runtime per core,
//!        ├─► thread 1: connections, a groom     nothing shared on the way
//!        └─► ...                                of a request but counters
//! ```
//! One task accepts, and gives each connection to the thread that has the fewest. So
//! the load is even from the first connection on, whatever the kernel hashes, and one
//! place knows about limits and errors of accepting. A connection stays on its
//! thread: nobody steals it, and its memory is in the caches of one core.
//!
//! ```text
//! serving ──► leaving ──► draining ──► gone
//! ```
//! A server that is told to end first says so and goes on (*leaving*): there may be
//! somebody before it who sends it requests until they have seen that it is not ready.
//! Each answer closes its connection, so that clients come back to another server. Then
//! it takes nothing new (*draining*) and lets what is under way come to its end.
//!
//! Three things are bounded: connections (further ones wait in the kernel), requests
//! in flight and in the queue (the host's matter: further ones are told to come
//! back), and the bytes and the time of each request.

mod connection;
mod thread;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

use crate::config::ServerConfig;
use crate::metrics::Counter;
use crate::reload::Current;
use thread::{Arrival, Worker};

/// The pause after an accept that failed for lack of something, such as file
/// descriptors: time for connections to end, and no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server cannot start. Once it runs, nothing but a shutdown ends it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Somebody else listens there.
    #[error(
        "{addr} is in use; stop the program that listens there (see `ss -ltnp`), \
         or choose another port, or port 0 for any free one"
    )]
    InUse {
        /// The address that was asked for.
        addr: SocketAddr,
    },

    /// Low ports are for root.
    #[error("no permission to listen on {addr}; choose a port from 1024 up")]
    Forbidden {
        /// The address that was asked for.
        addr: SocketAddr,
    },

    /// The address belongs to another machine.
    #[error("{addr} is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all of its own")]
    NotHere {
        /// The address that was asked for.
        addr: SocketAddr,
    },

    /// Anything else.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
}

impl ServeError {
    pub(crate) fn new(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { addr },
            io::ErrorKind::PermissionDenied => Self::Forbidden { addr },
            io::ErrorKind::AddrNotAvailable => Self::NotHere { addr },
            _ => Self::Bind { addr, source },
        }
    }
}

/// A socket that listens, and the host that answers.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    shared: Arc<Shared>,
}

/// What all connections have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    current: Current,
    config: ServerConfig,
    stage: watch::Sender<Stage>,
}

/// How far the server is on its way. It only goes onwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Everything is taken.
    Serving,
    /// Everything is taken, and clients are asked to go elsewhere.
    Leaving,
    /// Nothing is taken any more.
    Draining,
}

impl Server {
    /// The choices to make before a server listens.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address that it really listens on, which is the way to know the port
    /// where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` is ready, goes on for as long as
    /// [`delay`](ServerConfig::delay) says and asks clients to go elsewhere, and then
    /// lets the requests that are under way come to their end, for as long as the grace
    /// lasts.
    ///
    /// The connections are served by threads of its own; this only accepts them.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener, shared, ..
        } = self;
        let workers = Worker::start_all(&shared);
        let places = shared.config.max_connections;
        let places = Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS)));
        let current = &shared.current;

        accept_until(shutdown, &listener, &places, &workers, current).await;
        if !shared.config.delay.is_zero() {
            shared.stage.send_replace(Stage::Leaving);
            let delay = sleep(shared.config.delay);
            accept_until(delay, &listener, &places, &workers, current).await;
        }
        drop(listener);
        shared.stage.send_replace(Stage::Draining);
        for worker in workers {
            worker.end().await;
        }
    }
}

/// Makes a [`Server`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lavandula_host::{Host, Server};
///
/// let host = Host::builder().load("handler.wasm")?;
/// let server = Server::builder()
///     .addr("127.0.0.1:0".parse()?)
///     .bind(host)
///     .await?;
/// println!("http://{}/", server.local_addr());
/// server.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServerBuilder {
    config: ServerConfig,
}

impl ServerBuilder {
    /// Where to listen. Port 0 takes any free port.
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.config.addr = addr;
        self
    }

    /// Threads that serve connections: one per core where nothing is said.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.config.threads = Some(threads);
        self
    }

    /// All choices at once, in place of those made so far.
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = config;
        self
    }

    /// Listens. Connections are queued from here on and served once it runs.
    ///
    /// The host may be a [`Current`], whose component can be replaced while the server
    /// runs.
    ///
    /// # Errors
    /// [`ServeError`] where the address cannot be had.
    pub async fn bind(self, host: impl Into<Current>) -> Result<Server, ServeError> {
        let config = self.config;
        let addr = config.addr;
        let bound = async {
            let listener = TcpListener::bind(addr).await?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let (listener, local_addr) = bound.await.map_err(|why| ServeError::new(addr, why))?;
        let shared = Shared {
            stage: watch::Sender::new(Stage::Serving),
            current: host.into(),
            config,
        };
        Ok(Server {
            listener,
            local_addr,
            shared: Arc::new(shared),
        })
    }
}

/// Gives connections to the threads until `end` is ready.
async fn accept_until(
    end: impl Future<Output = ()>,
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    workers: &[Worker],
    current: &Current,
) {
    let mut end = pin!(end);
    loop {
        let accepted = async {
            // The place first: a connection that cannot be served is not taken out of
            // the kernel's queue. The semaphore is never closed.
            let place = places.clone().acquire_owned().await;
            (place, accept(listener).await)
        };
        tokio::select! {
            biased;
            () = &mut end => return,
            (place, accepted) = accepted => match accepted {
                Ok(stream) => {
                    if let Some(worker) = Worker::of_fewest(workers) {
                        worker.give(Arrival { stream, place });
                    }
                }
                Err(error) => after_accept_error(&error, current).await,
            },
        }
    }
}

/// The next connection, no longer known to the runtime that accepted it: the thread
/// that gets it will have it in its own.
async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // A response is written whole, so waiting for more only costs time.
    let _ = stream.set_nodelay(true);
    stream.into_std()
}

/// No accept error ends the server: they are about one connection, or pass.
async fn after_accept_error(error: &io::Error, current: &Current) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    match error.kind() {
        // The client was gone before we came to it.
        ConnectionAborted | ConnectionRefused | ConnectionReset => {}
        _ => {
            current.host().shard().count(Counter::AcceptFailed);
            tracing::error!(
                %error,
                "cannot accept connections; trying again: they wait until others end, so raise \
                 the limit of open files (`ulimit -n`) or lower `--max-connections`"
            );
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests;
