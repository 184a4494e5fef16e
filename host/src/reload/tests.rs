use std::fs;
use std::future::poll_fn;
use std::path::PathBuf;
use std::task::Poll;

use http::Request;

use super::*;
use crate::Limits;
use crate::host::Outcome;
use crate::testing::{self, Folder};

/// A file with one component after another.
struct Releases {
    folder: Folder,
}

impl Releases {
    fn new(name: &str, component: &[u8]) -> Self {
        let this = Self {
            folder: Folder::new(name),
        };
        this.release(component);
        this
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("handler.wasm")
    }

    fn release(&self, component: &[u8]) {
        fs::write(self.file(), component).expect("a file");
    }

    fn current(&self, limits: Limits) -> Current {
        let host = Host::builder().limits(limits).load(self.file());
        Current::new(host.expect("it loads"))
    }
}

/// A handler with an answer of its own.
fn version(status: u16) -> Vec<u8> {
    testing::handler(&testing::status(status))
}

async fn ask(host: &Host) -> Outcome {
    host.request(Request::get("/").body("").expect("a request"))
        .await
}

async fn status(current: &Current) -> u16 {
    ask(&current.host()).await.response.status().as_u16()
}

#[tokio::test]
async fn the_next_request_is_answered_by_the_new_component() {
    let releases = Releases::new("next", &version(201));
    let current = releases.current(Limits::default());
    let elsewhere = current.clone();
    for next in [202, 203] {
        releases.release(&version(next));
        let done = current.reload(releases.file()).await.expect("it loads");
        assert_eq!(done, Reload::Replaced);
        assert_eq!(status(&elsewhere).await, next);
    }
    assert!(
        current
            .host()
            .metrics()
            .contains("request_duration_seconds_count 2"),
        "one count for all of them: {}",
        current.host().metrics()
    );
}

#[tokio::test]
async fn the_same_component_is_left_as_it_is() {
    let releases = Releases::new("same", &version(201));
    let current = releases.current(Limits::default());
    let before = current.host().life();
    let done = current.reload(releases.file()).await.expect("it loads");
    assert_eq!(done, Reload::Unchanged);
    assert!(before.ptr_eq(&current.host().life()));
}

#[tokio::test]
async fn a_component_that_cannot_be_served_changes_nothing() {
    let releases = Releases::new("broken", &version(201));
    let current = releases.current(Limits::default());
    let whole = version(202);
    for (broken, wrong) in [
        (&whole[..whole.len() / 2], "does not compile"),
        (b"", "not WebAssembly"),
        (&testing::component(testing::NO_HANDLE), "is not the one"),
        (&testing::component(testing::WRONG_TYPE), "no instance"),
    ] {
        releases.release(broken);
        let error = current.reload(releases.file()).await.expect_err(wrong);
        assert!(error.to_string().contains(wrong), "{error}");
        assert_eq!(status(&current).await, 201);
    }
    fs::remove_file(releases.file()).expect("it is there");
    let error = current.reload(releases.file()).await.expect_err("none");
    assert!(matches!(error, ReloadError::Load(LoadError::Io { .. })));
    assert_eq!(status(&current).await, 201);
}

#[tokio::test]
async fn a_new_component_is_held_to_the_limits_of_the_old_one() {
    let releases = Releases::new("limits", &version(201));
    let limits = Limits {
        max_response_body: 4,
        ..Limits::default()
    };
    let current = releases.current(limits);
    releases.release(&version(202));
    current.reload(releases.file()).await.expect("it loads");
    assert_eq!(*current.host().limits(), limits);
    // `hello` is longer than that.
    assert_eq!(status(&current).await, 502);
}

#[tokio::test]
async fn a_request_that_is_under_way_ends_in_its_own_component_which_goes_then() {
    let releases = Releases::new("under-way", &testing::handler(testing::SLOW));
    let current = releases.current(Limits::default());
    let old = current.host();
    let trace = old.life();
    releases.release(&version(202));
    let new = old.reload(releases.file()).expect("it loads");

    let mut slow = Box::pin(async move { ask(&old).await });
    // To where it gives way to others for the first time.
    let begun = poll_fn(|context| Poll::Ready(slow.as_mut().poll(context).is_pending()));
    assert!(begun.await, "too fast for this test");
    current.replace(new);
    assert_eq!(status(&current).await, 202);
    assert!(trace.strong_count() > 0, "the request has it");

    let outcome = slow.await;
    assert_eq!(outcome.response.status(), 200, "{:?}", outcome.failure);
    assert_eq!(trace.strong_count(), 0, "nobody else has it");
}

#[tokio::test]
async fn instances_of_the_old_component_make_room_for_the_new_one() {
    let releases = Releases::new("room", &version(201));
    let limits = Limits {
        max_in_flight: 3,
        ..Limits::default()
    };
    let current = releases.current(limits);
    // Of four generations the pool does not have room for all.
    for next in [202, 203, 204, 205] {
        current.host().prepare(3).await.expect("there is room");
        releases.release(&version(next));
        current.reload(releases.file()).await.expect("it loads");
        assert_eq!(status(&current).await, next);
    }
}
