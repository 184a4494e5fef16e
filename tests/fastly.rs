//! `examples/fastly` in Viceroy, the runtime of Fastly Compute for one's own machine: the
//! same handler as everywhere else, behind a door of its own.
//!
//! `cargo install viceroy` makes the program; `LAVANDULA_VICEROY` says where it is, if it
//! is not among the programs that a shell finds.

mod support;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::command::Process;
use support::component_with;
use support::http::{Answer, Client, PATIENCE, request, text};
use support::optional::{missing, starts};
use tempfile::NamedTempFile;

const EXAMPLE: &str = "examples/fastly";

/// What is made of the example, and how Viceroy runs it.
#[derive(Debug, Clone, Copy)]
struct Form {
    features: &'static [&'static str],
    options: &'static [&'static str],
}

/// An instance for each request.
const FRESH: Form = Form {
    features: &[],
    options: &[],
};

/// An instance that waits for more, and is rewound.
const REUSED: Form = Form {
    features: &["reuse"],
    options: &[],
};

/// The same as a component, which Viceroy makes of it.
const ADAPTED: Form = Form {
    features: &["reuse"],
    options: &["--adapt"],
};

/// The same with the platform's allocator, so that nothing is put back.
const PLAIN: Form = Form {
    features: &["reuse", "std-heap"],
    options: &[],
};

/// Viceroy on a free port.
struct Viceroy {
    addr: std::net::SocketAddr,
    log: NamedTempFile,
    _process: Process,
}

/// The program, or none, and why is told.
fn program(untested: &str) -> Option<PathBuf> {
    let chosen = std::env::var_os("LAVANDULA_VICEROY").map(PathBuf::from);
    let program = chosen.unwrap_or_else(|| "viceroy".into());
    if starts(&program) {
        return Some(program);
    }
    let why = format!(
        "there is no `{}`, which `cargo install viceroy` makes",
        program.display()
    );
    missing("viceroy", &why, untested);
    None
}

impl Viceroy {
    #[track_caller]
    fn start(program: &Path, form: Form) -> Self {
        let module = component_with(EXAMPLE, None, form.features);
        let log = NamedTempFile::new().expect("a temporary file");
        let file = || log.reopen().expect("a temporary file");
        let mut command = Command::new(program);
        command
            .args(["serve", "-v", "--addr", "127.0.0.1:0"])
            .arg("--config")
            .arg(support::root().join(EXAMPLE).join("fastly.toml"))
            .args(form.options)
            .arg(module)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file());
        let mut process = Process::start(&mut command);
        let began = Instant::now();
        let addr = loop {
            let said = text(log.path());
            let place = said.split_once("Listening on http://");
            let place = place.and_then(|(_, rest)| rest.split_once('\n'));
            if let Some((addr, _)) = place {
                break addr.trim().parse().expect("an address");
            }
            let ended = process.child().try_wait().expect("it is a child");
            assert!(
                ended.is_none() && began.elapsed() < 3 * PATIENCE,
                "it does not serve: {said}"
            );
            thread::sleep(Duration::from_millis(20));
        };
        Self {
            addr,
            log,
            _process: process,
        }
    }

    fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// How many instances there were: each tells of its first request alone.
    fn instances(&self) -> usize {
        text(self.log.path()).matches("handling request").count()
    }
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Bytes that no two places of have alike.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn marker(number: u64) -> String {
    format!("mark-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn requests_and_answers_arrive_whole() {
    let Some(program) = program("the door of Fastly Compute was not tried") else {
        return;
    };
    for form in [FRESH, REUSED, ADAPTED] {
        let viceroy = Viceroy::start(&program, form);
        let mut client = viceroy.client();

        let usage = client.get("/");
        assert_eq!(usage.status, 200);
        assert_eq!(
            usage.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(usage.text().contains("POST /echo"));
        assert_eq!(client.get("/nowhere").status, 404);

        client.send(&request("HEAD", "/", b""));
        let head = client.head();
        assert_eq!(head.status, 200);
        assert_eq!(
            head.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        // Were there a body, this would not be an answer.
        assert_eq!(client.get("/").body, usage.body);

        for length in [0, 1, 1 << 20] {
            let body = bytes(length);
            let echo = client.post("/echo", &body);
            assert_eq!(
                (echo.status, echo.body == body),
                (200, true),
                "{length} bytes"
            );
        }
        let digest = json(&client.post("/digest", b"a"));
        assert_eq!(digest["fnv1a"], "af63dc4c8601ec8c");
        assert_eq!(
            number(&json(&client.post("/digest", &bytes(4 << 20))), "bytes"),
            4 << 20
        );
        // Sent in pieces, without a length.
        client.send(
            b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
              3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        );
        assert_eq!(client.answer().body, b"abcdefg");

        client.send(
            b"GET /headers?a=b HTTP/1.1\r\nhost: x\r\nX-Tag: one\r\nx-other: \xff\r\n\
              x-tag: two\r\n\r\n",
        );
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        let tags = answer.headers.iter().filter(|(name, _)| name == "x-tag");
        let tags: HashSet<_> = tags.map(|(_, value)| value.as_str()).collect();
        assert_eq!(tags, HashSet::from(["one", "two"]));
        let lines: HashSet<_> = answer.body.split(|&byte| byte == b'\n').collect();
        for line in [&b"x-tag: one"[..], b"x-tag: two", b"x-other: \xff"] {
            assert!(lines.contains(line), "{answer:?}");
        }
    }
}

#[test]
fn a_trap_is_a_500_and_the_next_request_is_answered() {
    let Some(program) = program("traps in Fastly Compute were not tried") else {
        return;
    };
    for form in [FRESH, REUSED, ADAPTED] {
        let viceroy = Viceroy::start(&program, form);
        for _ in 0..3 {
            assert_eq!(viceroy.client().get("/state").status, 200);
            assert_eq!(viceroy.client().get("/trap").status, 500, "{form:?}");
            assert_eq!(number(&json(&viceroy.client().get("/state")), "served"), 0);
        }
    }
}

/// Sends so many requests with markers, one after the other, and returns what the handler
/// told of each.
fn send_markers(viceroy: &Viceroy, numbers: std::ops::Range<u64>) -> Vec<Value> {
    let mut client = viceroy.client();
    let told = numbers.map(|number| {
        let own = marker(number);
        let answer = json(&client.get(&format!("/marker?of={own}")));
        assert_eq!(answer["marker"], own);
        answer
    });
    told.collect()
}

#[test]
fn each_request_finds_an_instance_as_new_whether_it_is_or_not() {
    let Some(program) = program("memory in Fastly Compute was not looked at") else {
        return;
    };
    const REQUESTS: u64 = 200;
    for form in [FRESH, REUSED, ADAPTED] {
        let viceroy = Viceroy::start(&program, form);
        let told = send_markers(&viceroy, 0..REQUESTS);
        for answer in &told {
            assert_eq!(number(answer, "others"), 0, "{form:?}: {answer}");
            assert_eq!(number(answer, "served"), 0, "{form:?}: {answer}");
            assert_eq!(number(answer, "memory"), number(&told[0], "memory"));
        }
        let instances = viceroy.instances();
        match form.features {
            [] => assert_eq!(instances, REQUESTS as usize),
            _ => assert!(instances < REQUESTS as usize / 2, "{instances} instances"),
        }
    }
}

#[test]
fn markers_do_not_cross_between_requests_that_come_at_once() {
    let Some(program) = program("requests at once in Fastly Compute were not tried") else {
        return;
    };
    let viceroy = &Viceroy::start(&program, REUSED);
    thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                for answer in send_markers(viceroy, client * 100..client * 100 + 25) {
                    assert_eq!(number(&answer, "others"), 0, "{answer}");
                    assert_eq!(number(&answer, "served"), 0, "{answer}");
                }
            });
        }
    });
    assert!(viceroy.instances() < 200);
}

#[test]
fn without_a_rewind_requests_find_each_other() {
    let Some(program) = program("what is not put back in Fastly Compute was not tried") else {
        return;
    };
    let viceroy = Viceroy::start(&program, PLAIN);
    let told = send_markers(&viceroy, 0..20);
    assert!(told.iter().any(|answer| number(answer, "served") > 0));
    assert!(told.iter().any(|answer| number(answer, "others") > 0));
}
