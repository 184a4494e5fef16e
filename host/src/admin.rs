//! What operators and their machines ask: `/metrics`, `/live` and `/ready`, on
//! an address of its own.
//!
//! It knows no [`Host`](crate::Host): it is given what to tell. So it can run
//! before there is one, on a thread of its own where no guest keeps it from
//! answering, and on while the server drains.
//!
//! # What ready means
//! Requests that are sent now are taken. A server whose queue is full is ready:
//! it refuses what is too much by itself, request by request, and would only
//! move its load onto others if it were taken out of rotation for it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::server::ServeError;

/// Connections at a time; further ones wait in the kernel.
const MAX_CONNECTIONS: usize = 64;

/// From the first byte of a request to the end of its head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// A whole exchange, the reading of the answer included.
const EXCHANGE: Duration = Duration::from_secs(10);

/// The pause after an accept that failed for lack of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Nobody who asks for one of three paths needs more.
const MAX_HEAD: usize = 16 * 1024;

const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Whether the server takes requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet: the component is being compiled.
    #[default]
    Starting,
    /// It does.
    Ready,
    /// Not any more: it answers what is under way and then ends.
    Draining,
}

impl Readiness {
    fn status(self) -> StatusCode {
        match self {
            Self::Ready => StatusCode::OK,
            Self::Starting | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        })
    }
}

/// A socket that listens for operators.
///
/// ```no_run
/// use lavandula_host::{Admin, Readiness};
/// use tokio::sync::watch;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (readiness, ready) = watch::channel(Readiness::Starting);
/// let admin = Admin::bind(([127, 0, 0, 1], 9090).into(), || "# EOF\n".to_owned(), ready)?;
/// tokio::spawn(admin.run(std::future::pending()));
/// // ... once requests are taken:
/// readiness.send_replace(Readiness::Ready);
/// # Ok(())
/// # }
/// ```
pub struct Admin {
    listener: TcpListener,
    local_addr: SocketAddr,
    told: Told,
}

/// What there is to tell, in as many copies as there are connections.
#[derive(Clone)]
struct Told {
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    readiness: watch::Receiver<Readiness>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Listens on `addr`; port 0 takes any free one. Connections are queued from
    /// here on and answered once it runs. No runtime is needed yet.
    ///
    /// `metrics` is called at each scrape, for a text in the format of
    /// OpenMetrics, as [`Host::metrics`](crate::Host::metrics) makes it.
    ///
    /// # Errors
    /// [`ServeError`] where it cannot listen there.
    pub fn bind(
        addr: SocketAddr,
        metrics: impl Fn() -> String + Send + Sync + 'static,
        readiness: watch::Receiver<Readiness>,
    ) -> Result<Self, ServeError> {
        let bound = || {
            let listener = TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let (listener, local_addr) = bound().map_err(|why| ServeError::new(addr, why))?;
        Ok(Self {
            listener,
            local_addr,
            told: Told {
                metrics: Arc::new(metrics),
                readiness,
            },
        })
    }

    /// The address that it really listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers until `shutdown` is ready. To be run within a tokio runtime whose
    /// timer and I/O are enabled, best one that runs no guests.
    ///
    /// # Errors
    /// Where the runtime cannot watch the socket.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = async {
                // The semaphore is never closed.
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let told = self.told.clone();
                    tokio::spawn(async move {
                        serve(stream, told).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection of an operator");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// One connection, for one request: those who ask come every few seconds, and a
/// connection that is kept would only keep its place.
async fn serve(stream: TcpStream, told: Told) {
    let service = service_fn(move |request| {
        let response = told.answer(&request);
        async move { Ok::<_, Infallible>(response.map(Full::new)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(EXCHANGE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "connection of an operator ended"),
        Err(_) => tracing::debug!("connection of an operator took too long"),
    }
}

impl Told {
    fn answer<B>(&self, request: &Request<B>) -> Response<Bytes> {
        let (status, kind, text) = match request.uri().path() {
            "/metrics" | "/live" | "/ready" if !reads(request.method()) => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Use GET.\n");
                let allow = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(header::ALLOW, allow);
                return response;
            }
            "/metrics" => (StatusCode::OK, OPENMETRICS, (self.metrics)()),
            "/live" => (StatusCode::OK, PLAIN, "live\n".to_owned()),
            "/ready" => {
                let readiness = *self.readiness.borrow();
                (readiness.status(), PLAIN, format!("{readiness}\n"))
            }
            _ => {
                let hint = "There are /metrics, /live and /ready.\n";
                return plain(StatusCode::NOT_FOUND, hint);
            }
        };
        respond(status, kind, text)
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn plain(status: StatusCode, text: &str) -> Response<Bytes> {
    respond(status, PLAIN, text.to_owned())
}

fn respond(status: StatusCode, kind: HeaderValue, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    // What is asked is what is now.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
