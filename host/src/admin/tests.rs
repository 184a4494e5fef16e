//! What operators ask, from the other end of a socket.

use std::net::Ipv4Addr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    addr: SocketAddr,
    readiness: watch::Sender<Readiness>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<io::Result<()>>,
}

fn run() -> Running {
    let (readiness, ready) = watch::channel(Readiness::Starting);
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let admin = Admin::bind(any, || "x 1\n# EOF\n".to_owned(), ready).expect("a free port");
    let addr = admin.local_addr();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(admin.run(async {
        let _ = stopped.await;
    }));
    Running {
        addr,
        readiness,
        stop,
        ended,
    }
}

/// The status line, the head, and the body.
async fn ask(addr: SocketAddr, request: &str) -> (String, String, String) {
    let mut stream = TcpStream::connect(addr).await.expect("it listens");
    let request = format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it reads");
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("it closes").expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (status, headers) = head.split_once("\r\n").expect("headers");
    let status = status.strip_prefix("HTTP/1.1 ").expect("a status");
    (status.to_owned(), headers.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_scrape_gets_the_text_in_its_format() {
    let admin = run();
    let (status, headers, body) = ask(admin.addr, "GET /metrics").await;
    assert_eq!((&*status, &*body), ("200 OK", "x 1\n# EOF\n"));
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(headers.contains(kind), "{headers}");
    assert!(headers.contains("content-length: 10"), "{headers}");
    // With a query as well, which some add.
    assert_eq!(ask(admin.addr, "GET /metrics?x=1").await.2, body);
}

#[tokio::test]
async fn it_is_live_whatever_else_it_is() {
    let admin = run();
    for readiness in [Readiness::Starting, Readiness::Ready, Readiness::Draining] {
        admin.readiness.send_replace(readiness);
        let (status, _, body) = ask(admin.addr, "GET /live").await;
        assert_eq!((&*status, &*body), ("200 OK", "live\n"));
    }
}

#[tokio::test]
async fn it_is_ready_once_it_says_so_and_tells_why_not() {
    let admin = run();
    let unavailable = "503 Service Unavailable";
    for (readiness, status, reason) in [
        (Readiness::Starting, unavailable, "starting\n"),
        (Readiness::Ready, "200 OK", "ready\n"),
        (Readiness::Draining, unavailable, "draining\n"),
    ] {
        admin.readiness.send_replace(readiness);
        let (found, _, body) = ask(admin.addr, "GET /ready").await;
        assert_eq!((&*found, &*body), (status, reason));
    }
}

#[tokio::test]
async fn the_last_readiness_stays_where_nobody_can_change_it_any_more() {
    let admin = run();
    admin.readiness.send_replace(Readiness::Draining);
    drop(admin.readiness);
    assert_eq!(ask(admin.addr, "GET /ready").await.2, "draining\n");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let admin = run();
    for path in ["/metrics", "/live", "/ready", "/other"] {
        let (get, get_headers, body) = ask(admin.addr, &format!("GET {path}")).await;
        let (head, headers, nothing) = ask(admin.addr, &format!("HEAD {path}")).await;
        assert_eq!((head, &*nothing), (get, ""), "{path}");
        let length = format!("content-length: {}", body.len());
        assert!(headers.contains(&length), "{path}: {headers}");
        assert!(get_headers.contains(&length), "{path}: {get_headers}");
    }
}

#[tokio::test]
async fn nothing_else_is_there_and_nothing_can_be_sent() {
    let admin = run();
    for path in ["/", "/metrics/", "/Live", "/debug", "*"] {
        let (status, _, body) = ask(admin.addr, &format!("OPTIONS {path}")).await;
        assert_eq!(status, "404 Not Found", "{path}");
        assert!(body.contains("/metrics"), "{body}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (status, headers, _) = ask(admin.addr, &format!("{method} /metrics")).await;
        assert_eq!(status, "405 Method Not Allowed", "{method}");
        assert!(headers.contains("allow: get, head"), "{headers}");
    }
}

#[tokio::test]
async fn who_sends_no_request_keeps_its_place_no_longer_than_it_may() {
    let admin = run();
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(admin.addr).await.expect("a backlog"));
    }
    let began = Instant::now();
    let (status, ..) = ask(admin.addr, "GET /live").await;
    let took = began.elapsed();
    assert_eq!(status, "200 OK");
    // After those before it, and not with them.
    assert!(took >= HEADER_TIMEOUT / 2, "there is no limit: {took:?}");
    let both = HEADER_TIMEOUT + EXCHANGE;
    assert!(took < both / 2, "the head is not timed by itself: {took:?}");
    for mut stream in silent {
        let mut answer = Vec::new();
        let closed = timeout(EXCHANGE, stream.read_to_end(&mut answer)).await;
        closed.expect("it closes").expect("without a reset");
    }
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let admin = run();
    assert_eq!(ask(admin.addr, "GET /live").await.0, "200 OK");
    admin.stop.send(()).expect("it runs");
    let ended = timeout(PATIENCE, admin.ended).await;
    ended
        .expect("it ends")
        .expect("no panic")
        .expect("no error");
    assert!(TcpStream::connect(admin.addr).await.is_err());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (_, ready) = watch::channel(Readiness::Ready);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let addr = taken.local_addr().expect("an address");
    let error = Admin::bind(addr, String::new, ready).expect_err("it is taken");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}
