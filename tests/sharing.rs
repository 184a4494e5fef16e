//! Requests that share an instance, under `lavandula serve --isolation shared`: the real
//! command, plain sockets, a real guest, and an origin on loopback.

#[path = "support/overlap.rs"]
mod overlap;
mod support;

use std::fs;
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lavandula_host::{Failure, Host, HostBuilder, Isolation, LoadError, Outcome, Sharing};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use overlap::{Origin, all};
use support::http::{Answer, Client, Extent, PATIENCE, Server};

const OVERLAP: &str = "tests/guests/overlap";
const SERVICE: &str = "tests/guests/service";

/// Options that every server here has. One thread, so that all requests are for the same
/// instances.
const OPTIONS: [&str; 5] = [
    "--isolation=shared",
    "--threads=1",
    "--memory-header",
    "--admin-addr=127.0.0.1:0",
    "--log=info",
];

/// A server of the guest whose invocations overlap, with its origin.
async fn server(options: &[&str]) -> (Shared, Origin) {
    serve(support::component(OVERLAP), options).await
}

/// The same with everything in the arena, which has one request at a time.
async fn alone(options: &[&str]) -> (Shared, Origin) {
    serve(support::component_with(OVERLAP, None, &["heap"]), options).await
}

async fn serve(component: PathBuf, options: &[&str]) -> (Shared, Origin) {
    let origin = Origin::start().await;
    let allowed = format!("--allow-outbound={}", origin.authority());
    let mut options: Vec<_> = [&OPTIONS[..], options, &[&allowed]].concat();
    if !options
        .iter()
        .any(|option| option.starts_with("--idle-instance"))
    {
        options.push("--idle-instance=30s");
    }
    let options: Vec<_> = options.into_iter().map(str::to_owned).collect();
    let server = spawn_blocking(move || {
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        Shared::of(&component, &options)
    });
    (server.await.expect("it serves"), origin)
}

struct Shared(Arc<Server>, SocketAddr);

impl Shared {
    fn of(component: &Path, options: &[&str]) -> Self {
        let server = Server::of(component, options);
        let line = server.line();
        let admin = line.strip_prefix("Admin on http://");
        let admin = admin.and_then(|rest| rest.strip_suffix('/')?.parse().ok());
        let admin = admin.unwrap_or_else(|| panic!("no address for operators: {line}"));
        Self(Arc::new(server), admin)
    }

    /// Sends a request on a connection of its own, and waits for its answer elsewhere.
    fn ask(&self, path: &str, origin: &str, body: &[u8]) -> JoinHandle<(Answer, Extent)> {
        let mut client = self.send(path, origin, body);
        spawn_blocking(move || client.answer_or_part())
    }

    fn send(&self, path: &str, origin: &str, body: &[u8]) -> Client {
        let mut client = self.0.client();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-origin: {origin}\r\ncontent-length: {length}\r\n\r\n"
        );
        client.send(&[head.as_bytes(), body].concat());
        client
    }

    /// The answer to a request that waits for nothing.
    async fn get(&self, path: &str) -> Answer {
        whole(self.ask(path, "", b"")).await
    }

    /// How many requests the instance has had that answers this one.
    async fn count(&self) -> String {
        let answer = self.get("/count").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text().to_owned()
    }

    /// Asks for a marker, by way of a gate of the same name.
    async fn marked(&self, origin: &Origin, marker: &str) -> Answer {
        let path = format!("/marked?marker={marker}");
        let answer = whole(self.ask(&path, &origin.gate(marker), marker.as_bytes())).await;
        assert_eq!(answer.status, 200, "{answer:?}, {}", self.0.log());
        assert_eq!(answer.text(), format!("{marker} {marker} is open"));
        answer
    }

    /// What a counter or gauge has, with its labels as they are written.
    async fn metric(&self, name: &str) -> f64 {
        let admin = self.1;
        let page = spawn_blocking(move || Client::connect(admin).get("/metrics"));
        let page = page.await.expect("no panic");
        let line = page.text().lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(' ')?;
            value.parse().ok()
        });
        line.unwrap_or_else(|| panic!("no {name} in {}", page.text()))
    }

    async fn retired(&self, reason: &str) -> f64 {
        let name = format!("lavandula_instances_retired_total{{reason=\"{reason}\"}}");
        self.metric(&name).await
    }

    /// How many instances were made for requests: two were made at the start, to see
    /// that it can be done.
    async fn created(&self) -> f64 {
        self.metric("lavandula_instances_created_total").await - 2.0
    }

    /// All that it was asked so far was for one instance, or for a few where the machine
    /// had so much else to do that it looked as if a guest computed.
    async fn assert_shared(&self) {
        let created = self.created().await;
        assert!(
            (1.0..=4.0).contains(&created),
            "{created}: {}",
            self.0.log()
        );
    }

    /// Waits until a metric has this value.
    async fn until(&self, name: &str, value: f64) {
        let began = Instant::now();
        while self.metric(name).await != value {
            assert!(began.elapsed() < PATIENCE, "{name}: {}", self.0.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn whole(asked: JoinHandle<(Answer, Extent)>) -> Answer {
    let (answer, extent) = asked.await.expect("no panic");
    assert_eq!(extent, Extent::Whole, "{answer:?}");
    answer
}

/// The figure of memory of this name, as the answer tells it.
#[track_caller]
fn figure(answer: &Answer, name: &str) -> usize {
    let told = answer.header("x-lavandula-memory");
    let told = told.unwrap_or_else(|| panic!("no figures: {answer:?}"));
    let found = told
        .split(", ")
        .find_map(|figure| figure.strip_prefix(name)?.strip_prefix('='));
    let found = found.unwrap_or_else(|| panic!("no {name} in {told}"));
    found.parse().expect("a number")
}

#[track_caller]
fn assert_label(answer: &Answer, status: u16, label: &str) {
    assert_eq!(
        (answer.status, answer.label()),
        (status, Some(label)),
        "{answer:?}"
    );
}

/// Sixteen markers that nobody else has.
fn markers(round: usize) -> Vec<String> {
    let marker = |n| format!("marker-{round}-{n}-{}", n * 7_919);
    (0..16).map(marker).collect()
}

/// Waits until somebody waits at this gate.
#[track_caller]
fn waited<'a>(origin: &'a Origin, name: &'a str) -> impl Future<Output = ()> + 'a {
    let called_from = std::panic::Location::caller();
    async move {
        let waited = timeout(PATIENCE, origin.waited_for(name)).await;
        assert!(waited.is_ok(), "nobody comes to {name}, {called_from}");
    }
}

// Overlap.

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_share_an_instance_in_whatever_order_they_go_on() {
    let (server, origin) = server(&[]).await;
    let forwards: Vec<usize> = (0..16).collect();
    let backwards: Vec<usize> = (0..16).rev().collect();
    let mut peaks = Vec::new();
    let orders = [&forwards, &backwards, &forwards, &backwards];
    for (round, order) in orders.into_iter().enumerate() {
        let markers = markers(round);
        let asked = all(markers.iter().map(|marker| server.marked(&origin, marker)));
        let gates = async {
            for marker in &markers {
                waited(&origin, marker).await;
            }
            // All of them wait by now.
            for &n in order {
                origin.open(&markers[n]);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let (answers, ()) = tokio::join!(asked, gates);
        peaks.push(answers.iter().map(|answer| figure(answer, "peak")).max());
    }
    server.assert_shared().await;
    // Sixteen blocks of 64 KiB, and what else there is.
    assert!(peaks.iter().all(|peak| *peak < Some(2 << 20)), "{peaks:?}");
    assert_eq!(server.count().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_everything_in_the_arena_nobody_waits_behind_another() {
    let (server, origin) = alone(&[]).await;
    for round in 0..2 {
        let markers = markers(round);
        let asked = all(markers.iter().map(|marker| server.marked(&origin, marker)));
        let gates = async {
            for marker in &markers {
                // Which none of them would come to that waited for another.
                waited(&origin, marker).await;
            }
            markers.iter().rev().for_each(|marker| origin.open(marker));
        };
        tokio::join!(asked, gates);
        assert_eq!(server.count().await, "1");
    }
    // The second round had the instances of the first.
    assert_eq!(server.created().await, 16.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_all_seats_taken_has_another_instance() {
    let (server, origin) = server(&["--requests-at-a-time=2"]).await;
    let names = ["a", "b", "c"];
    let asked = all(names.iter().map(|name| server.marked(&origin, name)));
    let gates = async {
        for name in names {
            waited(&origin, name).await;
        }
        names.iter().for_each(|name| origin.open(name));
    };
    tokio::join!(asked, gates);
    assert_eq!(server.created().await, 2.0);
}

// How long an instance lives.

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_goes_after_as_many_requests_as_it_may_have() {
    let (server, _) = server(&["--requests-per-instance=3"]).await;
    let mut counts = Vec::new();
    for _ in 0..7 {
        counts.push(server.count().await);
    }
    assert_eq!(counts, ["1", "2", "3", "1", "2", "3", "1"]);
    assert_eq!(server.retired("served").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_nobody_needs_goes() {
    let (server, _) = server(&["--idle-instance=300ms"]).await;
    assert_eq!([server.count().await, server.count().await], ["1", "2"]);
    server
        .until("lavandula_instances_retired_total{reason=\"idle\"}", 1.0)
        .await;
    server
        .until(
            "lavandula_pool_slots{kind=\"component_instances\",state=\"used\"}",
            0.0,
        )
        .await;
    assert_eq!(server.count().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_takes_no_processor_time() {
    let (server, origin) = server(&[]).await;
    assert_eq!(server.count().await, "1");
    let span = Duration::from_secs(2);
    // Nobody but the instance, and then somebody in it who waits.
    for waiting in [false, true] {
        let asked = waiting.then(|| server.ask("/marked?marker=w", &origin.gate("w"), b"w"));
        if waiting {
            waited(&origin, "w").await;
        }
        let before = server.0.computed();
        tokio::time::sleep(span).await;
        let took = server.0.computed() - before;
        assert!(took < span / 10, "{took:?} of {span:?}, waiting: {waiting}");
        if let Some(asked) = asked {
            origin.open("w");
            assert_eq!(whole(asked).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_has_grown_too_large_goes() {
    let (server, _) = server(&["--keep-memory=2MiB"]).await;
    let answer = server.get("/hold?n=3000000").await;
    assert_eq!(answer.text(), "3000000");
    assert_eq!(server.count().await, "1");
    assert_eq!(server.retired("memory").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_denied_memory_is_the_last_of_its_instance() {
    let (server, origin) = server(&["--max-memory=3MiB"]).await;
    let beside = server.ask("/marked?marker=beside", &origin.gate("beside"), b"beside");
    waited(&origin, "beside").await;
    origin.open("hoard");
    let hoarded = whole(server.ask("/hoard", &origin.gate("hoard"), b"")).await;
    origin.open("beside");
    let marked = whole(beside).await;
    assert_eq!(marked.text(), "beside beside is open");
    assert_eq!(hoarded.status, 507);
    assert!(figure(&hoarded, "denied") > 0);
    // Whoever ran at that time is told of it as well: it is one memory.
    assert_eq!(figure(&marked, "denied"), figure(&hoarded, "denied"));
    assert_eq!(server.count().await, "1");
    assert_eq!(server.retired("denied").await, 1.0);
}

// Bad ends.

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_ends_all_of_its_instance_and_nobody_else() {
    // Where the machine has much else to do, a guest may look as if it computed, and the
    // next request get another instance. Then its neighbours are none.
    for _ in 0..8 {
        if trapped_beside().await == 2 {
            return;
        }
    }
    panic!("nobody shared the instance that trapped");
}

/// Has one trap beside two, and tells how many of these it took along.
async fn trapped_beside() -> usize {
    let (server, origin) = server(&["--requests-at-a-time=3"]).await;
    let waits = |name: &'static str| {
        let path = format!("/marked?marker={name}");
        server.ask(&path, &origin.gate(name), name.as_bytes())
    };
    // Three seats of one instance, and one of another.
    let trapping = server.ask("/trap", &origin.gate("trap"), b"");
    waited(&origin, "trap").await;
    let neighbours = ["a", "b"].map(waits);
    waited(&origin, "a").await;
    waited(&origin, "b").await;
    let other = waits("other");
    waited(&origin, "other").await;

    origin.open("trap");
    assert_label(&whole(trapping).await, 500, "trap");
    let mut taken_along = 0;
    for (neighbour, name) in neighbours.into_iter().zip(["a", "b"]) {
        origin.open(name);
        let answer = whole(neighbour).await;
        if answer.status == 500 {
            assert_label(&answer, 500, "trap");
            taken_along += 1;
        } else {
            assert_eq!(answer.text(), format!("{name} {name} is open"));
        }
    }
    origin.open("other");
    assert_eq!(whole(other).await.text(), "other other is open");
    assert_eq!(server.count().await, "1");
    assert_eq!(server.retired("failed").await, 1.0);
    taken_along
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_under_way_when_its_instance_traps_is_cut_off() {
    let (server, origin) = server(&[]).await;
    let mut client = server.0.client();
    client.send(
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    );
    let (mut client, first) = spawn_blocking(move || {
        assert_eq!(client.head().status, 200);
        let first = client.chunk();
        (client, first)
    })
    .await
    .expect("no panic");
    assert_eq!(first.as_deref(), Some(&b"first"[..]));
    let trapping = server.ask("/trap", &origin.gate("trap"), b"");
    origin.open("trap");
    assert_label(&whole(trapping).await, 500, "trap");
    let rest = spawn_blocking(move || client.chunk())
        .await
        .expect("no panic");
    assert_eq!(rest, None, "it looks like the end");
    assert_eq!(server.count().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_late_is_ended_and_those_beside_it_have_their_own_time() {
    let (server, origin) = server(&["--timeout=1500ms"]).await;
    let began = Instant::now();
    // It waits for more of its request than comes.
    let mut late = server.0.client();
    late.send(b"POST /quiet HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nhalf");
    let late = spawn_blocking(move || late.answer_or_part());
    tokio::time::sleep(Duration::from_millis(800)).await;
    let beside = server.ask("/marked?marker=beside", &origin.gate("beside"), b"beside");
    waited(&origin, "beside").await;

    assert_label(&whole(late).await, 504, "deadline");
    assert!(
        began.elapsed() < Duration::from_millis(2200),
        "{:?}",
        began.elapsed()
    );
    // Their instance takes nobody else, and this one goes on in it.
    assert_eq!(server.count().await, "1");
    origin.open("beside");
    assert_eq!(whole(beside).await.text(), "beside beside is open");
    server
        .until("lavandula_instances_retired_total{reason=\"failed\"}", 1.0)
        .await;
    server
        .until(
            "lavandula_pool_slots{kind=\"component_instances\",state=\"used\"}",
            1.0,
        )
        .await;
    assert_eq!(server.count().await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_computes_without_end_costs_its_neighbours_and_nobody_else() {
    let (server, origin) = server(&["--timeout=1500ms"]).await;
    let beside = server.ask("/marked?marker=beside", &origin.gate("beside"), b"beside");
    waited(&origin, "beside").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let spinning = server.ask("/spin", &origin.gate("spin"), b"");
    waited(&origin, "spin").await;
    origin.open("spin");
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Others of the thread go on, in another instance.
    let began = Instant::now();
    for count in ["1", "2", "3"] {
        assert_eq!(server.count().await, count);
    }
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
    // It cannot be told that its answer is there, and has its own time.
    origin.open("beside");
    assert_label(&whole(beside).await, 504, "deadline");
    assert_label(&whole(spinning).await, 504, "deadline");
    server
        .until("lavandula_instances_retired_total{reason=\"failed\"}", 1.0)
        .await;
    assert_eq!(server.count().await, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_beside_one_that_computed_for_too_long_are_told_so() {
    let (server, origin) = server(&["--timeout=1s"]).await;
    let spinning = server.ask("/spin", &origin.gate("spin"), b"");
    waited(&origin, "spin").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let beside = server.ask("/marked?marker=beside", &origin.gate("beside"), b"beside");
    waited(&origin, "beside").await;
    origin.open("spin");
    assert_label(&whole(spinning).await, 504, "deadline");
    assert_label(&whole(beside).await, 500, "trap");
    assert!(
        server.0.log().contains("it shared an instance"),
        "{}",
        server.0.log()
    );
    assert_eq!(server.count().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_disturb_nobody() {
    let (server, origin) = server(&[]).await;
    for round in 0..3 {
        let [gone, here] = ["early", "staying"].map(|name| format!("{name}-{round}"));
        // One before its answer, one in the middle of it, one in the middle of its request.
        let early = server.send("/marked?marker=early", &origin.gate(&gone), b"early");
        let mut midway = server.send("/length?n=3000000", "", b"");
        let mut half = server.0.client();
        half.send(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nhalf");
        let staying = server.ask(
            &format!("/marked?marker={here}"),
            &origin.gate(&here),
            here.as_bytes(),
        );
        waited(&origin, &gone).await;
        waited(&origin, &here).await;
        spawn_blocking(move || {
            assert_eq!(midway.head().status, 200);
            for client in [early, midway, half] {
                let _ = client.stream.get_ref().shutdown(Shutdown::Both);
            }
        })
        .await
        .expect("no panic");
        // The one that waits for its origin is not known to be gone before.
        tokio::time::sleep(Duration::from_millis(300)).await;
        origin.open(&gone);
        origin.open(&here);
        assert_eq!(
            whole(staying).await.text(),
            format!("{here} {here} is open")
        );
        server.until("lavandula_requests_in_flight", 0.0).await;
    }
    // One instance had all of it, and is none the worse.
    server.assert_shared().await;
    let (peak, before) = (server.get("/hold?n=1").await, server.get("/hold?n=1").await);
    assert_eq!(figure(&peak, "peak"), figure(&before, "peak"));
    assert_eq!(server.count().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stays_open_keeps_its_seat_for_its_time_and_no_longer() {
    let (server, _) = server(&["--timeout=1s"]).await;
    let mut open = server.0.client();
    open.send(
        b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    );
    let mut open = spawn_blocking(move || {
        assert_eq!(open.head().status, 200);
        assert_eq!(open.chunk().as_deref(), Some(&b"first"[..]));
        open
    })
    .await
    .expect("no panic");
    for count in ["1", "2", "3"] {
        assert_eq!(server.count().await, count);
    }
    let cut = spawn_blocking(move || open.chunk())
        .await
        .expect("no panic");
    assert_eq!(cut, None);
    server.until("lavandula_requests_in_flight", 0.0).await;
    assert_eq!(server.count().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_all_that_it_may_leaves_the_others_theirs() {
    let (server, origin) = server(&["--keep-memory=64MiB"]).await;
    let mut peaks = Vec::new();
    for round in 0..3 {
        let gate = format!("hoard-{round}");
        let hoarding = all((0..4).map(|_| whole(server.ask("/hoard", &origin.gate(&gate), b""))));
        let names: Vec<_> = markers(round).into_iter().take(8).collect();
        let modest = async {
            waited(&origin, &gate).await;
            let asked = all(names.iter().map(|name| server.marked(&origin, name)));
            let gates = async {
                for name in &names {
                    waited(&origin, name).await;
                    origin.open(name);
                }
            };
            let (answers, ()) = tokio::join!(asked, gates);
            origin.open(&gate);
            answers
        };
        let (hoarded, modest) = tokio::join!(hoarding, modest);
        for answer in &hoarded {
            assert_eq!(answer.status, 507);
        }
        // What each had of its own arena is told apart, although they ran together.
        for answer in &hoarded {
            assert!(figure(answer, "arena-peak") > 3 << 20, "{answer:?}");
        }
        for answer in &modest {
            assert!(figure(answer, "arena-peak") < 64 << 10, "{answer:?}");
        }
        peaks.push(hoarded.iter().map(|answer| figure(answer, "peak")).max());
    }
    let most = peaks.iter().flatten().max();
    assert!(most < Some(&(4 * (6 << 20) + (4 << 20))), "{peaks:?}");
    server.assert_shared().await;
}

// Ends of servers and components.

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_when_the_server_drains_is_answered() {
    let (server, origin) = server(&[]).await;
    let waiting = ["a", "b"].map(|name| {
        let path = format!("/marked?marker={name}");
        server.ask(&path, &origin.gate(name), name.as_bytes())
    });
    waited(&origin, "a").await;
    waited(&origin, "b").await;
    server.0.process.signal("TERM");
    server.0.wait_until_deaf();
    origin.open("a");
    origin.open("b");
    for (asked, name) in waiting.into_iter().zip(["a", "b"]) {
        assert_eq!(whole(asked).await.text(), format!("{name} {name} is open"));
    }
    let mut server = Arc::into_inner(server.0).expect("nobody else has it");
    let status = spawn_blocking(move || server.process.end(PATIENCE)).await;
    assert!(status.expect("no panic").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_component_takes_the_next_requests_and_the_old_one_ends_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file: PathBuf = folder.path().join("handler.wasm");
    fs::copy(support::component(OVERLAP), &file).expect("a file");
    let (server, origin) = serve(file.clone(), &["--watch"]).await;
    assert_eq!([server.count().await, server.count().await], ["1", "2"]);
    let old = server.ask("/marked?marker=old", &origin.gate("old"), b"old");
    waited(&origin, "old").await;

    let beside = file.with_extension("new");
    fs::copy(support::component(SERVICE), &beside).expect("a file");
    fs::rename(beside, &file).expect("it can be renamed");
    let began = Instant::now();
    // What only the new one has.
    while server.get("/slow").await.body != b"one two three" {
        assert!(began.elapsed() < PATIENCE, "{}", server.0.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    origin.open("old");
    assert_eq!(whole(old).await.text(), "old old is open");
    // That of the new one is all that is left.
    server
        .until(
            "lavandula_pool_slots{kind=\"component_instances\",state=\"used\"}",
            1.0,
        )
        .await;
}

// As a library, and with handlers of others.

fn sharing(policy: Sharing) -> HostBuilder {
    Host::builder().isolation(Isolation::Shared(policy))
}

async fn get(host: &Host, path: &str) -> Outcome {
    let request = http::Request::get(path).body("").expect("a request");
    host.request(request).await
}

#[tokio::test]
async fn a_host_in_a_test_shares_instances_as_well() {
    let host = support::host_with(sharing(Sharing::default()).measure_arena(), OVERLAP);
    host.prepare(1).await.expect("an instance");
    let sizes = [1000, 20_000, 300_000];
    let paths = sizes.map(|size| format!("/hold?n={size}"));
    let outcomes = all(paths.iter().map(|path| get(&host, path))).await;
    for (size, outcome) in sizes.into_iter().zip(outcomes) {
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        assert_eq!(
            outcome.response.body().as_ref(),
            size.to_string().as_bytes()
        );
        let peak = outcome.arena.expect("it is measured").peak;
        assert!((size..size + 1000).contains(&peak), "{size}: {peak}");
    }
    assert_eq!(get(&host, "/count").await.response.body().as_ref(), b"1");
    assert_eq!(get(&host, "/count").await.response.body().as_ref(), b"2");
}

#[tokio::test]
async fn a_handler_of_another_maker_is_shared_as_well() {
    let host = support::host_with(sharing(Sharing::default()), SERVICE);
    for size in [0, 1, 1 << 10, 3 << 20] {
        let body: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[0]).collect();
        let request = http::Request::post("/echo").body(body.clone());
        let outcome = host.request(request.expect("a request")).await;
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        assert!(outcome.response.body().as_ref() == body, "{size}");
    }
    for (path, label) in [
        ("/trap", "trap"),
        ("/trap-midway", "trap"),
        ("/error", "bad_response"),
        ("/length?3", "bad_response"),
        ("/error-midway", "bad_response"),
    ] {
        let outcome = get(&host, path).await;
        let found = outcome.failure.as_ref().map_or("ok", Failure::label);
        assert_eq!(found, label, "{path}: {:?}", outcome.failure);
        // Another instance, or one that is as it was.
        let next = get(&host, "/slow").await;
        assert_eq!(next.response.body().as_ref(), b"one two three", "{path}");
    }
}

#[tokio::test]
async fn a_component_without_the_door_is_refused_with_a_way_on() {
    let component = support::component(support::FAULTY);
    let error = sharing(Sharing::default())
        .load(component)
        .expect_err("no door");
    assert!(matches!(error, LoadError::NotShared), "{error}");
    assert!(error.to_string().contains("export!(async"), "{error}");
}
