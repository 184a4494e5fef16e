//! Clients that go away, or do not take what they asked for.

use std::thread;
use std::time::Duration;

use super::drive::{Trial, each, on};
use super::servers::{EVERYWHERE, Setup};
use super::support::http::{Extent, request};
use super::table::Gets::{Answer, Words};
use super::table::Row;
use super::table::Told::Outcome;

faults! {
    "Clients that leave"

    leaving_in_the_head: "The client goes away in the middle of its headers"
        => Words("-"), [],
        |row| leaving(row, &["GET /cou", "GET /count HTTP/1.1\r\nhost: x\r\n"]);
    leaving_in_the_body: "The client goes away in the middle of its body"
        => Words("-"), [Outcome("client_gone")],
        |row| leaving(row, &[
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nonly this",
            "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nonl",
        ]);
    leaving_while_the_handler_runs: "The client goes away while the handler computes or waits: \
        the handler ends with it"
        => Words("-"), [],
        |row| leaving(row, &[
            "GET /spin HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET /sleep?n=60000 HTTP/1.1\r\nhost: x\r\n\r\n",
        ]);
    leaving_in_the_answer: "The client goes away while it is being answered"
        => Words("-"), [],
        leaving_in_an_answer;
    never_reading: "The client reads nothing of a large answer"
        => Words("a part of it; it closes when nothing was taken for `--keep-alive`"), [],
        an_answer_that_nobody_reads_is_given_up;
    half_closing: "None: the client says that it will send nothing more, and reads on"
        => Answer(200), [Outcome("ok")],
        half_closed_and_answered_at_once;
    #[ignore = "a client that leaves cannot be told from one that only says that it is done"]
    half_closing_before_a_slow_answer: "None: the same, and the handler takes its time"
        => Answer(200), [Outcome("ok")],
        half_closed_and_answered_late;
}

/// One place only, and a minute for each request: a place that is not given back shows
/// at once.
fn one_place(setup: Setup) -> super::support::http::Server {
    let places = ["--max-in-flight", "1", "--queue-wait", "5s"];
    setup.start(&[&places[..], &["--timeout", "1m"]].concat())
}

#[track_caller]
fn leaving(row: &Row, unfinished: &[&str]) {
    each(&EVERYWHERE, |setup| {
        let server = one_place(setup);
        let trial = Trial::new(row, &server, setup);
        for bytes in unfinished {
            let mut client = server.client();
            client.send(bytes.as_bytes());
            // So that it is under way.
            thread::sleep(Duration::from_millis(50));
            drop(client);
            trial.next_is_right(&mut server.client());
        }
        trial.told("/echo");
    });
}

/// Larger than what fits into sockets: 20 MB.
const LARGE: &str = "/large?n=20000";

fn leaving_in_an_answer(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = one_place(setup);
        let trial = Trial::new(row, &server, setup);
        let mut client = server.client();
        client.send(&request("GET", LARGE, b""));
        assert_eq!(client.head().status, 200);
        drop(client);
        trial.next_is_right(&mut server.client());
    });
}

fn an_answer_that_nobody_reads_is_given_up(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = setup.start(&["--keep-alive", "300ms", "--max-connections", "1"]);
        let trial = Trial::new(row, &server, setup);
        let mut idle = server.client();
        idle.send(&request("GET", LARGE, b""));
        // It is served when the first is given up, and not before.
        trial.next_is_right(&mut server.client());
        let (answer, extent) = idle.answer_or_part();
        assert_eq!((answer.status, extent), (200, Extent::Part));
    });
}

fn half_closed_and_answered_at_once(row: &Row) {
    half_closed(row, |path| request("POST", path, b"ping"), "");
}

fn half_closed_and_answered_late(row: &Row) {
    half_closed(row, |path| request("GET", path, b""), "/sleep?n=100");
}

#[track_caller]
fn half_closed(row: &Row, bytes: impl Fn(&str) -> Vec<u8> + Sync, path: &str) {
    on(row, &EVERYWHERE, |trial| {
        let own = format!("/{}", trial.test());
        let path = if path.is_empty() { &own } else { path };
        for _ in 0..5 {
            let mut client = trial.server.client();
            client.send(&bytes(path));
            client.half_close();
            let answer = client.answer();
            assert_eq!((answer.status, answer.label()), (200, None));
            client.assert_closed();
        }
        trial.told(path);
        trial.next_is_right(&mut trial.server.client());
    });
}
