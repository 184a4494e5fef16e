//! The memory check: good handlers hold, and each bad one fails for its own
//! evidence, unless an image heals it.

mod support;

use lavandula_host::build::Target;
use lavandula_host::check::{CheckError, Culprit, Kind, Plan, Region, Report, Shape, Verdict};
use lavandula_host::{Door, Host, Isolation};
use support::{component, component_for, component_with, host, root};

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

/// With the sample handlers and one that does many things.
const SAMPLES: [(&str, &str, &str); 3] = [
    (
        "examples/json-api",
        "/filter?browser=firefox",
        "data/marked.json",
    ),
    ("examples/markdown", "/render", "data/marked.md"),
    (support::FAULTY, "/describe?q={{marker}}", "src/lib.rs"),
];

#[tokio::test]
async fn the_samples_hold_by_both_doors_and_for_both_targets() {
    for (folder, path, file) in SAMPLES {
        for target in [Target::Wasip2, Target::Unknown] {
            let component = component_for(folder, target);
            for door in [Door::Fast, Door::WasiHttp] {
                let host = Host::builder().door(door).load(&component).unwrap();
                let plan = Plan::new().requests(60).shape(document(folder, path, file));
                let report = check(&host, &plan).await;
                assert_eq!(report.requests, 60);
                assert_eq!(report.door, door);
                report.assert_holds();
                // That it holds because nothing was claimed is not enough.
                let identity = &report.evidence(Kind::Identity).unwrap().detail;
                assert!(identity.starts_with("60 rewinds put back all"), "{report}");
            }
        }
    }
}

#[tokio::test]
async fn the_samples_hold_with_an_instance_for_each_request() {
    for (folder, path, file) in SAMPLES {
        let host = host(folder);
        let plan = Plan::new()
            .requests(40)
            .isolation(Isolation::Instance)
            .shape(document(folder, path, file));
        let report = check(&host, &plan).await;
        assert_eq!(report.isolation, Isolation::Instance);
        report.assert_holds();
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

fn guest(name: &str) -> String {
    format!("tests/guests/{name}")
}

/// The same handler, with `InvocationHeap`.
fn healed(name: &str) -> Host {
    let component = component_with(&guest(name), None, &["invocation-heap"]);
    Host::builder().load(component).unwrap()
}

/// Checks a bad guest with several seeds, and that what it breaks is this and
/// nothing else.
async fn breaks_only(name: &str, kind: Kind) -> Report {
    let host = host(&guest(name));
    let mut last = None;
    for seed in [1, 2] {
        let report = check(&host, &Plan::new().requests(100).seed(seed)).await;
        let broken: Vec<_> = report.broken().collect();
        assert_eq!(broken, [kind], "seed {seed}\n{report}");
        assert_eq!(report.verdict, Verdict::Broken);
        last = Some(report);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_leak_moves_what_comes_after_it() {
    let report = breaks_only("leaky", Kind::Addresses).await;
    let detail = &report.evidence(Kind::Addresses).unwrap().detail;
    assert!(detail.contains("0x"), "it says where: {detail}");
}

#[tokio::test]
async fn a_lie_does_not_agree_with_what_was_seen() {
    let report = breaks_only("lying", Kind::Claims).await;
    let detail = &report.evidence(Kind::Claims).unwrap().detail;
    assert!(detail.contains("the peak is"), "{detail}");
}

#[tokio::test]
async fn growth_after_the_warm_up_is_seen() {
    let report = breaks_only("growing", Kind::Size).await;
    let detail = &report.evidence(Kind::Size).unwrap().detail;
    assert!(detail.contains("growths in all"), "{detail}");
}

#[tokio::test]
async fn what_is_kept_in_a_static_is_found() {
    let report = breaks_only("hoarding", Kind::Content).await;
    // What the report says of a component that puts no statics back.
    let identity = &report.evidence(Kind::Identity).unwrap().detail;
    assert!(
        identity.contains("statics stay as requests leave them"),
        "{identity}"
    );
}

#[tokio::test]
async fn what_is_freed_and_not_overwritten_is_found() {
    breaks_only("forgetful", Kind::Content).await;
}

#[tokio::test]
async fn a_byte_that_a_rewind_does_not_put_back_is_found() {
    let report = breaks_only("counting", Kind::Identity).await;
    let detail = &report.evidence(Kind::Identity).unwrap().detail;
    assert!(
        detail.starts_with("after request 1 ") && detail.contains("one byte was not as"),
        "{detail}"
    );
    assert!(
        detail.ends_with("there was 0x00, and now there is 0x01; so after 100 of 100"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_pointer_to_what_was_taken_back_is_found() {
    let report = breaks_only("dangling", Kind::Pointers).await;
    let detail = &report.evidence(Kind::Pointers).unwrap().detail;
    assert!(
        detail.starts_with("after request 1 ") && detail.contains("the word at 0x"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_hoard_that_has_room_from_the_start_is_seen_by_its_pages() {
    let report = breaks_only("marching", Kind::Footprint).await;
    let culprit = culprit(&report, Kind::Footprint);
    assert!(culprit.place.is_some() && culprit.written_by.is_some());
}

#[tokio::test]
async fn what_is_left_on_the_stack_is_found_there() {
    let report = breaks_only("untidy", Kind::Content).await;
    let culprit = culprit(&report, Kind::Content);
    assert_eq!(culprit.written_by, Some(1));
    let place = culprit.place.expect("a place");
    assert_eq!(place.region, Region::Stack, "{place:?}");
}

#[tokio::test]
async fn an_answer_with_what_the_last_request_had_is_found() {
    let report = breaks_only("repeating", Kind::Content).await;
    let culprit = culprit(&report, Kind::Content);
    assert_eq!((culprit.written_by, culprit.owed_by), (Some(1), Some(2)));
    assert_eq!(culprit.requests, [1, 2]);
}

#[tokio::test]
async fn a_resource_of_the_host_that_stays_is_seen() {
    let report = breaks_only("clinging", Kind::Resources).await;
    let detail = &report.evidence(Kind::Resources).unwrap().detail;
    assert!(
        detail.ends_with("so 100 times in 100 requests, and 200 after the last of them"),
        "{detail}"
    );
}

fn culprit(report: &Report, kind: Kind) -> Culprit {
    let evidence = report.evidence(kind).expect("every kind is there");
    evidence.culprit.clone().expect("it does not hold")
}

/// Each of them shows what it is blamed for in a run of those requests that its report
/// names, and of no others.
#[tokio::test]
async fn what_is_found_shows_again_in_the_requests_that_are_named() {
    for (name, kind) in [
        ("leaky", Kind::Addresses),
        ("lying", Kind::Claims),
        ("growing", Kind::Size),
        ("hoarding", Kind::Content),
        ("forgetful", Kind::Content),
        ("counting", Kind::Identity),
        ("dangling", Kind::Pointers),
        ("untidy", Kind::Content),
        ("repeating", Kind::Content),
        ("clinging", Kind::Resources),
    ] {
        let host = host(&guest(name));
        let plan = Plan::new().requests(100).seed(3);
        let report = check(&host, &plan).await;
        let requests = culprit(&report, kind).requests;
        assert!(!requests.is_empty() && requests.len() <= 2, "{requests:?}");
        let again = check(&host, &plan.only(requests)).await;
        assert!(again.broken().eq([kind]), "{name}\n{again}");
    }
}

/// A good handler without an image, too.
#[tokio::test]
async fn a_number_that_looks_like_a_pointer_is_none() {
    for seed in [1, 2] {
        let plan = Plan::new().requests(60).seed(seed);
        let report = check(&host(&guest("numbering")), &plan).await;
        report.assert_holds();
        let detail = &report.evidence(Kind::Pointers).unwrap().detail;
        assert!(
            detail.ends_with("stayed the same where the arena was elsewhere)"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn with_an_image_the_same_faults_are_put_back() {
    for name in ["leaky", "hoarding", "dangling"] {
        let host = healed(name);
        for seed in [1, 2] {
            let plan = Plan::new().requests(60).seed(seed);
            check(&host, &plan).await.assert_holds();
        }
    }
}

#[tokio::test]
async fn what_pointed_into_the_arena_before_it_was_put_back_is_advice() {
    let report = check(&healed("dangling"), &Plan::new().requests(40)).await;
    let pointers = report.evidence(Kind::Pointers).unwrap();
    assert!(pointers.holds);
    assert!(
        pointers.detail.contains("; before, the one at 0x"),
        "{report}"
    );
    let report = check(&healed("hoarding"), &Plan::new().requests(40)).await;
    let pointers = report.evidence(Kind::Pointers).unwrap();
    assert!(
        pointers.detail.ends_with("before, none did either"),
        "{report}"
    );
}

/// What a guest leaves for the next request is gone with its instance. A lie is one
/// also in the first request.
#[tokio::test]
async fn an_instance_for_each_request_heals_what_a_guest_leaves_behind() {
    let plan = || Plan::new().requests(40).isolation(Isolation::Instance);
    for name in [
        "leaky",
        "growing",
        "hoarding",
        "forgetful",
        "counting",
        "dangling",
    ] {
        check(&host(&guest(name)), &plan()).await.assert_holds();
    }
    let report = check(&host(&guest("lying")), &plan()).await;
    assert!(report.broken().eq([Kind::Claims]), "{report}");
}

#[tokio::test]
async fn a_request_that_fails_ends_the_check_and_is_named() {
    let host = host(support::FAULTY);
    let shape = Shape::new("GET", "/trap", Vec::new(), Vec::new()).unwrap();
    let report = check(&host, &Plan::new().shape(shape).given_only()).await;
    assert!(!report.holds());
    let answers = report.evidence(Kind::Answers).unwrap();
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
