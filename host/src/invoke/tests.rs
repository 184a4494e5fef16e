//! The door of `wasi:http`: what a response has to go through.

use std::time::Duration;

use super::*;
use crate::config::Limits;
use crate::host::{Host, Outcome};
use crate::testing;

async fn ask_within(limits: Limits, body: &str) -> Outcome {
    let component = testing::wasi_handler(body);
    let host = Host::builder().limits(limits).load_bytes(&component);
    let request = Request::get("/path?query").body("");
    host.expect("it loads")
        .request(request.expect("a request"))
        .await
}

async fn ask(body: &str) -> Outcome {
    ask_within(Limits::default(), body).await
}

fn bad(outcome: Outcome) -> BadResponse {
    assert_eq!(outcome.response.status(), 502);
    match outcome.failure {
        Some(Failure::BadResponse(bad)) => bad,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_response_larger_than_any_buffer_arrives_whole() {
    for bytes in [0, 5, 4096, 3 << 20] {
        let body = format!("(call $respond (local.get $out) (i32.const {bytes}) (i32.const 1))");
        let outcome = ask(&body).await;
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        assert_eq!(outcome.response.status(), 200);
        assert_eq!(outcome.response.body().len(), bytes);
        assert!(outcome.response.body().iter().all(|byte| *byte == b'x'));
    }
}

#[tokio::test]
async fn a_response_that_was_never_set_is_missing() {
    assert_eq!(bad(ask("").await), BadResponse::Missing);
}

#[tokio::test]
async fn a_body_that_was_dropped_or_left_open_is_unfinished() {
    for finish in [0, 2] {
        let body = format!("(call $respond (local.get $out) (i32.const 9) (i32.const {finish}))");
        assert_eq!(bad(ask(&body).await), BadResponse::Unfinished);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_ends_the_guest_at_once() {
    let limits = Limits {
        max_response_body: 10_000,
        ..Limits::default()
    };
    let body = "
        (call $respond (local.get $out) (i32.const 20000) (i32.const 1))
        (loop $l (br $l))";
    let outcome = ask_within(limits, body).await;
    assert_eq!(bad(outcome), BadResponse::BodyTooLarge(10_000));
}

#[tokio::test]
async fn a_trap_after_the_response_is_a_trap() {
    let body = "
        (call $respond (local.get $out) (i32.const 9) (i32.const 1))
        unreachable";
    let outcome = ask(body).await;
    assert!(matches!(outcome.failure, Some(Failure::Trap(_))));
}

#[tokio::test]
async fn the_deadline_holds_in_this_door_too() {
    let limits = Limits {
        timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let outcome = ask_within(limits, "(loop $l (br $l))").await;
    assert_eq!(outcome.response.status(), 504);
}
