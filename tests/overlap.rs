//! Invocations of one instance that overlap, each with its own memory.

#[allow(dead_code, reason = "of other makers, one is of interest here")]
#[path = "makers/build.rs"]
mod build;
#[path = "support/overlap.rs"]
mod overlap;
mod support;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use lavandula_host::build::Target;
use wasmtime_wasi_http::WasiBody;

use overlap::{Guest, Instance, Open, Origin, all, get, open_ended, post};

const OVERLAP: &str = "tests/guests/overlap";

fn guest() -> Guest {
    Guest::load(&support::component(OVERLAP))
}

/// The same handler with everything in the arena.
fn alone() -> Guest {
    Guest::load(&support::component_with(OVERLAP, None, &["heap"]))
}

/// Asks for a marker, by way of a gate of the same name.
async fn marked(open: Open<'_>, origin: &Origin, marker: &str) {
    let request = post(
        &format!("/marked?marker={marker}"),
        &origin.gate(marker),
        marker.as_bytes(),
    );
    let answer = open.ask(request).await;
    assert_eq!(answer.text(), format!("{marker} {marker} is open"));
}

/// Sixteen distinct markers.
fn markers() -> Vec<String> {
    (0..16)
        .map(|n| format!("marker-{n}-{}", n * 7_919))
        .collect()
}

/// Requests of the guest's that are answered in this process, after a while that
/// depends on what is asked.
fn nearby(request: http::Request<WasiBody>) -> overlap::Sending {
    Box::pin(async move {
        let name = request.uri().path().trim_start_matches("/gate/").to_owned();
        let turns = name.bytes().map(usize::from).sum::<usize>() % 11;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let body = Full::new(Bytes::from(format!("{name} is open")));
        let body = body.map_err(|never| match never {}).boxed_unsync();
        let sent: overlap::Transfer = Box::new(async { Ok(()) });
        Ok((http::Response::new(body), sent))
    })
}

// Overlap.

#[tokio::test]
async fn invocations_that_wait_do_not_mix_in_whatever_order_they_go_on() {
    let guest = guest();
    let forwards: Vec<usize> = (0..16).collect();
    let backwards: Vec<usize> = (0..16).rev().collect();
    let across: Vec<usize> = (0..16).map(|n| n * 5 % 16).collect();
    for order in [forwards, backwards, across] {
        let origin = Origin::start().await;
        let markers = markers();
        let mut instance = guest.start().await;
        let ran = instance.run(async |open| {
            let asked = all(markers.iter().map(|marker| marked(open, &origin, marker)));
            let gates = async {
                for marker in &markers {
                    origin.waited_for(marker).await;
                }
                // All of them wait by now.
                for &n in &order {
                    origin.open(&markers[n]);
                    tokio::task::yield_now().await;
                }
            };
            tokio::join!(asked, gates);
            open.settle().await;
        });
        ran.await.expect("no trap");
        let usage = instance.usage().await;
        assert_eq!((usage.used, usage.committed, usage.resets), (0, 0, 16));
        assert_eq!(instance.resources(), 0);
    }
}

/// Rounds of sixteen requests, as many as there is time for: `LAVANDULA_OVERLAP_ROUNDS`.
fn rounds() -> usize {
    let rounds = std::env::var("LAVANDULA_OVERLAP_ROUNDS");
    rounds.map_or(100, |rounds| rounds.parse().expect("a number"))
}

/// So many rounds in one instance, sixteen requests at a time. Says what memory was
/// after each of them, and tells of it.
async fn many(instance: &mut Instance, path: &str, told: &str) -> Vec<usize> {
    let mut sizes = Vec::new();
    let began = std::time::Instant::now();
    let ran = instance.run(async |open| {
        for round in 0..rounds() {
            let sixteen = (0..16).map(async |n| {
                let marker = format!("{round}-{n}-marker");
                let target = format!("{path}?marker={marker}");
                let origin = format!("http://near.test/gate/{marker}");
                let answer = open.ask(post(&target, &origin, marker.as_bytes())).await;
                assert_eq!(answer.text(), format!("{marker} {marker} is open"));
            });
            all(sixteen).await;
            sizes.push(open.memory());
        }
        open.settle().await;
    });
    ran.await.expect("no trap");
    let (took, requests) = (began.elapsed(), 16 * rounds());
    let kib = |bytes: usize| bytes >> 10;
    let peak = sizes.iter().max().copied().unwrap_or(0);
    let grown = sizes[sizes.len() - 1] - sizes[0];
    println!(
        "{told}: {requests} requests in {took:?}, memory {} KiB at most, grown by {} KiB since \
         the first round",
        kib(peak),
        kib(grown)
    );
    sizes
}

#[tokio::test]
async fn many_requests_overlap_in_one_instance_and_memory_stays_as_it_is() {
    let guest = guest();
    // With the arena, and for comparison with the platform's allocator alone.
    for path in ["/marked", "/beside"] {
        let mut instance = guest.start_with(nearby).await;
        let sizes = many(&mut instance, path, path).await;
        let usage = instance.usage().await;
        assert_eq!(usage.resets, 16 * rounds() as u64);
        assert_eq!(instance.resources(), 0);
        let flat = sizes[sizes.len() / 4];
        assert_eq!(sizes.last(), Some(&flat), "{path}: {sizes:?}");
    }
}

/// To compare with: what it does is no matter of ours, but that it answers is.
#[tokio::test]
async fn many_requests_overlap_in_an_instance_of_another_maker() {
    let component = build::component("overlap", build::Builder::Cargo);
    let Some(component) = component else { return };
    let guest = Guest::load(&component);
    let mut instance = guest.start_with(nearby).await;
    many(&mut instance, "/", "wasip3, std's allocator").await;
    assert_eq!(instance.resources(), 0);
}

#[tokio::test]
async fn pages_come_back_when_the_body_was_taken_and_not_before() {
    let origin = Origin::start().await;
    let mut instance = guest().start().await;
    let (sender, body) = open_ended();
    let mut answered = None;
    let began = instance.run(async |open| {
        let request = http::Request::post("http://guest.test/echo").body(body);
        let mut answer = open
            .head(request.expect("a request"))
            .await
            .expect("no trap");
        for piece in ["first", "second"] {
            sender.send(Bytes::from(piece)).await.expect("it is read");
            let frame = answer.body_mut().frame().await.expect("a piece");
            let frame = frame.expect("it is whole").into_data();
            assert_eq!(frame.expect("data"), piece);
        }
        answered = Some(answer);
    });
    began.await.expect("no trap");
    // `handle` has returned, and its streams are open.
    let usage = instance.usage().await;
    assert!(usage.used > 0 && usage.committed == 64 << 10, "{usage:?}");

    drop(sender);
    let ended = instance.run(async |open| {
        // Others come and go meanwhile.
        open.ask(get("/count", "")).await;
        let rest = answered.take().expect("it was answered").into_body();
        assert!(rest.collect().await.expect("it ends").to_bytes().is_empty());
        open.settle().await;
    });
    ended.await.expect("no trap");
    let usage = instance.usage().await;
    assert_eq!((usage.used, usage.committed, usage.resets), (0, 0, 2));
    drop(origin);
}

#[tokio::test]
async fn a_body_goes_to_an_origin_and_back_whatever_its_size() {
    let origin = Origin::start().await;
    let mut instance = guest().start().await;
    let ran = instance.run(async |open| {
        let relayed = [0, 1, 70_000, 3 << 20].map(async |size: usize| {
            let body: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            let answer = open.ask(post("/relay", &origin.echo(), &body)).await;
            assert_eq!(answer.status, 200);
            assert!(answer.body == body, "{size}");
        });
        all(relayed).await;
        open.settle().await;
    });
    ran.await.expect("no trap");
    let usage = instance.usage().await;
    assert_eq!((usage.used, usage.committed), (0, 0));
    assert_eq!(instance.resources(), 0);
}

#[tokio::test]
async fn a_whole_body_arrives_whatever_its_size() {
    let mut instance = guest().start().await;
    let ran = instance.run(async |open| {
        for size in [0, 1, 65_536, 65_537, 3 << 20] {
            let answer = open.ask(get(&format!("/length?n={size}"), "")).await;
            let expected: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[0]).collect();
            assert!(answer.body == expected, "{size}");
        }
    });
    ran.await.expect("no trap");
}

#[tokio::test]
async fn nothing_of_an_invocation_is_in_memory_when_it_has_ended() {
    // What its libraries have freed may be, where it is not all in the arena: so this
    // handler has its request in the arena alone.
    for (guest, waiting) in [(guest(), 16), (alone(), 1)] {
        let origin = Origin::start().await;
        let mut instance = guest.start().await;
        let names: Vec<_> = markers().into_iter().take(waiting).collect();
        let ask = async |open: Open<'_>, name: &str| {
            let body = name.repeat(5_000);
            let path = format!("/quiet?{name}");
            let request = post(&path, &origin.gate("all"), body.as_bytes());
            let answer = open.ask(request).await;
            assert_eq!(answer.text(), format!("{path} {} bytes", body.len()));
        };
        let ran = instance.run(async |open| {
            let asked = all(names.iter().map(|name| ask(open, name)));
            let gate = async {
                while origin.visitors() < waiting {
                    tokio::task::yield_now().await;
                }
                for name in &names {
                    assert!(open.finds(name.as_bytes()), "{name} is not there");
                }
                origin.open("all");
            };
            tokio::join!(asked, gate);
            open.settle().await;
            for name in &names {
                assert!(!open.finds(name.as_bytes()), "{name} is still there");
            }
        });
        ran.await.expect("no trap");
    }
}

// Bad ends.

#[tokio::test]
async fn an_invocation_whose_answer_nobody_reads_gives_its_memory_back() {
    let origin = Origin::start().await;
    let mut instance = guest().start().await;
    let ran = instance.run(async |open| {
        let unread = async {
            let path = "/marked?marker=unread";
            let answer = open.head(get(path, &origin.gate("unread"))).await;
            drop(answer.expect("no trap"));
        };
        let read = marked(open, &origin, "read");
        tokio::join!(unread, read, async {
            origin.waited_for("unread").await;
            origin.open("read");
            origin.open("unread");
        });
        open.settle().await;
    });
    ran.await.expect("no trap");
    let usage = instance.usage().await;
    assert_eq!((usage.used, usage.committed, usage.resets), (0, 0, 2));
    assert_eq!(instance.resources(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_body_disturbs_nobody() {
    let origin = Origin::start().await;
    let mut instance = guest().start().await;
    let ran = instance.run(async |open| {
        let leaving = async {
            let answer = open.head(get("/length?n=3000000", "")).await;
            let mut answer = answer.expect("no trap");
            let piece = answer.body_mut().frame().await.expect("a piece");
            piece.expect("it is whole so far");
        };
        let staying = marked(open, &origin, "staying");
        tokio::join!(leaving, staying, async {
            origin.waited_for("staying").await;
            origin.open("staying");
        });
        open.settle().await;
    });
    ran.await.expect("no trap");
    let usage = instance.usage().await;
    assert_eq!((usage.used, usage.committed, usage.resets), (0, 0, 2));
    assert_eq!(instance.resources(), 0);
}

/// A body whose sender goes away after one piece.
struct Broken(Option<Bytes>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(match self.0.take() {
            Some(piece) => Ok(http_body::Frame::data(piece)),
            None => Err(wasmtime_wasi_http::Error::ConnectionTerminated),
        }))
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_is_an_error_of_the_handler() {
    let mut instance = guest().start().await;
    let ran = instance.run(async |open| {
        let broken = |path: &str| {
            let request = http::Request::post(format!("http://guest.test{path}"));
            request
                .body(Broken(Some(Bytes::from("half"))))
                .expect("a request")
        };
        let answer = open.ask(broken("/marked?marker=x")).await;
        assert_eq!(answer.status, 502);
        // What came is sent back, and that it was not all.
        let answer = open.try_ask(broken("/echo")).await.expect("no trap");
        assert_eq!((answer.text().as_str(), answer.whole), ("half", false));
        let answer = open.try_ask(get("/cut", "")).await.expect("no trap");
        assert_eq!((answer.text().as_str(), answer.whole), ("hello", false));
        let answer = open.ask(get("/invalid", "")).await;
        assert_eq!(answer.status, 500);
        open.settle().await;
    });
    ran.await.expect("no trap");
    assert_eq!(instance.usage().await.used, 0);
    assert_eq!(instance.resources(), 0);
}

#[tokio::test]
async fn who_takes_all_that_it_may_leaves_the_others_theirs() {
    const HOARDERS: usize = 4;
    let mut instance = guest().start().await;
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let origin = Origin::start().await;
        let ran = instance.run(async |open| {
            let hoarding = all((0..HOARDERS).map(async |_| {
                let answer = open.ask(get("/hoard", &origin.gate("hoard"))).await;
                assert_eq!(answer.status, 507);
            }));
            let modest = async {
                origin.waited_for("hoard").await;
                let names = markers();
                let asked = all(names.iter().map(|name| marked(open, &origin, name)));
                let gates = async {
                    for name in &names {
                        origin.waited_for(name).await;
                        origin.open(name);
                    }
                };
                tokio::join!(asked, gates);
                origin.open("hoard");
            };
            tokio::join!(hoarding, modest);
            open.settle().await;
        });
        ran.await.expect("no trap");
        let usage = instance.usage().await;
        assert_eq!((usage.used, usage.committed), (0, 0));
        peaks.push(instance.memory());
    }
    // Each has its budget, and what the blocks of an arena take beside it.
    assert!(peaks[0] < HOARDERS * (6 << 20) + (4 << 20), "{peaks:?}");
    assert_eq!(peaks[0], peaks[2], "what they had is used again");
}

#[tokio::test]
async fn a_trap_ends_its_instance_and_a_new_one_knows_nothing_of_it() {
    let guest = guest();
    let origin = Origin::start().await;
    let mut instance = guest.start().await;
    let ran = instance.run(async |open| {
        let trapping = open.try_ask(get("/trap", &origin.gate("trap")));
        let waiting = open.try_ask(get("/marked?marker=waiting", &origin.gate("waiting")));
        let (trapped, waited, ()) = tokio::join!(trapping, waiting, async {
            origin.waited_for("waiting").await;
            origin.open("trap");
        });
        (trapped.is_err(), waited.is_err())
    });
    // The event loop is over, whoever waits.
    assert!(ran.await.is_err());
    let mut instance = guest.start().await;
    let ran = instance.run(async |open| {
        assert_eq!(open.ask(get("/count", "")).await.text(), "1");
    });
    ran.await.expect("no trap");
}

// Everything in the arena: one at a time.

#[tokio::test]
async fn with_everything_in_the_arena_invocations_come_one_after_the_other() {
    let guest = alone();
    for sealed in [false, true] {
        let origin = Origin::start().await;
        let names = markers();
        let mut instance = guest.start().await;
        if sealed {
            instance.seal().await;
        }
        let ran = instance.run(async |open| {
            let asked = all(names.iter().map(|name| marked(open, &origin, name)));
            let gates = async {
                for (n, name) in names.iter().enumerate() {
                    origin.waited_for(name).await;
                    // Nobody else has come, though all were asked for.
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                    assert_eq!(origin.visitors(), n + 1);
                    origin.open(name);
                }
            };
            tokio::join!(asked, gates);
            open.settle().await;
        });
        ran.await.expect("no trap");
        assert_eq!(instance.usage().await.used, 0);
        assert_eq!(instance.resources(), 0);
    }
}

#[tokio::test]
async fn with_everything_in_the_arena_each_invocation_finds_the_statics_as_they_were() {
    let mut counts = Vec::new();
    for guest in [alone(), guest()] {
        let mut instance = guest.start().await;
        let ran = instance.run(async |open| {
            let asked = all((0..4).map(async |_| open.ask(get("/count", "")).await.text()));
            asked.await
        });
        counts.push(ran.await.expect("no trap"));
        assert_eq!(instance.resources(), 0);
    }
    assert_eq!(counts, [["1", "1", "1", "1"], ["1", "2", "3", "4"]]);
}

#[tokio::test]
async fn with_everything_in_the_arena_memory_stays_as_it_is() {
    let mut instance = alone().start_with(nearby).await;
    let mut sizes = Vec::new();
    let ran = instance.run(async |open| {
        for round in 0..50 {
            let four = (0..4).map(async |n| {
                let marker = format!("{round}-{n}-marker");
                let path = format!("/marked?marker={marker}");
                let origin = format!("http://near.test/gate/{marker}");
                let answer = open.ask(post(&path, &origin, marker.as_bytes())).await;
                assert_eq!(answer.text(), format!("{marker} {marker} is open"));
            });
            all(four).await;
            sizes.push(open.memory());
        }
    });
    ran.await.expect("no trap");
    assert_eq!(sizes[1], sizes[49], "{sizes:?}");
}

// What a host calls around them.

#[tokio::test]
async fn a_host_may_rewind_between_them_and_not_while_one_runs() {
    for guest in [guest(), alone()] {
        let origin = Origin::start().await;
        let mut instance = guest.start().await;
        instance.seal().await;
        let ran = instance.run(async |open| {
            let asked = marked(open, &origin, "here");
            tokio::join!(asked, async { origin.open("here") });
            open.settle().await;
        });
        ran.await.expect("no trap");
        let usage = instance.usage().await;
        assert_eq!(usage.used, 0);
        assert!(usage.peak_used > 0, "{usage:?}");
        instance.rewind().await;
        assert_eq!(instance.usage().await.used, 0);
    }
}

// Other ways to be built.

#[tokio::test]
async fn a_handler_that_does_not_wait_is_behind_the_door_too() {
    let guest = Guest::load(&support::component_with(OVERLAP, None, &["unwaiting"]));
    let mut instance = guest.start().await;
    let ran = instance.run(async |open| {
        let answer = open.ask(post("/", "", b"the body")).await;
        assert_eq!(answer.text(), "prepared the body");
    });
    ran.await.expect("no trap");
}

#[tokio::test]
async fn the_standard_library_of_wasi_may_be_beside_it() {
    for features in [&[][..], &["heap"]] {
        let path = support::component_with(OVERLAP, Some(Target::Wasip2), features);
        let mut instance = Guest::load(&path).start_with(nearby).await;
        let ran = instance.run(async |open| {
            let path = "/marked?marker=here";
            let answer = open
                .ask(post(path, "http://near.test/gate/here", b"here"))
                .await;
            assert_eq!(answer.text(), "here here is open");
        });
        ran.await.expect("no trap");
    }
}

#[tokio::test]
async fn the_host_serves_it_with_an_instance_for_each_request() {
    for features in [&[][..], &["heap"]] {
        let component = support::component_with(OVERLAP, None, features);
        let host = lavandula_host::Host::builder().load(component);
        let host = host.expect("it loads");
        assert_eq!(host.door(), lavandula_host::Door::Service);
        let count = async || {
            let request = http::Request::get("/count").body("").expect("a request");
            host.request(request).await
        };
        let (a, b, c, d) = tokio::join!(count(), count(), count(), count());
        for outcome in [a, b, c, d] {
            assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
            assert_eq!(outcome.response.body().as_ref(), b"1");
        }
        for size in [0, 70_000, 3 << 20] {
            let body: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[0]).collect();
            let request = http::Request::post("/echo").body(body.clone());
            let outcome = host.request(request.expect("a request")).await;
            assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
            assert!(outcome.response.body().as_ref() == body, "{size}");
        }
        let request = http::Request::get("/cut").body("").expect("a request");
        let outcome = host.request(request).await;
        assert!(
            outcome.failure.is_some(),
            "a body that is cut off is no answer"
        );
    }
}
