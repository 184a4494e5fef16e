//! Bodies that are on their way while the handler runs, and what can go wrong then:
//! once the head is gone a failure can only be told by ending too early.

use std::thread;
use std::time::{Duration, Instant};

use super::drive::{Trial, asking, assert_about, on, wait_until};
use super::servers::{BY_ITSELF, TIMEOUT};
use super::support::http::{Extent, request};
use super::table::Gets::{Answer, Part, Words};
use super::table::Row;
use super::table::Told::Outcome;

faults! {
    "Bodies on their way"

    a_piece_is_sent_when_it_is_there: "None: the handler pauses between the pieces of its answer"
        => Words("each piece when it is there"),
        [Outcome("ok")],
        pieces_come_one_by_one;
    a_piece_is_read_when_it_is_there: "None: the client waits for each piece to come back before \
        it sends the next"
        => Words("each piece, and the end after the last"),
        [Outcome("ok")],
        pieces_are_echoed_one_by_one;
    a_late_head: "None: the handler answers late, and within the timeout"
        => Answer(200), [Outcome("ok")],
        |row| asking(row, &BY_ITSELF, &["/slow-head?pause=200"]);
    a_trap_after_the_head: "The handler traps in the middle of its answer"
        => Part(200), [Outcome("trap")],
        |row| asking(row, &BY_ITSELF, &["/partial-trap"]);
    a_loop_after_the_head: "The handler does not come to the end of its answer within the timeout"
        => Part(200), [Outcome("deadline")],
        |row| {
            let began = Instant::now();
            asking(row, &BY_ITSELF, &["/partial-spin"]);
            assert_about(began.elapsed(), TIMEOUT);
        };
    a_wait_after_the_head: "The same, where it waits"
        => Part(200), [Outcome("deadline")],
        |row| asking(row, &BY_ITSELF, &["/stream?pieces=1000&pause=50"]);
    a_body_that_is_dropped_on_its_way: "The handler drops the body of its answer when a part of it \
        was sent"
        => Part(200), [Outcome("bad_response")],
        |row| asking(row, &BY_ITSELF, &["/partial-drop"]);
    an_endless_answer: "The handler writes without end"
        => Words("200, as many bytes as `--max-response` says at most, and no end of it"),
        [Outcome("bad_response")],
        an_endless_answer_is_cut_at_the_limit;
    a_client_that_leaves_a_stream: "The client goes away in the middle of an answer"
        => Words("-"), [Outcome("client_gone")],
        the_handler_ends_with_its_client;
    a_client_that_takes_nothing: "The client reads nothing of an endless answer"
        => Words("a part of the answer: the handler waits, and the timeout ends it"),
        [Outcome("deadline")],
        a_client_that_takes_nothing_holds_a_place_until_the_deadline;
}

fn pieces_come_one_by_one(row: &Row) {
    const PAUSE: Duration = Duration::from_millis(100);
    on(row, &BY_ITSELF, |trial| {
        let mut client = trial.server.client();
        let began = Instant::now();
        client.send(&request("GET", "/stream?pieces=3&pause=100", b""));
        let head = client.head();
        assert_eq!(head.status, 200);
        assert!(began.elapsed() < PAUSE * 2, "the head waits for the body");
        for number in 0..3 {
            let piece = client.chunk().expect("a piece");
            let piece = String::from_utf8_lossy(&piece).into_owned();
            assert_eq!(piece, format!("piece {number}\n"));
            let due = PAUSE * (number + 1);
            let took = began.elapsed();
            assert!(
                took >= due && took < due + PAUSE * 3,
                "{took:?} for {due:?}"
            );
        }
        assert_eq!(client.chunk().as_deref(), Some(&b""[..]), "the end");
        trial.next_is_right(&mut client);
        trial.told("/stream");
    });
}

fn pieces_are_echoed_one_by_one(row: &Row) {
    on(row, &BY_ITSELF, |trial| {
        let mut client = trial.server.client();
        client.send(b"POST /echo-stream HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(client.head().status, 200);
        for word in ["one", "two", "three"] {
            client.send(format!("{:x}\r\n{word}\r\n", word.len()).as_bytes());
            let echoed = client.chunk().expect("a piece");
            assert_eq!(String::from_utf8_lossy(&echoed), word);
        }
        client.send(b"0\r\n\r\n");
        assert_eq!(client.chunk().as_deref(), Some(&b""[..]), "the end");
        trial.next_is_right(&mut client);
        trial.told("/echo-stream");
    });
}

fn an_endless_answer_is_cut_at_the_limit(row: &Row) {
    // More than a host may keep back in the hope of the whole.
    const LIMIT: usize = 512 << 10;
    let setup = BY_ITSELF[0];
    let server = setup.start(&["--max-response", "512KiB"]);
    let trial = Trial::new(row, &server, setup);
    let mut client = server.client();
    client.send(&request("GET", "/endless", b""));
    let (answer, extent) = client.answer_or_part();
    assert_eq!((answer.status, extent), (200, Extent::Part));
    assert!(!answer.body.is_empty() && answer.body.len() <= LIMIT);
    client.assert_closed();
    trial.next_is_right(&mut server.client());
    trial.told("/endless");
}

/// One place only, and a minute for each request: a handler that went on would show.
const ONE_PLACE: [&str; 8] = [
    "--max-in-flight",
    "1",
    "--queue-wait",
    "5s",
    "--timeout",
    "1m",
    "--max-response",
    "1GiB",
];

fn the_handler_ends_with_its_client(row: &Row) {
    let setup = BY_ITSELF[0];
    let server = setup.start(&ONE_PLACE);
    let trial = Trial::new(row, &server, setup);
    for path in ["/stream?pieces=1000&pause=50", "/endless", "/partial-spin"] {
        let mut client = server.client();
        client.send(&request("GET", path, b""));
        assert_eq!(client.head().status, 200);
        client.chunk().expect("a piece");
        drop(client);
        trial.next_is_right(&mut server.client());
        trial.told(path);
    }
}

fn a_client_that_takes_nothing_holds_a_place_until_the_deadline(row: &Row) {
    let setup = BY_ITSELF[0];
    let options = ["--timeout", "500ms", "--max-response", "1GiB"];
    let server = setup.start(&[&options[..], &["--keep-alive", "200ms"]].concat());
    let trial = Trial::new(row, &server, setup);
    let mut client = server.client();
    client.send(&request("GET", "/endless", b""));
    wait_until(
        || trial.log().contains("path=\"/endless\""),
        "the end of the request",
    );
    trial.told("/endless");
    // What is under way in sockets is still there, and no more than that.
    thread::sleep(Duration::from_millis(100));
    let (answer, extent) = client.answer_or_part();
    assert_eq!((answer.status, extent), (200, Extent::Part));
    trial.next_is_right(&mut server.client());
}
