//! What either end of a body learns of the other. The door as a whole is tested
//! with a real guest, in `tests/service.rs` of the workspace.

use std::task::Waker;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// A body that has nothing, and may or may not have come to its end.
struct Silent(Poll<()>);

impl Body for Silent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.map(|()| None)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_ready()
    }
}

fn silent(end: Poll<()>) -> (WasiBody, oneshot::Receiver<Taken>) {
    let (response, fate) = watched(Response::new(Silent(end).boxed_unsync()));
    (response.into_body(), fate)
}

fn poll(body: &mut WasiBody) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(body).poll_frame(&mut cx)
}

#[test]
fn a_body_that_was_read_to_its_end_was_taken() {
    let (mut body, mut fate) = silent(Poll::Ready(()));
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    // Told now, not when the one who reads it drops it.
    assert!(fate.try_recv().is_ok());
}

#[test]
fn a_body_that_is_seen_to_be_at_its_end_need_not_be_read() {
    let (body, mut fate) = silent(Poll::Ready(()));
    assert!(body.is_end_stream());
    drop(body);
    assert!(fate.try_recv().is_ok());
}

#[test]
fn a_body_that_was_dropped_before_its_end_was_given_up() {
    let (mut body, mut fate) = silent(Poll::Pending);
    assert!(poll(&mut body).is_pending());
    assert!(fate.try_recv().is_err());
    drop(body);
    let told = fate.try_recv().map(|Taken| ());
    assert_eq!(told, Err(oneshot::error::TryRecvError::Closed));
}

#[test]
fn what_the_guest_leaves_unfinished_never_looks_like_the_end() {
    // The inner body closes when its guest is gone, as when it is through.
    for end in [Poll::Pending, Poll::Ready(())] {
        let (mut body, fate) = silent(end);
        drop(fate);
        assert!(!body.is_end_stream());
        assert!(matches!(
            poll(&mut body),
            Poll::Ready(Some(Err(Error::HttpResponseIncomplete)))
        ));
    }
}

#[tokio::test]
async fn whoever_waits_for_more_is_woken_when_there_will_be_none() {
    let (mut body, fate) = silent(Poll::Pending);
    let waiting = tokio::spawn(async move { body.frame().await });
    tokio::task::yield_now().await;
    drop(fate);
    let waited = timeout(Duration::from_secs(5), waiting).await;
    let frame = waited.expect("it is woken").expect("no panic");
    assert!(matches!(frame, Some(Err(Error::HttpResponseIncomplete))));
}
