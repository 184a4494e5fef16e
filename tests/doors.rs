//! One handler function, behind both doors, on both targets.

mod support;

use std::time::{Duration, Instant};

use http::Request;
use lavandula_host::build::Target;
use lavandula_host::{Door, Failure, Host, Outcome};
use support::{FAULTY, component_for, host, host_with};

/// Every way into every build of one handler.
#[track_caller]
fn all_ways(folder: &str) -> Vec<(String, Host)> {
    let mut ways = Vec::new();
    for target in [Target::Wasip2, Target::Unknown] {
        for door in [Door::Fast, Door::WasiHttp] {
            let component = component_for(folder, target);
            let host = Host::builder().door(door).load(component).unwrap();
            assert_eq!(host.door(), door);
            ways.push((format!("{door} door of {target}"), host));
        }
    }
    ways
}

async fn get(host: &Host, path: &str) -> Outcome {
    host.request(Request::get(path).body("").unwrap()).await
}

async fn post(host: &Host, path: &str, body: impl Into<Vec<u8>>) -> Outcome {
    let request = Request::post(path).body(body.into()).unwrap();
    host.request(request).await
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(outcome.response.body()).into_owned()
}

#[tokio::test]
async fn a_request_arrives_whole_by_every_door() {
    for (way, host) in all_ways(FAULTY) {
        let request = Request::builder()
            .method("PURGE")
            .uri("/describe?a=1&b=%20")
            .header("host", "example.org:8080")
            .header("X-Twice", "one")
            .header("x-twice", "two")
            .header("x-bytes", http::HeaderValue::from_bytes(b"\xff").unwrap())
            .body("twelve bytes")
            .unwrap();
        let outcome = host.request(request).await;
        assert_eq!(outcome.response.status(), 200, "{way}: {outcome:?}");
        assert_eq!(outcome.response.headers()["x-path"], "/describe");
        let described = text(&outcome);
        let mut lines: Vec<_> = described.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "PURGE /describe?a=1&b=%20",
                "authority: example.org:8080",
                "body: 12 bytes",
                "x-bytes: not UTF-8",
                "x-twice: one",
                "x-twice: two",
            ],
            "{way}"
        );
    }
}

#[tokio::test]
async fn bodies_of_every_size_come_back_as_they_went() {
    for (way, host) in all_ways(FAULTY) {
        for size in [
            0, 1, 7, 4_095, 4_096, 65_503, 65_504, 65_505, 300_000, 3_000_000,
        ] {
            let body: Vec<u8> = (0..size)
                .map(|i: u32| (i.wrapping_mul(31) >> 3) as u8)
                .collect();
            let outcome = post(&host, "/echo", body.clone()).await;
            assert_eq!(outcome.response.status(), 200, "{way}, {size}");
            assert!(outcome.response.body() == &body, "{way}, {size} bytes");
        }
    }
}

#[tokio::test]
async fn the_real_documents_get_the_same_answers_by_every_door() {
    for (folder, path, document) in [
        (
            "examples/json-api",
            "/filter?browser=firefox&since=100",
            "data/http-compat.json",
        ),
        (
            "examples/markdown",
            "/render?full=true",
            "data/tokio-changelog.md",
        ),
    ] {
        let document = std::fs::read(support::root().join(folder).join(document)).unwrap();
        let mut answers = Vec::new();
        for (way, host) in all_ways(folder) {
            let outcome = post(&host, path, document.clone()).await;
            assert_eq!(outcome.response.status(), 200, "{way}: {}", text(&outcome));
            assert!(outcome.response.body().len() > 10_000, "{way}");
            answers.push(text(&outcome));
        }
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{folder}"
        );
    }
}

#[tokio::test]
async fn every_request_has_a_fresh_instance() {
    for (way, host) in all_ways(FAULTY) {
        for _ in 0..10 {
            assert_eq!(text(&get(&host, "/count").await), "1", "{way}");
        }
    }
}

#[tokio::test]
async fn a_typical_request_grows_no_memory() {
    // The first block is a part of the module, and everything of a request lies
    // in it.
    for target in [Target::Wasip2, Target::Unknown] {
        let host = Host::builder().load(component_for(FAULTY, target)).unwrap();
        let memory = post(&host, "/echo", vec![b'x'; 2_000]).await.memory;
        assert_eq!(memory.grows, 0, "{target}: {memory:?}");
    }
}

#[tokio::test]
async fn each_way_to_fail_is_told_apart_and_the_next_request_is_served() {
    let limited = Host::builder()
        .max_memory(8 << 20)
        .timeout(Duration::from_millis(400));
    for door in [Door::Fast, Door::WasiHttp] {
        let host = host_with(limited.clone().door(door), FAULTY);
        for (path, status, label) in [
            ("/trap", 500, Some("trap")),
            ("/overflow", 500, Some("trap")),
            ("/hoard", 500, Some("out_of_memory")),
            ("/spin", 504, Some("deadline")),
            // The handler saw its arena's error, and answered.
            ("/fill", 507, None),
        ] {
            let outcome = get(&host, path).await;
            assert_eq!(outcome.response.status(), status, "{path} by {door}");
            let told = outcome.failure.as_ref().map(Failure::label);
            assert_eq!(told, label, "{path} by {door}");
            let next = post(&host, "/echo", "still here").await;
            assert_eq!(text(&next), "still here", "after {path} by {door}");
        }
    }
}

#[tokio::test]
async fn the_deadline_comes_in_time() {
    let host = host_with(Host::builder().timeout(Duration::from_millis(300)), FAULTY);
    let begun = Instant::now();
    assert_eq!(get(&host, "/spin").await.response.status(), 504);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn the_memory_limit_is_exact_and_reported() {
    let limit = 8 << 20;
    let host = host_with(Host::builder().max_memory(limit), FAULTY);
    let memory = get(&host, "/fill").await.memory;
    assert!(memory.denied >= 1, "{memory:?}");
    assert!(memory.peak <= limit, "{memory:?}");
    assert!(
        memory.peak + (2 << 20) > limit,
        "nearly all was given: {memory:?}"
    );
    assert!(memory.initial > 0 && memory.initial < memory.peak);
}

#[tokio::test]
async fn a_response_that_http_does_not_allow_never_reaches_a_client() {
    for door in [Door::Fast, Door::WasiHttp] {
        let host = host_with(Host::builder().door(door), FAULTY);
        for path in ["/status?n=42", "/status?n=999", "/header"] {
            let outcome = get(&host, path).await;
            let status = outcome.response.status().as_u16();
            // By the standard door the handler's side learns of it, and
            // answers 500 itself.
            assert!([500, 502].contains(&status), "{path} by {door}: {status}");
            assert!(!text(&outcome).contains("not a name"));
        }
    }
}

#[tokio::test]
async fn a_thousand_at_once_do_not_see_each_other() {
    let host = host(FAULTY);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..1_000_u32 {
        let host = host.clone();
        tasks.spawn(async move {
            let body = format!("request {n} ").repeat(50);
            loop {
                let outcome = post(&host, "/echo", body.clone()).await;
                // More at a time than there are slots is refused, and tried
                // again here as a client would.
                if !matches!(outcome.failure, Some(Failure::Overload)) {
                    assert_eq!(text(&outcome), body);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}
