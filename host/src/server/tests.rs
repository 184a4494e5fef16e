//! The server, from the other end of a socket.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::config::Limits;
use crate::host::Host;
use crate::testing;

const SECOND: Duration = Duration::from_secs(1);

/// A server on a free port, and the way to end it.
struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).expect("it runs");
        let ended = timeout(5 * SECOND, self.ended).await;
        ended.expect("it ends").expect("without a panic");
    }
}

fn config() -> ServerConfig {
    ServerConfig {
        addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ServerConfig::default()
    }
}

async fn run(handler: &str, limits: Limits, config: ServerConfig) -> Running {
    let component = testing::handler(handler);
    let host = Host::builder().limits(limits).load_bytes(&component);
    let server = Server::builder().config(config);
    let server = server.bind(host.expect("it loads")).await;
    let server = server.expect("a free port");
    let addr = server.local_addr();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { addr, stop, ended }
}

async fn hello() -> Running {
    run(testing::HELLO, Limits::default(), config()).await
}

/// Sends `request` and reads until the server closes.
async fn exchange(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.expect("it listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    read(&mut stream).await
}

async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(5 * SECOND, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is as good an end as any.
    let _ = read.expect("it ends in time");
    String::from_utf8(answer).expect("text")
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_answered() {
    let server = hello().await;
    let answer = exchange(server.addr, GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-guest: wat\r\n"), "{answer}");
    assert!(answer.contains("content-length: 5\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = hello().await;
    let keep = GET.replace("connection: close\r\n", "");
    let answer = exchange(server.addr, &format!("{keep}{keep}{GET}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let server = hello().await;
    let answer = exchange(server.addr, &GET.replace("GET", "HEAD")).await;
    assert!(answer.contains("content-length: 5\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let limits = Limits {
        max_request_body: 4,
        ..Limits::default()
    };
    let server = run(testing::HELLO, limits, config()).await;
    let announced = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n";
    let chunked = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for request in [announced, chunked] {
        let answer = exchange(server.addr, request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(
            answer.contains("x-lavandula-error: body_too_large"),
            "{answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let limits = Limits {
        max_header_bytes: 6 * 1024,
        ..Limits::default()
    };
    let server = run(testing::HELLO, limits, config()).await;
    for length in [7 * 1024, 64 * 1024] {
        let long = "x".repeat(length);
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n");
        let answer = exchange(server.addr, &request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let server = hello().await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let answer = exchange(server.addr, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 "),
            "{request:?} {answer:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn slow_headers_are_cut_off_and_told_so() {
    let config = ServerConfig {
        header_timeout: Duration::from_millis(100),
        ..config()
    };
    let server = run(testing::HELLO, Limits::default(), config).await;
    let answer = exchange(server.addr, "GET / HTTP/1.1\r\nhost:").await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    assert!(answer.contains("x-lavandula-error: too_slow"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_slow_body_is_cut_off_and_told_so() {
    let limits = Limits {
        body_idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let server = run(testing::HELLO, limits, config()).await;
    let request = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe";
    let answer = exchange(server.addr, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout_and_ends_quietly() {
    let config = ServerConfig {
        header_timeout: Duration::from_millis(50),
        keep_alive: Duration::from_millis(400),
        ..config()
    };
    let server = run(testing::HELLO, Limits::default(), config).await;
    let mut stream = TcpStream::connect(server.addr).await.expect("it listens");
    let keep = GET.replace("connection: close\r\n", "");
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stream.write_all(keep.as_bytes()).await.expect("still open");
    }
    let began = Instant::now();
    let answer = read(&mut stream).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    server.stop().await;
}

#[tokio::test]
async fn a_full_house_is_overload() {
    let limits = Limits {
        max_in_flight: 1,
        timeout: SECOND,
        queue_wait: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = run("(loop $l (br $l)) unreachable", limits, config()).await;
    let (one, two) = tokio::join!(exchange(server.addr, GET), exchange(server.addr, GET));
    let mut answers = [one, two];
    answers.sort();
    assert!(answers[0].starts_with("HTTP/1.1 503 "), "{answers:?}");
    assert!(answers[0].contains("retry-after: 1\r\n"), "{answers:?}");
    assert!(answers[1].starts_with("HTTP/1.1 504 "), "{answers:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_guest_along() {
    let limits = Limits {
        max_in_flight: 1,
        timeout: 60 * SECOND,
        ..Limits::default()
    };
    let spin_once = "
        (local $i i32)
        (if (i32.eq (local.get 1) (i32.const 4)) (then (loop $l (br $l))))
        (call $answer (i32.const 200))";
    let server = run(spin_once, limits, config()).await;
    let mut stream = TcpStream::connect(server.addr).await.expect("it listens");
    let spin = GET.replace("GET", "SPIN");
    stream.write_all(spin.as_bytes()).await.expect("it reads");
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    let answer = exchange(server.addr, GET).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_closes_idle_connections() {
    let limits = Limits {
        timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = run("(loop $l (br $l)) unreachable", limits, config()).await;
    let addr = server.addr;
    let mut idle = TcpStream::connect(addr).await.expect("it listens");
    let busy = tokio::spawn(async move { exchange(addr, GET).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop().await;
    assert_eq!(read(&mut idle).await, "");
    let answer = busy.await.expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(TcpStream::connect(addr).await.is_err());
}

/// The head and the body of the next answer on a connection that may be kept.
async fn next(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let read = timeout(5 * SECOND, stream.read_buf(&mut answer)).await;
        let read = read.expect("it answers in time").expect("it answers");
        assert_ne!(read, 0, "{:?}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_server_that_leaves_answers_all_and_asks_to_go_elsewhere() {
    let delay = Duration::from_millis(600);
    let config = ServerConfig { delay, ..config() };
    let server = run(testing::HELLO, Limits::default(), config).await;
    let addr = server.addr;
    let keep = GET.replace("connection: close\r\n", "");
    let mut kept = TcpStream::connect(addr).await.expect("it listens");
    kept.write_all(keep.as_bytes()).await.expect("it reads");
    let answer = next(&mut kept).await;
    assert!(!answer.contains("connection: close"), "{answer}");
    let mut idle = TcpStream::connect(addr).await.expect("it listens");

    let began = Instant::now();
    server.stop.send(()).expect("it runs");
    tokio::time::sleep(delay / 4).await;
    // Who was there, and who only comes now.
    kept.write_all(keep.as_bytes()).await.expect("it reads");
    for answer in [read(&mut kept).await, exchange(addr, &keep).await] {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("hello"), "{answer}");
    }
    assert!(began.elapsed() < delay, "too slow to say anything");

    // Who says nothing is waited for until then, and no longer.
    assert_eq!(read(&mut idle).await, "");
    assert!(began.elapsed() >= delay);
    let ended = timeout(5 * SECOND, server.ended).await;
    ended.expect("it ends").expect("without a panic");
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_longer_than_its_grace() {
    let limits = Limits {
        timeout: 60 * SECOND,
        ..Limits::default()
    };
    let config = ServerConfig {
        grace: Duration::from_millis(100),
        ..config()
    };
    let server = run("(loop $l (br $l)) unreachable", limits, config).await;
    let mut busy = TcpStream::connect(server.addr).await.expect("it listens");
    busy.write_all(GET.as_bytes()).await.expect("it reads");
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_port_in_use_says_what_to_do() {
    let server = hello().await;
    let host = Host::builder().load_bytes(&testing::handler(testing::HELLO));
    let taken = ServerConfig {
        addr: server.addr,
        ..config()
    };
    let error = Server::builder().config(taken);
    let error = error.bind(host.expect("it loads")).await;
    let error = error.expect_err("it is taken");
    assert!(matches!(error, ServeError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("choose another port"));
    server.stop().await;
}
