//! Which trace a request belongs to, as the W3C recommendation *Trace Context*
//! says it: the headers `traceparent` and `tracestate`.
//!
//! Every request has a [`TraceContext`]: the trace that its client named, or a
//! new one, and a span that is ours. It is in the event of the request, in the
//! lines that its guest logs, and in the headers that the guest is given.
//!
//! # What it costs
//! To name a trace takes a look for the header and, per new number, a draw from
//! a generator of the thread: some tens of nanoseconds, and so cheap that it is
//! done for every request and a log at any level can tell requests apart. What
//! costs more is another header in the guest. A guest gets one where its client
//! sent one, which must not reach it as it was, and where somebody sees our
//! span: in a log that has the event of each request, or in an exported trace.
//!
//! # Whether a trace is sampled
//! The flag of the client is kept. A new trace is sampled if spans are exported,
//! and not otherwise: the flag says that the one who sent it has recorded
//! something.

mod header;
mod request;
mod scope;

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::num::{NonZeroU64, NonZeroU128};

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

pub(crate) use request::RequestTrace;
pub(crate) use scope::{Scoped, current, for_several, now_for};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The target of the events of requests, of which there is one for each.
pub(crate) const REQUESTS: &str = "lavandula_host::request";

/// A trace. Written as 32 lower-case hexadecimal digits, and never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(NonZeroU128);

/// A span of a trace. Written as 16 lower-case hexadecimal digits, and never
/// zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanId(NonZeroU64);

/// What the one who sent a context says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// The sender may have recorded its span.
    pub(crate) const SAMPLED: Self = Self(1);
    /// The id of the trace was drawn at random.
    const RANDOM: Self = Self(2);

    /// The flags of a byte, without those that have no meaning yet. These have
    /// to be sent as zero.
    fn known(byte: u8) -> Self {
        Self(byte & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    pub(crate) fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The trace that a request belongs to, and our span in it.
#[derive(Clone, Debug)]
pub(crate) struct TraceContext {
    trace: TraceId,
    span: SpanId,
    /// The span of whoever sent the request.
    parent: Option<SpanId>,
    flags: Flags,
    /// What other systems want to be passed on with the trace.
    state: Option<HeaderValue>,
    origin: Origin,
}

/// Where a context comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The request has headers of a trace, valid or not.
    Headers,
    /// There were none.
    Here,
}

impl TraceContext {
    /// The context of the request with these headers: the trace that they name
    /// and a new span in it. Where they name none, or not as the recommendation
    /// has it, the trace is new as well.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let given = headers.contains_key(TRACEPARENT) || headers.contains_key(TRACESTATE);
        let origin = if given { Origin::Headers } else { Origin::Here };
        let parent = given.then(|| header::parent(headers)).flatten();
        match parent {
            Some(parent) => Self {
                trace: parent.trace,
                span: SpanId::draw(),
                parent: Some(parent.span),
                flags: parent.flags,
                // Without a parent it would have no meaning.
                state: header::state(headers),
                origin,
            },
            None => Self {
                trace: TraceId::draw(),
                span: SpanId::draw(),
                parent: None,
                flags: Flags::RANDOM,
                state: None,
                origin,
            },
        }
    }

    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn trace_id(&self) -> TraceId {
        self.trace
    }

    pub(crate) fn span_id(&self) -> SpanId {
        self.span
    }

    /// The span of whoever sent the request.
    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn parent_id(&self) -> Option<SpanId> {
        self.parent
    }

    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }

    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// Says whether our span is recorded.
    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn sample(&mut self, recorded: bool) {
        self.flags = match recorded {
            true => self.flags.with(Flags::SAMPLED),
            false => self.flags.without(Flags::SAMPLED),
        };
    }

    /// Makes our span the parent of what a request with these headers does.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, header::traceparent(self));
        match &self.state {
            Some(state) => headers.insert(TRACESTATE, state.clone()),
            None => headers.remove(TRACESTATE),
        };
    }

    /// The same for the headers that a guest is given, if that is of use to
    /// anybody: see the [module](self).
    pub(crate) fn hand_on(&self, headers: &mut HeaderMap) {
        let seen =
            self.flags.is_sampled() || tracing::enabled!(target: REQUESTS, tracing::Level::INFO);
        if seen || self.origin == Origin::Headers {
            self.write(headers);
        }
    }
}

/// The id of the trace.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace.fmt(f)
    }
}

impl TraceId {
    fn draw() -> Self {
        loop {
            let high = u128::from(random()) << 64;
            if let Some(id) = NonZeroU128::new(high | u128::from(random())) {
                return Self(id);
            }
        }
    }

    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl SpanId {
    fn draw() -> Self {
        loop {
            if let Some(id) = NonZeroU64::new(random()) {
                return Self(id);
            }
        }
    }

    #[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "for exports"))]
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The next number of this thread's generator. Nobody can tell the ids of other
/// requests from those that he has seen.
fn random() -> u64 {
    thread_local!(static RANDOM: RefCell<ChaCha8Rng> = RefCell::new(ChaCha8Rng::from_seed(seed())));
    RANDOM.with_borrow_mut(ChaCha8Rng::next_u64)
}

/// Bytes that nobody knows: what the standard library keys its hash maps with,
/// which comes from the operating system. It has no other door to that.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (number, bytes) in seed.chunks_exact_mut(8).enumerate() {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_usize(number);
        bytes.copy_from_slice(&hasher.finish().to_ne_bytes());
    }
    seed
}

#[cfg(test)]
mod tests;
