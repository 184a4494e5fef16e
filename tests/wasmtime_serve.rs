//! Stock `wasmtime serve`, as it comes, with a handler whose invocations overlap: it
//! gives an instance sixteen requests at a time and 128 altogether.
//!
//! Needs the command, as `LAVANDULA_WASMTIME=PATH` or as `benches/wasmtime` makes it
//! beside the programs of a build:
//! `cargo build --release -p lavandula-bench-wasmtime`.

#[path = "support/overlap.rs"]
mod overlap;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use overlap::Origin;
use support::command::Process;
use support::http::PATIENCE;
use support::optional;

const OVERLAP: &str = "tests/guests/overlap";

/// Both forms of the handler: an arena each, and all in one, one at a time.
const FORMS: [&[&str]; 2] = [&[], &["heap"]];

/// Where `wasmtime` is, as it was named or as this workspace makes it.
fn wasmtime() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LAVANDULA_WASMTIME") {
        let named = PathBuf::from(named);
        assert!(
            optional::starts(&named),
            "LAVANDULA_WASMTIME names {}, which cannot be run",
            named.display()
        );
        return Some(named);
    }
    let test = std::env::current_exe().expect("a test knows its own file");
    let target = test.ancestors().nth(3).expect("it lies in PROFILE/deps");
    let made = ["release", "debug"].map(|profile| {
        let program = format!("lavandula-bench-wasmtime{}", std::env::consts::EXE_SUFFIX);
        target.join(profile).join(program)
    });
    let found = made.into_iter().find(|program| optional::starts(program));
    if found.is_none() {
        optional::missing(
            "wasmtime",
            "there is no wasmtime (LAVANDULA_WASMTIME=PATH, or cargo build --release -p \
             lavandula-bench-wasmtime)",
            "overlapping requests under `wasmtime serve` are not tested",
        );
    }
    found
}

/// `wasmtime serve` with one of the forms, and an origin for it.
struct Stage {
    #[expect(dead_code, reason = "it ends with this")]
    server: Process,
    addr: SocketAddr,
    origin: Origin,
    log: NamedTempFile,
}

impl Stage {
    async fn set(features: &[&'static str]) -> Option<Self> {
        let wasmtime = wasmtime()?;
        let component = support::component_with(OVERLAP, None, features);
        let log = NamedTempFile::new().expect("a temporary file");
        let mut serve = Command::new(wasmtime);
        serve
            .args(["serve", "--addr", "127.0.0.1:0"])
            .arg(component)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().expect("a temporary file"));
        let server = Process::start(&mut serve);
        Some(Self {
            addr: addr(&log).await,
            server,
            origin: Origin::start().await,
            log,
        })
    }

    /// Asks for a marker, by way of a gate of the same name.
    fn marked(&self, marker: &str) -> JoinHandle<Option<(u16, String)>> {
        let bytes = self.asking(&format!("/marked?marker={marker}"), marker);
        let addr = self.addr;
        spawn_blocking(move || ask(addr, &bytes))
    }

    fn asking(&self, path: &str, gate: &str) -> Vec<u8> {
        let origin = self.origin.gate(gate);
        let length = gate.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: guest.test\r\nx-origin: {origin}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{gate}"
        );
        head.into_bytes()
    }

    /// Whatever happened before, the next one is answered.
    async fn serves(&self, marker: &str) {
        self.origin.open(marker);
        let answer = self.marked(marker).await.expect("no panic");
        assert_eq!(answer, Some(right(marker)), "{}", self.log());
    }

    async fn count(&self) -> String {
        let (addr, bytes) = (self.addr, self.asking("/count", ""));
        let answer = spawn_blocking(move || ask(addr, &bytes)).await;
        let (status, text) = answer.expect("no panic").expect("an answer");
        assert_eq!(status, 200);
        text
    }

    fn log(&self) -> String {
        support::http::text(self.log.path())
    }
}

fn right(marker: &str) -> (u16, String) {
    (200, format!("{marker} {marker} is open"))
}

/// Where it says that it serves.
async fn addr(log: &NamedTempFile) -> SocketAddr {
    let began = Instant::now();
    loop {
        let text = support::http::text(log.path());
        let addr = text.lines().find_map(|line| {
            let rest = line.strip_prefix("Serving HTTP on http://")?;
            rest.strip_suffix('/')?.parse().ok()
        });
        if let Some(addr) = addr {
            return addr;
        }
        assert!(began.elapsed() < 3 * PATIENCE, "it does not serve: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Status and body. None where the connection ended before there was an answer.
fn ask(addr: SocketAddr, request: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    stream
        .set_read_timeout(Some(3 * PATIENCE))
        .expect("a socket");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

fn markers(of: &str) -> Vec<String> {
    (0..16).map(|n| format!("{of}-{n}-{}", n * 7_919)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_overlap_are_each_answered_right_in_both_orders() {
    for form in FORMS {
        let Some(stage) = Stage::set(form).await else {
            return;
        };
        let forwards: Vec<usize> = (0..16).collect();
        let backwards: Vec<usize> = (0..16).rev().collect();
        for (order, name) in [(forwards, "forwards"), (backwards, "backwards")] {
            let markers = markers(name);
            let asked: Vec<_> = markers.iter().map(|marker| stage.marked(marker)).collect();
            for marker in &markers {
                stage.origin.waited_for(marker).await;
            }
            // All of them wait by now, and others come and go.
            let mut counts = Vec::new();
            for _ in 0..20 {
                counts.push(stage.count().await);
            }
            let is_first = |count: &String| count == "1";
            if form.is_empty() {
                let reused = counts.iter().any(|count| !is_first(count));
                assert!(reused, "each has an instance of its own: {counts:?}");
            } else {
                let alone = counts.iter().all(is_first);
                assert!(alone, "an instance knows of others: {counts:?}");
            }
            for n in order {
                stage.origin.open(&markers[n]);
            }
            for (marker, asked) in markers.iter().zip(asked) {
                let answer = asked.await.expect("no panic");
                assert_eq!(answer, Some(right(marker)), "{}", stage.log());
            }
        }
        stage.serves("next").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_disturb_nobody() {
    for form in FORMS {
        let Some(stage) = Stage::set(form).await else {
            return;
        };
        let markers = markers("stays");
        let asked: Vec<_> = markers.iter().map(|marker| stage.marked(marker)).collect();
        let mut leaving: Vec<TcpStream> = Vec::new();
        for n in 0..4 {
            let mut stream = TcpStream::connect(stage.addr).expect("it listens");
            let marker = format!("leaves-{n}");
            let request = stage.asking(&format!("/marked?marker={marker}"), &marker);
            stream.write_all(&request).expect("it reads");
            stage.origin.waited_for(&marker).await;
            leaving.push(stream);
        }
        for marker in &markers {
            stage.origin.waited_for(marker).await;
        }
        drop(leaving);
        for n in 0..4 {
            stage.origin.open(&format!("leaves-{n}"));
        }
        for marker in &markers {
            stage.origin.open(marker);
        }
        for (marker, asked) in markers.iter().zip(asked) {
            let answer = asked.await.expect("no panic");
            assert_eq!(answer, Some(right(marker)), "{}", stage.log());
        }
        stage.serves("next").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trap_ends_its_instance_and_those_in_it_and_nothing_else() {
    for form in FORMS {
        let Some(stage) = Stage::set(form).await else {
            return;
        };
        let markers = markers("beside");
        let asked: Vec<_> = markers.iter().map(|marker| stage.marked(marker)).collect();
        for marker in &markers {
            stage.origin.waited_for(marker).await;
        }
        let (addr, trap) = (stage.addr, stage.asking("/trap", "trap"));
        let trapping = spawn_blocking(move || ask(addr, &trap));
        stage.origin.waited_for("trap").await;
        stage.origin.open("trap");
        let trapped = trapping.await.expect("no panic");
        assert!(
            trapped.as_ref().is_none_or(|(status, _)| *status >= 500),
            "{trapped:?}"
        );
        for marker in &markers {
            stage.origin.open(marker);
        }
        for (marker, asked) in markers.iter().zip(asked) {
            let answer = asked.await.expect("no panic");
            let failed = answer.as_ref().is_none_or(|(status, _)| *status >= 500);
            // Alone in its instance it cannot be in one that trapped.
            let may_fail = form.is_empty();
            assert!(
                answer == Some(right(marker)) || may_fail && failed,
                "{answer:?}: {}",
                stage.log()
            );
        }
        stage.serves("next").await;
    }
}
