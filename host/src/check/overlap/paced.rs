//! A body that arrives when it is let in, piece by piece.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};
use wasmtime_wasi_http::Error;

/// How far a request is let: so many of its steps it may make. A step is a piece of the
/// body, its end, or that its answer is taken.
#[derive(Debug, Clone, Default)]
pub(in crate::check) struct Pace(Arc<Mutex<Allowed>>);

#[derive(Debug, Default)]
struct Allowed {
    steps: usize,
    /// Who waits for more: the body, and whoever takes the answer.
    waiting: Vec<Waker>,
}

impl Pace {
    fn allowed(&self) -> MutexGuard<'_, Allowed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets it make another step.
    pub(in crate::check) fn let_on(&self) {
        let mut allowed = self.allowed();
        allowed.steps += 1;
        let waiting = std::mem::take(&mut allowed.waiting);
        drop(allowed);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, step: usize, cx: &Context<'_>) -> Poll<()> {
        let mut allowed = self.allowed();
        if step < allowed.steps {
            return Poll::Ready(());
        }
        if !allowed.waiting.iter().any(|it| it.will_wake(cx.waker())) {
            allowed.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until it may make this step.
    pub(in crate::check) async fn reaches(&self, step: usize) {
        poll_fn(|cx| self.poll(step, cx)).await;
    }
}

/// A body whose pieces are the first steps of its request, and whose end is the next.
pub(in crate::check) struct Paced {
    pace: Pace,
    pieces: VecDeque<Bytes>,
    step: usize,
}

impl Paced {
    pub(in crate::check) fn new(pace: Pace, pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            pace,
            pieces: pieces.into_iter().collect(),
            step: 0,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.pace.poll(self.step, cx).is_pending() {
            return Poll::Pending;
        }
        let Some(piece) = self.pieces.pop_front() else {
            return Poll::Ready(None);
        };
        self.step += 1;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(body: &mut Paced) -> Poll<Option<Bytes>> {
        let mut cx = Context::from_waker(Waker::noop());
        let frame = Pin::new(body).poll_frame(&mut cx);
        frame.map(|frame| frame.map(|frame| frame.expect("whole").into_data().expect("data")))
    }

    #[test]
    fn a_piece_arrives_when_it_is_let_in_and_so_does_the_end() {
        let pace = Pace::default();
        let pieces = ["one", "two"].map(Bytes::from);
        let mut body = Paced::new(pace.clone(), pieces.clone());
        for piece in pieces {
            assert!(poll(&mut body).is_pending());
            pace.let_on();
            assert_eq!(poll(&mut body), Poll::Ready(Some(piece)));
        }
        assert!(poll(&mut body).is_pending());
        pace.let_on();
        assert_eq!(poll(&mut body), Poll::Ready(None));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let pace = Pace::default();
        let waiting = tokio::spawn({
            let pace = pace.clone();
            async move { pace.reaches(1).await }
        });
        tokio::task::yield_now().await;
        pace.let_on();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        pace.let_on();
        let waited = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await;
        waited.expect("it is woken").expect("no panic");
    }
}
