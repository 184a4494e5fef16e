//! A server that answers as the handler of `examples/everywhere` does, which it runs in
//! this process, but for one fault.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lavandula_bench::edge::cases::expected;
use lavandula_bench::edge::exchange::{Answer, Ask, Sent};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Answers with the marker of the request before.
    CrossesMarkers,
    /// Has the marker of the request before in a header.
    CrossesInHeaders,
    /// The same as the first, but only where requests overlap.
    CrossesAtATime,
    /// Answers a path as it was answered before, whatever the query and the body.
    Caches,
    /// Answers nothing any more after a trap.
    DiesOfATrap,
    /// Answers a trap as if nothing had happened.
    HidesATrap,
    /// The last byte of large bodies.
    DropsAByte,
    /// The one in the middle of large bodies.
    ChangesAByte,
    /// Ends the connection in the middle of large bodies.
    CutsOff,
    /// One of the request's.
    LosesAHeader,
    /// One of the answer's.
    LosesAHeaderOfTheAnswer,
    /// Answers 200 where there is nothing.
    NoNotFound,
    /// Says how many requests it has had, as one instance that is kept does.
    Keeps,
}

/// Listens until it is dropped.
pub struct Faulty {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Larger than what is asked for besides.
const LARGE: usize = 64 << 10;

struct State {
    fault: Fault,
    /// The path of the last request with a marker.
    last: Mutex<Option<String>>,
    cache: Mutex<Vec<(String, Answer)>>,
    served: AtomicU32,
    under_way: AtomicU32,
    dead: AtomicU32,
}

impl Faulty {
    pub fn start(fault: Fault) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell.send(listener.local_addr().expect("an address"))
                    .expect("it is waited for");
                tokio::select! {
                    () = serve(listener, fault) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            addr: told.recv().expect("it listens"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        drop(self.stop.take());
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("it does not panic");
    }
}

async fn serve(listener: TcpListener, fault: Fault) {
    let state = Arc::new(State {
        fault,
        last: Mutex::new(None),
        cache: Mutex::new(Vec::new()),
        served: AtomicU32::new(0),
        under_way: AtomicU32::new(0),
        dead: AtomicU32::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(state.clone(), request));
            // What the client makes of it is the client's to say.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, &'static str>;

fn whole(body: Vec<u8>) -> Body {
    let full = Full::new(Bytes::from(body));
    full.map_err(|never: Infallible| match never {}).boxed()
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>, &'static str> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "no body")?.to_bytes();
    let fault = state.fault;
    let mut path = parts.uri.to_string();
    if path == "/trap" {
        state.dead.store(1, Ordering::Relaxed);
        let status = if fault == Fault::HidesATrap { 200 } else { 500 };
        let mut response = Response::new(whole(b"trapped".to_vec()));
        *response.status_mut() = status.try_into().expect("a status");
        return Ok(response);
    }
    if fault == Fault::DiesOfATrap && state.dead.load(Ordering::Relaxed) == 1 {
        return Err("dead");
    }
    if path.starts_with("/marker") {
        let others = state.under_way.fetch_add(1, Ordering::Relaxed);
        // So that those that are sent at the same time are here at the same time.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let last = state
            .last
            .lock()
            .expect("it is whole")
            .replace(path.clone());
        let crosses = match fault {
            Fault::CrossesMarkers => true,
            Fault::CrossesAtATime => others > 0,
            _ => false,
        };
        if let Some(last) = last.filter(|_| crosses) {
            path = last;
        }
        state.under_way.fetch_sub(1, Ordering::Relaxed);
    }
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for (name, value) in &parts.headers {
        headers.push((name.as_str(), value.to_str().expect("it is text")));
    }
    if fault == Fault::LosesAHeader {
        let at = headers.iter().position(|(name, _)| *name == "x-edge-plain");
        at.map(|at| headers.remove(at));
    }
    let mut told = expected(&Ask {
        method: parts.method.as_str(),
        path: &path,
        headers: &headers,
        body: Sent::Whole(&body),
    });
    native(&state, &mut told);
    spoil(&state, &parts.uri, &mut told);
    let is_large = told.body.len() > LARGE && fault == Fault::CutsOff;
    let mut response = Response::builder().status(told.status);
    for (name, value) in &told.headers {
        let name = HeaderName::try_from(name).expect("it is a name");
        response = response.header(name, HeaderValue::from_bytes(value).expect("it is a value"));
    }
    let body = match (is_large, parts.method == Method::HEAD) {
        (true, _) => CutOff::of(told.body).boxed(),
        (false, true) => whole(Vec::new()),
        (false, false) => whole(told.body),
    };
    Ok(response.body(body).expect("it is a response"))
}

/// The handler counts its requests in a static, and in this process there is one of it
/// for all: what it says of that is told anew.
fn native(state: &State, told: &mut Answer) {
    let served = state.served.fetch_add(1, Ordering::Relaxed);
    let text = String::from_utf8_lossy(&told.body).into_owned();
    if let Some((before, rest)) = text.split_once("\"served\":") {
        let after = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let served = if state.fault == Fault::Keeps {
            served
        } else {
            0
        };
        told.body = format!("{before}\"served\":{served}{after}").into_bytes();
    }
}

fn spoil(state: &State, uri: &http::Uri, told: &mut Answer) {
    match state.fault {
        Fault::Caches => {
            let mut cache = state.cache.lock().expect("it is whole");
            match cache.iter().find(|(path, _)| path == uri.path()) {
                Some((_, known)) => *told = known.clone(),
                None => cache.push((uri.path().to_owned(), told.clone())),
            }
        }
        Fault::CrossesInHeaders if uri.path() == "/marker" => {
            let marker = b"mark-0000000000000000".to_vec();
            told.headers.push(("x-before".to_owned(), marker));
        }
        Fault::DropsAByte if told.body.len() > LARGE => {
            told.body.pop();
        }
        Fault::ChangesAByte if told.body.len() > LARGE => {
            let middle = told.body.len() / 2;
            told.body[middle] ^= 1;
        }
        Fault::LosesAHeaderOfTheAnswer => {
            told.headers.retain(|(name, _)| name != "x-edge-plain");
        }
        Fault::NoNotFound if told.status == 404 => told.status = 200,
        _ => {}
    }
}

/// Half of it, with the length of all of it told before.
struct CutOff {
    length: u64,
    half: Option<Bytes>,
    has_waited: bool,
}

impl CutOff {
    fn of(body: Vec<u8>) -> Self {
        Self {
            length: body.len() as u64,
            half: Some(Bytes::from(body).slice(..LARGE / 2)),
            has_waited: false,
        }
    }
}

impl hyper::body::Body for CutOff {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        // What is there is sent while the rest is waited for.
        if !std::mem::replace(&mut self.has_waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err("it is over")))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
