//! `lavandula-bench serve`, as short as it can be: that nothing is missing, that the
//! load finds every answer that is not the right one, and what becomes of a server
//! that ends.

#[path = "support/lavandula.rs"]
mod lavandula;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use lavandula_bench::serve::answer::{Answer, Request};
use lavandula_bench::serve::cores;
use lavandula_bench::serve::floor::Known;
use lavandula_bench::serve::load::{self, Group, Load, Measured, Until};
use lavandula_bench::serve::process::Server;
use lavandula_bench::serve::programs;
use lavandula_host::build::Build;
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

const BENCH: &str = env!("CARGO_BIN_EXE_lavandula-bench");

const REQUEST: Request = Request {
    method: "POST",
    path: "/here?a=b",
    body: b"{}",
};

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

/// A floor that answers the request with this. The file must outlive its start.
fn floor(answer: &Answer) -> Server {
    let known = [Known {
        method: REQUEST.method.to_owned(),
        path: REQUEST.path.to_owned(),
        answer: answer.clone(),
    }];
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(&serde_json::to_vec(&known).expect("it is JSON"))
        .expect("it is written");
    let mut command = Command::new(BENCH);
    command.args(["floor", "--addr", "127.0.0.1:0", "--answers"]);
    Server::start("floor", command.arg(file.path())).unwrap_or_else(|failure| panic!("{failure}"))
}

fn measured(server: &Server, body: &str, until: Until) -> Measured {
    let group = Group {
        connections: 100,
        request: &REQUEST.bytes(),
        body: body.as_bytes(),
    };
    let load = Load {
        groups: &[group],
        warm_up: Duration::from_millis(20),
        until,
    };
    load::run(server, &load).expect("the client can work")
}

const SHORT: Until = Until::Elapsed(Duration::from_millis(200));

#[test]
fn the_floor_answers_with_what_it_was_told_and_knows_nothing_else() {
    let told = answer(200, "hello");
    let server = floor(&told);
    assert_eq!(Answer::ask(server.addr(), &REQUEST).unwrap(), told);
    for other in [
        Request {
            method: "GET",
            ..REQUEST
        },
        Request {
            path: "/here",
            ..REQUEST
        },
    ] {
        assert_eq!(Answer::ask(server.addr(), &other).unwrap().status, 404);
    }
}

#[test]
fn right_answers_are_counted_and_their_latencies_are_there() {
    let measured = measured(&floor(&answer(200, "hello")), "hello", SHORT);
    let found = &measured.groups[0];
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    assert!(found.answers > 100, "{}", found.answers);
    // Those that began before it was measured are missing, those that ended after it
    // are there: a hundred at either end.
    let difference = found.latencies.count().abs_diff(found.answers);
    assert!(difference <= 100, "{difference}");
    let (p50, p99) = (
        found.latencies.quantile_us(0.5),
        found.latencies.quantile_us(0.99),
    );
    assert!(p50 > 1.0 && p50 <= p99 && p99 <= found.latencies.largest_us());
    assert!(measured.elapsed >= Duration::from_millis(200));
}

#[test]
fn so_many_answers_are_waited_for_and_few_more() {
    let measured = measured(&floor(&answer(200, "")), "", Until::Answers(1_000));
    assert!((1_000..1_100).contains(&measured.answers()));
}

#[test]
fn another_body_is_an_error_and_no_answer() {
    for (given, expected) in [("hello", "help!"), ("hell", "hello"), ("hello", "hell")] {
        let measured = measured(&floor(&answer(200, given)), expected, SHORT);
        let found = &measured.groups[0];
        assert_eq!(found.answers, 0);
        let (what, _) = found.errors.iter().next().expect("they are found");
        assert!(what.contains("differs"), "{what}");
    }
}

#[test]
fn another_status_is_an_error_that_names_it() {
    let measured = measured(&floor(&answer(504, "hello")), "hello", SHORT);
    let found = &measured.groups[0];
    assert_eq!(found.answers, 0);
    let (what, _) = found.errors.iter().next().expect("they are found");
    assert!(what.contains("504"), "{what}");
}

#[test]
fn refusals_are_counted_to_the_last_and_are_no_answers() {
    let measured = measured(&floor(&answer(503, "busy")), "hello", SHORT);
    let found = &measured.groups[0];
    assert_eq!((found.answers, found.latencies.count()), (0, 0));
    // More than the errors that end a run.
    assert!(found.refusals > 200, "{}", found.refusals);
    let errors = [("refused with 503".to_owned(), found.refusals)];
    assert_eq!(found.errors, errors.into());
    assert!(measured.elapsed >= Duration::from_millis(200));
}

#[test]
fn a_server_that_does_nothing_but_refuse_is_not_waited_for_for_ever() {
    let measured = measured(&floor(&answer(503, "")), "", Until::Answers(10));
    assert_eq!(measured.answers(), 0);
    let errors = &measured.groups[0].errors;
    assert!(
        errors.keys().any(|what| what.starts_with("not one answer")),
        "{errors:?}"
    );
}

#[test]
fn a_server_that_ends_is_an_error_and_cannot_go_on() {
    let mut server = floor(&answer(200, "hello"));
    let killed = Command::new("kill")
        .args(["-KILL", &server.id().to_string()])
        .status();
    assert!(killed.expect("`kill` runs").success());
    let measured = measured(&server, "hello", SHORT);
    assert!(measured.groups[0].errors.values().sum::<u64>() > 0);
    assert_eq!(measured.answers(), 0);
    // The process is gone for good only after a moment.
    for _ in 0..1_000 {
        if server.go_on().is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it goes on");
}

#[test]
fn a_paused_server_does_nothing_until_it_goes_on() {
    let mut server = floor(&answer(200, "hello"));
    server.pause().unwrap();
    let mut stream = std::net::TcpStream::connect(server.addr()).unwrap();
    stream.write_all(&REQUEST.bytes()).unwrap();
    let patience = Duration::from_millis(300);
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut byte = [0];
    let read = std::io::Read::read(&mut stream, &mut byte);
    assert!(read.is_err(), "{read:?}");
    server.go_on().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(std::io::Read::read(&mut stream, &mut byte).unwrap(), 1);
}

/// All that are compared and are no `wasmtime serve`, which takes minutes to build.
const OURS: [&str; 6] = [
    "floor",
    "instance-fast",
    "instance-fast-logging",
    "instance-wasi-http",
    "rewind-fast",
    "rewind-wasi-http",
];

/// The command, and what it said.
fn serve(arguments: &[&str]) -> Output {
    Command::new(BENCH)
        .arg("serve")
        .arg("--lavandula")
        .arg(lavandula::path())
        .args(arguments)
        .output()
        .expect("it runs")
}

fn report(arguments: &[&str]) -> Value {
    let output = serve(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

#[test]
fn every_server_has_a_row_for_every_load() {
    let folder = TempDir::new().expect("a temporary folder");
    let plot = folder.path().join("serve.svg");
    let mut arguments = vec!["--server"];
    arguments.extend(OURS);
    arguments.extend([
        "--json",
        "--rounds",
        "2",
        "--seconds",
        "0.1",
        "--connections",
        "1,80",
        "--plot",
        plot.to_str().expect("it is text"),
    ]);
    let report = report(&arguments);
    let rows = report["rows"].as_array().expect("there are rows");
    let mut found = BTreeSet::new();
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        found.insert((text("server"), text("load"), row["connections"].as_u64()));
        assert_eq!(row["errors"], serde_json::json!({}), "{row}");
        for figure in ["requests_per_s", "p50_us", "p99_us"] {
            assert!(row[figure].as_f64() > Some(0.0), "{figure}: {row}");
        }
        if cfg!(target_os = "linux") {
            assert!(row["rss_mib"].as_f64() > Some(1.0), "{row}");
        }
        let share = row["share"]["of_medians"].as_f64().expect("a floor");
        assert!(row["server"] != "floor" || share == 1.0, "{row}");
        assert_eq!(row["share"]["rounds"].as_array().map(Vec::len), Some(2));
    }
    let expected: BTreeSet<_> = OURS
        .iter()
        .flat_map(|server| {
            ["hello", "json"].iter().flat_map(move |load| {
                let row = |connections| (server.to_string(), load.to_string(), Some(connections));
                [1, 80].map(row)
            })
        })
        .collect();
    assert_eq!(found, expected);
    let picture = std::fs::read_to_string(plot).expect("it was drawn");
    for server in &OURS[1..] {
        assert!(picture.contains(server), "{server}");
    }
}

#[test]
fn a_soak_looks_at_memory_at_every_tenth() {
    let report = report(&["--json", "--soak", "500"]);
    let rows = report["soak"].as_array().expect("there are rows");
    assert_eq!(rows.len(), 20);
    for (at, row) in rows.iter().enumerate() {
        let least = 50 * (at as u64 % 10 + 1);
        assert!(row["requests"].as_u64() >= Some(least), "{row}");
        assert_eq!(row["errors"], serde_json::json!({}), "{row}");
    }
    assert_eq!(report["rows"], serde_json::json!([]));
}

#[test]
fn fairness_has_a_row_with_long_requests_and_one_without() {
    let report = report(&[
        "--json",
        "--fairness",
        "--rounds",
        "1",
        "--seconds",
        "1",
        "--server",
        "instance-fast",
        "instance-wasi-http",
        "rewind-fast",
    ]);
    let rows = report["fairness"].as_array().expect("there are rows");
    assert_eq!(rows.len(), 6);
    for pair in rows.chunks(2) {
        assert_eq!(pair[0]["server"], pair[1]["server"]);
        assert_eq!(pair[0]["long_connections"], 0);
        assert!(pair[1]["long_connections"].as_u64() > Some(0));
        for row in pair {
            assert_eq!(row["errors"], serde_json::json!({}), "{row}");
        }
    }
}

/// `lavandula serve` with these options, the sample handler, and connections that all
/// send at once.
fn lavandula_under(options: &[&str], connections: usize) -> Measured {
    let folder = TempDir::new().expect("a temporary folder");
    let component = folder.path().join("component.wasm");
    Build::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/json-api"))
        .output(&component)
        .quiet()
        .run()
        .unwrap_or_else(|failure| panic!("{failure}"));
    cores::raise_open_files(connections).unwrap_or_else(|failure| panic!("{failure}"));
    let mut command = programs::command(lavandula::path());
    command.args(["serve", "--addr", "127.0.0.1:0", "--log", "warn"]);
    command.args(options).arg(component);
    let server = Server::start("ours", &mut command).unwrap_or_else(|why| panic!("{why}"));
    let hello = Request {
        method: "GET",
        path: "/",
        body: b"",
    };
    let told = Answer::ask(server.addr(), &hello).expect("it answers");
    let group = Group {
        connections,
        request: &hello.bytes(),
        body: &told.body,
    };
    let load = Load {
        groups: &[group],
        warm_up: Duration::ZERO,
        until: Until::Answers(2_000),
    };
    load::run(&server, &load).expect("the client can work")
}

/// One less than the default of `--max-connections`: a question was asked beside them.
#[test]
fn as_many_connections_as_there_may_be_find_room_to_wait() {
    let measured = lavandula_under(&[], 1_023);
    let found = &measured.groups[0];
    assert!(found.errors.is_empty(), "{:?}", found.errors);
}

#[test]
fn what_a_server_refuses_is_in_the_report_beside_what_it_answers() {
    let measured = lavandula_under(&["--max-in-flight", "1", "--max-queue", "1"], 64);
    let found = &measured.groups[0];
    assert!(found.answers >= 2_000, "{}", found.answers);
    assert!(found.refusals > 0);
    let errors = [("refused with 503".to_owned(), found.refusals)];
    assert_eq!(found.errors, errors.into());
}

/// Whether to look at `wasmtime serve`. To build it takes minutes, so it is only looked at
/// where it was built before, or `LAVANDULA_REQUIRE` names it.
fn has_wasmtime() -> bool {
    let name = format!("lavandula-bench-wasmtime{}", std::env::consts::EXE_SUFFIX);
    let is_required = std::env::var("LAVANDULA_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|one| one.trim() == "wasmtime"));
    let is_built = Path::new(BENCH).with_file_name(name).exists();
    if !is_required && !is_built {
        let text = "SKIPPED: `wasmtime serve` is not measured. Build it with `cargo build -p \
                    lavandula-bench-wasmtime`, or name wasmtime in LAVANDULA_REQUIRE\n";
        // Past what keeps the output of tests that pass.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    is_required || is_built
}

#[test]
fn wasmtime_serve_is_of_the_version_that_ours_is_built_with_and_answers_the_same() {
    if !has_wasmtime() {
        return;
    }
    let servers = [
        "wasmtime-serve",
        "wasmtime-serve-tuned",
        "wasmtime-serve-timeout",
    ];
    let mut arguments = vec!["--json", "--rounds", "1", "--seconds", "0.2", "--server"];
    arguments.extend(servers);
    arguments.extend(["--connections", "16"]);
    let report = report(&arguments);
    let rows = report["rows"].as_array().expect("there are rows");
    assert_eq!(rows.len(), servers.len() * 2);
    for row in rows {
        assert_eq!(row["errors"], serde_json::json!({}), "{row}");
        assert!(row["requests_per_s"].as_f64() > Some(0.0), "{row}");
    }
    let versions = &report["versions"];
    assert!(versions["wasmtime"].is_string());
    assert_eq!(versions["wasmtime serve"], versions["wasmtime"]);
    let source = report["environment"]["wasmtime"].as_str();
    assert!(source.is_some_and(|what| what.contains("benches/wasmtime")));
}

#[test]
fn what_is_not_there_is_refused_before_anything_is_built() {
    for (arguments, said) in [
        (&["--server", "apache"][..], "wasmtime-serve-tuned"),
        (&["--load", "goodbye"], "hello, json"),
    ] {
        let output = serve(arguments);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(said), "{text}");
    }
    let output = serve(&["--wasmtime", "/nowhere/wasmtime", "--rounds", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/nowhere/wasmtime"), "{text}");
}
