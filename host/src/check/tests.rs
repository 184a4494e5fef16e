//! Whole checks of components that are a few lines long.

use std::time::Duration;

use super::*;
use crate::host::Host;
use crate::testing;

/// Overwrites what was put into its memory, and begins there with the next request.
const TIDY: &str = "
    (memory.fill (i32.const 65536) (i32.const 0) (i32.const 65536))
    (global.set $at (i32.const 65536))
    (call $answer (i32.const 200))";

fn plan(requests: u32) -> Plan {
    let shape = Shape::new("GET", "/?q={{marker}}", Vec::new(), Vec::new());
    let plan = Plan::new().shape(shape.expect("a request")).given_only();
    plan.requests(requests)
}

async fn check(component: &[u8], limits: Limits) -> Result<Report, CheckError> {
    let builder = Host::builder().limits(limits);
    let host = builder.load_bytes(component).expect("it loads");
    host.check(&plan(12)).await
}

#[tokio::test]
async fn a_component_that_cleans_up_by_itself_holds() {
    let report = check(&testing::handler(TIDY), Limits::default()).await;
    report.expect("a report").assert_holds();
}

#[tokio::test]
async fn what_stays_in_another_memory_of_the_component_is_found_there() {
    let body =
        format!("(memory.copy $hidden 0 (i32.const 512) (local.get 2) (local.get 3)) {TIDY}");
    let component = testing::handler_with_hidden_memory(&body);
    let report = check(&component, Limits::default()).await;
    let report = report.expect("a report");
    assert!(report.broken().eq([Kind::Content]), "{report}");
    let content = report.evidence(Kind::Content).expect("all are there");
    let place = content.culprit.as_ref().and_then(|it| it.place.as_ref());
    let place = place.expect("a place");
    // Behind `/?q=`.
    assert_eq!((place.memory, place.offset), (1, 512 + 4));
    assert_eq!(report.timeline.memories.len(), 2);
    assert!(
        report
            .timeline
            .columns
            .iter()
            .all(|it| it.ends_with("m.15"))
    );
}

#[tokio::test]
async fn a_component_that_never_answers_is_nothing_to_judge() {
    let limits = Limits {
        timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let endless = testing::handler("(loop $again (br $again)) (i32.const 0)");
    let error = check(&endless, limits).await.expect_err("no report");
    assert!(
        matches!(&error, CheckError::Silent { request, .. } if request.starts_with("GET /")),
        "{error}"
    );
    assert!(error.to_string().contains("within 200ms"), "{error}");
}

/// The second one of an instance traps: a new one is needed for each.
#[tokio::test]
async fn a_component_that_is_good_for_one_request_is_told_from_one_that_fails() {
    let body = format!(
        "(if (i32.load (i32.const 2048)) (then unreachable))
         (i32.store (i32.const 2048) (i32.const 1)) {TIDY}"
    );
    let report = check(&testing::handler(&body), Limits::default()).await;
    let report = report.expect("a report");
    assert!(report.broken().eq([Kind::Answers]), "{report}");
    let answers = &report.evidence(Kind::Answers).expect("it is there").detail;
    assert!(
        answers.ends_with("one request an instance (`--isolation instance`)"),
        "{answers}"
    );
    let ended = |row: &Row| row.ended == Ended::Trap;
    assert!(report.timeline.rows.iter().any(ended));

    let always = testing::handler("unreachable");
    let report = check(&always, Limits::default()).await.expect("a report");
    let answers = &report.evidence(Kind::Answers).expect("it is there").detail;
    assert!(
        answers.ends_with("; 8 requests failed in all, after which the run was ended"),
        "{answers}"
    );
    assert_eq!(report.requests, 0);
}

#[tokio::test]
async fn the_figures_are_what_was_seen() {
    // A page more in each request.
    let growing = format!("(drop (memory.grow (i32.const 1))) {TIDY}");
    let report = check(&testing::handler(&growing), Limits::default()).await;
    let report = report.expect("a report");
    assert!(report.broken().any(|kind| kind == Kind::Size), "{report}");
    let figures = &report.figures;
    let pages = |bytes: u64| bytes / (64 * 1024);
    assert_eq!(pages(figures.memory_initial), 2);
    assert_eq!(pages(figures.memory_peak), 2 + 12);
    // After a warm-up of five.
    assert_eq!(pages(figures.memory_grown), 7);
    assert_eq!(report.timeline.requests.len(), 12);
    let size = &report.evidence(Kind::Size).expect("it is there").detail;
    assert!(
        size.ends_with("7 growths in all, 65536 bytes a request"),
        "{size}"
    );
}

/// Requests a second with and without the audit, for the component that
/// `LAVANDULA_COMPONENT` names.
#[tokio::test]
#[ignore = "it measures"]
async fn what_the_audit_costs() {
    let Some(component) = std::env::var_os("LAVANDULA_COMPONENT") else {
        panic!("LAVANDULA_COMPONENT has to name a component");
    };
    let requests = 2_000;
    for isolation in [Isolation::Rewind(Reuse::default()), Isolation::Instance] {
        let host = Host::builder().isolation(isolation).load(&component);
        let host = host.expect("it loads");
        let plan = Plan::new().requests(requests).isolation(isolation);
        let mut traffic = Traffic::new(&plan);
        let began = std::time::Instant::now();
        for _ in 0..requests {
            let sent = traffic.next().expect("a request");
            assert!(host.request(sent.request).await.failure.is_none());
        }
        let without = began.elapsed();
        // What is done once: two engines, and freshness.
        let once = plan.clone().requests(32);
        let began = std::time::Instant::now();
        host.check(&once).await.expect("a report");
        let once = began.elapsed();
        let began = std::time::Instant::now();
        host.check(&plan).await.expect("a report").assert_holds();
        let with = began.elapsed().saturating_sub(once);
        let rate = |time: Duration| f64::from(requests) / time.as_secs_f64();
        println!(
            "isolation {}: {:.0} requests a second, audited {:.0}: {:.1} times as long; and {:.2} s once",
            report::name_of(isolation),
            rate(without),
            rate(with),
            with.as_secs_f64() / without.as_secs_f64(),
            once.as_secs_f64()
        );
    }
}
