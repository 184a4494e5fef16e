//! Clients that go away, or do not take what they asked for.

use std::thread;
use std::time::Duration;

use super::drive::{Trial, each, on};
use super::servers::{EVERYWHERE, Setup};
use super::support::http::{Extent, Server, request};
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
    half_closing_before_a_slow_answer: "The same, and the handler takes longer than a tenth of a \
        second: the client is taken for one that went away, and the handler ends"
        => Words("no answer; it closes"), [Outcome("client_gone")],
        half_closed_and_given_up;
    half_closing_where_it_is_waited_for: "None: the same with `--half-close`"
        => Answer(200), [Outcome("ok")],
        half_closed_and_answered_late;
    half_closing_in_the_body: "With `--half-close`, the client says so in the middle of its body"
        => Words("-"), [Outcome("client_gone")],
        half_closed_too_early;
    half_closing_and_resetting: "With `--half-close`, the client resets the connection while the \
        handler computes or waits: the handler ends with it"
        => Words("-"), [Outcome("client_gone")],
        half_closed_and_reset;
    half_closing_and_leaving: "With `--half-close`, the client goes away without that: the handler \
        goes on to its end or its timeout"
        => Words("-"), [Outcome("deadline")],
        half_closed_and_gone;
}

/// One place only, and a minute for each request: a place that is not given back shows
/// at once.
fn one_place(setup: Setup) -> Server {
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
    on(row, &EVERYWHERE, |trial| {
        let path = format!("/{}", trial.test());
        for _ in 0..5 {
            let mut client = trial.server.client();
            client.send(&request("POST", &path, b"ping"));
            client.half_close();
            let answer = client.answer();
            assert_eq!((answer.status, answer.text()), (200, "ping"));
            client.assert_closed();
        }
        trial.told(&path);
        trial.next_is_right(&mut trial.server.client());
    });
}

/// Longer than a client is waited for that may be gone.
const LATE: &str = "/sleep?n=500";

fn half_closed_and_given_up(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = one_place(setup);
        let trial = Trial::new(row, &server, setup);
        for path in [LATE, "/spin"] {
            let mut client = server.client();
            client.send(&request("GET", path, b""));
            client.half_close();
            client.assert_closed();
            trial.told(path);
            trial.next_is_right(&mut server.client());
        }
    });
}

/// One place, and a server that waits for those who read on.
#[track_caller]
fn patient(setup: Setup, timeout: &str) -> Server {
    let places = ["--max-in-flight", "1", "--queue-wait", "5s"];
    setup.start(&[&places[..], &["--half-close", "--timeout", timeout]].concat())
}

fn half_closed_and_answered_late(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = patient(setup, "1m");
        let trial = Trial::new(row, &server, setup);
        for path in [LATE, "/half-closed-and-quick"] {
            let mut client = server.client();
            // The answers to both, although it is known after the second that no more
            // will come.
            client.send(&request("POST", path, b"one"));
            client.send(&request("POST", path, b"two"));
            client.half_close();
            for _ in 0..2 {
                let answer = client.answer();
                assert_eq!((answer.status, answer.label()), (200, None));
            }
            client.assert_closed();
            trial.told(path);
            trial.next_is_right(&mut server.client());
        }
    });
}

fn half_closed_too_early(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = patient(setup, "1m");
        let trial = Trial::new(row, &server, setup);
        let mut client = server.client();
        client.send(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf");
        client.half_close();
        // Long before the pause in the body is too long.
        trial.told("/early");
        trial.next_is_right(&mut server.client());
    });
}

fn half_closed_and_reset(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = patient(setup, "1m");
        let trial = Trial::new(row, &server, setup);
        for path in ["/sleep?n=60000", "/spin"] {
            let mut client = server.client();
            client.send(&request("GET", "/count", b""));
            client.send(&request("GET", path, b""));
            client.half_close();
            // An answer that it has and has not read: the system then resets the
            // connection of a client that ends.
            let came = client.stream.get_ref().peek(&mut [0]);
            assert_eq!(came.expect("an answer"), 1);
            thread::sleep(Duration::from_millis(200));
            drop(client);
            trial.told(path);
            trial.next_is_right(&mut server.client());
        }
    });
}

fn half_closed_and_gone(row: &Row) {
    each(&EVERYWHERE, |setup| {
        let server = patient(setup, "700ms");
        let trial = Trial::new(row, &server, setup);
        let mut client = server.client();
        client.send(&request("GET", "/spin", b""));
        drop(client);
        trial.told("/spin");
        trial.next_is_right(&mut server.client());
    });
}
