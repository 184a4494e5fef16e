//! What was counted, as a scrape finds it.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use super::*;
use crate::concurrency::Concurrency;
use crate::config::Limits;
use crate::engine;
use crate::failure::Failure;
use crate::figures::ArenaUse;
use crate::limits::MemoryUse;
use crate::sandbox::Retirement;
use crate::testing::thread_time;

const KIB: usize = 1024;

/// A request as the sample handler has them.
fn typical() -> Told<'static> {
    Told {
        status: 200,
        failure: None,
        duration: Duration::from_nanos(14_200),
        queue_wait: Some(Duration::ZERO),
        instantiate: Some(Duration::from_nanos(3_100)),
        guest: Some(Duration::from_nanos(5_300)),
        memory: MemoryUse {
            initial: 1024 * KIB,
            peak: 1088 * KIB,
            current: 1088 * KIB,
            grows: 1,
            denied: 0,
        },
        arena: Some(ArenaUse {
            peak: 3_000,
            committed: 65_536,
        }),
        request_body: 512,
        response_body: 2_000,
    }
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line} in {text}");
    }
}

#[test]
fn a_request_is_in_every_series_that_it_is_about() {
    let metrics = Metrics::new();
    metrics.shard().request(&typical());
    metrics.shard().tidied(Duration::from_nanos(2_400));
    assert_lines(
        &metrics.encode(),
        &[
            "lavandula_requests_total{status=\"200\",outcome=\"ok\"} 1",
            "lavandula_request_duration_seconds_bucket{le=\"0.00001\"} 0",
            "lavandula_request_duration_seconds_bucket{le=\"0.00002\"} 1",
            "lavandula_request_duration_seconds_bucket{le=\"+Inf\"} 1",
            "lavandula_request_duration_seconds_count 1",
            "lavandula_queue_wait_seconds_count 1",
            "lavandula_instantiate_duration_seconds_count 1",
            "lavandula_guest_duration_seconds_count 1",
            "lavandula_teardown_duration_seconds_count 1",
            "lavandula_guest_memory_bytes_bucket{le=\"1048576.0\",stat=\"initial\"} 1",
            "lavandula_guest_memory_bytes_bucket{le=\"1048576.0\",stat=\"peak\"} 0",
            "lavandula_guest_memory_bytes_sum{stat=\"peak\"} 1114112.0",
            "lavandula_arena_bytes_sum{stat=\"used\"} 3000.0",
            "lavandula_arena_bytes_sum{stat=\"committed\"} 65536.0",
            "lavandula_guest_memory_grows_total 1",
            "lavandula_guest_memory_denied_total 0",
            "lavandula_request_body_bytes_sum 512.0",
            "lavandula_response_body_bytes_sum 2000.0",
        ],
    );
}

#[test]
fn a_request_without_an_instance_tells_nothing_of_one() {
    let metrics = Metrics::new();
    metrics.shard().request(&Told {
        status: 503,
        failure: Some(&Failure::Overload),
        ..Told::default()
    });
    assert_lines(
        &metrics.encode(),
        &[
            "lavandula_requests_total{status=\"503\",outcome=\"overload\"} 1",
            "lavandula_request_duration_seconds_count 1",
            "lavandula_queue_wait_seconds_count 0",
            "lavandula_guest_duration_seconds_count 0",
            "lavandula_guest_memory_bytes_count{stat=\"peak\"} 0",
            "lavandula_arena_bytes_count{stat=\"used\"} 0",
        ],
    );
}

#[test]
fn failures_are_told_apart() {
    let metrics = Metrics::new();
    let shard = metrics.shard();
    let limit = Duration::from_secs(1);
    for (status, failure) in [
        (500, Failure::Trap(wasmtime::Trap::StackOverflow.into())),
        (504, Failure::Deadline { limit }),
        // The status was out before the time was up.
        (200, Failure::Deadline { limit }),
    ] {
        shard.request(&Told {
            status,
            failure: Some(&failure),
            ..Told::default()
        });
    }
    assert_lines(
        &metrics.encode(),
        &[
            "lavandula_requests_total{status=\"500\",outcome=\"trap\"} 1",
            "lavandula_requests_total{status=\"504\",outcome=\"deadline\"} 1",
            "lavandula_requests_total{status=\"200\",outcome=\"deadline\"} 1",
            "lavandula_guest_traps_total{kind=\"stack_overflow\"} 1",
            "lavandula_guest_traps_total{kind=\"unreachable\"} 0",
            "lavandula_guest_timeouts_total 2",
        ],
    );
}

#[test]
fn a_status_that_http_does_not_know_is_counted_all_the_same() {
    let metrics = Metrics::new();
    for status in [0, 99, 600, u16::MAX] {
        metrics.shard().request(&Told {
            status,
            ..Told::default()
        });
    }
    let line = "lavandula_requests_total{status=\"0\",outcome=\"ok\"} 4";
    assert_lines(&metrics.encode(), &[line]);
}

#[test]
fn instances_and_connections_are_counted() {
    let metrics = Metrics::new();
    let shard = metrics.shard();
    for counter in [
        Counter::Created,
        Counter::Created,
        Counter::Rewound,
        Counter::ReadyMiss,
        Counter::Connection,
        Counter::AcceptFailed,
    ] {
        shard.count(counter);
    }
    shard.retired(&Retirement::Failed);
    assert_lines(
        &metrics.encode(),
        &[
            "lavandula_instances_created_total 2",
            "lavandula_rewinds_total 1",
            "lavandula_ready_misses_total 1",
            "lavandula_connections_total 1",
            "lavandula_accept_failures_total 1",
            "lavandula_instances_retired_total{reason=\"failed\"} 1",
            "lavandula_instances_retired_total{reason=\"served\"} 0",
        ],
    );
}

#[test]
fn a_gauge_is_up_for_as_long_as_it_is_held() {
    let metrics = Metrics::new();
    let held = [
        metrics.shard().hold(Gauge::InFlight),
        metrics.shard().hold(Gauge::InFlight),
    ];
    metrics.shard().shift(Gauge::Ready, 3);
    let during = metrics.encode();
    drop(held);
    let after = metrics.encode();
    assert_lines(
        &during,
        &[
            "lavandula_requests_in_flight 2",
            "lavandula_ready_instances 3",
            "lavandula_queue_depth 0",
        ],
    );
    assert_lines(&after, &["lavandula_requests_in_flight 0"]);
}

#[test]
fn what_goes_up_on_one_thread_may_come_down_on_another() {
    let metrics = Metrics::new();
    let shard = metrics.shard();
    shard.shift(Gauge::Connections, 2);
    thread::scope(|scope| {
        scope.spawn(|| metrics.shard().shift(Gauge::Connections, -1));
    });
    let line = "lavandula_connections_open 1";
    assert_lines(&metrics.encode(), &[line]);
}

#[test]
fn nothing_is_lost_where_threads_share_a_shard() {
    const THREADS: u64 = 4;
    const EACH: u64 = 100_000;
    let metrics = Metrics::new();
    let shard = metrics.shard();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..EACH).for_each(|_| shard.request(&typical())));
        }
    });
    let all = THREADS * EACH;
    let text = metrics.encode();
    for line in [
        format!("lavandula_requests_total{{status=\"200\",outcome=\"ok\"}} {all}"),
        format!("lavandula_request_duration_seconds_count {all}"),
        format!("lavandula_guest_memory_grows_total {all}"),
    ] {
        assert_lines(&text, &[&line]);
    }
}

#[test]
fn more_threads_than_shards_are_counted_as_well() {
    let threads = SHARDS + 8;
    let metrics = Metrics::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| metrics.shard().count(Counter::Connection));
        }
    });
    let line = format!("lavandula_connections_total {threads}");
    assert_lines(&metrics.encode(), &[&line]);
}

#[test]
fn two_hosts_count_apart() {
    let (one, two) = (Metrics::new(), Metrics::new());
    one.shard().count(Counter::Created);
    assert_lines(&two.encode(), &["lavandula_instances_created_total 0"]);
}

#[test]
fn the_pool_is_told_as_it_is() {
    let engine = engine::production(&Limits::default(), Concurrency::Off).expect("an engine");
    let metrics = Metrics::new();
    assert!(!metrics.encode().contains("lavandula_pool_slots"));
    metrics.tell_of(&engine);
    assert_lines(
        &metrics.encode(),
        &[
            "lavandula_pool_slots{kind=\"component_instances\",state=\"used\"} 0",
            "lavandula_pool_slots{kind=\"memories\",state=\"warm\"} 0",
            "lavandula_pool_resident_bytes{kind=\"memories\"} 0",
        ],
    );
}

/// What OpenMetrics asks of the whole text, as far as scrapers stumble over it.
#[test]
fn the_text_is_openmetrics() {
    let metrics = Metrics::new();
    metrics.tell_of(&engine::production(&Limits::default(), Concurrency::Off).expect("an engine"));
    metrics.shard().request(&typical());
    let text = metrics.encode();
    assert!(text.ends_with("# EOF\n"), "{text}");

    let mut families = std::collections::HashSet::new();
    let mut family = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(name.starts_with("lavandula_"), "{line}");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            assert!(kind != "unknown", "{line}");
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').expect("a name and a unit");
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            let (_, help) = rest.split_once(' ').expect("a name and a sentence");
            assert!(help.ends_with('.'), "{line}");
        } else {
            // A sample belongs to the family above it.
            assert!(line.starts_with(&family), "{line} under {family}");
            let (_, value) = line.rsplit_once(' ').expect("a name and a value");
            value.parse::<f64>().expect("a number");
        }
    }
}

/// What a request costs to count, in processor time, and whether threads get in
/// each other's way.
///
/// `cargo test --release -p lavandula-host --lib -- --ignored --nocapture what_counting_costs`
#[test]
#[ignore = "it measures"]
fn what_counting_costs() {
    const REQUESTS: u32 = 2_000_000;
    let metrics = Metrics::new();
    let measure = || {
        let told = typical();
        let began = thread_time();
        for _ in 0..REQUESTS {
            let shard = metrics.shard();
            let held = shard.hold(Gauge::InFlight);
            shard.request(black_box(&told));
            drop(held);
        }
        (thread_time() - began) / REQUESTS
    };
    let best = || (0..5).map(|_| measure()).min().unwrap_or_default();
    let alone = best();
    let together = thread::scope(|scope| {
        let other = scope.spawn(best);
        let this = best();
        this.max(other.join().expect("no panic"))
    });
    println!("a request: {alone:?} on one thread, {together:?} on each of two");
}
