//! Instances that are rewound and used again: what clients get, and what becomes
//! of an instance at the first doubt.

mod support;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use http::Request;
use lavandula_host::build::Target;
use lavandula_host::{Door, Failure, Host, HostBuilder, Isolation, Outcome, Reuse};
use support::{FAULTY, component, component_for, host_with};

const SLOW_START: &str = "tests/guests/slow-start";

fn rewinding() -> HostBuilder {
    with(Reuse::default())
}

fn with(reuse: Reuse) -> HostBuilder {
    Host::builder().isolation(Isolation::Rewind(reuse))
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

/// One of the host's counters.
#[track_caller]
fn counted(host: &Host, name: &str) -> u64 {
    let metrics = host.metrics();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    match line {
        Some(count) => count.parse().unwrap(),
        None => 0,
    }
}

fn created(host: &Host) -> u64 {
    counted(host, "lavandula_instances_created_total")
}

fn rewinds(host: &Host) -> u64 {
    counted(host, "lavandula_rewinds_total")
}

fn retired(host: &Host, reason: &str) -> u64 {
    let name = format!("lavandula_instances_retired_total{{reason=\"{reason}\"}}");
    counted(host, &name)
}

#[tokio::test]
async fn one_instance_answers_all_requests_and_remembers_none() {
    for target in [Target::Wasip2, Target::Unknown] {
        for door in [Door::Fast, Door::WasiHttp] {
            let component = component_for(FAULTY, target);
            let host = rewinding().door(door).load(component).unwrap();
            for number in 0..100 {
                // The guest counts in a static.
                assert_eq!(text(&get(&host, "/count").await), "1", "{door} of {target}");
                let body = format!("request {number} ").repeat(number * 100);
                let echo = post(&host, "/echo", body.clone()).await;
                assert_eq!(text(&echo), body, "{door} of {target}");
            }
            assert_eq!(
                (created(&host), rewinds(&host)),
                (1, 200),
                "{door} of {target}"
            );
        }
    }
}

#[tokio::test]
async fn memory_that_a_request_took_is_there_for_the_next() {
    for target in [Target::Wasip2, Target::Unknown] {
        let host = rewinding().load(component_for(FAULTY, target)).unwrap();
        let body = vec![b'x'; 700_000];
        let first = post(&host, "/echo", body.clone()).await.memory;
        assert!(first.grows > 0, "{target}: {first:?}");
        for _ in 0..20 {
            let next = post(&host, "/echo", body.clone()).await.memory;
            assert_eq!(next.grows, 0, "{target}: {next:?}");
            assert_eq!(next.current, first.current, "{target}");
        }
    }
}

#[tokio::test]
async fn a_failure_costs_the_instance_and_not_the_next_request() {
    for door in [Door::Fast, Door::WasiHttp] {
        let builder = rewinding()
            .max_memory(8 << 20)
            .timeout(Duration::from_millis(400))
            .door(door);
        let host = host_with(builder, FAULTY);
        for (path, status, label, reason) in [
            ("/trap", 500, Some("trap"), "failed"),
            ("/overflow", 500, Some("trap"), "failed"),
            ("/hoard", 500, Some("out_of_memory"), "failed"),
            ("/spin", 504, Some("deadline"), "failed"),
            // The handler saw its arena's error, and answered.
            ("/fill", 507, None, "denied"),
        ] {
            let before = retired(&host, reason);
            let outcome = get(&host, path).await;
            assert_eq!(outcome.response.status(), status, "{path} by {door}");
            let told = outcome.failure.as_ref().map(Failure::label);
            assert_eq!(told, label, "{path} by {door}");
            assert_eq!(retired(&host, reason), before + 1, "{path} by {door}");
            assert_eq!(
                text(&get(&host, "/count").await),
                "1",
                "after {path} by {door}"
            );
        }
        assert_eq!(retired(&host, "failed") + retired(&host, "denied"), 5);
    }
}

#[tokio::test]
async fn a_response_that_is_none_costs_the_instance() {
    let host = host_with(rewinding().door(Door::Fast), FAULTY);
    assert_eq!(get(&host, "/status?n=42").await.response.status(), 502);
    assert_eq!(retired(&host, "failed"), 1);
    assert_eq!(text(&get(&host, "/count").await), "1");
}

#[tokio::test]
async fn a_resource_that_was_left_behind_costs_the_instance() {
    for door in [Door::Fast, Door::WasiHttp] {
        let host = host_with(rewinding().door(door), FAULTY);
        assert_eq!(text(&get(&host, "/leak").await), "leaked");
        assert_eq!(retired(&host, "resources"), 1, "{door}");
        assert_eq!(text(&get(&host, "/count").await), "1", "{door}");
        assert_eq!((created(&host), rewinds(&host)), (2, 1), "{door}");
    }
}

#[tokio::test]
async fn standard_streams_may_be_opened_in_a_request_or_before() {
    // In the request: the guest closes them after it.
    let host = host_with(rewinding(), FAULTY);
    for _ in 0..5 {
        assert_eq!(text(&get(&host, "/print").await), "printed");
    }
    assert_eq!(
        (created(&host), rewinds(&host)),
        (1, 5),
        "{}",
        host.metrics()
    );
    // At initialisation: they stay.
    let host = host_with(rewinding(), SLOW_START);
    for _ in 0..5 {
        assert_eq!(text(&get(&host, "/").await), "ready: true");
    }
    assert_eq!(
        (created(&host), rewinds(&host)),
        (1, 5),
        "{}",
        host.metrics()
    );
}

#[tokio::test]
async fn memory_that_grew_too_far_is_given_back_with_the_instance() {
    let reuse = Reuse {
        memory: 4 << 20,
        ..Reuse::default()
    };
    let host = host_with(with(reuse), FAULTY);
    let outcome = get(&host, "/large?n=8000").await;
    assert_eq!(outcome.response.body().len(), 8_000 * 1024);
    assert_eq!(retired(&host, "memory"), 1);
    let next = get(&host, "/count").await;
    assert_eq!(text(&next), "1");
    assert!(next.memory.current < 4 << 20, "{:?}", next.memory);
}

#[tokio::test]
async fn an_instance_answers_no_more_requests_than_it_may() {
    let reuse = Reuse {
        requests: NonZeroU32::new(3).unwrap(),
        ..Reuse::default()
    };
    let host = host_with(with(reuse), FAULTY);
    for _ in 0..10 {
        assert_eq!(text(&get(&host, "/count").await), "1");
    }
    assert_eq!((created(&host), retired(&host, "served")), (4, 3));
}

#[tokio::test]
async fn a_component_without_an_image_is_refused_in_advance_and_served_afresh() {
    let host = host_with(rewinding(), "tests/guests/forgetful");
    let error = host.prepare(1).await.unwrap_err();
    assert!(error.to_string().contains("InvocationHeap"), "{error}");
    for _ in 0..3 {
        assert_eq!(text(&post(&host, "/", "echo").await), "echo");
    }
    assert_eq!((rewinds(&host), retired(&host, "no_image")), (0, 3));
}

#[tokio::test]
async fn requests_at_the_same_time_have_instances_of_their_own() {
    let host = host_with(rewinding(), FAULTY);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..400 {
        let host = host.clone();
        tasks.spawn(async move {
            let body = format!("request number {number}");
            loop {
                let outcome = post(&host, "/echo", body.clone()).await;
                if !matches!(outcome.failure, Some(Failure::Overload)) {
                    break assert_eq!(text(&outcome), body);
                }
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(rewinds(&host), 400);
    assert!(created(&host) <= 64, "{}", created(&host));
}

#[tokio::test]
async fn a_request_that_was_given_up_takes_its_instance_along() {
    let host = host_with(rewinding(), FAULTY);
    host.prepare(1).await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(60), get(&host, "/spin")).await;
    assert!(given_up.is_err());
    assert_eq!(text(&get(&host, "/count").await), "1");
    assert_eq!(created(&host), 2);
}

#[tokio::test]
async fn initialisation_is_done_before_the_request_where_instances_are_prepared() {
    let least = Duration::from_millis(300);
    let component = component(SLOW_START);
    for isolation in [Isolation::Instance, Isolation::Rewind(Reuse::default())] {
        let host = Host::builder().isolation(isolation);
        let host = host.load(&component).unwrap();
        host.prepare(2).await.unwrap();
        for _ in 0..2 {
            let begun = Instant::now();
            assert_eq!(text(&get(&host, "/").await), "ready: true");
            assert!(
                begun.elapsed() < least,
                "{isolation:?}: {:?}",
                begun.elapsed()
            );
        }
    }
    // Where nobody prepares, the first request waits for it.
    let host = rewinding().load(&component).unwrap();
    for first in [true, false] {
        let begun = Instant::now();
        assert_eq!(text(&get(&host, "/").await), "ready: true");
        assert_eq!(begun.elapsed() >= least, first, "{:?}", begun.elapsed());
    }
}
