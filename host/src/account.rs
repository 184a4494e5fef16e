//! What is told of one request, when it is over: one event in the log, and the
//! figures for the metrics.
//!
//! An account that is dropped before anybody has said how the request ended is that
//! of a client that went away.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Request, StatusCode};
use tracing::Level;

use crate::failure::Failure;
use crate::figures::ArenaUse;
use crate::limits::MemoryUse;
use crate::metrics::Metrics;

/// The account of one request.
#[derive(Debug)]
pub(crate) struct Account {
    metrics: Arc<Metrics>,
    began: Instant,
    /// Method and path, where the log wants to have them.
    line: Option<(Method, String)>,
    received: usize,
    memory: MemoryUse,
    arena: Option<ArenaUse>,
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
        let line = tracing::enabled!(Level::INFO).then(|| {
            // Without the query, which is where people put secrets.
            let path = request.uri().path().to_owned();
            (request.method().clone(), path)
        });
        Self {
            metrics: metrics.clone(),
            began: Instant::now(),
            line,
            received: 0,
            memory: MemoryUse::default(),
            arena: None,
            state: State::Open,
        }
    }

    /// Bytes of body that have arrived.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received = bytes;
    }

    /// What the memory of its instance did, and what it used of the arena.
    pub(crate) fn used(&mut self, memory: MemoryUse, arena: Option<ArenaUse>) {
        self.memory = memory;
        self.arena = arena;
    }

    /// The same, as it was told.
    pub(crate) fn uses(&self) -> (MemoryUse, Option<ArenaUse>) {
        (self.memory, self.arena)
    }

    /// It was answered by the guest.
    pub(crate) fn answered(&mut self, status: StatusCode, _bytes: usize) {
        self.close(status, None);
    }

    /// It failed.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.close(failure.status(), Some(failure));
    }

    /// It failed after its head was told, with that status.
    pub(crate) fn cut_off(&mut self, status: StatusCode, failure: &Failure) {
        self.close(status, Some(failure));
    }

    fn close(&mut self, status: StatusCode, failure: Option<&Failure>) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.metrics.request(failure);
        let label = failure.map_or("ok", Failure::label);
        if let Some((method, path)) = &self.line {
            let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            let status = status.as_u16();
            let peak = self.memory.peak;
            tracing::info!(%method, path, status, outcome = label, micros, memory_peak = peak, "request");
        }
        if let Some(failure) = failure
            && failure.status().is_server_error()
        {
            let cause = failure.source().map(|cause| format!("{cause:?}"));
            tracing::warn!(outcome = label, cause, "{failure}");
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.failed(&Failure::ClientGone);
    }
}
