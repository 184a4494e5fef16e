//! The memory check where requests overlap: good handlers hold, and each bad one fails
//! for its own evidence.

mod support;

use lavandula_host::check::{CheckError, Kind, Overlap, Plan, Report, Shape};
use lavandula_host::{Door, Host, Isolation};
use support::component_with;

/// Its arenas are of its own making.
const TANGLED: &str = "tests/guests/tangled";

/// Its arenas are lavandula's.
const OVERLAP: &str = "tests/guests/overlap";

/// A guest, in the form that these features of its crate make of it.
fn host(guest: &str, features: &[&'static str]) -> Host {
    let component = component_with(guest, None, features);
    Host::builder().load(component).expect("it loads")
}

async fn check(host: &Host, plan: &Plan) -> Report {
    match host.check(plan).await {
        Ok(report) => report,
        Err(error) => panic!("the check could not be made: {error}"),
    }
}

/// Sixteen at a time: of a few shapes, so that a run is short.
fn plan() -> Plan {
    let piece = format!("{{{{marker}}}} and {}; ", "a thousand letters ".repeat(50));
    let shape = |method: &str, body: String| {
        let body = body.into_bytes();
        Shape::new(method, "/echo?q={{marker}}", Vec::new(), body).expect("valid")
    };
    let shapes = [
        shape("GET", String::new()),
        shape("POST", "{{marker}}, no more".to_owned()),
        shape("PUT", piece.repeat(4)),
        // More than a block.
        shape("POST", piece.repeat(90)),
    ];
    let plan = Plan::new().shapes(&shapes).given_only().overlap(16);
    let requests = plan.least_requests();
    plan.requests(requests)
}

/// Requests at a time, and how many of them were in flight together.
#[track_caller]
fn at_once(report: &Report) -> (u32, u32) {
    let Overlap {
        at_a_time,
        in_flight,
        ..
    } = report.overlap.expect("they overlap");
    (at_a_time, in_flight)
}

/// What is blamed for this.
#[track_caller]
fn blamed(report: &Report, kind: Kind) -> Vec<u32> {
    let evidence = report.evidence(kind).expect("it is there");
    let culprit = evidence.culprit.as_ref().expect("it does not hold");
    culprit.requests.clone()
}

#[tokio::test]
async fn arenas_that_are_each_ones_own_hold() {
    let host = host(TANGLED, &[]);
    for seed in [1, 2] {
        let report = check(&host, &plan().seed(seed)).await;
        report.assert_holds();
        assert_eq!(at_once(&report), (16, 16));
    }
}

#[tokio::test]
async fn handlers_of_lavandula_hold_in_both_forms() {
    for (features, in_flight) in [(&[][..], 16), (&["heap"], 1)] {
        let report = check(&host(OVERLAP, features), &plan()).await;
        println!("{report}");
        report.assert_holds();
        assert_eq!(at_once(&report), (16, in_flight));
        let detail = &report.evidence(Kind::Overlap).expect("it is there").detail;
        assert_eq!(detail.contains("back-pressure"), in_flight == 1, "{detail}");
        // That it holds because nothing was compared is not enough.
        let identity = &report.evidence(Kind::Identity).expect("it is there").detail;
        assert_eq!(
            identity.contains("put back all"),
            in_flight == 1,
            "{report}"
        );
    }
}

/// Each of them breaks this and nothing else.
#[tokio::test]
async fn each_way_to_tangle_them_breaks_its_own_evidence() {
    for (feature, kinds) in [
        ("shared", &[Kind::Overlap][..]),
        // What is answered lies in memory that is another's by then.
        ("early", &[Kind::Answers, Kind::Content]),
        ("unscrubbed", &[Kind::Content]),
        ("crossing", &[Kind::Content]),
        ("lost", &[Kind::Size, Kind::Footprint]),
        ("held", &[Kind::Resources]),
        ("unnamed", &[Kind::Claims]),
    ] {
        let report = check(&host(TANGLED, &[feature]), &plan()).await;
        assert!(
            report.broken().eq(kinds.iter().copied()),
            "{feature}\n{report}"
        );
    }
}

#[tokio::test]
async fn those_that_ran_together_show_it_again() {
    for (feature, kind) in [("shared", Kind::Overlap), ("unscrubbed", Kind::Content)] {
        let host = host(TANGLED, &[feature]);
        let report = check(&host, &plan()).await;
        let blamed = blamed(&report, kind);
        assert_eq!(blamed, (1..=16).collect::<Vec<_>>());
        let again = check(&host, &plan().only(blamed)).await;
        assert!(again.broken().eq([kind]), "{feature}\n{again}");
        assert_eq!((again.requests, at_once(&again)), (16, (16, 16)));
    }
}

#[tokio::test]
async fn where_nothing_can_overlap_there_is_nothing_to_judge() {
    let error = support::host("examples/json-api").check(&plan()).await;
    assert!(
        matches!(error, Err(CheckError::OneByOne { door: Door::Fast })),
        "{error:?}"
    );
    let apart = plan().isolation(Isolation::Instance);
    let error = host(TANGLED, &[]).check(&apart).await;
    assert!(matches!(error, Err(CheckError::Apart)), "{error:?}");
}
