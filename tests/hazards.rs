//! What is wrong when an instance is used again without being rewound, and right
//! with it.
//!
//! The guest `hazards` has a path for each. An answer of an instance that was used
//! before is right if a new instance gives it too. With the global allocator of
//! this crate all are, whether the host rewinds or knows nothing of it. With two
//! others they are not, so that nothing here holds because nothing is looked at:
//! the platform's, which takes nothing back, and an arena without an image, which
//! takes it back and does not tell.

mod support;

use std::sync::{Arc, Mutex, PoisonError};

use lavandula_host::Door;
use lavandula_host::bindings::invocation::lavandula::arena::types::Error;
use lavandula_host::build::Target;
use support::component_with;
use support::instance::{Answer, Guest, Question, Running};

const PAGE: usize = 64 * 1024;

/// The global allocator of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heap {
    /// `InvocationHeap`.
    Invocation,
    /// std's: everything stays.
    Platform,
    /// An arena, and statics that refer to what it took back.
    Naive,
}

/// What the host does around requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostSide {
    /// It seals before the first one, and rewinds after each.
    Rewinds,
    /// It only ever hands over requests.
    Unaware,
    /// It asks for figures and leaves it at that.
    Looks,
}

const HOSTS: [HostSide; 3] = [HostSide::Rewinds, HostSide::Unaware, HostSide::Looks];
const TARGETS: [Target; 2] = [Target::Wasip2, Target::Unknown];

/// What shows in the answers, or in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// The marker of an earlier request.
    Marker,
    /// Nothing, unless memory was taken away under it.
    Damage,
}

/// A path of the guest that keeps something.
#[derive(Debug, Clone, Copy)]
struct Hazard {
    path: &'static str,
    shows: Shows,
    targets: &'static [Target],
}

const fn hazard(path: &'static str, shows: Shows) -> Hazard {
    let targets = &TARGETS;
    Hazard {
        path,
        shows,
        targets,
    }
}

const fn of_wasi(path: &'static str) -> Hazard {
    Hazard {
        targets: &[Target::Wasip2],
        ..hazard(path, Shows::Marker)
    }
}

const HAZARDS: [Hazard; 13] = [
    hazard("/once", Shows::Marker),
    hazard("/thread-local", Shows::Marker),
    hazard("/hash", Shows::Marker),
    hazard("/static-vec", Shows::Marker),
    hazard("/regex?in=ab-12_7x_zz-9999_ab-1", Shows::Damage),
    hazard("/lazy-regex?in=ab-12_7x_zz-9999_ab-1", Shows::Damage),
    hazard("/hook", Shows::Marker),
    hazard("/image", Shows::Marker),
    hazard("/persist", Shows::Marker),
    hazard("/init-count", Shows::Marker),
    hazard("/constructor", Shows::Marker),
    of_wasi("/malloc"),
    of_wasi("/stdout"),
];

fn hazards(target: Target) -> impl Iterator<Item = Hazard> {
    HAZARDS
        .into_iter()
        .filter(move |hazard| hazard.targets.contains(&target))
}

/// The guest, compiled once.
fn guest(heap: Heap, target: Target) -> Arc<Guest> {
    type Guests = Vec<((Heap, Target), Arc<Guest>)>;
    static LOADED: Mutex<Guests> = Mutex::new(Vec::new());

    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, guest)) = loaded.iter().find(|(known, _)| *known == (heap, target)) {
        return Arc::clone(guest);
    }
    let features: &[_] = match heap {
        Heap::Invocation => &[],
        Heap::Platform => &["platform-heap"],
        Heap::Naive => &["naive-heap"],
    };
    let guest = Guest::load(&component_with(
        "tests/guests/hazards",
        Some(target),
        features,
    ));
    let guest = Arc::new(match heap {
        Heap::Naive => guest.impatiently(),
        Heap::Invocation | Heap::Platform => guest,
    });
    loaded.push(((heap, target), Arc::clone(&guest)));
    guest
}

async fn start(guest: &Guest, host: HostSide) -> Running {
    let mut instance = guest.start().await;
    match host {
        HostSide::Rewinds => assert_eq!(instance.seal().await, Ok(())),
        HostSide::Unaware => {}
        HostSide::Looks => look(&mut instance).await,
    }
    instance
}

async fn end_of_request(instance: &mut Running, host: HostSide) {
    match host {
        HostSide::Rewinds => assert_eq!(instance.rewind().await, Ok(())),
        HostSide::Unaware => {}
        HostSide::Looks => look(instance).await,
    }
}

async fn look(instance: &mut Running) {
    assert_eq!(instance.usage().await.used, 0);
    instance.image_store().await;
    instance.blocks().await;
}

fn marker(number: usize) -> String {
    format!("marker-of-request-{number}")
}

fn question(path: &str, number: usize) -> Question {
    Question::get(path).header("x-lavandula-marker", marker(number))
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    answer: Answer,
    /// What was written to the standard output meanwhile.
    output: String,
    /// Resources of the host that the instance has afterwards.
    held: usize,
}

impl Outcome {
    fn tells_of(&self, number: usize) -> bool {
        let marker = marker(number);
        self.answer.text().contains(&marker) || self.output.contains(&marker)
    }
}

async fn outcome(
    instance: &mut Running,
    host: HostSide,
    question: &Question,
) -> wasmtime::Result<Outcome> {
    let before = instance.stdout().len();
    let answer = instance.handle(question).await?;
    end_of_request(instance, host).await;
    Ok(Outcome {
        answer,
        output: instance.stdout().split_off(before),
        held: instance.resources(),
    })
}

/// How many requests a hazard is given: with an allocator that takes something away
/// after two of them, the third is the first that may notice.
const REPEATED: usize = 5;

fn questions(path: &str, doors: &[Door]) -> Vec<Question> {
    let doors = doors.iter().cycle().take(REPEATED);
    doors
        .enumerate()
        .map(|(number, &door)| question(path, number).by(door))
        .collect()
}

/// What comes of them in one instance, up to the first that traps.
async fn in_one_instance(
    guest: &Guest,
    host: HostSide,
    questions: &[Question],
) -> Vec<wasmtime::Result<Outcome>> {
    let mut instance = start(guest, host).await;
    let mut outcomes = Vec::new();
    for question in questions {
        outcomes.push(outcome(&mut instance, host, question).await);
        if outcomes.last().is_some_and(Result::is_err) {
            break;
        }
    }
    outcomes
}

/// What comes of each in an instance of its own.
async fn in_new_instances(guest: &Guest, host: HostSide, questions: &[Question]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for question in questions {
        let mut instance = start(guest, host).await;
        match outcome(&mut instance, host, question).await {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => panic!("{question:?} in a new instance: {error:#}"),
        }
    }
    outcomes
}

#[track_caller]
fn assert_as_new(found: Vec<wasmtime::Result<Outcome>>, expected: Vec<Outcome>, way: &str) {
    for (number, expected) in expected.into_iter().enumerate() {
        assert_eq!(expected.answer.status, 200, "{way}");
        match found.get(number) {
            Some(Ok(found)) => assert_eq!(*found, expected, "{way}, request {number}"),
            Some(Err(error)) => panic!("{way}, request {number}: {error:#}"),
            None => panic!("{way}: no request {number}"),
        }
    }
}

#[tokio::test]
async fn an_instance_that_was_used_answers_like_a_new_one() {
    let ways = [
        &[Door::Fast][..],
        &[Door::WasiHttp],
        &[Door::Fast, Door::WasiHttp],
    ];
    for target in TARGETS {
        let guest = guest(Heap::Invocation, target);
        for Hazard { path, .. } in hazards(target) {
            for (host, doors) in HOSTS.iter().flat_map(|host| ways.map(|way| (*host, way))) {
                let questions = questions(path, doors);
                let expected = in_new_instances(&guest, host, &questions).await;
                let found = in_one_instance(&guest, host, &questions).await;
                let way = format!("{path} of {target} by {doors:?}, host {host:?}");
                assert_as_new(found, expected, &way);
            }
        }
    }
}

#[tokio::test]
async fn so_it_does_when_they_come_in_any_order() {
    for target in TARGETS {
        let guest = guest(Heap::Invocation, target);
        let mut paths: Vec<_> = hazards(target).map(|hazard| hazard.path).collect();
        paths.extend([
            "/large?bytes=70000",
            "/large?bytes=300000",
            "/nothing-there",
        ]);
        for host in HOSTS {
            let mut state = 5_u64;
            let mut random = |below: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) as usize % below
            };
            let questions: Vec<_> = (0..200)
                .map(|number| {
                    let door = [Door::Fast, Door::WasiHttp][random(2)];
                    question(paths[random(paths.len())], number).by(door)
                })
                .collect();
            let found = in_one_instance(&guest, host, &questions).await;
            let expected = in_new_instances(&guest, host, &questions).await;
            for ((found, expected), question) in found.into_iter().zip(expected).zip(&questions) {
                let found = found.unwrap_or_else(|error| panic!("{question:?}: {error:#}"));
                assert_eq!(found, expected, "{question:?} of {target}, host {host:?}");
            }
        }
    }
}

#[tokio::test]
async fn with_the_platforms_allocator_they_tell_of_each_other() {
    for target in TARGETS {
        let guest = guest(Heap::Platform, target);
        for Hazard { path, shows, .. } in hazards(target) {
            for host in HOSTS {
                let questions = questions(path, &[Door::Fast]);
                let found = in_one_instance(&guest, host, &questions).await;
                let second = found[1].as_ref().expect("nothing is taken away");
                let expected = shows == Shows::Marker;
                assert_eq!(second.tells_of(0), expected, "{path}, {host:?}: {second:?}");
            }
        }
    }
}

#[tokio::test]
async fn with_an_arena_and_no_image_they_break() {
    // All of them are in this one.
    let target = Target::Wasip2;
    let guest = guest(Heap::Naive, target);
    for Hazard { path, .. } in hazards(target) {
        for host in [HostSide::Rewinds, HostSide::Unaware] {
            let questions = questions(path, &[Door::Fast]);
            let expected = in_new_instances(&guest, host, &questions).await;
            let found = in_one_instance(&guest, host, &questions).await;
            let right = |(found, expected): (&wasmtime::Result<Outcome>, &Outcome)| {
                found.as_ref().is_ok_and(|found| found == expected)
            };
            let all_right = found.iter().zip(&expected).all(right);
            assert!(!all_right, "{path}, host {host:?}: {found:?}");
        }
    }
}

#[tokio::test]
async fn the_panic_hook_of_a_request_is_not_called_for_the_next() {
    for (heap, theirs) in [(Heap::Platform, true), (Heap::Invocation, false)] {
        let guest = guest(heap, Target::Wasip2);
        for host in HOSTS {
            let mut instance = start(&guest, host).await;
            outcome(&mut instance, host, &question("/hook", 0))
                .await
                .unwrap();
            let trapped = instance.handle(&question("/panic", 1)).await;
            assert!(trapped.is_err());
            let said = instance.stderr();
            assert_eq!(said.contains(&marker(0)), theirs, "{heap:?}: {said}");
            assert_eq!(said.contains("asked to panic"), !theirs, "{heap:?}: {said}");
        }
    }
}

/// A rewind makes the C library forget the streams that it had opened, so it has to
/// close them before. The host would have four more with each request.
#[tokio::test]
async fn what_is_opened_to_write_a_log_is_closed_again() {
    let guest = guest(Heap::Invocation, Target::Wasip2);
    for host in HOSTS {
        let mut instance = start(&guest, host).await;
        for number in 0..20 {
            let outcome = outcome(&mut instance, host, &question("/lines", number)).await;
            let outcome = outcome.unwrap();
            assert_eq!(outcome.output, format!("{}\n", marker(number)), "{host:?}");
            assert_eq!(outcome.held, 0, "{host:?}, request {number}");
        }
        assert_eq!(instance.stderr().lines().count(), 20);
    }
}

/// The memory of an instance after each of `requests` requests.
async fn memory_after_each(
    instance: &mut Running,
    host: HostSide,
    path: &str,
    requests: usize,
) -> Vec<usize> {
    let mut after = Vec::new();
    for number in 0..requests {
        let outcome = outcome(instance, host, &question(path, number)).await;
        let answer = outcome.unwrap().answer;
        assert_eq!(answer.status, 200, "{}", answer.text());
        after.push(instance.memory());
    }
    after
}

/// What a request takes and gives back is there for the next; what it never gives
/// back is too, if it is rewound.
#[tokio::test]
async fn memory_is_taken_once() {
    const REQUESTS: usize = 200;
    for (path, leaked, targets) in [
        ("/malloc", 200_000, &[Target::Wasip2][..]),
        ("/persist", 100_000, &TARGETS),
        ("/large?bytes=3000000", 0, &TARGETS),
    ] {
        for &target in targets {
            for host in HOSTS {
                let ours = guest(Heap::Invocation, target);
                let mut instance = start(&ours, host).await;
                let after = memory_after_each(&mut instance, host, path, REQUESTS).await;
                assert!(after.iter().all(|&memory| memory == after[0]), "{path}");

                let theirs = guest(Heap::Platform, target);
                let mut instance = start(&theirs, host).await;
                let after = memory_after_each(&mut instance, host, path, REQUESTS).await;
                let more = after[REQUESTS - 1] - after[0];
                // But for what there was room for already.
                assert!(more >= (REQUESTS - 10) * leaked, "{path}");
                assert!(leaked > 0 || more == 0, "{path}");
            }
        }
    }
}

/// Memory that a guest grows by hand cannot be given to it by hand again. But it is
/// not lost: whoever allocates next has it.
#[tokio::test]
async fn pages_grown_by_hand_belong_to_the_arena_afterwards() {
    const REQUESTS: usize = 100;
    const GROWN: usize = 3 * PAGE;
    for target in TARGETS {
        for host in HOSTS {
            for (heap, reused) in [(Heap::Invocation, true), (Heap::Platform, false)] {
                let guest = guest(heap, target);
                let mut instance = start(&guest, host).await;
                let after = memory_after_each(&mut instance, host, "/grow", REQUESTS).await;
                let steps = after.windows(2).map(|pair| pair[1] - pair[0]);
                assert!(steps.clone().all(|step| step == GROWN), "{after:?}");

                // Nearly all of it at once, more than once, and it is zero.
                let large = format!("/large?bytes={}", REQUESTS * GROWN - PAGE);
                let before = instance.memory();
                for number in 0..3 {
                    let question = question(&large, number);
                    let outcome = outcome(&mut instance, host, &question).await.unwrap();
                    assert_eq!(outcome.answer.text(), "0 bytes were not zero");
                }
                let way = format!("{heap:?} of {target}, host {host:?}");
                assert_eq!(instance.memory() == before, reused, "{way}");
            }
        }
    }
}

fn state(text: &str) -> Result<(), Error> {
    Err(Error::State(text.to_owned()))
}

#[tokio::test]
async fn calls_that_do_not_fit_the_state_are_refused_and_change_nothing() {
    let sealed = || state("the instance was sealed before: seal it once");
    let not_sealed = || state("the instance was not sealed: call `seal` first");
    for target in TARGETS {
        for heap in [Heap::Invocation, Heap::Platform] {
            let guest = guest(heap, target);
            let mut instance = guest.start().await;
            for _ in 0..2 {
                assert_eq!(instance.rewind().await, not_sealed());
            }
            assert_eq!(instance.seal().await, Ok(()));
            for _ in 0..2 {
                assert_eq!(instance.seal().await, sealed());
                assert_eq!(instance.rewind().await, Ok(()));
            }
            let first = instance.ask(&question("/once", 0)).await;
            assert_eq!(first.text(), marker(0));
            assert_eq!(instance.seal().await, sealed());
            assert_eq!(instance.rewind().await, Ok(()));

            // The first request sealed it.
            let mut instance = guest.start().await;
            instance.ask(&question("/once", 0)).await;
            assert_eq!(instance.seal().await, sealed());
            assert_eq!(instance.rewind().await, Ok(()));
        }
    }
}

/// The image of this guest is larger than the store that is a static.
#[tokio::test]
async fn an_image_without_room_is_an_error_with_its_size_until_there_is_room() {
    for target in TARGETS {
        let guest = guest(Heap::Invocation, target);
        let mut instance = guest.start().await;
        let initial = instance.memory();
        instance.seal().await.expect("there is room");
        let enough = instance.memory();
        let mut refused = 0;
        // The guest's own initialisation needs a page.
        for limit in (initial + PAGE..enough).step_by(PAGE) {
            let mut instance = guest.start_within(limit).await;
            let size = match instance.seal().await {
                Err(Error::OutOfMemory(bytes)) => usize::try_from(bytes).unwrap(),
                other => panic!("{other:?} within {limit} of {enough} bytes"),
            };
            let pages = size.next_multiple_of(PAGE);
            assert!(size > 200_000 && initial + PAGE + pages == enough, "{size}");
            assert!(matches!(instance.seal().await, Err(Error::OutOfMemory(_))));
            assert_eq!(
                instance.rewind().await,
                state("the instance was not sealed: call `seal` first")
            );
            assert_refuses(&mut instance, Door::Fast).await;
            assert_refuses(&mut instance, Door::WasiHttp).await;
            refused += 1;

            // One whose host never sealed.
            let mut unaware = guest.start_within(limit).await;
            assert_refuses(&mut unaware, Door::WasiHttp).await;
            assert_refuses(&mut unaware, Door::Fast).await;

            unaware.allow(usize::MAX);
            instance.allow(usize::MAX);
            assert_eq!(instance.seal().await, Ok(()));
            for mut instance in [instance, unaware] {
                for number in 0..3 {
                    let answer = instance.ask(&question("/init-count", number)).await;
                    assert_eq!(answer.text(), "initialised 1 times, 1000 entries");
                }
            }
        }
        assert!(refused > 1);
    }
}

async fn assert_refuses(instance: &mut Running, door: Door) {
    for number in 0..2 {
        let answer = instance
            .ask(&question("/init-count", number).by(door))
            .await;
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(
            answer.text().starts_with("no pages left"),
            "{}",
            answer.text()
        );
    }
}

/// The other way to have room again: a seal of one's own after a request that could
/// not be taken.
#[tokio::test]
async fn a_host_may_seal_after_a_request_that_could_not_be_taken() {
    let guest = guest(Heap::Invocation, Target::Unknown);
    let initial = guest.start().await.memory();
    let mut instance = guest.start_within(initial + PAGE).await;
    assert_refuses(&mut instance, Door::Fast).await;
    assert!(matches!(instance.seal().await, Err(Error::OutOfMemory(_))));
    instance.allow(usize::MAX);
    assert_eq!(instance.seal().await, Ok(()));
    assert_eq!(instance.rewind().await, Ok(()));
    let answer = instance.ask(&question("/static-vec", 0)).await;
    assert_eq!(answer.text(), marker(0));
}
