//! The door of WASI 0.3: a component that another toolchain made, through the
//! library and through the real command.

mod support;

use std::io::Read;
use std::time::{Duration, Instant};

use http::Request;
use lavandula_host::build::Target;
use lavandula_host::{BadResponse, Door, Failure, Host, HostBuilder, Outcome};

use support::http::{Server, request};
use support::{component, component_for};

const SERVICE: &str = "tests/guests/service";

fn host() -> Host {
    host_with(Host::builder())
}

#[track_caller]
fn host_with(builder: HostBuilder) -> Host {
    support::host_with(builder, SERVICE)
}

async fn get(host: &Host, path: &str) -> Outcome {
    let request = Request::get(path).body("").expect("a request");
    host.request(request).await
}

#[track_caller]
fn assert_ok(outcome: &Outcome, body: &[u8]) {
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert_eq!(outcome.response.status(), 200);
    assert!(outcome.response.body() == body, "{:?}", outcome.response);
}

#[track_caller]
fn bad(outcome: Outcome) -> BadResponse {
    assert_eq!(outcome.response.status(), 502);
    match outcome.failure {
        Some(Failure::BadResponse(bad)) => bad,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_label(outcome: &Outcome, label: &str) {
    let found = outcome.failure.as_ref().map_or("ok", Failure::label);
    assert_eq!(found, label, "{:?}", outcome.failure);
}

// Answers.

#[tokio::test]
async fn a_body_comes_back_whole_whatever_its_size() {
    let host = host();
    assert_eq!(host.door(), Door::Service);
    for size in [0, 1, 1 << 10, 3 << 20] {
        let body: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[0]).collect();
        let request = Request::post("/echo").body(body.clone());
        let outcome = host.request(request.expect("a request")).await;
        assert_ok(&outcome, &body);
        assert_eq!(outcome.door, Door::Service);
    }
}

#[tokio::test]
async fn a_component_may_import_both_versions_of_wasi() {
    // The standard library of this target imports 0.2.
    let component = component_for(SERVICE, Target::Wasip2);
    let host = Host::builder().load(component).expect("it loads");
    assert_ok(&get(&host, "/slow").await, b"one two three");
}

#[tokio::test]
async fn a_body_that_is_written_slowly_arrives_whole() {
    assert_ok(&get(&host(), "/slow").await, b"one two three");
}

#[tokio::test]
async fn the_guest_sees_the_request_as_it_was_sent() {
    let request = Request::put("/describe?a=1&b=%20")
        .header("host", "example.test:81")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("connection", "x-hop")
        .body("abc");
    let outcome = host().request(request.expect("a request")).await;
    let body = String::from_utf8_lossy(outcome.response.body()).into_owned();
    for expected in [
        "Method::Put Some(\"/describe?a=1&b=%20\")\n",
        "Some(Scheme::Http) Some(\"example.test:81\")\n",
        "x-twice: 1\nx-twice: 2\n",
    ] {
        assert!(body.contains(expected), "no {expected:?} in {body}");
    }
    for forbidden in ["host:", "connection:"] {
        assert!(!body.contains(forbidden), "{forbidden} in {body}");
    }
}

#[tokio::test]
async fn a_request_that_names_no_host_is_for_this_machine() {
    let outcome = get(&host(), "/describe").await;
    let body = String::from_utf8_lossy(outcome.response.body()).into_owned();
    assert!(body.contains("Some(\"localhost\")"), "{body}");
}

#[tokio::test]
async fn every_request_has_an_instance_of_its_own() {
    let host = host();
    for _ in 0..20 {
        assert_ok(&get(&host, "/count").await, b"1");
    }
}

#[tokio::test]
async fn requests_run_at_the_same_time_and_give_their_slots_back() {
    let host = host_with(Host::builder().max_in_flight(4));
    for _ in 0..5 {
        let (a, b, c, d) = tokio::join!(
            get(&host, "/slow"),
            get(&host, "/slow"),
            get(&host, "/slow"),
            get(&host, "/slow")
        );
        for outcome in [a, b, c, d] {
            assert_ok(&outcome, b"one two three");
        }
    }
}

// Failures.

#[tokio::test]
async fn a_trap_is_a_trap_before_within_and_after_the_body() {
    let host = host();
    for path in ["/trap", "/trap-midway", "/trap-after"] {
        let outcome = get(&host, path).await;
        assert_label(&outcome, "trap");
        assert_eq!(outcome.response.status(), 500);
    }
}

#[tokio::test]
async fn the_deadline_holds_before_and_within_the_body() {
    let timeout = Duration::from_millis(200);
    let host = host_with(Host::builder().timeout(timeout));
    for path in ["/spin", "/spin-midway", "/hang"] {
        let began = Instant::now();
        let outcome = get(&host, path).await;
        let took = began.elapsed();
        assert_label(&outcome, "deadline");
        assert_eq!(outcome.response.status(), 504);
        assert!(took >= timeout && took < 10 * timeout, "{path}: {took:?}");
    }
}

#[tokio::test]
async fn a_loop_lets_other_requests_of_its_thread_run() {
    let host = host_with(Host::builder().timeout(Duration::from_millis(500)));
    let spinning = async {
        let outcome = get(&host, "/spin").await;
        (outcome, Instant::now())
    };
    let answering = async {
        let outcome = get(&host, "/count").await;
        (outcome, Instant::now())
    };
    let ((spun, late), (answered, early)) = tokio::join!(spinning, answering);
    assert_label(&spun, "deadline");
    assert_ok(&answered, b"1");
    assert!(early < late);
}

#[tokio::test]
async fn an_error_code_is_no_response() {
    let host = host();
    match bad(get(&host, "/error").await) {
        BadResponse::ErrorCode(code) => assert!(code.contains("asked to fail"), "{code}"),
        other => panic!("{other}"),
    }
    let midway = bad(get(&host, "/error-midway").await);
    assert!(matches!(midway, BadResponse::ErrorCode(_)), "{midway}");
}

#[tokio::test]
async fn a_content_length_has_to_be_true() {
    let host = host();
    assert_ok(&get(&host, "/length?5").await, b"hello");
    for declared in ["4", "6"] {
        let bad = bad(get(&host, &format!("/length?{declared}")).await);
        let sent = 5;
        let declared = declared.to_owned();
        assert_eq!(bad, BadResponse::Length { declared, sent });
    }
}

#[tokio::test]
async fn only_final_statuses_are_sent() {
    let host = host();
    assert_eq!(get(&host, "/status?n=299").await.response.status(), 299);
    let outcome = get(&host, "/status?n=101").await;
    assert_eq!(bad(outcome), BadResponse::Status(101));
}

#[tokio::test]
async fn bodies_and_headers_have_limits() {
    let limits = lavandula_host::Limits {
        max_response_body: 64 << 10,
        max_header_bytes: 8 << 10,
        ..Default::default()
    };
    let host = host_with(Host::builder().limits(limits));
    assert_ok(&get(&host, "/large?n=64").await, &[b'x'; 64 << 10]);
    let outcome = get(&host, "/large?n=65").await;
    assert_eq!(bad(outcome), BadResponse::BodyTooLarge(64 << 10));
    assert_label(&get(&host, "/headers?n=7").await, "ok");
    let outcome = get(&host, "/headers?n=9").await;
    assert_eq!(bad(outcome), BadResponse::HeadersTooLarge(8 << 10));
}

#[tokio::test]
async fn memory_and_handles_have_limits() {
    let limits = lavandula_host::Limits {
        max_memory: 8 << 20,
        max_handles: 100,
        ..Default::default()
    };
    let host = host_with(Host::builder().limits(limits));
    assert_label(&get(&host, "/hoard").await, "out_of_memory");
    let outcome = get(&host, "/handles").await;
    assert_label(&outcome, "trap");
    assert!(outcome.memory.peak < 8 << 20, "{:?}", outcome.memory);
    // And no slot is lost by it.
    assert_ok(&get(&host, "/count").await, b"1");
}

// Choices.

#[test]
fn a_door_that_it_does_not_have_cannot_be_forced() {
    let loaded = Host::builder().door(Door::Fast).load(component(SERVICE));
    let error = loaded.expect_err("it has one door");
    assert!(error.to_string().contains("lavandula:arena/handler"));
    let host = host_with(Host::builder().door(Door::Service));
    assert_eq!(host.door().to_string(), "wasi-http-0.3");
    assert_eq!("wasi-http-0.3".parse(), Ok(Door::Service));
}

// The command.

#[test]
fn the_command_serves_it_and_survives_what_it_does() {
    let options = ["--timeout", "300ms", "--max-memory", "8MiB"];
    let server = Server::start(SERVICE, &options);
    let mut client = server.client();
    assert!(server.log().contains("ready door=wasi-http-0.3 "));
    server.assert_serves();
    for (path, status, label) in [
        ("/trap", 500, "trap"),
        ("/trap-midway", 500, "trap"),
        ("/error-midway", 502, "bad_response"),
        ("/hoard", 500, "out_of_memory"),
        ("/spin", 504, "deadline"),
        ("/error", 502, "bad_response"),
    ] {
        let answer = client.get(path);
        let found = (answer.status, answer.label());
        assert_eq!(found, (status, Some(label)), "{path}: {}", server.log());
        let next = client.get("/count");
        assert_eq!((next.status, next.text()), (200, "1"), "after {path}");
    }
    // One whose head was told by then: it waits.
    let (path, label) = ("/hang", "deadline");
    let mut cut = server.client();
    cut.send(&request("GET", path, b""));
    let mut told = Vec::new();
    let _ = cut.stream.read_to_end(&mut told);
    assert!(told.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path}");
    assert!(!told.ends_with(b"0\r\n\r\n"), "{path} looks complete");
    let told = format!("path=\"{path}\" status=200 outcome=\"{label}\"");
    assert!(server.log().contains(&told), "{told} in {}", server.log());
    assert_eq!(server.client().get("/count").text(), "1", "after {path}");
    assert_eq!(client.get("/slow").text(), "one two three");
    assert!(server.log().contains("asked to fail"), "{}", server.log());
}
