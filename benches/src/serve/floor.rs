//! The floor: a server that answers from memory, with nothing but hyper beneath.
//!
//! It runs as a process of its own, `lavandula-bench floor`, so that its memory and
//! its time are its own: one runtime for each processor, each with a socket that
//! listens on the same address. The kernel spreads connections over them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::LocalSet;

use super::answer::Answer;
use crate::Failure;
use crate::progress::print;

/// Connections that the kernel keeps for a socket until they are accepted.
const BACKLOG: u32 = 1024;

/// Answers bare requests from memory: what any server takes at least.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long)]
    addr: SocketAddr,
    /// A JSON file with what to answer to which request.
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
}

/// What is answered to a method and path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Known {
    /// The method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// The answer.
    pub answer: Answer,
}

/// Answers that are ready to be sent.
type Answers = BTreeMap<String, (http::Method, Response<Full<Bytes>>)>;

/// Serves until it is killed. Prints where, once it listens.
///
/// # Errors
/// [`Failure::Server`] where it cannot.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let failed = |reason: String| Failure::Server {
        server: "floor".to_owned(),
        reason,
    };
    let answers = std::fs::read(&arguments.answers)
        .and_then(|json| Ok(serde_json::from_slice(&json)?))
        .and_then(ready)
        .map_err(|error| failed(format!("{}: {error}", arguments.answers.display())))?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut sockets = vec![listen(arguments.addr).map_err(|error| failed(error.to_string()))?];
    let addr = sockets[0].local_addr();
    let addr = addr.map_err(|error| failed(error.to_string()))?;
    while sockets.len() < threads {
        sockets.push(listen(addr).map_err(|error| failed(error.to_string()))?);
    }
    print(&format!("Serving HTTP on http://{addr}/\n"))?;
    let threads: Vec<_> = sockets
        .into_iter()
        .map(|socket| {
            let answers = answers.clone();
            thread::spawn(move || serve(socket, answers))
        })
        .collect();
    for thread in threads {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("a thread of it panicked".to_owned())),
        }
    }
    Ok(())
}

fn ready(known: Vec<Known>) -> io::Result<Answers> {
    let wrong = |error: http::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut answers = Answers::new();
    for Known {
        method,
        path,
        answer,
    } in known
    {
        let method = http::Method::from_bytes(method.as_bytes());
        let method = method.map_err(|error| wrong(error.into()))?;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            let value = HeaderValue::from_str(value).map_err(|error| wrong(error.into()))?;
            let name = HeaderName::from_bytes(name.as_bytes());
            response = response.header(name.map_err(|error| wrong(error.into()))?, value);
        }
        let body = Full::new(Bytes::from(answer.body));
        answers.insert(path, (method, response.body(body).map_err(wrong)?));
    }
    Ok(answers)
}

/// A socket that shares its address with others of this process.
fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    // Sockets of tokio need a runtime, and this one gets another: only the options
    // are wanted here.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _inside = runtime.enter();
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

/// One thread of it.
fn serve(socket: std::net::TcpListener, answers: Answers) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let answers = Rc::new(answers);
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::from_std(socket)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answers = answers.clone();
            tokio::task::spawn_local(async move {
                let service = service_fn(|request: http::Request<Incoming>| {
                    let answers = answers.clone();
                    async move {
                        let answer = answers.get(request.uri().to_string().as_str());
                        let response = match answer {
                            Some((method, response)) if method == request.method() => {
                                response.clone()
                            }
                            _ => unknown(),
                        };
                        // Read to its end, as every server must before the next one.
                        let _ = request.into_body().collect().await;
                        Ok::<_, Infallible>(response)
                    }
                });
                // A client that goes away is none of the floor's business.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

fn unknown() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
