//! The memory check: good handlers hold, and each bad one fails for its own
//! evidence.

mod support;

use lavandula_host::build::Target;
use lavandula_host::check::{CheckError, Plan, Report, Shape, Verdict};
use lavandula_host::{Door, Host};
use support::{component, component_for, host, host_with, root};

async fn check(host: &Host, plan: &Plan) -> Report {
    match host.check(plan).await {
        Ok(report) => report,
        Err(error) => panic!("the check could not be made: {error}"),
    }
}

fn document(folder: &str, path: &str, file: &str) -> Shape {
    let body = std::fs::read(root().join(folder).join(file)).unwrap();
    Shape::new("POST", path, Vec::new(), body).unwrap()
}

#[tokio::test]
async fn the_samples_hold_by_both_doors() {
    let samples = [
        (
            "examples/json-api",
            "/filter?browser=firefox",
            "data/marked.json",
        ),
        ("examples/markdown", "/render", "data/marked.md"),
        (support::FAULTY, "/describe?q={{marker}}", "src/lib.rs"),
    ];
    for (folder, path, file) in samples {
        for door in [Door::Fast, Door::WasiHttp] {
            let host = host_with(Host::builder().door(door), folder);
            let plan = Plan::new()
                .requests(120)
                .shape(document(folder, path, file));
            let report = check(&host, &plan).await;
            assert_eq!(report.requests, 120);
            assert_eq!(report.door, door);
            report.assert_holds();
        }
    }
}

/// A frame that was left stays readable until something else is called, so the
/// rewind has to clear the stack. Without that this fails.
#[tokio::test]
async fn what_was_left_on_the_stack_is_cleared() {
    let shape = || Shape::new("GET", "/stack", Vec::new(), Vec::new()).unwrap();
    for target in [Target::Wasip2, Target::Unknown] {
        for door in [Door::Fast, Door::WasiHttp] {
            let component = component_for(support::FAULTY, target);
            let host = Host::builder().door(door).load(component).unwrap();
            let plan = Plan::new().requests(40).shape(shape()).given_only();
            check(&host, &plan).await.assert_holds();
        }
    }
}

/// Checks a bad guest with several seeds, and that what it breaks is this and
/// nothing else.
async fn breaks_only(guest: &str, evidence: &str) -> Report {
    let host = host(&format!("tests/guests/{guest}"));
    let mut last = None;
    for seed in [1, 2, 3] {
        let report = check(&host, &Plan::new().requests(160).seed(seed)).await;
        let broken: Vec<_> = report
            .evidence
            .iter()
            .filter(|evidence| !evidence.holds)
            .map(|evidence| evidence.name)
            .collect();
        assert_eq!(broken, [evidence], "seed {seed}\n{report}");
        assert_eq!(report.verdict, Verdict::Broken);
        last = Some(report);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_leak_moves_what_comes_after_it() {
    let report = breaks_only("leaky", "addresses").await;
    let detail = &report.evidence("addresses").unwrap().detail;
    assert!(detail.contains("0x"), "it says where: {detail}");
}

#[tokio::test]
async fn a_lie_does_not_agree_with_what_was_seen() {
    breaks_only("lying", "claims").await;
}

#[tokio::test]
async fn growth_after_the_warm_up_is_seen() {
    let report = breaks_only("growing", "size").await;
    let detail = &report.evidence("size").unwrap().detail;
    assert!(detail.contains("growths in all"), "{detail}");
}

#[tokio::test]
async fn what_is_kept_in_a_static_is_found() {
    breaks_only("hoarding", "content").await;
}

#[tokio::test]
async fn what_is_freed_and_not_overwritten_is_found() {
    breaks_only("forgetful", "content").await;
}

#[tokio::test]
async fn a_request_that_fails_ends_the_check_and_is_named() {
    let host = host(support::FAULTY);
    let shape = Shape::new("GET", "/trap", Vec::new(), Vec::new()).unwrap();
    let report = check(&host, &Plan::new().shape(shape).given_only()).await;
    assert!(!report.holds());
    let answers = report.evidence("answers").unwrap();
    assert!(
        !answers.holds && answers.detail.contains("/trap"),
        "{report}"
    );
    assert_eq!(report.requests, 0);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_report() {
    let host = host("examples/json-api");
    let plan = Plan::new().requests(50).seed(77);
    let report = check(&host, &plan).await;
    assert_eq!(report, check(&host, &plan).await);
    assert_eq!(report.seed, 77);
    let other = check(&host, &Plan::new().requests(50).seed(78)).await;
    assert_ne!(report.evidence, other.evidence);
}

#[tokio::test]
async fn too_few_requests_are_no_evidence() {
    let host = host("examples/json-api");
    let error = host.check(&Plan::new().requests(3)).await.unwrap_err();
    assert!(matches!(error, CheckError::TooFew { asked: 3, needed } if needed > 3));
}

#[tokio::test]
async fn a_component_without_a_door_cannot_be_checked() {
    let error = Host::builder().load(component(".")).unwrap_err();
    assert!(
        error.to_string().contains("exports no request handler"),
        "{error}"
    );
}
