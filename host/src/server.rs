//! HTTP/1 in front of a host: sockets, patience and a good end.
//!
//! Three things are bounded, each by a semaphore: connections (further ones
//! wait in the kernel), requests in flight (further ones wait for a moment and
//! are then told to come back), and the bytes of each request. Bodies are read
//! before a place in flight is taken, so that slow clients keep nobody from
//! being served; what they can hold is connections times
//! [`Limits::max_request_body`](crate::Limits::max_request_body).
//!
//! A guest runs in the future of its connection, not in a task of its own: one
//! hop less, and a client that goes away ends its guest.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::body::{Pieces, TooLarge};
use crate::config::ServerConfig;
use crate::failure::Failure;
use crate::host::{Host, Outcome};
use crate::limits::MemoryUse;
use crate::pace::{Pace, Paced};

/// The pause after an accept that failed for lack of something, such as file
/// descriptors: time for connections to end, and no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper's smallest read buffer.
const MIN_BUFFER: usize = 8 * 1024;

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
    fn new(addr: SocketAddr, source: io::Error) -> Self {
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
struct Shared {
    host: Host,
    config: ServerConfig,
    in_flight: Semaphore,
    draining: watch::Sender<bool>,
}

impl Server {
    /// Listens on the address of `config`. Connections are queued from here on
    /// and served once it runs.
    pub async fn bind(host: Host, config: ServerConfig) -> Result<Self, ServeError> {
        let addr = config.addr;
        let bound = async {
            let listener = TcpListener::bind(addr).await?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let (listener, local_addr) = bound.await.map_err(|why| ServeError::new(addr, why))?;
        let in_flight = usize::try_from(host.limits().max_in_flight).unwrap_or(usize::MAX);
        let shared = Shared {
            in_flight: Semaphore::new(in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            draining: watch::Sender::new(false),
            host,
            config,
        };
        Ok(Self {
            listener,
            local_addr,
            shared: Arc::new(shared),
        })
    }

    /// The address that it really listens on, which is the way to know the port
    /// where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` is ready, then lets the requests that are under
    /// way come to their end, for as long as the grace lasts.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener, shared, ..
        } = self;
        let max_connections = shared.config.max_connections;
        let places = Arc::new(Semaphore::new(
            max_connections.clamp(1, Semaphore::MAX_PERMITS),
        ));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);

        loop {
            let accepted = async {
                // The place first: a connection that cannot be served is not
                // taken out of the kernel's queue. The semaphore is never
                // closed.
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                // Only takes what has ended off the list.
                Some(_) = connections.join_next() => {}
                (place, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let connection = serve(stream, shared.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => after_accept_error(&error).await,
                },
            }
        }

        drop(listener);
        shared.draining.send_replace(true);
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
}

/// No accept error ends the server: they are about one connection, or pass.
async fn after_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    match error.kind() {
        // The client was gone before we came to it.
        ConnectionAborted | ConnectionRefused | ConnectionReset => {}
        _ => {
            tracing::error!(%error, "cannot accept connections; trying again");
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// One connection, from its first byte to its last.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // A response is written whole, so waiting for more only costs time.
    let _ = stream.set_nodelay(true);
    let config = shared.config;
    let headers = shared.host.limits().max_header_bytes;
    let pace = Pace::new();
    let io = TokioIo::new(Paced::new(stream, pace.clone(), &config));

    let mut draining = shared.draining.subscribe();
    let service = service_fn(move |request| {
        let shared = shared.clone();
        let busy = pace.busy();
        async move {
            let response = answer(&shared, request).await;
            drop(busy);
            Ok::<_, Infallible>(response.map(Full::new))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.keep_alive.saturating_add(config.header_timeout))
        // Between the limit and twice of it we answer ourselves, and say which
        // limit it was; beyond, hyper does, with a bare 431.
        .max_header_size(headers.saturating_mul(2).max(MIN_BUFFER))
        .max_buf_size(headers.saturating_mul(2).max(64 * MIN_BUFFER))
        .serve_connection(io, service);
    let mut connection = pin!(connection);

    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = begun(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // Clients that go away or talk nonsense are everyday.
        tracing::debug!(%error, "connection ended");
    }
}

/// Ready when the server drains.
async fn begun(draining: &mut watch::Receiver<bool>) {
    // An error means that the server is gone altogether.
    let _ = draining.wait_for(|draining| *draining).await;
}

/// One request, with the one event that tells of it.
async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Bytes> {
    let began = Instant::now();
    let method = request.method().clone();
    // Without the query, which is where people put secrets.
    let path = request.uri().path().to_owned();

    let outcome = match exchange(shared, request).await {
        Ok(outcome) => outcome,
        Err(failure) => Outcome {
            response: failure.response(),
            failure: Some(failure),
            memory: MemoryUse::default(),
            door: shared.host.door(),
        },
    };

    let status = outcome.response.status().as_u16();
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let peak = outcome.memory.peak;
    let label = outcome.failure.as_ref().map_or("ok", Failure::label);
    tracing::info!(%method, path, status, outcome = label, micros, memory_peak = peak, "request");
    if let Some(failure) = &outcome.failure
        && failure.status().is_server_error()
    {
        let cause = std::error::Error::source(failure).map(|cause| format!("{cause:?}"));
        tracing::warn!(outcome = label, cause, "{failure}");
    }
    outcome.response
}

async fn exchange(shared: &Shared, request: Request<Incoming>) -> Result<Outcome, Failure> {
    if *shared.draining.borrow() {
        return Err(Failure::Draining);
    }
    well_formed(&request)?;
    shared.host.admit_head(&request)?;
    let (head, body) = request.into_parts();
    let limit = shared.host.limits().max_request_body;
    let body = read_body(body, limit, shared.host.limits().body_idle).await?;

    let place = timeout(shared.host.limits().queue_wait, shared.in_flight.acquire()).await;
    // The semaphore is never closed, so an error is the wait that ended.
    let Ok(Ok(_place)) = place else {
        return Err(Failure::Overload);
    };
    Ok(shared.host.request(Request::from_parts(head, body)).await)
}

/// What HTTP asks of a request and hyper does not look at.
fn well_formed(request: &Request<Incoming>) -> Result<(), Failure> {
    if request.method() == Method::CONNECT {
        return Err(Failure::Malformed("this is no proxy"));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= Version::HTTP_11 => {
            Err(Failure::Malformed("it names no host"))
        }
        (Some(_), Some(_)) => Err(Failure::Malformed("it names more than one host")),
        (Some(host), None) if host.to_str().is_err() => {
            Err(Failure::Malformed("its host is not text"))
        }
        _ => Ok(()),
    }
}

/// The whole body, if it is no larger than `limit` and does not pause for
/// longer than `pause`.
async fn read_body(mut body: Incoming, limit: usize, pause: Duration) -> Result<Bytes, Failure> {
    let too_large = || Failure::BodyTooLarge { limit };
    // Told before the first byte of it is sent, where the client asks first.
    let announced = usize::try_from(body.size_hint().lower());
    if announced.is_err() || announced.is_ok_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut pieces = Pieces::new(limit);
    loop {
        match timeout(pause, body.frame()).await {
            Ok(None) => return Ok(pieces.join()),
            Ok(Some(Ok(frame))) => {
                // Trailers are left out.
                if let Ok(data) = frame.into_data() {
                    pieces.push(data).map_err(|TooLarge| too_large())?;
                }
            }
            Ok(Some(Err(error))) if error.is_incomplete_message() => {
                return Err(Failure::ClientGone);
            }
            Ok(Some(Err(_))) => return Err(Failure::Malformed("its body cannot be decoded")),
            Err(_) => return Err(Failure::TooSlow { limit: pause }),
        }
    }
}

#[cfg(test)]
mod tests;
