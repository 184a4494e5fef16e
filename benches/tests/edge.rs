//! `lavandula-bench edge`: that its judge finds what is wrong with a server, each fault in
//! a server that has it, and that a run on a real one fills the page.

mod support {
    pub mod faulty;
    pub mod lavandula;
}

use std::path::Path;
use std::process::{Command, Output};

use lavandula_bench::edge::guests::Heap;
use lavandula_bench::edge::look::{self, judge};
use lavandula_bench::edge::markers::{self, Seen};
use lavandula_bench::edge::record::{Outcome, Record};
use serde_json::Value;
use support::faulty::{Fault, Faulty};
use tempfile::TempDir;

const BENCH: &str = env!("CARGO_BIN_EXE_lavandula-bench");
const REQUESTS: u32 = 40;

/// What is wrong with a server, as the cases and the markers find it.
fn found(fault: Fault) -> Vec<(String, String)> {
    let server = Faulty::start(fault);
    let told = look::cases(server.addr());
    let mut wrong: Vec<_> = told
        .into_iter()
        .filter_map(|told| Some((told.case, told.judged.err()?)))
        .collect();
    let addr = server.addr();
    for (case, seen) in [
        (look::IN_TURN, markers::in_turn(addr, REQUESTS, 7)),
        (look::AT_A_TIME, markers::at_a_time(addr, REQUESTS, 8)),
    ] {
        let judged = judge(Heap::Invocation, REQUESTS, &seen);
        wrong.extend(judged.err().map(|why| (case.to_owned(), why)));
    }
    wrong
}

#[track_caller]
fn finds(fault: Fault, cases: &[&str], said: &str) {
    let wrong = found(fault);
    let names: Vec<_> = wrong.iter().map(|(case, _)| case.as_str()).collect();
    assert_eq!(names, cases, "{fault:?}: {wrong:?}");
    for (_, why) in &wrong {
        assert!(why.contains(said), "{fault:?}: {why}");
    }
}

#[test]
fn a_server_without_a_fault_is_right() {
    finds(Fault::None, &[], "");
}

#[test]
fn markers_that_cross_are_found() {
    let both = [look::IN_TURN, look::AT_A_TIME];
    finds(Fault::CrossesMarkers, &both, "another request's marker");
    finds(Fault::CrossesInHeaders, &both, "another request's marker");
}

#[test]
fn markers_that_cross_only_between_requests_at_the_same_time_are_found() {
    finds(
        Fault::CrossesAtATime,
        &[look::AT_A_TIME],
        "another request's marker",
    );
}

#[test]
fn answers_out_of_a_cache_are_found() {
    finds(
        Fault::Caches,
        &[
            "HEAD, 404",
            "POST",
            "pieces",
            "trap",
            look::IN_TURN,
            look::AT_A_TIME,
        ],
        "",
    );
}

#[test]
fn a_server_that_dies_of_a_trap_is_found_and_one_that_hides_it() {
    let all = ["trap", look::IN_TURN, look::AT_A_TIME];
    finds(Fault::DiesOfATrap, &all, "");
    finds(Fault::HidesATrap, &["trap"], "a trap is answered with 200");
}

#[test]
fn a_byte_that_is_lost_or_changed_is_found() {
    finds(Fault::DropsAByte, &["POST", "pieces"], "differs at byte");
    finds(Fault::ChangesAByte, &["POST", "pieces"], "differs at byte");
    finds(Fault::CutsOff, &["POST", "pieces"], "cut off");
}

#[test]
fn headers_that_are_lost_on_either_way_are_found() {
    finds(Fault::LosesAHeader, &["headers"], "what arrived");
    finds(
        Fault::LosesAHeaderOfTheAnswer,
        &["headers"],
        "what came back",
    );
}

#[test]
fn success_where_there_is_nothing_is_found() {
    let wrong = found(Fault::NoNotFound);
    assert_eq!(wrong[0].0, "HEAD, 404", "{wrong:?}");
}

#[test]
fn an_instance_that_is_kept_as_it_was_is_found_where_the_handler_has_its_own_heap() {
    let server = Faulty::start(Fault::Keeps);
    let seen = markers::in_turn(server.addr(), REQUESTS, 7);
    assert_eq!(seen.right, REQUESTS);
    assert_eq!(seen.served_most, u64::from(REQUESTS) - 1);
    assert_eq!(judge(Heap::Std, REQUESTS, &seen), Ok(()));
    let why = judge(Heap::Invocation, REQUESTS, &seen).expect_err("it is not fresh");
    assert!(why.contains("a static"), "{why}");
}

#[test]
fn nobody_who_listens_is_told_as_that_and_soon() {
    let addr = lavandula_bench::edge::process::free().expect("a port");
    let seen = markers::at_a_time(addr, REQUESTS, 7);
    assert_eq!(seen.right, 0);
    assert!(judge(Heap::Std, REQUESTS, &seen).is_err());
    assert!(
        matches!(seen, Seen { ref wrong, .. } if wrong.keys().all(|why| why.contains("no connection")))
    );
}

fn edge(page: &Path, arguments: &[&str]) -> Output {
    Command::new(BENCH)
        .args(["edge", "--requests", "32", "--page"])
        .arg(page)
        .args(arguments)
        .output()
        .expect("it runs")
}

fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    texts.map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn our_own_host_passes_and_the_page_has_what_was_seen() {
    let folder = TempDir::new().expect("a temporary folder");
    let page = folder.path().join("edge.md");
    let program = support::lavandula::path().to_str().expect("it is text");
    let mut arguments = vec!["--json", "--lavandula", program];
    arguments.extend(["--only", "lavandula", "lavandula-rewind"]);
    let output = edge(&page, &arguments);
    assert!(output.status.success(), "{}", said(&output));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(seen["rows"].as_array().map(Vec::len), Some(2));

    let record = Record::read(&page.with_extension("json")).expect("it was written");
    for row in &record.rows {
        let Outcome::Ran(ran) = &row.outcome else {
            panic!("it was not run: {row:?}");
        };
        assert_eq!(ran.requests, 32);
        let ours = &ran.ours;
        // Without an image there is nothing to rewind to, which the host says.
        let is_rewound = row.runtime == "lavandula-rewind";
        match &ran.std {
            Err(why) => assert!(is_rewound && why.contains("rewind"), "{why}"),
            Ok(_) => assert!(!is_rewound),
        }
        for sight in [Some(ours), ran.std.as_ref().ok()].into_iter().flatten() {
            assert_eq!(sight.cases.len(), 8);
            assert_eq!(sight.wrong(), [], "{}", row.runtime);
            assert_eq!((sight.in_turn.right, sight.at_a_time.right), (32, 32));
            assert_eq!(sight.crossed(), 0);
            assert!(sight.bytes > 10_000 && sight.start_ms > 0.0);
            assert!(sight.memory_first >= Some(64 << 10), "{sight:?}");
        }
        assert_eq!(ours.requests_an_instance(), [1, 1]);
        assert_eq!(ours.others_most(), 0);
    }
    let text = std::fs::read_to_string(&page).expect("it was written");
    for name in ["lavandula", "lavandula-rewind"] {
        let row = format!("| `{name}` | 0.1.0 | `lavandula:arena/handler` | ok | ok |");
        assert!(text.contains(&row), "{text}");
    }
    assert!(text.contains("none had another request's in it"), "{text}");
}

#[test]
fn what_is_asked_for_and_is_not_there_is_named_and_no_success() {
    let folder = TempDir::new().expect("a temporary folder");
    let page = folder.path().join("edge.md");
    let arguments = ["--only", "viceroy", "--viceroy", "/nowhere/viceroy"];
    let output = edge(&page, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("cargo install viceroy"),
        "{}",
        said(&output)
    );
    let text = std::fs::read_to_string(&page).expect("it was written");
    let (_, not_run) = text.split_once("## Not run").expect("it was not run");
    assert!(
        not_run.contains("| `viceroy` | there is no `viceroy`"),
        "{not_run}"
    );
}

#[test]
fn what_there_is_not_is_refused_before_anything_is_built() {
    let folder = TempDir::new().expect("a temporary folder");
    let page = folder.path().join("edge.md");
    let output = edge(&page, &["--only", "iis"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("there is no runtime `iis`"),
        "{}",
        said(&output)
    );
    std::fs::write(page.with_extension("json"), "not a record").expect("it is written");
    let output = edge(&page, &["--only", "lavandula"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("edge.json is no record"),
        "{}",
        said(&output)
    );
}
