//! The memory of this handler, held to what it should be: figures of single requests,
//! the check, and the check beside the one that is stored.
//!
//! To copy it: take the file, `tests/traffic` and the four dev-dependencies, and change
//! the requests and the figures. Nothing listens on a socket.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use http::Request;
use lavandula_host::Host;
use lavandula_host::build::Build;
use lavandula_host::check::{
    Allowance, Comparison, Judgement, Kind, Plan, Recording, Report, Selection, Thresholds,
};

/// A file or folder of this crate.
fn of_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The host with this handler, built with these of its features.
fn host_with(features: &[&str]) -> Host {
    // Tests run side by side, and one build at a time is enough.
    static BUILDING: Mutex<()> = Mutex::new(());
    let component = {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        let name = [&["greeter"], features].concat().join("-");
        let build = Build::new(of_crate(""))
            .features(features.iter().map(ToString::to_string))
            // Where cargo wants files of tests to be.
            .output(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name + ".wasm"))
            .quiet();
        build.run().expect("the handler builds").component
    };
    let host = Host::builder().max_memory(4 << 20).measure_arena();
    host.load(component).expect("a handler that can be served")
}

fn host() -> Host {
    host_with(&[])
}

/// A request with so many names.
fn guests(number: usize) -> Request<String> {
    let request = Request::post("/greet").header("accept-language", "fr-CH, fr;q=0.9");
    request.body("Ada Lovelace\n".repeat(number)).unwrap()
}

/// The requests of a file, but for those that were for another host.
fn traffic(file: &str) -> Recording {
    let selection = Selection::new().host("greeter.example");
    Recording::read(&of_crate("tests/traffic").join(file), &selection).expect("traffic")
}

/// A check with these, and no requests that are made up.
fn recorded() -> Plan {
    let (http, har) = (traffic("requests.http"), traffic("session.har"));
    let plan = Plan::new().shapes(http.shapes()).shapes(har.shapes());
    plan.given_only().requests(100)
}

async fn check(host: &Host, plan: &Plan) -> Report {
    let mut report = host.check(plan).await.expect("a check that can be made");
    // As it is called where two reports are shown side by side.
    report.component = Some("greeter".to_owned());
    report
}

#[tokio::test]
async fn guests_are_greeted_and_a_greeting_takes_little_memory() {
    let outcome = host().request(guests(2)).await;
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert_eq!(
        outcome.response.body(),
        "Bonjour, Ada Lovelace!\nBonjour, Ada Lovelace!\n"
    );
    let arena = outcome.arena.expect("a handler of lavandula tells");
    assert!(arena.peak < 2048, "{arena:?}");
}

/// What a request takes is in proportion to what it sends: the body and the answer, and
/// the room that a growing answer leaves behind.
#[tokio::test]
async fn memory_follows_the_number_of_guests() {
    let host = host();
    let mut memory = Vec::new();
    for number in [2, 500, 4_000] {
        let outcome = host.request(guests(number)).await;
        assert_eq!(outcome.response.status(), 200);
        let sent = guests(number).body().len() as u64;
        let used = outcome.arena.expect("a handler of lavandula tells").peak;
        assert!(
            used < 1024 + 6 * sent,
            "{number} guests: {used} bytes for {sent}"
        );
        memory.push(outcome.memory.current);
    }
    // Up to the first block of the arena the host is asked for nothing.
    assert_eq!(memory[0], memory[1]);
    assert!(memory[1] < memory[2], "{memory:?}");
}

#[tokio::test]
async fn who_sends_too_much_gets_an_error_and_the_next_one_an_answer() {
    let host = host();
    let outcome = host.request(guests(150_000)).await;
    assert_eq!(outcome.response.status(), 507);
    assert!(outcome.memory.denied > 0, "{:?}", outcome.memory);
    assert_eq!(host.request(guests(1)).await.response.status(), 200);
}

/// Random requests of many kinds.
#[tokio::test]
async fn memory_is_used_again_and_nothing_is_left_in_it() {
    check(&host(), &Plan::new().requests(100))
        .await
        .assert_holds();
}

/// What people really send: a session of a browser, and the requests that one keeps in
/// an editor. What a page fetches elsewhere is left out.
#[tokio::test]
async fn recorded_requests_leave_nothing_either() {
    assert_eq!(traffic("session.har").shapes().len(), 2);
    let report = check(&host(), &recorded()).await;
    report.assert_holds();
    assert_eq!(report.requests, 100);
}

/// How much worse than the stored check each figure may be.
fn thresholds() -> Thresholds {
    let allowances = [
        "all=2%",
        "bytes-left=64",
        "arena-peak=1KiB",
        "pages-of-all=2",
        "pages-of-a-request=2",
    ];
    let allowances = allowances.map(|text| text.parse::<Allowance>().expect("an allowance"));
    Thresholds::new(allowances).expect("one for each figure")
}

fn baseline() -> Report {
    let stored = std::fs::read_to_string(of_crate("tests/baseline.json"));
    Report::from_json(&stored.expect("tests/baseline.json")).expect("a report")
}

/// Fails where a request takes more than it took, although all is used again. Where that
/// is meant: `BLESS=1 cargo test -p greeter no_request`, and commit the file.
#[tokio::test]
async fn no_request_takes_more_than_it_took() {
    let report = check(&host(), &recorded()).await;
    if std::env::var_os("BLESS").is_some() {
        let json = serde_json::to_string_pretty(&report).expect("JSON") + "\n";
        std::fs::write(of_crate("tests/baseline.json"), json).expect("written");
    }
    let comparison = Comparison::of(&baseline(), &report, &thresholds()).expect("the same check");
    assert!(comparison.passes(), "{comparison}");
}

/// What it looks like when it fails. The handler is the same but for one static, in which
/// the last guest stays.
#[tokio::test]
async fn a_guest_who_is_remembered_is_found() {
    let report = check(&host_with(&["remembers"]), &recorded()).await;
    assert_eq!(
        report.broken().collect::<Vec<_>>(),
        [Kind::Content],
        "{report}"
    );
    let content = report.evidence(Kind::Content).unwrap();
    let culprit = content.culprit.as_ref().expect("it does not hold");
    let place = culprit.place.as_ref().expect("it lies in memory");
    let symbol = place.symbol.as_deref().unwrap_or_default();
    assert!(symbol.contains("LAST_GUEST"), "{report}");
    assert_eq!(culprit.written_by, culprit.owed_by);

    // The same, beside the stored check.
    let comparison = Comparison::of(&baseline(), &report, &thresholds()).expect("the same check");
    assert!(!comparison.passes());
    let of_content = comparison
        .evidence
        .iter()
        .find(|it| it.kind == Kind::Content);
    assert_eq!(of_content.unwrap().judgement, Judgement::Worse);
}
