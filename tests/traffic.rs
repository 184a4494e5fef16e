//! The requests of a check, through the real command: from files, from the command
//! line, and printed.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use support::command::{Done, lavandula, run};
use support::{component, root};

const SAMPLE: &str = "examples/json-api";
const HOARDING: &str = "tests/guests/hoarding";

fn data(name: &str) -> PathBuf {
    root().join("tests/data/traffic").join(name)
}

/// `lavandula check` for a component of this project.
fn check(folder: &str, arguments: &[&str]) -> Done {
    let mut command = lavandula();
    command.arg("check").arg(component(folder)).args(arguments);
    run(&mut command)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn report(done: &Done) -> Value {
    match serde_json::from_str(&done.stdout) {
        Ok(report) => report,
        Err(error) => panic!("{error}: {done:?}"),
    }
}

/// The requests that a check would send. No component is read for that.
fn printed(arguments: &[&str]) -> String {
    let mut command = lavandula();
    command.args(["check", "--print-traffic", "no-such.wasm"]);
    let done = run(command.args(arguments));
    assert_eq!(done.code, Some(0), "{done:?}");
    done.stdout
}

/// The request lines of what was printed, each once.
fn request_lines(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter(|line| line.ends_with(" HTTP/1.1"));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// A file of this text in a folder of its own.
fn file(name: &str, contents: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, contents).expect("a temporary file");
    (folder, path)
}

// Files.

#[test]
fn the_requests_of_a_har_are_checked_by_both_doors() {
    let har = data("session.har");
    for door in ["fast", "wasi-http"] {
        let arguments = [
            "--json",
            "--door",
            door,
            "-n",
            "40",
            "--traffic",
            text(&har),
        ];
        let done = check(SAMPLE, &arguments);
        assert_eq!(done.code, Some(0), "{done:?}");
        let report = report(&done);
        assert_eq!(report["verdict"], "holds");
        let addresses = report["evidence"][4]["detail"].as_str().unwrap_or("");
        // Ten entries, two of which are equal, and three that are not sent over HTTP.
        assert!(addresses.contains("of 6 shapes"), "{addresses}");
        for told in [
            "requests=7 different=6",
            "`data:` URLs",
            "`blob:` URLs",
            "entry 9",
        ] {
            assert!(done.stderr.contains(told), "no `{told}` in {}", done.stderr);
        }
    }
}

#[test]
fn the_requests_of_an_http_file_are_checked() {
    let requests = data("requests.http");
    let done = check(
        SAMPLE,
        &["--json", "-n", "40", "--traffic", text(&requests)],
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    let addresses = &report(&done)["evidence"][4]["detail"];
    let addresses = addresses.as_str().unwrap_or("");
    assert!(addresses.contains("of 5 shapes"), "{addresses}");
    assert!(
        done.stderr.contains("1 left out: requests of GraphQL"),
        "{done:?}"
    );
}

/// Real traffic needs no marker of its own to show a fault.
#[test]
fn a_fault_is_found_with_recorded_requests() {
    let har = data("session.har");
    let done = check(HOARDING, &["--json", "-n", "40", "--traffic", text(&har)]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = report(&done);
    let evidence = report["evidence"].as_array().expect("a list");
    let broken = evidence
        .iter()
        .filter(|evidence| evidence["holds"] == false);
    let broken: Vec<_> = broken.map(|evidence| &evidence["name"]).collect();
    assert_eq!(broken, ["content"], "{report}");
}

#[test]
fn recorded_requests_are_printed_as_they_are_sent() {
    let har = data("session.har");
    let traffic = printed(&[
        "-n",
        "24",
        "--host",
        "api.example.com",
        "--traffic",
        text(&har),
    ]);
    assert_eq!(
        request_lines(&traffic),
        [
            "GET / HTTP/1.1",
            "OPTIONS /filter?browser=firefox HTTP/1.1",
            "POST /filter?browser=chrome&since=1 HTTP/1.1",
            "POST /filter?browser=firefox HTTP/1.1",
            "POST /login HTTP/1.1",
        ]
    );
    for sent in [
        "\nhost: api.example.com\n",
        "\ncookie: session=4f1c; theme=dark\n",
        "\nuser+name=zo%C3%AB&go=a%26b\n",
        "\n\n{\"http\": {\"methods\"",
    ] {
        assert!(traffic.contains(sent), "no {sent:?}");
    }
    for dropped in [
        "\n:authority",
        "\nconnection:",
        "content-length",
        "{{marker}}",
    ] {
        assert!(!traffic.contains(dropped), "{dropped:?}");
    }
    let of_another = printed(&[
        "-n",
        "4",
        "--host",
        "app.example.com",
        "--traffic",
        text(&har),
    ]);
    let lines = request_lines(&of_another);
    assert_eq!(lines, ["GET /index.html?utm=a|b HTTP/1.1"]);
}

#[test]
fn no_more_different_requests_are_taken_than_one_says() {
    let har = data("session.har");
    let arguments = ["-n", "8", "--max-shapes", "2", "--traffic", text(&har)];
    assert_eq!(request_lines(&printed(&arguments)).len(), 2);
    let many: String = (0..70).map(|n| format!("GET /{n}\n###\n")).collect();
    let (_folder, many) = file("many.http", many);
    // Each is sent often enough, also where nobody says how often.
    let traffic = printed(&["--traffic", text(&many)]);
    assert_eq!(traffic.matches("### request").count(), 4 * 64);
    assert_eq!(request_lines(&traffic).len(), 64);
    let all = printed(&["--max-shapes", "100", "--traffic", text(&many)]);
    assert_eq!(request_lines(&all).len(), 70);
}

#[test]
fn a_file_is_what_is_in_it_whatever_its_name() {
    let har = fs::read(data("session.har")).expect("it is there");
    let (_folder, path) = file("requests.http", har);
    let lines = request_lines(&printed(&["-n", "24", "--traffic", text(&path)]));
    assert_eq!(lines.len(), 6, "{lines:?}");
}

/// Each cannot be used: exit code 2, where, what is wrong, and what to do.
#[test]
fn files_that_are_wrong_are_refused_with_the_place_and_advice() {
    let har = fs::read(data("session.har")).expect("it is there");
    let entry = |request: &str| format!("{{\"log\":{{\"entries\":[{{\"request\":{request}}}]}}}}");
    let table: [(&str, Vec<u8>, &str, &str); 15] = [
        (
            "half.har",
            har[..har.len() / 2].to_vec(),
            "half.har:",
            "export it",
        ),
        (
            "other.har",
            b"{\"a\":1}".to_vec(),
            "other.har: is JSON and no HAR",
            "Save all as HAR",
        ),
        ("list.har", b"[1]".to_vec(), "list.har:1:", "`log.entries`"),
        (
            "none.har",
            b"{\"log\":{\"entries\":[]}}".to_vec(),
            "has no requests",
            "GET /path",
        ),
        (
            "method.har",
            entry("{\"url\":\"/\",\"method\":\"A B\"}").into_bytes(),
            "method.har: entry 1: `A B` is no method",
            "one word",
        ),
        (
            "ws.har",
            entry("{\"url\":\"ws://a\"}").into_bytes(),
            "ws.har: has no request that can be sent",
            "not sent over HTTP",
        ),
        (
            "bytes.http",
            b"GET /\xff".to_vec(),
            "bytes.http: is no text",
            "save it as UTF-8",
        ),
        (
            "empty.http",
            b"\n# no\n".to_vec(),
            "empty.http: has no requests",
            "GET /path",
        ),
        (
            "body.http",
            b"POST /\n\n< ./no-such.json\n".to_vec(),
            "body.http:3: cannot read the body",
            "relative to the folder",
        ),
        (
            "method.http",
            b"G(T /\n".to_vec(),
            "method.http:1: `G(T` is no method",
            "one word",
        ),
        (
            "name.http",
            b"GET /\n(a): b\n".to_vec(),
            "name.http:2: `(a)` is no name",
            "letters",
        ),
        (
            "header.http",
            b"GET /\nno\n".to_vec(),
            "header.http:2: `no` is no header",
            "Name: value",
        ),
        (
            "unknown.http",
            b"\nGET /{{id}}".to_vec(),
            "unknown.http:2: `{{id}}`",
            "`@id = ...`",
        ),
        (
            "guid.http",
            b"GET /{{$guid}}".to_vec(),
            "guid.http:1: `{{$guid}}`",
            "`{{marker}}`",
        ),
        (
            "curl.http",
            b"curl http://a/".to_vec(),
            "curl.http:1: a curl command",
            "METHOD URL",
        ),
    ];
    for (name, contents, wrong, advice) in table {
        let (_folder, path) = file(name, contents);
        let done = check(SAMPLE, &["--traffic", text(&path)]);
        refused(&done, wrong, advice);
    }
    let missing = check(SAMPLE, &["--traffic", "no-such.har"]);
    refused(&missing, "no-such.har: cannot be read", "name a HAR");
    let har = data("session.har");
    let host = check(SAMPLE, &["--traffic", text(&har), "--host", "b.example"]);
    refused(
        &host,
        "no request for b.example",
        "api.example.com, app.example.com",
    );
}

#[track_caller]
fn refused(done: &Done, wrong: &str, advice: &str) {
    assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{done:?}");
    for expected in [wrong, advice] {
        let says = done.stderr.contains(expected);
        assert!(says, "no `{expected}` in: {}", done.stderr);
    }
    assert!(!done.stderr.contains("panicked"), "{done:?}");
}

// The command line.

#[test]
fn data_is_a_body_as_with_curl() {
    let print = |more: &[&str]| printed(&[&["-n", "1", "--path", "/a"], more].concat());
    let posted = print(&["-d", "user={{marker}}"]);
    assert!(posted.contains("\nPOST /a HTTP/1.1\n"), "{posted}");
    assert!(
        posted.contains("\ncontent-type: application/x-www-form-urlencoded\n"),
        "{posted}"
    );
    let marker = posted
        .lines()
        .find_map(|line| line.strip_prefix("x-lavandula-marker: "));
    let marker = marker.expect("a marker");
    assert!(posted.contains(&format!("\n\nuser={marker}\n")), "{posted}");

    let (_folder, body) = file("body.json", "[1]");
    let at = format!("@{}", text(&body));
    let put = print(&[
        "--data",
        &at,
        "--method",
        "PUT",
        "-H",
        "Content-Type: text/json",
    ]);
    assert!(put.contains("\nPUT /a HTTP/1.1\n"), "{put}");
    assert!(put.contains("\ncontent-type: text/json\n\n[1]\n"), "{put}");
    assert!(print(&[]).contains("\nGET /a HTTP/1.1\n"));
    assert!(print(&["--data", "-1"]).contains("\n\n-1\n"));

    let missing = check(SAMPLE, &["--path", "/", "--data", "@no-such.json"]);
    refused(&missing, "cannot read the body no-such.json", "name a file");
    refused(
        &check(SAMPLE, &["--data", "a"]),
        "required",
        "--path <PATH>",
    );
    let both = check(
        SAMPLE,
        &["--path", "/", "--data", "a", "--body", text(&body)],
    );
    refused(&both, "cannot be used with", "--body");
}

// Printing.

#[test]
fn the_same_seed_prints_the_same_requests_and_they_can_be_read_again() {
    let component = component(SAMPLE);
    let print = |arguments: &[&str]| {
        let mut command = lavandula();
        command.args(["check", "--print-traffic"]).arg(&component);
        let done = run(command.args(arguments));
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout
    };
    for seed in ["1", "2", "3"] {
        let traffic = print(&["-n", "8", "--seed", seed]);
        assert_eq!(traffic, print(&["-n", "8", "--seed", seed]));
        assert_ne!(traffic, print(&["-n", "8", "--seed", "4"]));
        assert_eq!(request_lines(&traffic).len(), 8);

        let (_folder, path) = file("again.http", &traffic);
        let again = print(&["-n", "8", "--traffic", text(&path)]);
        assert_eq!(requests(&again), requests(&traffic));
    }
}

/// The requests of a `.http` file, without what is of one run only: their numbers
/// and order, and the header with the marker.
fn requests(text: &str) -> Vec<String> {
    let mut requests: Vec<String> = text
        .split("### request ")
        .map(|request| {
            let lines = request.lines().skip(1);
            let lines = lines.filter(|line| !line.starts_with("x-lavandula-marker: "));
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect();
    requests.sort();
    requests
}
