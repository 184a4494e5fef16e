//! Handlers that do not come to an answer.

use std::time::Instant;

use super::drive::{asking, assert_about, on};
use super::servers::{BY_ITSELF, EVERYWHERE, Setup, TABLES, TIMEOUT};
use super::support::http::request;
use super::table::Gets::{Answer, Failure};
use super::table::Row;
use super::table::Then::Stays;
use super::table::Told::{Outcome, Retired, Words};

faults! {
    "Handlers that come to no answer"

    a_trap: "The handler panics"
        => Failure(500, "trap", Stays),
        [Outcome("trap"), Words("`unreachable` instruction executed"), Retired("failed")],
        a_panic;
    an_exit: "The handler ends its process"
        => Failure(500, "trap", Stays),
        [Outcome("trap"), Words("Exited with i32 exit status 0"), Retired("failed")],
        |row| asking(row, &EVERYWHERE, &["/exit"]);
    a_stack_overflow: "The handler calls itself until its stack is full"
        => Failure(500, "trap", Stays),
        [Outcome("trap"), Words("out of bounds memory access"), Retired("failed")],
        |row| asking(row, &EVERYWHERE, &["/overflow"]);
    a_loop: "The handler computes for longer than the timeout"
        => Failure(504, "deadline", Stays),
        [Outcome("deadline"), Retired("failed")],
        |row| timed(row, &EVERYWHERE, "/spin");
    a_sleep: "The handler waits for a clock for longer than the timeout"
        => Failure(504, "deadline", Stays),
        [Outcome("deadline"), Retired("failed")],
        |row| timed(row, &EVERYWHERE, "/sleep?n=60000");
    a_loop_that_could_answer: "The handler computes for longer than the timeout, its way to \
        answer in hand"
        => Failure(504, "deadline", Stays),
        [Outcome("deadline")],
        |row| timed(row, &BY_ITSELF, "/hold-and-spin");
    a_wait_that_could_answer: "The handler waits for longer than the timeout, its way to answer \
        in hand"
        => Failure(504, "deadline", Stays),
        [Outcome("deadline")],
        |row| timed(row, &BY_ITSELF, "/hold-and-wait");
    no_answer: "The handler returns without an answer"
        => Failure(502, "bad_response", Stays),
        [Outcome("bad_response")],
        |row| asking(row, &BY_ITSELF, &["/never"]);
    memory_that_is_denied: "The handler takes memory beyond the limit, and dies of it"
        => Failure(500, "out_of_memory", Stays),
        [Outcome("out_of_memory"), Retired("failed")],
        |row| asking(row, &EVERYWHERE, &["/hoard"]);
    a_denial_that_is_survived: "The handler takes memory beyond the limit, and gives its own \
        answer to that"
        => Answer(507),
        [Outcome("ok"), Retired("denied")],
        |row| asking(row, &EVERYWHERE, &["/fill"]);
    a_denial_and_then_a_trap: "The handler survives that memory is denied, and traps later"
        => Failure(500, "out_of_memory", Stays),
        [Outcome("out_of_memory"), Retired("failed")],
        |row| asking(row, &EVERYWHERE, &["/fill-then-trap"]);
    tables_without_end: "The handler grows its tables without end, and dies of it that they do not"
        => Failure(500, "trap", Stays),
        [Outcome("trap"), Words("raise the limit of table elements")],
        |row| asking(row, &TABLES, &["/tables"]);
    tables_that_are_asked_for_again: "The same, and it asks again and again"
        => Failure(504, "deadline", Stays),
        [Outcome("deadline")],
        |row| timed(row, &TABLES, "/tables-again");
    tables_that_are_denied: "The same, and it gives its own answer"
        => Answer(507),
        [Outcome("ok")],
        |row| asking(row, &TABLES, &["/tables-survived"]);
    handles_without_end: "The handler opens handles to resources of the host beyond the limit"
        => Failure(500, "trap", Stays),
        [Outcome("trap"), Words("raise the limit of handles"), Retired("failed")],
        |row| asking(row, &EVERYWHERE, &["/handles"]);
    handles_without_end_by_itself: "The same without the library"
        => Failure(500, "trap", Stays),
        [Outcome("trap"), Words("raise the limit of handles")],
        |row| asking(row, &BY_ITSELF, &["/handles"]);
    a_handle_that_stays_open: "The handler leaves a handle open"
        => Answer(200),
        [Outcome("ok"), Retired("resources")],
        |row| asking(row, &EVERYWHERE, &["/leak"]);
}

fn a_panic(row: &Row) {
    asking(row, &EVERYWHERE, &["/trap"]);
    // What clients are not told is in the log.
    for setup in EVERYWHERE {
        assert!(setup.shared().log().contains("asked to trap"), "{setup:?}");
    }
}

/// The end comes when the time is up, and not much later.
#[track_caller]
fn timed(row: &Row, setups: &[Setup], path: &str) {
    on(row, setups, |trial| {
        let mut client = trial.server.client();
        let began = Instant::now();
        client.send(&request("GET", path, b""));
        trial.meets(&mut client, path);
        assert_about(began.elapsed(), TIMEOUT);
    });
}
