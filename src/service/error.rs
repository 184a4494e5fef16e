//! Why a body is not whole, and why an origin did not answer.

use core::fmt;

use crate::{AllocError, IntoResponse, Response};

/// Why a body did not arrive, or could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// Who sends it went away, or sent something else than was announced.
    CutOff,
    /// Who receives it went away. There is nobody to write for.
    Gone,
    /// There is no room for it in the arena.
    Alloc(AllocError),
}

impl From<AllocError> for BodyError {
    fn from(error: AllocError) -> Self {
        Self::Alloc(error)
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff => f.write_str("the body ended early"),
            Self::Gone => f.write_str("whoever receives the body is gone"),
            Self::Alloc(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BodyError {}

/// 400 where the client's body ended early, 507 where it is too large.
impl<'a> IntoResponse<'a> for BodyError {
    fn into_response(self) -> Response<'a> {
        match self {
            Self::CutOff | Self::Gone => {
                Response::bad_request("the request's body ended early\n", "text/plain")
            }
            Self::Alloc(error) => error.into_response(),
        }
    }
}

/// Why an origin did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// The target is no `http://` or `https://` address, or a header is not valid.
    Invalid,
    /// The host does not let this component send to that origin.
    Denied,
    /// There is no such origin, or it takes no connection.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// It answered something that is no HTTP, or broke off.
    Broken,
    /// There is no room for the head of its answer in the arena.
    Alloc(AllocError),
    /// This is a native build: there is no host that could send it.
    NoHost,
}

impl From<AllocError> for FetchError {
    fn from(error: AllocError) -> Self {
        Self::Alloc(error)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => {
                "the target is no address like http://example.org/path, or a header is not valid"
            }
            Self::Denied => "the host lets this component send nothing there: grant it the origin",
            Self::Unreachable => "there is no such origin, or it takes no connection",
            Self::TimedOut => "the origin took too long",
            Self::Broken => "the origin broke off, or its answer is not HTTP",
            Self::Alloc(error) => return error.fmt(f),
            Self::NoHost => "a native build has no host that sends requests: build a component",
        })
    }
}

impl core::error::Error for FetchError {}

/// 504 where the origin took too long, 507 where its answer has no room, 500 where
/// the handler asked for something that is no request, and else 502.
impl<'a> IntoResponse<'a> for FetchError {
    fn into_response(self) -> Response<'a> {
        let text = match self {
            Self::Invalid => {
                return Response::internal_server_error(
                    "the handler's own request is not valid\n",
                    "text/plain",
                );
            }
            Self::Alloc(error) => return error.into_response(),
            Self::TimedOut => {
                return Response::gateway_timeout("the origin took too long\n", "text/plain");
            }
            Self::Denied => "the origin may not be reached from here\n",
            Self::Unreachable => "the origin cannot be reached\n",
            Self::Broken => "the origin broke off\n",
            Self::NoHost => "there is no host that sends requests\n",
        };
        Response::bad_gateway(text, "text/plain")
    }
}
