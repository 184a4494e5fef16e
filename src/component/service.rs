//! The door of the world `service`: what `export!` exports for any [`Service`].

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::task::Poll;

use crate::lease::Ending;
use crate::service::bindings::exports::lavandula::service::endings;
use crate::service::bindings::exports::wasi::http::handler;
use crate::service::bindings::wasi::http::types::{ErrorCode, Request as WitRequest, Response};
use crate::service::door::{self, Told};
use crate::{Context, Incoming, IntoStreamed, Request, Streamed, instance, overlap};

/// The one function behind the door, and what comes before it. `export!` implements
/// it.
pub trait Service: 'static {
    /// The most that an invocation's arena may hold.
    const BUDGET: Option<usize>;

    /// Is called once, before the first request.
    fn initialise();

    /// Answers one request, while others are answered.
    fn handle<'a>(
        cx: &'a Context,
        request: Request<'a, Incoming>,
    ) -> impl Future<Output = Streamed<'a>>;
}

impl<T: Service> handler::Guest for T {
    /// The response is returned as soon as there is one, while the invocation goes
    /// on: it has yet to write the body, which may lie in its arena.
    async fn handle(request: WitRequest) -> Result<Response, ErrorCode> {
        let told = Told::default();
        let mut whole = Box::pin(serve::<T>(request, Rc::clone(&told)));
        let response = poll_fn(|cx| {
            let poll = whole.as_mut().poll(cx);
            match (told.take(), poll) {
                (Some(response), Poll::Pending) => Poll::Ready((Some(response), true)),
                (response, Poll::Ready(())) => Poll::Ready((response, false)),
                (None, Poll::Pending) => Poll::Pending,
            }
        });
        let (response, goes_on) = response.await;
        if goes_on {
            overlap::go_on(whole);
        }
        response.ok_or(ErrorCode::InternalError(None))
    }
}

impl<T: Service> endings::Guest for T {
    fn take() -> Vec<endings::Ending> {
        let told = |ending: Ending| endings::Ending {
            entry: ending.entry,
            // Memory of 32 bits: they fit.
            peak_used: ending.peak_used as u64,
            committed: ending.committed as u64,
        };
        instance::leases().take_endings().map(told).collect()
    }
}

/// One invocation, from its request to the end of its response's body.
async fn serve<T: Service>(request: WitRequest, told: Rc<Cell<Option<Response>>>) {
    let memory = match overlap::take(T::initialise, T::BUDGET) {
        Ok(memory) => memory,
        Err(error) => return door::deliver(error.into_streamed(), &told).await,
    };
    let cx = memory.context();
    let answer = match door::request_in(cx.arena(), request) {
        Ok(request) => T::handle(cx, request).await,
        Err(error) => error.into_streamed(),
    };
    door::deliver(answer, &told).await;
}
