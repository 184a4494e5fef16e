//! Answers that are none.

use super::drive::{asking, on};
use super::servers::{BY_ITSELF, EVERYWHERE, FAST, MAX_RESPONSE, STANDARD};
use super::support::http::request;
use super::table::Gets::{Answer, Failure};
use super::table::Then::Stays;
use super::table::Told::Outcome;
use super::table::{Gets, Row};

/// Whatever is wrong with an answer that is whole.
const BAD: Gets = Failure(502, "bad_response", Stays);

faults! {
    "Answers that cannot be sent"

    a_status_that_is_none: "The status is none of a final answer: 42, 101, 600, 1000 (fast door)"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &FAST, &STATUSES);
    a_status_that_is_not_final: "The status is 101 or 600 (standard door)"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &STANDARD, &["/status?n=101", "/status?n=600"]);
    a_status_that_the_interface_refuses: "The status is 42 or 1000 (standard door, where the \
        library learns of it)"
        => Answer(500), [Outcome("ok")],
        |row| asking(row, &STANDARD, &["/status?n=42", "/status?n=1000"]);
    a_refused_status_that_is_ignored: "The same, and the handler does not look"
        => Answer(200), [Outcome("ok")],
        |row| refused(row, &["/status?n=99", "/status?n=1000"]);
    a_header_that_is_none: "A header's name has a blank, or its value a line break (fast door)"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &FAST, &["/header", "/value"]);
    a_header_that_the_interface_refuses: "The same (standard door, where the library learns of it)"
        => Answer(500), [Outcome("ok")],
        |row| asking(row, &STANDARD, &["/header", "/value"]);
    a_refused_header_that_is_ignored: "The same, and the handler does not look: it goes without"
        => Answer(200), [Outcome("ok")],
        |row| refused(row, &["/field?kind=name", "/field?kind=value"]);
    a_header_of_the_connection: "The handler sets `connection` and `transfer-encoding` (fast \
        door): they are left out"
        => Answer(200), [Outcome("ok")],
        |row| asking(row, &FAST, &["/connection"]);
    a_header_of_the_connection_that_is_refused: "The same (standard door, where the library \
        learns of it)"
        => Answer(500), [Outcome("ok")],
        |row| asking(row, &STANDARD, &["/connection"]);
    a_header_of_the_connection_that_is_ignored: "The same, or `host`, and the handler does not \
        look: it goes without"
        => Answer(200), [Outcome("ok")],
        |row| refused(row, &[
            "/field?kind=connection",
            "/field?kind=transfer-encoding",
            "/field?kind=host",
        ]);
    headers_that_are_too_large: "The headers are larger than `--max-headers`"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &EVERYWHERE, &["/headers?n=65"]);
    a_length_that_is_not_the_bodys: "`content-length` is larger or smaller than the body"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &EVERYWHERE, &["/length?n=9", "/length?n=11"]);
    a_length_that_is_not_the_bodys_by_itself: "The same without the library"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &BY_ITSELF, &["/length?says=9&sends=10", "/length?says=11&sends=10"]);
    a_length_that_is_no_number: "`content-length` is no number (fast door)"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &FAST, &["/length?n=ten", "/length?n=-1"]);
    a_length_that_the_interface_refuses: "The same (standard door, where the library learns of it)"
        => Answer(500), [Outcome("ok")],
        |row| asking(row, &STANDARD, &["/length?n=ten", "/length?n=-1"]);
    a_body_that_is_too_large: "The body is larger than `--max-response`"
        => BAD, [Outcome("bad_response")],
        beyond_the_limit;
    a_body_that_is_dropped: "The body is dropped half-way, before anything was sent"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &BY_ITSELF, &["/drop"]);
    a_body_that_is_left_open: "The handler returns and its body has no end"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &BY_ITSELF, &["/leave-open"]);
    an_error_for_an_answer: "The handler answers with an error code of `wasi:http`"
        => BAD, [Outcome("bad_response")],
        |row| asking(row, &BY_ITSELF, &["/error-code"]);
    two_answers: "The handler answers twice"
        => Failure(500, "trap", Stays), [Outcome("trap")],
        |row| asking(row, &BY_ITSELF, &["/twice"]);
    a_trap_after_the_answer: "The handler answers in full without waiting, and traps then"
        => Failure(500, "trap", Stays), [Outcome("trap")],
        |row| asking(row, &BY_ITSELF, &["/trap-after"]);
}

const STATUSES: [&str; 4] = [
    "/status?n=42",
    "/status?n=101",
    "/status?n=600",
    "/status?n=1000",
];

fn beyond_the_limit(row: &Row) {
    asking(row, &EVERYWHERE, &["/large?n=65"]);
    on(row, &EVERYWHERE, |trial| {
        let answer = trial.server.client().get("/large?n=64");
        assert_eq!((answer.status, answer.body.len()), (200, MAX_RESPONSE));
    });
}

/// The handler was refused what it wanted, and nothing of it is in the answer.
#[track_caller]
fn refused(row: &Row, paths: &[&str]) {
    asking(row, &BY_ITSELF, paths);
    on(row, &BY_ITSELF, |trial| {
        for path in paths {
            let mut client = trial.server.client();
            client.send(&request("GET", path, b""));
            let answer = client.answer();
            assert_eq!(answer.text(), "refused", "{path}");
            for name in ["connection", "x-smuggled", "x-value", "host", "not a name"] {
                assert_eq!(answer.header(name), None, "{path}");
            }
        }
    });
}
