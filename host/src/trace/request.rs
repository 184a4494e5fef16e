//! The trace of one request, from its head to its end.

use http::Request;

use super::TraceContext;
use crate::failure::Failure;
#[cfg(feature = "otel")]
use crate::otel;

/// The part that a request has in its trace: a context for those who come after,
/// and, where spans are exported, the span itself.
///
/// ```ignore
/// let mut trace = RequestTrace::begin(&request);
/// trace.context().hand_on(request.headers_mut());
/// let response = trace.context().scope(Box::pin(run(request))).await;
/// trace.end(response.status().as_u16(), failure);
/// ```
#[derive(Debug)]
pub(crate) struct RequestTrace {
    context: TraceContext,
    #[cfg(feature = "otel")]
    span: Option<otel::Span>,
}

impl RequestTrace {
    /// Of a request that begins now.
    pub(crate) fn begin<B>(request: &Request<B>) -> Self {
        #[allow(unused_mut, reason = "what is exported has its own say on the flags")]
        let mut context = TraceContext::from_headers(request.headers());
        Self {
            #[cfg(feature = "otel")]
            span: otel::Span::begin(&mut context, request),
            context,
        }
    }

    /// What it is known by.
    pub(crate) fn context(&self) -> &TraceContext {
        &self.context
    }

    /// It ended with this status, well or not. Only the first end counts.
    #[cfg_attr(
        not(feature = "otel"),
        allow(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "for exports"
        )
    )]
    pub(crate) fn end(&mut self, status: u16, failure: Option<&Failure>) {
        #[cfg(feature = "otel")]
        if let Some(span) = self.span.take() {
            span.end(status, failure);
        }
        #[cfg(not(feature = "otel"))]
        let _ = (status, failure);
    }
}
