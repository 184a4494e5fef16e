//! The command as its users meet it: exit codes, what goes to which stream, and
//! what it says to those who got something wrong.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use support::command::{Done, lavandula, run};
use support::small::{CDYLIB, Crate};
use support::{FAULTY, component, root};

const SAMPLE: &str = "examples/json-api";
const HOARDING: &str = "tests/guests/hoarding";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The names of all that lies in a folder.
fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn ask<S: AsRef<OsStr>>(arguments: &[S]) -> Done {
    run(lavandula().args(arguments))
}

/// The command cannot work with these arguments: it exits with 2, says what is
/// wrong and what to do about it, and leaves neither output nor files.
#[track_caller]
fn refused<S: AsRef<OsStr> + std::fmt::Debug>(arguments: &[S], wrong: &str, advice: &str) {
    let here = folder();
    let done = run(lavandula().args(arguments).current_dir(here.path()));
    assert_eq!(done.code, Some(2), "{arguments:?}: {done:?}");
    for expected in [wrong, advice] {
        let says = done.stderr.contains(expected);
        assert!(says, "{arguments:?}: no `{expected}` in: {}", done.stderr);
    }
    assert_eq!(done.stdout, "", "{arguments:?}");
    let written = listing(here.path());
    assert!(written.is_empty(), "{arguments:?} wrote {written:?}");
}

/// One JSON document on one line, and nothing else.
#[track_caller]
fn document(done: &Done) -> Value {
    assert_eq!(done.stdout.lines().count(), 1, "{done:?}");
    assert!(done.stdout.ends_with('\n'), "{done:?}");
    match serde_json::from_str(&done.stdout) {
        Ok(document) => document,
        Err(error) => panic!("{error}: {done:?}"),
    }
}

// Files.

#[test]
fn files_that_are_no_component_are_refused_by_every_command() {
    let files = folder();
    let whole = fs::read(component(FAULTY)).expect("the component is there");
    let table: [(&str, &[u8], &str, &str); 5] = [
        (
            "text.wasm",
            b"I am a text\n",
            "not WebAssembly",
            "give the `.wasm` file of a component",
        ),
        (
            "empty.wasm",
            b"",
            "not WebAssembly",
            "give the `.wasm` file of a component",
        ),
        (
            "core.wasm",
            b"\0asm\x01\0\0\0",
            "a core module",
            "build it with `lavandula build`",
        ),
        (
            "header.wasm",
            &whole[..7],
            "not WebAssembly",
            "give the `.wasm` file of a component",
        ),
        (
            "half.wasm",
            &whole[..whole.len() / 2],
            "does not compile",
            "rebuild it",
        ),
    ];
    for (name, bytes, wrong, advice) in table {
        let file = files.path().join(name);
        fs::write(&file, bytes).expect("a temporary file");
        let file = file.to_str().expect("a path of text");
        for arguments in [
            &["inspect", file][..],
            &["check", file],
            &["check", "--json", file],
            &["serve", "--addr", "127.0.0.1:0", file],
        ] {
            refused(arguments, wrong, advice);
        }
    }
}

#[test]
fn a_missing_file_is_named_by_every_command() {
    for command in ["inspect", "check", "serve"] {
        let missing = [command, "no-such.wasm"];
        refused(&missing, "cannot read", "check that it exists");
        refused(&missing, "no-such.wasm", "No such file");
    }
    refused(
        &["build", "no-such-folder"],
        "no Cargo.toml at no-such-folder",
        "give the folder of a handler crate",
    );
}

#[test]
fn a_component_without_a_door_can_be_inspected_but_not_entered() {
    let arena = component(".");
    let arena = arena.to_str().expect("a path of text");
    for command in ["serve", "check"] {
        refused(
            &[command, arena],
            "no request handler but `lavandula:arena/",
            "export `lavandula:arena/handler` or `wasi:http/incoming-handler`",
        );
    }

    let table = ask(&["inspect", arena]);
    assert_eq!(table.code, Some(0), "{table:?}");
    let lines: Vec<_> = table.stdout.lines().collect();
    assert!(lines.contains(&"imports   nothing"), "{table:?}");
    assert!(
        lines.contains(&"doors     none: it cannot be served"),
        "{table:?}"
    );

    let done = ask(&["inspect", "--json", arena]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let inspection = document(&done);
    assert_eq!(inspection["imports"], Value::Array(Vec::new()));
    assert_eq!(inspection["doors"], Value::Array(Vec::new()));
    assert_eq!(inspection["rewinds"], true);
}

// Options.

#[test]
fn arguments_that_mean_nothing_are_refused_with_a_way_on() {
    let help = "try '--help'";
    let table: &[(&[&str], &str, &str)] = &[
        (&["frobnicate"], "unrecognized subcommand", help),
        (&["serve", "--frobnicate"], "--frobnicate", help),
        (&["check", "a.wasm", "b.wasm", "c.wasm"], "c.wasm", help),
        (
            &["check", "a.wasm", "--max-memory", "lots"],
            "`lots` is no size",
            "64KiB",
        ),
        (
            &["serve", "a.wasm", "--max-body", "-1"],
            "unexpected argument '-1'",
            help,
        ),
        (
            &["serve", "a.wasm", "--timeout", "0s"],
            "zero leaves no time",
            "10s",
        ),
        (
            &["serve", "a.wasm", "--timeout", "10"],
            "`10` is no duration",
            "10s",
        ),
        (
            &["serve", "a.wasm", "--door", "back"],
            "'back'",
            "a door is `fast`, `wasi-http`",
        ),
        (
            &["serve", "a.wasm", "--addr", "8080"],
            "`8080` is no address",
            "127.0.0.1:8080",
        ),
        (
            &["check", "a.wasm", "--path", "/", "--header", "no colon"],
            "`no colon` is no header",
            "NAME: VALUE",
        ),
        (
            &["check", "a.wasm", "--header", "a: b"],
            "required",
            "--path <PATH>",
        ),
        (&["serve", "a.wasm", "--max-in-flight", "0"], "'0'", "1.."),
        (
            &["build", "--target", "wasm64-none"],
            "'wasm64-none'",
            "wasm32-wasip2",
        ),
        (
            &["--log", "=/=", "inspect", "a.wasm"],
            "`=/=` is no log filter",
            "debug",
        ),
    ];
    for (arguments, wrong, advice) in table {
        refused(arguments, wrong, advice);
    }
}

#[test]
fn a_component_that_cannot_be_rewound_is_not_served_so() {
    let component = component("tests/guests/forgetful");
    let component = component.to_str().unwrap();
    refused(
        &[
            "serve",
            "--isolation",
            "rewind",
            "--addr",
            "127.0.0.1:0",
            component,
        ],
        "keeps no image",
        "InvocationHeap",
    );
    refused(
        &[
            "serve",
            "--isolation",
            "rewind",
            "--requests-per-instance",
            "0",
            component,
        ],
        "--requests-per-instance",
        "0",
    );
}

#[test]
fn no_arguments_at_all_get_the_help() {
    let none: [&str; 0] = [];
    refused(&none, "Usage: lavandula", "check");
}

#[test]
fn a_port_in_use_is_refused_with_a_way_on() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("it is bound").to_string();
    let sample = component(SAMPLE);
    let arguments = ["serve".as_ref(), sample.as_os_str()];
    let arguments = [&arguments[..], &["--addr".as_ref(), addr.as_ref()]].concat();
    refused(
        &arguments,
        &format!("{addr} is in use"),
        "choose another port",
    );
}

#[test]
fn a_limit_below_what_the_component_starts_with_is_refused() {
    let sample = component(SAMPLE);
    let sample = sample.to_str().expect("a path of text");
    refused(
        &["serve", sample, "--max-memory", "64KiB"],
        "the limit is 65536",
        "raise the memory limit",
    );
}

// The check.

fn check(folder: &str, arguments: &[&str]) -> Done {
    let mut command = lavandula();
    command.arg("check").arg(component(folder)).args(arguments);
    run(&mut command)
}

/// The names of the pieces of evidence, with whether they hold.
fn evidence(report: &Value) -> Vec<(&str, bool)> {
    let evidence = report["evidence"].as_array().expect("a list");
    evidence
        .iter()
        .map(|evidence| {
            let holds = evidence["holds"].as_bool().expect("yes or no");
            (evidence["name"].as_str().expect("a name"), holds)
        })
        .collect()
}

#[test]
fn a_check_that_holds_exits_with_0_and_a_table() {
    let done = check(SAMPLE, &["--requests", "60"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.contains("verdict: holds (60 requests"),
        "{done:?}"
    );
    assert!(!done.stdout.contains("BROKEN"), "{done:?}");
}

#[test]
fn a_check_that_is_broken_exits_with_1_and_names_the_evidence() {
    let done = check(HOARDING, &["--json", "--requests", "60", "--seed", "3"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report = document(&done);
    assert_eq!(report["verdict"], "broken");
    assert_eq!(report["requests"], 60);
    assert_eq!(report["seed"], 3);
    assert_eq!(report["door"], "fast");
    assert_eq!(report["isolation"], "rewind");
    // It keeps a piece of a request where nothing moves and nothing grows.
    let expected = [
        ("answers", true),
        ("size", true),
        ("resources", true),
        ("footprint", true),
        ("addresses", true),
        ("content", false),
        ("identity", true),
        ("pointers", true),
        ("claims", true),
        ("freshness", true),
    ];
    assert_eq!(evidence(&report), expected);

    let table = check(HOARDING, &["--requests", "60"]);
    assert_eq!(table.code, Some(1), "{table:?}");
    assert!(table.stdout.contains("verdict: broken"), "{table:?}");
}

#[test]
fn a_check_with_an_instance_for_each_request_compares_instances() {
    // What it keeps of a request is gone with the instance.
    let arguments = ["--json", "--requests", "60", "--isolation", "instance"];
    let done = check(HOARDING, &arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = document(&done);
    assert_eq!(report["verdict"], "holds");
    assert_eq!(report["isolation"], "instance");
    assert!(
        evidence(&report).iter().all(|(_, holds)| *holds),
        "{report}"
    );

    let mut command = lavandula();
    command.env("LAVANDULA_ISOLATION", "instance");
    command.args(["check", "-n", "40"]).arg(component(HOARDING));
    let table = run(&mut command);
    assert_eq!(table.code, Some(0), "{table:?}");
    assert!(table.stdout.contains("isolation instance"), "{table:?}");
}

#[test]
fn a_crate_is_built_first_and_its_typical_requests_are_checked_too() {
    let mut command = lavandula();
    command.args(["check", "--json", "-n", "60"]);
    let done = run(command.arg(root().join(SAMPLE)));
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = document(&done);
    assert_eq!(report["requests"], 60);
    assert!(done.stderr.contains("built component="), "{done:?}");
    // Two shapes of its own besides the eight that are generated.
    command = lavandula();
    command.args(["check", "-n", "39"]);
    let done = run(command.arg(root().join(SAMPLE)));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("needs 40"), "{done:?}");
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_seed_another() {
    // Broken, so that the report tells of addresses and markers too.
    let report = |seed| {
        let done = check(HOARDING, &["--json", "--requests", "60", "--seed", seed]);
        assert_eq!(done.code, Some(1), "{done:?}");
        document(&done);
        done.stdout
    };
    let first = report("5");
    assert_eq!(first, report("5"));
    assert_ne!(first, report("6"));
}

#[test]
fn too_few_requests_are_refused_with_the_number_that_is_needed() {
    let sample = component(SAMPLE);
    let sample = sample.to_str().expect("a path of text");
    let few = ["check", "--json", sample, "--requests", "3"];
    refused(&few, "3 requests are too few", "needs 32");
    // And with that number there are enough of them.
    assert_eq!(check(SAMPLE, &["--requests", "31"]).code, Some(2));
    assert_eq!(check(SAMPLE, &["--requests", "32"]).code, Some(0));
}

#[test]
fn environment_variables_stand_for_options_and_options_win() {
    let sample = component(SAMPLE);
    let check = || {
        let mut command = lavandula();
        command.args(["check", "--json"]).arg(&sample);
        command
            .env("LAVANDULA_REQUESTS", "40")
            .env("LAVANDULA_SEED", "9")
            .env("LAVANDULA_DOOR", "wasi-http");
        command
    };
    let report = document(&run(&mut check()));
    assert_eq!(report["requests"], 40);
    assert_eq!(report["seed"], 9);
    assert_eq!(report["door"], "wasi-http");

    let report = document(&run(check().args(["--seed", "4", "--door", "fast"])));
    assert_eq!(report["requests"], 40);
    assert_eq!(report["seed"], 4);
    assert_eq!(report["door"], "fast");

    let done = run(check().env("LAVANDULA_TIMEOUT", "soon"));
    assert_eq!((done.code, &*done.stdout), (Some(2), ""));
    assert!(done.stderr.contains("`soon` is no duration"), "{done:?}");
}

#[test]
fn a_request_of_ones_own_is_checked_alone() {
    let body = root().join(SAMPLE).join("data/marked.json");
    let body = body.to_str().expect("a path of text");
    let arguments = ["--path", "/filter?browser=firefox", "--method", "POST"];
    let one = [&arguments[..], &["--body", body, "--json", "-n", "20"]].concat();
    let done = check(SAMPLE, &one);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report = document(&done);
    assert_eq!(report["requests"], 20);
    let addresses = &report["evidence"][4]["detail"];
    assert!(
        addresses
            .as_str()
            .is_some_and(|text| text.contains("1 shape")),
        "{addresses}"
    );

    let sample = component(SAMPLE);
    let sample = sample.to_str().expect("a path of text");
    refused(
        &["check", sample, "--path", "/", "--body", "no-such.json"],
        "cannot read the body no-such.json",
        "name a file",
    );
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    let full = || fs::File::create("/dev/full").expect("Linux has it");
    let sample = component(SAMPLE);
    for arguments in [
        &["inspect"][..],
        &["inspect", "--json"],
        &["check", "-n", "32"],
    ] {
        let mut command = lavandula();
        command.args(arguments).arg(&sample).stdout(full());
        let done = command.output().expect("it runs");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("stdout"), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

// The build.

#[test]
fn a_crate_that_does_not_compile_shows_the_compiler_s_message_and_leaves_no_file() {
    let broken = Crate::new(CDYLIB, "src/lib.rs", "fn broken( {\n");
    for command in ["build", "serve", "check", "inspect"] {
        broken.refused(
            command,
            "unclosed delimiter",
            "does not compile for wasm32-wasip2: the compiler's messages are above",
        );
    }

    // A component that is there already stays as it is, with nothing beside it.
    let elsewhere = folder();
    let output = elsewhere.path().join("small.wasm");
    let before = b"the component of yesterday";
    fs::write(&output, before).expect("a file");
    let done = broken.ask("build", &["-o".as_ref(), output.as_os_str()]);
    assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{done:?}");
    assert_eq!(fs::read(&output).expect("still there"), before);
    assert_eq!(listing(elsewhere.path()), ["small.wasm"]);
}

#[test]
fn a_folder_without_a_crate_is_refused_by_every_command() {
    let empty = folder();
    let path = empty.path().to_str().expect("a path of text");
    for command in ["build", "serve", "check", "inspect"] {
        refused(
            &[command, path],
            &format!("no Cargo.toml at {path}"),
            "give the folder of a handler crate",
        );
    }
    assert!(listing(empty.path()).is_empty());
}

#[test]
fn crates_that_are_no_handlers_are_refused_before_they_are_compiled() {
    let program = Crate::new("", "src/main.rs", "fn main() {}\n");
    program.refused("build", "small has no library", "`lavandula::export!(...)`");
    assert_eq!(listing(program.path()), ["Cargo.toml", "src"]);

    for (settings, wrong, advice) in [
        ("stack = 1", "unknown field `stack`", "`stack-size`"),
        (
            "target = \"wasm32-wasip3\"",
            "unknown variant `wasm32-wasip3`",
            "`wasm32-wasip2`",
        ),
    ] {
        let manifest = format!("{CDYLIB}\n[package.metadata.lavandula]\n{settings}");
        let unknown = Crate::new(&manifest, "src/lib.rs", "");
        unknown.refused("build", "[package.metadata.lavandula] of small", advice);
        unknown.refused("serve", wrong, advice);
        assert_eq!(listing(unknown.path()), ["Cargo.toml", "src"]);
    }

    let manifest = format!("{CDYLIB}\n[package.metadata.lavandula]\ntarget = \"wasm32-wasip1\"");
    let library = Crate::new(&manifest, "src/lib.rs", "");
    let wrong = "small has no program for wasm32-wasip1";
    library.refused("build", wrong, "`lavandula::door!(...)`");
    assert_eq!(listing(library.path()), ["Cargo.toml", "src"]);
}

#[test]
fn a_manifest_that_is_no_toml_is_refused_with_its_line() {
    let nonsense = Crate::new("nonsense [", "src/lib.rs", "");
    nonsense.refused("build", "cargo cannot read the crate", "Cargo.toml:6");
}

#[test]
fn a_build_prints_the_path_of_the_component_and_nothing_else() {
    let done = run(lavandula().arg("build").arg(root().join(SAMPLE)));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout, format!("{}\n", component(SAMPLE).display()));
    assert!(
        done.stderr.contains("for wasm32-unknown-unknown"),
        "{done:?}"
    );
}

#[test]
fn a_build_puts_the_component_where_it_is_told() {
    let elsewhere = folder();
    let output = elsewhere.path().join("new/folder/sample.wasm");
    let build = || {
        run(lavandula()
            .arg("build")
            .arg(root().join(SAMPLE))
            .arg("-o")
            .arg(&output))
    };
    let done = build();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout, format!("{}\n", output.display()));
    let bytes = fs::read(&output).expect("it is there");
    let by_default = fs::read(component(SAMPLE)).expect("it is there");
    assert!(bytes == by_default, "not the same component");

    fs::write(&output, "of yesterday").expect("a file");
    assert_eq!(build().code, Some(0));
    assert!(fs::read(&output).expect("it is there") == bytes);
    let folder = output.parent().expect("a folder");
    assert_eq!(listing(folder), ["sample.wasm", "sample.wasm.symbols"]);
}

#[test]
fn a_build_for_another_target_imports_no_command_line() {
    let imports = |component: &Path| {
        let done = run(lavandula().args(["inspect", "--json"]).arg(component));
        assert_eq!(done.code, Some(0), "{done:?}");
        let imports = document(&done)["imports"].to_string();
        assert!(imports.contains("wasi:http/types"), "{imports}");
        imports
    };
    let elsewhere = folder();
    let output = elsewhere.path().join("faulty.wasm");
    let done = run(lavandula()
        .arg("build")
        .arg(root().join(FAULTY))
        .args(["--target", "wasm32-unknown-unknown", "-o"])
        .arg(&output));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!imports(&output).contains("wasi:cli"));
    // The crate's own target does import it, so that its absence means something.
    assert!(imports(&component(FAULTY)).contains("wasi:cli"));
}
