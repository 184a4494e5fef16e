//! The end of the server.

use std::io::{BufRead, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::servers::{EVERYWHERE, Setup};
use super::support::http::{Client, Server, request};
use super::table::Gets::Words;
use super::table::Row;
use super::table::Told;

faults! {
    "The end of the server"

    a_signal: "SIGTERM or SIGINT while a request runs"
        => Words("the answer; it closes, idle connections at once; no new ones"), [],
        requests_end_and_no_new_ones_are_taken;
    a_signal_under_load: "SIGTERM while clients send one request after the other without pause"
        => Words("the answer to each request; 503 `draining` to those that came after the signal; it \
            closes after either, or between two"), [],
        every_request_that_was_taken_is_answered;
    a_signal_in_a_body: "SIGTERM while the body of a request is on its way"
        => Words("the answer; it closes"), [],
        a_request_whose_body_is_still_on_its_way_is_served;
    a_signal_and_nothing_to_do: "SIGTERM while no request runs"
        => Words("the end of the connection, at once"), [],
        it_ends_at_once;
    a_request_that_outlasts_the_grace: "SIGTERM while a request runs for longer than \
        `--shutdown-grace`"
        => Words("no answer; it closes"), [Told::Words("the grace is over")],
        a_shutdown_waits_no_longer_than_its_grace;
    a_second_signal: "A second signal"
        => Words("no answer; it closes, and the exit code is 128 and the signal's number"), [],
        it_ends_in_the_middle;
}

/// Far below each grace here.
const SOON: Duration = Duration::from_secs(5);

#[track_caller]
fn assert_ends(server: &mut Server, code: i32) {
    let status = server.process.end(SOON);
    assert_eq!(status.code(), Some(code), "{}", server.log());
}

/// A server whose only place is taken by a request that runs for its timeout.
struct Busy {
    server: Server,
    busy: Client,
    idle: Client,
}

impl Busy {
    #[track_caller]
    fn start(options: &[&str]) -> Self {
        let places = ["--max-in-flight", "1", "--queue-wait", "100ms"];
        let server = EVERYWHERE[0].start(&[&places[..], options].concat());
        let mut busy = server.client();
        busy.send(&request("GET", "/spin", b""));
        let mut idle = server.client();
        server.wait_until_full(&mut idle);
        Self { server, busy, idle }
    }
}

fn requests_end_and_no_new_ones_are_taken(_: &Row) {
    for signal in ["TERM", "INT"] {
        let mut it = Busy::start(&["--timeout", "1s", "--shutdown-grace", "1m"]);
        it.server.process.signal(signal);
        it.server.wait_until_deaf();
        // Long before its 60 seconds.
        it.idle.assert_closed();
        let running = it.server.process.child().try_wait().expect("our child");
        assert_eq!(running, None, "it did not wait: {}", it.server.log());

        let answer = it.busy.answer();
        assert_eq!((answer.status, answer.label()), (504, Some("deadline")));
        it.busy.assert_closed();
        assert_ends(&mut it.server, 0);
    }
}

/// How a client of the load ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// Told with an answer, or between two of them.
    Cleanly,
    /// In the middle of an answer, or with one that was not its own.
    Wrongly(String),
}

fn every_request_that_was_taken_is_answered(_: &Row) {
    for setup in EVERYWHERE {
        under_load(setup);
    }
}

#[track_caller]
fn under_load(setup: Setup) {
    let mut server = setup.start(&["--shutdown-grace", "1m"]);
    let answered = AtomicUsize::new(0);
    let ends = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|number| {
                let (client, answered) = (server.client(), &answered);
                scope.spawn(move || one_after_the_other(client, number, answered))
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        server.process.signal("TERM");
        let ends = clients.into_iter().map(|client| client.join());
        let ends: Vec<_> = ends.map(|end| end.expect("no panic")).collect();
        ends
    });
    assert!(
        ends.iter().all(|end| *end == Ended::Cleanly),
        "{setup:?}: {ends:?}"
    );
    assert_ends(&mut server, 0);
    // None was taken of which the client never heard.
    let log = server.log();
    let taken = log.lines().filter(|line| line.contains("outcome=\"ok\""));
    let taken = taken.filter(|line| line.contains("path=\"/load")).count();
    let answered = answered.into_inner();
    assert!(answered > 20, "no load: {answered}");
    assert_eq!(taken, answered, "{setup:?}");
}

/// Sends requests and checks the answers until the server ends it.
fn one_after_the_other(mut client: Client, number: usize, answered: &AtomicUsize) -> Ended {
    for round in 0_u32.. {
        // As long as the others of this client, and like no other.
        let body = format!("client {number}, request {round:8}");
        let bytes = request("POST", "/load", body.as_bytes());
        if client.stream.get_mut().write_all(&bytes).is_err() {
            return Ended::Cleanly;
        }
        // The end of the connection in the place of an answer: it was not taken.
        if client.stream.fill_buf().map_or(true, <[u8]>::is_empty) {
            return Ended::Cleanly;
        }
        let answer = client.answer();
        let close = answer.header("connection") == Some("close");
        if answer.label() == Some("draining") && close {
            // It came when the server had begun to drain, and was told so.
            return Ended::Cleanly;
        }
        if (answer.status, answer.text()) != (200, &*body) {
            return Ended::Wrongly(format!("{answer:?}"));
        }
        answered.fetch_add(1, Ordering::Relaxed);
        if close {
            let mut rest = Vec::new();
            let read = client.stream.read_to_end(&mut rest);
            if read.is_err() || !rest.is_empty() {
                return Ended::Wrongly(format!("after the last answer: {read:?}, {rest:?}"));
            }
            return Ended::Cleanly;
        }
    }
    Ended::Wrongly("it never ends".to_owned())
}

fn a_request_whose_body_is_still_on_its_way_is_served(_: &Row) {
    for setup in EVERYWHERE {
        let mut server = setup.start(&[]);
        let mut client = server.client();
        let head =
            "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
        client.send(head.as_bytes());
        // So that it is known to have begun.
        assert_eq!(client.head().status, 100);
        client.send(b"pi");

        server.process.signal("TERM");
        server.wait_until_deaf();
        // Its thread learns of it a moment later.
        thread::sleep(Duration::from_millis(100));
        client.send(b"ng");
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "ping"));
        assert_eq!(answer.header("connection"), Some("close"));
        client.assert_closed();
        assert_ends(&mut server, 0);
    }
}

fn it_ends_at_once(_: &Row) {
    let mut server = EVERYWHERE[0].start(&["--shutdown-grace", "1m"]);
    let mut idle = server.client();
    assert_eq!(idle.get("/count").status, 200);
    let mut unused = server.client();
    server.process.signal("TERM");
    assert_ends(&mut server, 0);
    idle.assert_closed();
    unused.assert_closed();
}

fn a_shutdown_waits_no_longer_than_its_grace(row: &Row) {
    for path in ["/spin", "/sleep?n=60000"] {
        let mut server = EVERYWHERE[0].start(&["--timeout", "1m", "--shutdown-grace", "200ms"]);
        let mut busy = server.client();
        busy.send(&request("GET", path, b""));
        thread::sleep(Duration::from_millis(100));
        let began = Instant::now();
        server.process.signal("TERM");
        assert_ends(&mut server, 0);
        assert!(began.elapsed() >= Duration::from_millis(200));
        busy.assert_closed();
        for told in row.told {
            for mark in told.marks() {
                assert!(server.log().contains(&mark), "{}", server.log());
            }
        }
    }
}

fn it_ends_in_the_middle(_: &Row) {
    let mut it = Busy::start(&["--timeout", "1m", "--shutdown-grace", "1m"]);
    it.server.process.signal("TERM");
    it.server.wait_until_deaf();
    it.server.process.signal("TERM");
    assert_ends(&mut it.server, 128 + 15);
    it.busy.assert_closed();
}
