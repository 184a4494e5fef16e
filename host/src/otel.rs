//! Exports the spans of requests over OTLP: protobuf over plain HTTP, to a
//! collector on this machine or in this network.
//!
//! The SDK gathers spans and sends them in batches, from a thread of its own. It
//! also decides what is sampled: what the client says where it says something,
//! everything else, unless its own settings (`OTEL_TRACES_SAMPLER`,
//! `OTEL_BSP_...`, `OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_HEADERS`) say
//! otherwise. The names of attributes are those of the semantic conventions.
//!
//! There is one exporter in a process.

mod client;

use std::env;
use std::str::FromStr;
use std::sync::OnceLock;

use http::uri::{Authority, Scheme};
use http::{Method, Request, Uri, Version, header};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue, SpanId, TraceId};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use thiserror::Error;

use crate::failure::Failure;
use crate::trace::TraceContext;

/// Where spans of requests go, once there is an exporter.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Where a collector takes traces, if its address does not say so itself.
const TRACES: &str = "/v1/traces";

/// The name of this service, unless the environment has one.
const SERVICE: &str = "lavandula";

/// Why spans cannot be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The endpoint is no URL that spans could be sent to.
    #[error(
        "`{endpoint}` is no endpoint for traces: write it as http://127.0.0.1:4318, and have a \
         collector there where traces are to go further over https"
    )]
    Endpoint {
        /// What was given.
        endpoint: String,
    },

    /// The SDK cannot be set up.
    #[error("cannot export traces to {endpoint}")]
    Setup {
        /// Where they should have gone.
        endpoint: String,
        /// What went wrong.
        source: opentelemetry_otlp::ExporterBuildError,
    },

    /// There is one already.
    #[error("this process exports its traces already; set one exporter up")]
    Twice,
}

/// Exports the spans of all requests of this process.
#[derive(Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
    endpoint: String,
}

impl Exporter {
    /// Starts to export: to `endpoint`, or, where none is given, to the one that
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`
    /// names. Where nothing names one, nothing is exported, which is no error.
    ///
    /// # Errors
    /// [`ExportError`] where the endpoint is none, or the process has an exporter
    /// already. Whether anybody is there shows later, in the log.
    pub fn start(endpoint: Option<&str>) -> Result<Option<Self>, ExportError> {
        let named = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = match endpoint {
            Some(endpoint) => base(endpoint)?,
            // This one is meant as it is.
            None => match named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
                Some(whole) => checked(&whole)?.to_string(),
                None => match named("OTEL_EXPORTER_OTLP_ENDPOINT") {
                    Some(endpoint) => base(&endpoint)?,
                    None => return Ok(None),
                },
            },
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client::Client::default())
            .with_endpoint(&endpoint)
            .build()
            .map_err(|source| ExportError::Setup {
                endpoint: endpoint.clone(),
                source,
            })?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        let tracer = provider.tracer(SERVICE);
        TRACER.set(tracer).map_err(|_| ExportError::Twice)?;
        Ok(Some(Self { provider, endpoint }))
    }

    /// Where the spans go.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends what there is left and ends. It blocks for some seconds at most, so
    /// this is not for the thread of a runtime.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// Who exports: as the environment says, and with a name in any case.
fn resource() -> Resource {
    let named = env::var_os("OTEL_SERVICE_NAME").is_some()
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|all| all.contains("service.name="));
    let resource = Resource::builder();
    if named {
        resource.build()
    } else {
        resource.with_service_name(SERVICE).build()
    }
}

/// An endpoint that may be that of a collector as a whole.
fn base(endpoint: &str) -> Result<String, ExportError> {
    let uri = checked(endpoint)?;
    Ok(match uri.path() {
        "" | "/" => format!("{}{TRACES}", endpoint.trim_end_matches('/')),
        _ => endpoint.to_owned(),
    })
}

/// An endpoint that can be spoken to: there is no TLS in here.
fn checked(endpoint: &str) -> Result<Uri, ExportError> {
    let uri = Uri::from_str(endpoint).ok();
    uri.filter(|uri| uri.scheme() == Some(&Scheme::HTTP) && uri.host().is_some())
        .ok_or_else(|| ExportError::Endpoint {
            endpoint: endpoint.to_owned(),
        })
}

/// The span of a request that is recorded.
#[derive(Debug)]
pub(crate) struct Span(opentelemetry_sdk::trace::Span);

impl Span {
    /// Begins the span that `context` names, if spans are exported and this one is
    /// sampled. Either way the context says afterwards what became of it.
    pub(crate) fn begin<B>(context: &mut TraceContext, request: &Request<B>) -> Option<Self> {
        let tracer = TRACER.get()?;
        let builder = SpanBuilder::from_name(method(request.method()))
            .with_kind(SpanKind::Server)
            .with_trace_id(TraceId::from_bytes(context.trace_id().to_bytes()))
            .with_span_id(SpanId::from_bytes(context.span_id().to_bytes()))
            .with_attributes(attributes(request));
        let span = tracer.build_with_context(builder, &parent(context));
        context.sample(span.span_context().is_sampled());
        span.is_recording().then_some(Self(span))
    }

    /// Ends it, now.
    pub(crate) fn end(mut self, status: u16, failure: Option<&Failure>) {
        let span = &mut self.0;
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
        match failure {
            Some(failure) => {
                span.set_attribute(KeyValue::new("error.type", failure.label()));
                // What is the client's fault is none of ours.
                if failure.status().is_server_error() {
                    span.set_status(Status::error(failure.label()));
                }
            }
            None if status >= 500 => {
                span.set_attribute(KeyValue::new("error.type", status.to_string()));
                span.set_status(Status::error(""));
            }
            None => {}
        }
        span.end();
    }
}

/// What the client's span is to the SDK.
fn parent(context: &TraceContext) -> Context {
    let Some(parent) = context.parent_id() else {
        return Context::new();
    };
    let state = context.state().and_then(|state| state.to_str().ok());
    let state = state.and_then(|state| TraceState::from_str(state).ok());
    let flags = TraceFlags::default().with_sampled(context.flags().is_sampled());
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(context.trace_id().to_bytes()),
        SpanId::from_bytes(parent.to_bytes()),
        flags,
        true,
        state.unwrap_or_default(),
    ))
}

/// The name of a span: there is no route that would be known here. Methods that
/// nobody knows do not become names without end.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "HTTP",
    }
}

fn attributes<B>(request: &Request<B>) -> Vec<KeyValue> {
    let name = match method(request.method()) {
        "HTTP" => "_OTHER",
        name => name,
    };
    let version = match request.version() {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    let mut attributes = vec![
        KeyValue::new("http.request.method", name),
        KeyValue::new("url.scheme", "http"),
        // Without the query, which is where people put secrets.
        KeyValue::new("url.path", request.uri().path().to_owned()),
        KeyValue::new("network.protocol.version", version),
    ];
    let named = || {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok()
    };
    if let Some(authority) = request.uri().authority().cloned().or_else(named) {
        attributes.push(KeyValue::new("server.address", authority.host().to_owned()));
        if let Some(port) = authority.port_u16() {
            attributes.push(KeyValue::new("server.port", i64::from(port)));
        }
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_told_by_its_address_alone() {
        for (given, used) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            (
                "http://collector/otlp/v1/traces",
                "http://collector/otlp/v1/traces",
            ),
        ] {
            assert_eq!(base(given).expect("an endpoint"), used);
        }
    }

    #[test]
    fn what_cannot_be_spoken_to_is_refused_at_the_start() {
        for bad in [
            "",
            "collector",
            "127.0.0.1:4318",
            "https://collector",
            "ftp://x",
            "http://",
        ] {
            let error = base(bad).expect_err(bad).to_string();
            assert!(error.contains("http://127.0.0.1:4318"), "{error}");
        }
    }
}
