//! What is told of one request, when it is over: one event in the log, a span where
//! traces are exported, and the figures for the metrics.
//!
//! An account that is dropped before anybody has said how the request ended is that
//! of a client that went away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode};
use tracing::Level;

use crate::failure::Failure;
use crate::figures::ArenaUse;
use crate::limits::MemoryUse;
use crate::metrics::{Metrics, Told};
use crate::told;
use crate::trace::{self, RequestTrace, TraceContext};

/// What running the guest came to, as far as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ran {
    /// How long its instance took to be made, if it was made for it.
    pub(crate) instantiate: Option<Duration>,
    /// How long the guest ran.
    pub(crate) guest: Option<Duration>,
    /// What the memory of its instance did.
    pub(crate) memory: MemoryUse,
    /// What it used of the arena, where that is measured and the guest can tell.
    pub(crate) arena: Option<ArenaUse>,
}

/// The account of one request.
#[derive(Debug)]
pub(crate) struct Account {
    metrics: Arc<Metrics>,
    trace: RequestTrace,
    began: Instant,
    /// Method and path, where the log wants to have them.
    line: Option<(Method, String)>,
    queue_wait: Option<Duration>,
    received: usize,
    ran: Ran,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl Account {
    /// Of a request that begins now.
    pub(crate) fn begin<B>(metrics: &Arc<Metrics>, request: &Request<B>) -> Self {
        let line = tracing::enabled!(target: trace::REQUESTS, Level::INFO).then(|| {
            // Without the query, which is where people put secrets.
            let path = request.uri().path().to_owned();
            (request.method().clone(), path)
        });
        Self {
            metrics: metrics.clone(),
            trace: RequestTrace::begin(request),
            began: Instant::now(),
            line,
            queue_wait: None,
            received: 0,
            ran: Ran::default(),
            state: State::Open,
        }
    }

    /// What the request is known by.
    pub(crate) fn trace(&self) -> &TraceContext {
        self.trace.context()
    }

    /// It has its place, and has waited for it so long.
    pub(crate) fn placed(&mut self, waited: Duration) {
        self.queue_wait = Some(waited);
    }

    /// Bytes of body that have arrived.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received = bytes;
    }

    /// What running its guest came to.
    pub(crate) fn ran(&mut self, ran: Ran) {
        self.ran = ran;
    }

    /// What it used.
    pub(crate) fn uses(&self) -> (MemoryUse, Option<ArenaUse>) {
        (self.ran.memory, self.ran.arena)
    }

    /// It was answered by the guest, with so many bytes of body.
    pub(crate) fn answered(&mut self, status: StatusCode, sent: usize) {
        self.close(status, sent, None);
    }

    /// It failed.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.close(failure.status(), 0, Some(failure));
    }

    /// It failed after its head was told, with that status, and so many bytes.
    pub(crate) fn cut_off(&mut self, status: StatusCode, sent: usize, failure: &Failure) {
        self.close(status, sent, Some(failure));
    }

    fn close(&mut self, status: StatusCode, sent: usize, failure: Option<&Failure>) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        let status = status.as_u16();
        let duration = self.began.elapsed();
        self.metrics.shard().request(&Told {
            status,
            failure,
            duration,
            queue_wait: self.queue_wait,
            instantiate: self.ran.instantiate,
            guest: self.ran.guest,
            memory: self.ran.memory,
            arena: self.ran.arena,
            request_body: self.received as u64,
            response_body: sent as u64,
        });
        self.trace.end(status, failure);
        self.log(status, duration, failure);
    }

    fn log(&self, status: u16, duration: Duration, failure: Option<&Failure>) {
        let trace_id = self.trace.context();
        let span_id = trace_id.span_id();
        let label = failure.map_or("ok", Failure::label);
        if let Some((method, path)) = &self.line {
            let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
            let peak = self.ran.memory.peak;
            tracing::info!(
                target: trace::REQUESTS,
                %method, path, status, outcome = label, micros, memory_peak = peak,
                %trace_id, %span_id,
                "request"
            );
        }
        if let Some(failure) = failure
            && failure.status().is_server_error()
        {
            let cause = told::causes(failure);
            tracing::warn!(
                target: trace::REQUESTS,
                outcome = label, cause, %trace_id, %span_id,
                "{failure}"
            );
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.failed(&Failure::ClientGone);
    }
}
