//! What operators do with a server: components that were compiled ahead, options
//! from a file, and a component that is replaced while requests come in.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lavandula_host::Host;
use lavandula_host::ahead::{self, Machine};
use tempfile::TempDir;

use support::command::{Done, lavandula, run};
use support::http::{Client, PATIENCE, Server};
use support::small::{CDYLIB, Crate};
use support::{FAULTY, component, root};

const SAMPLE: &str = "examples/json-api";

/// The longest that a change may take until it is served: it may have to be compiled.
const LONG: Duration = PATIENCE.saturating_mul(6);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The names of all that lies in a folder.
fn listing(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// The command does not do it: it exits with 2, and says all of `words` and nothing
/// on stdout.
#[track_caller]
fn refused(command: &mut Command, words: &[&str]) -> Done {
    let done = run(command);
    assert_eq!((done.code, &*done.stdout), (Some(2), ""), "{done:?}");
    for word in words {
        assert!(done.stderr.contains(word), "no `{word}` in {}", done.stderr);
    }
    done
}

// Compiled ahead.

fn compile(component: &Path) -> Command {
    let mut command = lavandula();
    command.arg("compile").arg(component);
    command
}

/// A copy of a component in a folder of its own, and its code beside it.
fn compiled(folder: &TempDir, options: &[&str]) -> PathBuf {
    let wasm = folder.path().join("faulty.wasm");
    fs::copy(component(FAULTY), &wasm).expect("a copy");
    let done = run(compile(&wasm).args(options));
    assert_eq!(done.code, Some(0), "{done:?}");
    let code = folder.path().join("faulty.cwasm");
    assert_eq!(done.stdout, format!("{}\n", code.display()));
    let advice = format!(
        "serve it with `lavandula serve --allow-precompiled {}`",
        code.display()
    );
    let bytes = fs::metadata(&code).expect("it is there").len();
    let told = done.stderr.lines().last().unwrap_or_default();
    assert!(told.starts_with(&format!("{bytes} bytes for ")), "{told}");
    assert!(told.ends_with(&advice), "{told}");
    assert_eq!(
        listing(folder.path()),
        ["faulty.cwasm", "faulty.wasm"].map(String::from).into()
    );
    code
}

#[test]
fn code_that_was_compiled_ahead_is_served_where_that_is_allowed() {
    let folder = folder();
    let code = compiled(&folder, &[]);
    for options in [
        &["--allow-precompiled"][..],
        &["--allow-precompiled", "--isolation", "rewind"],
    ] {
        let server = Server::of(&code, options);
        for door in ["/echo", "/count"] {
            let answer = server.client().post(door, b"1");
            assert_eq!((answer.status, &*answer.body), (200, &b"1"[..]), "{door}");
        }
        // Its limits are those of the server.
        assert_eq!(server.client().get("/hoard").label(), Some("out_of_memory"));
    }
    // The flag takes nothing away.
    Server::of(&component(FAULTY), &["--allow-precompiled"]).assert_serves();
}

#[test]
fn code_for_every_machine_of_this_kind_is_served_by_this_one() {
    let folder = folder();
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let code = compiled(&folder, &["--target", &triple]);
    Server::of(&code, &["--allow-precompiled"]).assert_serves();

    let wasm = folder.path().join("faulty.wasm");
    refused(
        compile(&wasm).args(["--target", "pdp11-dec-unix"]),
        &["cannot compile for `pdp11-dec-unix`", &triple],
    );
}

#[test]
fn code_for_one_door_has_that_and_no_other() {
    let folder = folder();
    let fast = compiled(&folder, &["--door", "fast"]);
    Server::of(&fast, &["--allow-precompiled"]).assert_serves();
    refused(
        lavandula()
            .arg("serve")
            .arg(&fast)
            .args(["--allow-precompiled", "--door", "wasi-http"]),
        &["does not export `wasi:http/incoming-handler"],
    );
    let lean = fs::metadata(&fast).expect("it is there").len();
    let all = compiled(&folder, &[]);
    assert!(lean < fs::metadata(&all).expect("it is there").len());
    Server::of(&all, &["--allow-precompiled", "--door", "wasi-http"]).assert_serves();
    // Before there is a file, and not when it is to be served.
    let wasm = folder.path().join("none.wasm");
    fs::copy(component(FAULTY), &wasm).expect("a copy");
    refused(
        compile(&wasm).args(["--door", "wasi-http-0.3"]),
        &["does not export `wasi:http/handler"],
    );
}

#[test]
fn compiled_code_is_not_served_unasked_nor_taken_for_a_component() {
    let folder = folder();
    let code = compiled(&folder, &[]);
    for command in ["serve", "check", "inspect", "compile"] {
        refused(
            lavandula().arg(command).arg(&code),
            &["compiled code", "--allow-precompiled", "`.wasm`"],
        );
    }
    let off = ["--allow-precompiled=false"];
    refused(lavandula().arg("serve").arg(&code).args(off), &["trust"]);
}

#[test]
fn code_of_another_version_is_to_be_compiled_again() {
    let folder = folder();
    let code = compiled(&folder, &[]);
    let mut bytes = fs::read(&code).expect("it is there");
    // wasmtime notes its major version: a zero, the length, the digits.
    let noted = b"\0\x0248";
    let version = bytes.windows(4).position(|bytes| bytes == noted);
    bytes[version.expect("it is noted") + 3] = b'7';
    fs::write(&code, &bytes).expect("it is ours");
    refused(
        lavandula()
            .arg("serve")
            .arg(&code)
            .arg("--allow-precompiled"),
        &["another version", "compile it again", "version '47'"],
    );
}

#[test]
fn the_component_itself_is_never_overwritten_and_other_files_are_as_a_whole() {
    let folder = folder();
    let code = compiled(&folder, &[]);
    let wasm = folder.path().join("faulty.wasm");
    let bytes = fs::read(&wasm).expect("it is there");
    let roundabout = folder.path().join("link.wasm");
    symlink(&wasm, &roundabout).expect("a link");
    for output in [&wasm, &roundabout] {
        refused(
            compile(&wasm).arg("-o").arg(output),
            &["is the component itself", "--output"],
        );
    }
    assert!(fs::read(&wasm).expect("still there") == bytes);

    // What does not compile leaves alone what is there.
    let before = fs::read(&code).expect("it is there");
    let half = folder.path().join("half.wasm");
    fs::write(&half, &bytes[..bytes.len() / 2]).expect("a file");
    refused(compile(&half).arg("-o").arg(&code), &["does not compile"]);
    assert!(fs::read(&code).expect("still there") == before);

    let elsewhere = folder.path().join("new/folder/code");
    let done = run(compile(&wasm).arg("-o").arg(&elsewhere));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(fs::read(&elsewhere).expect("it is there") == before);
    let parent = elsewhere.parent().expect("a folder");
    assert_eq!(listing(parent), ["code".to_owned()].into());
}

#[test]
fn a_crate_is_built_and_its_code_put_beside_its_component() {
    let done = run(&mut compile(&root().join(SAMPLE)));
    assert_eq!(done.code, Some(0), "{done:?}");
    let code = component(SAMPLE).with_extension("cwasm");
    assert_eq!(done.stdout, format!("{}\n", code.display()));
    let server = Server::of(&code, &["--allow-precompiled"]);
    assert_eq!(server.client().get("/filter").status, 405);
    fs::remove_file(code).expect("it is there");
}

/// Prints the table of docs/serve.md:
/// `cargo test --test operate -- --ignored --nocapture loading`.
#[test]
#[ignore = "it measures, and checks nothing"]
fn how_long_loading_takes() {
    const ROUNDS: usize = 30;
    // Of the fastest round: whatever else the machine does only adds to it.
    let time = |load: &dyn Fn() -> Host| {
        let round = |_| {
            let began = Instant::now();
            drop(load());
            began.elapsed()
        };
        (0..ROUNDS).map(round).min().expect("there are some")
    };
    println!("| component | size | loaded from `.wasm` | from `.cwasm` | ratio |");
    for folder in [SAMPLE, "examples/markdown", FAULTY] {
        let bytes = fs::read(component(folder)).expect("it is there");
        let code = ahead::compile(&bytes, &Machine::This, None).expect("it compiles");
        let from_wasm = time(&|| Host::builder().load_bytes(&bytes).expect("it loads"));
        let from_code = time(&|| {
            // SAFETY: it was compiled just now.
            let builder = unsafe { Host::builder().allow_precompiled() };
            builder.load_bytes(&code).expect("it loads")
        });
        println!(
            "| `{folder}` | {} KiB | {from_wasm:.1?} | {from_code:.1?} | {:.0} |",
            bytes.len() / 1024,
            from_wasm.as_secs_f64() / from_code.as_secs_f64(),
        );
    }
}

// Options from a file.

/// A file with options, in a folder of its own.
struct Config {
    folder: TempDir,
}

impl Config {
    fn new(text: &str) -> Self {
        let this = Self { folder: folder() };
        fs::write(this.file(), text).expect("a file");
        this
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("lavandula.toml")
    }

    fn serve(&self) -> Command {
        let mut command = lavandula();
        command.arg("serve").arg("--config").arg(self.file());
        command
    }
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let config = Config::new("component = \"faulty.wasm\"\nmax-body = \"1KiB\"");
    let wasm = config.folder.path().join("faulty.wasm");
    fs::copy(component(FAULTY), wasm).expect("a copy");

    let takes_2_kib = |command: &mut Command| {
        // From another folder: the component is found from the file's.
        let server = Server::launch(command.current_dir("/"));
        match server.client().post("/echo", &[b'x'; 2048]).status {
            200 => true,
            413 => false,
            other => panic!("{other}: {}", server.log()),
        }
    };
    let name = "LAVANDULA_MAX_BODY";
    assert!(!takes_2_kib(&mut config.serve()));
    assert!(takes_2_kib(config.serve().env(name, "4KiB")));
    let both = ["--max-body", "1KiB"];
    assert!(!takes_2_kib(config.serve().env(name, "4KiB").args(both)));
    // The file itself may be named by the environment as well.
    let mut command = lavandula();
    command.arg("serve").env("LAVANDULA_CONFIG", config.file());
    assert!(!takes_2_kib(&mut command));
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_the_file_and_the_key() {
    for (text, words) in [
        (
            "max-memmory = 1",
            &["unknown key `max-memmory`", "`max-memory`"][..],
        ),
        ("frobnicate = 1", &["unknown key `frobnicate`", "--help"]),
        (
            "max-memory = [1, 2]",
            &["`max-memory`", "array", "one value"],
        ),
        (
            "max-memory = \"lots\"",
            &["--max-memory", "`lots` is no size", "64KiB"],
        ),
        ("max-in-flight = true", &["--max-in-flight", "'true'"]),
        ("addr = \"8080\"", &["--addr", "`8080` is no address"]),
        ("addr = ", &["no TOML", "line 1"]),
    ] {
        let config = Config::new(text);
        let file = config.file().display().to_string();
        let done = refused(&mut config.serve(), words);
        assert!(done.stderr.contains(&file), "{text}: {done:?}");
        assert!(!done.stderr.contains("try '--help'"), "{done:?}");
    }
    // Even where it does not count, so that nobody is surprised later.
    let config = Config::new("max-memory = \"lots\"");
    refused(
        config.serve().args(["--max-memory", "8MiB"]),
        &["`lots` is no size"],
    );
    // And what is wrong elsewhere is not said to be in the file.
    let config = Config::new("max-memory = \"8MiB\"");
    let done = refused(config.serve().args(["--timeout", "soon"]), &["`soon`"]);
    assert!(!done.stderr.contains("lavandula.toml"), "{done:?}");

    let missing = config.folder.path().join("no-such.toml");
    refused(
        lavandula().args(["serve", "--config"]).arg(missing),
        &["no-such.toml", "No such file", "--config"],
    );
}

#[test]
fn the_options_in_force_are_printed_with_where_they_come_from() {
    let config = Config::new("max-memory = \"8MiB\"\nlog = \"warn\"\nmax-body = 1024");
    let mut command = config.serve();
    command
        .args(["--print-config", "--timeout", "5s"])
        .env("LAVANDULA_MAX_BODY", "2KiB");
    let done = run(&mut command);
    assert_eq!(done.code, Some(0), "{done:?}");
    for line in [
        "max-memory = \"8MiB\" # the file",
        "log = \"warn\" # the file",
        "max-body = \"2KiB\" # the environment",
        "timeout = \"5s\" # the command line",
        "max-in-flight = \"64\" # default",
    ] {
        assert!(done.stdout.lines().any(|found| found == line), "{done:?}");
    }
    let again = Config::new(&done.stdout);
    let done = run(again.serve().arg("--print-config"));
    assert_eq!(done.code, Some(0), "{done:?}");
    let timeout = "timeout = \"5s\" # the file";
    assert!(
        done.stdout.lines().any(|found| found == timeout),
        "{done:?}"
    );
}

// Replaced while it is served.

/// The versions of a handler, which say in each answer which one they are.
const VERSIONS: [&str; 2] = ["version-A: ", "version-B: "];

/// The handler whose answer to `/describe` has this mark in the place of another of
/// the same length.
fn version(mark: &str) -> Vec<u8> {
    let mut bytes = fs::read(component(FAULTY)).expect("it is there");
    let replaced = "authority: ";
    assert_eq!(replaced.len(), mark.len());
    let at: Vec<_> = bytes
        .windows(replaced.len())
        .enumerate()
        .filter_map(|(at, window)| (window == replaced.as_bytes()).then_some(at))
        .collect();
    assert!(!at.is_empty(), "the handler says something else by now");
    for at in at {
        bytes[at..at + mark.len()].copy_from_slice(mark.as_bytes());
    }
    bytes
}

/// Which of the versions answers.
#[track_caller]
fn answering(client: &mut Client) -> usize {
    let answer = client.get("/describe");
    let text = answer.text();
    assert_eq!((answer.status, answer.label()), (200, None), "{text}");
    let version = VERSIONS.iter().position(|mark| text.contains(mark));
    version.unwrap_or_else(|| panic!("no version's answer: {text}"))
}

/// Waits until `holds`.
#[track_caller]
fn wait_until(what: &str, server: &Server, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONG, "never {what}: {}", server.log());
        thread::sleep(Duration::from_millis(10));
    }
}

/// How a file comes to be another one.
#[derive(Clone, Copy)]
enum Way {
    Renamed,
    Overwritten,
}

fn put(file: &Path, bytes: &[u8], way: Way) {
    match way {
        Way::Overwritten => fs::write(file, bytes).expect("it can be written"),
        Way::Renamed => {
            let beside = file.with_extension("new");
            fs::write(&beside, bytes).expect("it can be written");
            fs::rename(beside, file).expect("it can be renamed");
        }
    }
}

/// No version is known to be the only one.
const NEITHER: usize = usize::MAX;

/// Replaces the component five times, and breaks it once, while several connections
/// send one request after another.
fn replaced_under_load(options: &[&str]) {
    let folder = folder();
    let file = folder.path().join("handler.wasm");
    let versions = VERSIONS.map(version);
    fs::write(&file, &versions[0]).expect("a file");
    let server = Server::of(&file, &[&["--watch"], options].concat());

    // The version that every answer to a request of now has to be of.
    let settled = AtomicUsize::new(0);
    let ended = AtomicBool::new(false);
    let load = |mut client: Client| {
        let mut answers = [0_u32; 2];
        while !ended.load(Ordering::SeqCst) {
            let before = settled.load(Ordering::SeqCst);
            let version = answering(&mut client);
            if before != NEITHER && settled.load(Ordering::SeqCst) == before {
                assert_eq!(version, before, "of another version");
            }
            answers[version] += 1;
        }
        answers
    };
    let mut prober = server.client();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| server.client())
            .map(|client| scope.spawn(|| load(client)))
            .collect();
        // They end also where this thread does not come to its end.
        let end = Ended(&ended);
        for swap in 1..=5 {
            let next = swap % 2;
            settled.store(NEITHER, Ordering::SeqCst);
            let way = [Way::Renamed, Way::Overwritten][swap / 2 % 2];
            put(&file, &versions[next], way);
            wait_until("replaced", &server, || answering(&mut prober) == next);
            settled.store(next, Ordering::SeqCst);
            // For those on the connections that stay.
            thread::sleep(Duration::from_millis(100));
            if swap == 3 {
                let half = &versions[0][..versions[0].len() / 2];
                put(&file, half, Way::Renamed);
                wait_until("told of", &server, || {
                    server.log().contains("the component from before goes on")
                });
                assert_eq!(answering(&mut prober), next);
            }
        }
        drop(end);
        for client in clients {
            let answers = client.join().expect("no request fails");
            assert!(answers.iter().all(|&n| n > 0), "{answers:?}");
        }
    });
    let log = server.log();
    let count = |words: &str| log.matches(words).count();
    assert_eq!(count("goes on serving"), 1, "{log}");
    assert_eq!(count("does not compile"), 1, "{log}");
    assert_eq!(count("reloaded"), 5, "{log}");
}

struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn no_request_is_dropped_when_the_component_is_replaced() {
    replaced_under_load(&[]);
}

#[test]
fn no_request_is_dropped_when_the_component_is_replaced_and_instances_are_rewound() {
    // As many as there are connections: both components share the places.
    replaced_under_load(&["--isolation", "rewind", "--max-in-flight", "5"]);
}

#[test]
fn a_link_that_leads_to_another_file_is_another_component() {
    let folder = folder();
    let releases = folder.path().join("releases");
    fs::create_dir(&releases).expect("a folder");
    for (name, mark) in ["one", "two"].iter().zip(VERSIONS) {
        fs::write(releases.join(name), version(mark)).expect("a file");
    }
    let link = folder.path().join("current.wasm");
    symlink("releases/one", &link).expect("a link");
    let server = Server::of(&link, &["--watch"]);
    let mut client = server.client();
    assert_eq!(answering(&mut client), 0);
    let beside = folder.path().join("next");
    symlink("releases/two", &beside).expect("a link");
    fs::rename(beside, link).expect("it can be renamed");
    wait_until("replaced", &server, || answering(&mut client) == 1);
}

#[test]
fn a_folder_that_is_made_anew_is_watched_on() {
    let folder = folder();
    let inner = folder.path().join("dist");
    let file = inner.join("handler.wasm");
    let [one, two] = VERSIONS.map(version);
    fs::create_dir(&inner).expect("a folder");
    fs::write(&file, &one).expect("a file");
    let server = Server::of(&file, &["--watch"]);
    let mut client = server.client();
    for (next, bytes) in [(1, &two), (0, &one)] {
        fs::remove_dir_all(&inner).expect("it is there");
        fs::create_dir(&inner).expect("a folder");
        fs::write(&file, bytes).expect("a file");
        wait_until("replaced", &server, || answering(&mut client) == next);
    }
}

#[test]
fn compiled_code_is_replaced_only_where_it_is_allowed() {
    let folder = folder();
    let code = compiled(&folder, &[]);
    let wasm = folder.path().join("faulty.wasm");
    fs::write(&wasm, version(VERSIONS[0])).expect("it is ours");
    let server = Server::of(&wasm, &["--watch"]);
    fs::copy(&code, &wasm).expect("a copy");
    wait_until("told of", &server, || {
        server.log().contains("compiled code")
    });
    assert_eq!(answering(&mut server.client()), 0);

    let trusting = Server::of(&code, &["--watch", "--allow-precompiled"]);
    fs::write(&wasm, version(VERSIONS[1])).expect("it is ours");
    let done = run(&mut compile(&wasm));
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut client = trusting.client();
    wait_until("replaced", &trusting, || {
        client.get("/describe").text().contains(VERSIONS[1])
    });
}

#[test]
fn what_cannot_be_watched_is_refused_with_a_way_on() {
    let folder = folder();
    refused(
        lavandula()
            .args(["serve", "--watch", "no-such-folder/handler.wasm"])
            .current_dir(folder.path()),
        &["no-such-folder: No path was found", "check that it exists"],
    );
    refused(
        lavandula()
            .args(["serve", "--watch", "handler.wasm"])
            .current_dir(folder.path()),
        &["cannot read `handler.wasm`", "check that it exists"],
    );
}

fn source(answer: &str) -> String {
    format!(
        "use lavandula::{{Context, Request, Response}};
         fn handle<'a>(_: &'a Context, _: Request<'a>) -> Response<'a> {{
             Response::ok({answer}, \"text/plain\")
         }}
         lavandula::export!(handle);"
    )
}

#[test]
fn a_handler_crate_is_built_and_served_again_when_its_sources_change() {
    let root = root().display();
    let manifest = format!("{CDYLIB}\n[dependencies]\nlavandula = {{ path = \"{root}\" }}\n");
    let handler = Crate::new(&manifest, "src/lib.rs", &source("\"one\""));
    // The versions that everything here is built with, and what is built of them.
    let lock = format!("{root}/Cargo.lock");
    fs::copy(lock, handler.path().join("Cargo.lock")).expect("a copy");
    let target = component(FAULTY);
    let target = target.ancestors().nth(2).expect("a target folder");

    let on_it = |arguments: &[&str]| {
        let mut command = lavandula();
        command.args(arguments).arg(handler.path());
        command.env("CARGO_TARGET_DIR", target);
        command
    };
    // By itself, since a server that is started is given less time.
    assert_eq!(run(&mut on_it(&["build"])).code, Some(0));
    let server = Server::launch(&mut on_it(&["serve", "--watch"]));
    let mut client = server.client();
    assert_eq!(client.get("/").text(), "one");

    handler.write("src/lib.rs", &source("\"two\""));
    wait_until("two", &server, || client.get("/").text() == "two");

    handler.write("src/lib.rs", &source("three"));
    wait_until("told of", &server, || {
        let log = server.log();
        log.contains("goes on serving") && log.contains("cannot find value `three`")
    });
    assert_eq!(client.get("/").text(), "two");

    // A new folder, with a file that is no Rust, and one that has nothing to do with
    // it.
    fs::write(handler.path().join("notes.txt"), "not a source").expect("a file");
    handler.write("texts/three", "three");
    handler.write("src/lib.rs", &source("include_str!(\"../texts/three\")"));
    wait_until("three", &server, || client.get("/").text() == "three");
    handler.write("texts/three", "four");
    wait_until("four", &server, || client.get("/").text() == "four");
}
