//! The trace that the code on this thread runs for.
//!
//! A line that a guest logs belongs to the request that the guest runs for, and
//! so does a request that it sends. Both come out of the middle of a poll of the
//! guest's future, so it is enough to know what is being polled: a value of the
//! thread, put there for each poll and taken back after it. That costs a few
//! nanoseconds, whatever is logged; a span of `tracing` costs a hundred times as
//! much at every level that has it.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TraceContext;

thread_local! {
    static CURRENT: RefCell<Option<TraceContext>> = const { RefCell::new(None) };
}

/// The context of what runs on this thread, if that is a request.
pub(crate) fn current() -> Option<TraceContext> {
    CURRENT.with_borrow(Clone::clone)
}

impl TraceContext {
    /// Runs `work` as a part of this context, on whichever threads it is polled.
    ///
    /// In a box, since it is the whole of a guest's call: large, and passed around.
    pub(crate) fn scope<F: Future + ?Sized>(&self, work: Pin<Box<F>>) -> Scoped<F> {
        let context = Some(self.clone());
        Scoped { context, work }
    }
}

/// Runs `work`, which is for several contexts in turn: see [`now_for`].
pub(crate) fn for_several<T>(work: impl FnOnce() -> T) -> T {
    let mut none = None;
    let _entered = Entered::new(&mut none);
    work()
}

/// What comes now is a part of this context, or of none. Within [`for_several`].
pub(crate) fn now_for(context: Option<&TraceContext>) {
    CURRENT.set(context.cloned());
}

/// Work as a part of a context.
pub(crate) struct Scoped<F: ?Sized> {
    context: Option<TraceContext>,
    work: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { context, work } = &mut *self;
        let _entered = Entered::new(context);
        work.as_mut().poll(cx)
    }
}

/// Puts a context in place, and at its end what was there before: also where a
/// poll panics, since the thread goes on to serve others.
struct Entered<'a> {
    context: &'a mut Option<TraceContext>,
    before: Option<TraceContext>,
}

impl<'a> Entered<'a> {
    fn new(context: &'a mut Option<TraceContext>) -> Self {
        let before = CURRENT.replace(context.take());
        Self { context, before }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.context = CURRENT.replace(self.before.take());
    }
}
