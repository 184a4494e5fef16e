//! Any call into a guest: how long it may take, and what its errors mean.
//!
//! Every call runs under the deadline of the state: guest code is interrupted
//! by the epoch, and a guest that waits for the host by a timer. A guest whose
//! call was given up in the middle can never be called again; wasmtime refuses
//! it, and the caller drops it.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use thiserror::Error;
use tokio::time::{Timeout, timeout_at};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::failure::Failure;
use crate::state::State;
use crate::told;

/// The error that ends guest code when its time is up.
#[derive(Debug, Error)]
#[error("the deadline of the invocation has passed")]
pub(crate) struct DeadlinePassed;

/// How much later than a deadline whoever waits for a guest stops to: by then a guest
/// that computes was interrupted, and its end told with its figures.
pub(crate) const LATE: Duration = Duration::from_millis(30);

/// A call that nobody drives any more, without a word of why.
pub(crate) fn abandoned() -> Failure {
    Failure::Trap(wasmtime::Error::msg("its instance is gone"))
}

thread_local! {
    /// Whether a guest on this thread has given way to others since somebody asked.
    static COMPUTING: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a guest gives way although it has more to compute.
pub(crate) fn gives_way() {
    COMPUTING.set(true);
}

/// Whether a guest has given way on this thread since the last call of this. After
/// a poll that is pending it tells a guest that computes from one that waits.
pub(crate) fn has_given_way() -> bool {
    COMPUTING.take()
}

/// When in the life of an instance something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// While it was made.
    Start,
    /// In a call.
    Call,
}

/// Runs `work` no longer than to `deadline`.
pub(crate) fn until<F: Future>(deadline: Instant, work: F) -> Until<F> {
    Until {
        work: timeout_at(deadline.into(), work),
    }
}

pin_project! {
    /// A call that has to be over by some time.
    ///
    /// Not an `async fn`: that has room for its argument twice, and these are large
    /// and passed around.
    pub(crate) struct Until<F> {
        #[pin]
        work: Timeout<F>,
    }
}

impl<F, T> Future for Until<F>
where
    F: Future<Output = wasmtime::Result<T>>,
{
    type Output = wasmtime::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = self.project().work.poll(cx);
        ended.map(|ended| ended.unwrap_or_else(|_| Err(DeadlinePassed.into())))
    }
}

/// What an error of wasmtime means for the request.
pub(crate) fn explain(error: wasmtime::Error, state: &State, phase: Phase) -> Failure {
    let memory = state.ledger.memory_use();
    if error.is::<DeadlinePassed>() {
        Failure::Deadline {
            limit: state.limits().timeout,
        }
    } else if error.is::<PoolConcurrencyLimitError>() {
        Failure::Overload
    } else if memory.denied > 0 {
        // A guest may survive a denial and trap for another reason later; that
        // cannot be told from outside, and the denial is the better lead.
        Failure::OutOfMemory {
            asked: state.ledger.denied_bytes(),
            limit: state.ledger.max_memory(),
        }
    } else if phase == Phase::Call || error.is::<Trap>() {
        let limit = limit_behind(&error, state);
        let error = told::death(error);
        Failure::Trap(match limit {
            Some(advice) => error.context(advice),
            None => error,
        })
    } else {
        Failure::Instantiate(told::death(error))
    }
}

/// Which of our limits is behind a trap, and what to do about it, where that can be
/// told. They are rarely met, so that they have no failure of their own.
fn limit_behind(error: &wasmtime::Error, state: &State) -> Option<String> {
    let is_full = |cause: &(dyn Error + 'static)| {
        matches!(cause.downcast_ref(), Some(ResourceTableError::Full))
    };
    if error.chain().any(is_full) {
        let limit = state.limits().max_handles;
        return Some(format!(
            "it holds {limit} resources of the host, which are as many as it may; have it close \
             what a request opens, or raise the limit of handles"
        ));
    }
    // As with memory it may have survived that, and died of something else.
    let limit = state.ledger.denied_tables()?;
    Some(format!(
        "a table was denied to grow beyond the {limit} elements that all of them may have; raise \
         the limit of table elements if the handler needs more"
    ))
}
