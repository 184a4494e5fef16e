//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future;
use std::io;
use std::net::TcpStream as StdTcpStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::thread::Hosts;
use super::{Shared, Stage};
use crate::answer::{Aborted, ResponseBody};
use crate::config::HalfClose;
use crate::failure::Failure;
use crate::metrics::{Counter, Gauge};
use crate::pace::{Busy, Pace, Paced, Protocol};
use crate::run::Cut;

/// hyper's smallest read buffer.
const MIN_BUFFER: usize = 8 * 1024;

/// How a client begins that speaks HTTP/2 without having asked. No method of HTTP/1
/// begins like this.
const PREFACE: &[u8; 4] = b"PRI ";

/// Requests of one HTTP/2 connection that may be under way at a time.
const MAX_STREAMS: u32 = 128;

/// What a connection needs to know.
pub(super) struct Connection {
    hosts: Arc<Hosts>,
    shared: Arc<Shared>,
}

impl Connection {
    pub(super) fn new(hosts: Arc<Hosts>, shared: Arc<Shared>) -> Self {
        Self { hosts, shared }
    }

    /// Serves it to its end.
    pub(super) async fn serve(self, stream: StdTcpStream) {
        let Ok((stream, resets)) = self.take(stream) else {
            return;
        };
        let host = self.hosts.now();
        host.shard().count(Counter::Connection);
        let _open = host.shard().hold(Gauge::Connections);
        let headers = host.limits().max_header_bytes;
        // Not kept by a connection, which may outlive its component.
        drop(host);
        let mut stage = self.shared.stage.subscribe();
        let protocol = tokio::select! {
            protocol = timeout(self.shared.config.keep_alive, protocol(&stream)) => protocol,
            () = reached(Stage::Draining, &mut stage) => return,
        };
        let Ok(Ok(protocol)) = protocol else {
            return;
        };
        let config = self.shared.config;
        let pace = Pace::new(protocol);
        let io = TokioIo::new(Paced::new(stream, pace.clone(), &config));
        let cut = Cut::default();
        let one_at_a_time = (protocol == Protocol::Http1).then(|| cut.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(cut) = &one_at_a_time {
                request.extensions_mut().insert(cut.clone());
            }
            self.answer(request, pace.busy())
        });

        let result = match protocol {
            Protocol::Http1 => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(config.keep_alive.saturating_add(config.header_timeout))
                    .half_close(config.half_close == HalfClose::ReadsOn)
                    // Between the limit and twice of it we answer ourselves, and say
                    // which limit it was; beyond, hyper does, with a bare 431.
                    .max_header_size(headers.saturating_mul(2).max(MIN_BUFFER))
                    .max_buf_size(headers.saturating_mul(2).max(64 * MIN_BUFFER))
                    .serve_connection(io, service);
                tokio::select! {
                    biased;
                    // Which notices by itself, if the client takes what it is sent.
                    result = drained(connection, Stage::Draining, &mut stage) => result,
                    () = cut.made() => Ok(()),
                    // hyper does not look at a client that has sent all of its request
                    // and may be gone.
                    () = reset(resets.as_ref()) => Ok(()),
                }
            }
            Protocol::Http2 => {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(MAX_STREAMS)
                    .max_header_list_size(u32::try_from(headers).unwrap_or(u32::MAX))
                    .serve_connection(io, service);
                // It has a way to ask its client to leave that no request is lost by, so
                // nothing is waited for.
                drained(connection, Stage::Leaving, &mut stage).await
            }
        };
        if let Err(error) = result {
            // Clients that go away or talk nonsense are everyday.
            tracing::debug!(%error, "connection ended");
        }
    }

    /// Has the connection in the runtime of this thread, and an ear to it where hyper
    /// is not to listen.
    fn take(&self, stream: StdTcpStream) -> io::Result<(TcpStream, Option<TcpStream>)> {
        let resets = match self.shared.config.half_close {
            HalfClose::Leaves => None,
            HalfClose::ReadsOn => Some(TcpStream::from_std(stream.try_clone()?)?),
        };
        Ok((TcpStream::from_std(stream)?, resets))
    }

    /// In a box, since hyper moves it about.
    fn answer(
        &self,
        request: Request<Incoming>,
        busy: Busy,
    ) -> impl Future<Output = Result<Response<Held>, Infallible>> + Send + Unpin + use<> {
        let host = self.hosts.now();
        let stage = *self.shared.stage.borrow();
        // HTTP/2 has no such header.
        let closes = stage == Stage::Leaving && request.version() < Version::HTTP_2;
        Box::pin(async move {
            let mut response = if stage == Stage::Draining {
                host.refuse(&request, &Failure::Draining)
            } else if let Err(failure) = well_formed(&request) {
                host.refuse(&request, &failure)
            } else {
                host.respond(request).await
            };
            if closes {
                // The one way to say so in HTTP/1, and the one moment at which the client
                // cannot have sent another request yet.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(response.map(|body| Held { body, _busy: busy }))
        })
    }
}

/// What the client speaks, as soon as it can be told.
async fn protocol(stream: &TcpStream) -> std::io::Result<Protocol> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut seen).await?;
        if length == PREFACE.len() && seen == *PREFACE {
            return Ok(Protocol::Http2);
        }
        if length == 0 || seen[..length] != PREFACE[..length] {
            return Ok(Protocol::Http1);
        }
        // The same bytes again, until there are more; clients send them at once.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Ready when the client has torn the connection down. Never where there is nothing to
/// hear it by.
async fn reset(stream: Option<&TcpStream>) {
    match stream {
        // An error means that there is no connection any more.
        Some(stream) => drop(stream.ready(Interest::ERROR).await),
        None => future::pending().await,
    }
}

/// A body, during which it is the host's turn.
struct Held {
    body: ResponseBody,
    _busy: Busy,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection to its end, which it comes to with its next answer once the server is
/// as far as `last`.
async fn drained<C: GracefulConnection>(
    connection: C,
    last: Stage,
    stage: &mut watch::Receiver<Stage>,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => result,
        () = reached(last, stage) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Ready when the server is as far as that.
async fn reached(stage: Stage, now: &mut watch::Receiver<Stage>) {
    // An error means that the server is gone altogether.
    let _ = now.wait_for(|now| *now >= stage).await;
}

/// What HTTP asks of a request and hyper does not look at.
fn well_formed(request: &Request<Incoming>) -> Result<(), Failure> {
    if request.method() == Method::CONNECT {
        return Err(Failure::Malformed("this is no proxy"));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => {
            Err(Failure::Malformed("it names no host"))
        }
        (Some(_), Some(_)) => Err(Failure::Malformed("it names more than one host")),
        (Some(host), None) if host.to_str().is_err() => {
            Err(Failure::Malformed("its host is not text"))
        }
        _ => Ok(()),
    }
}
