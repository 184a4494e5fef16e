//! A response, and what can be turned into one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Header;
use crate::{AllocError, StateError};

/// The body of a response: borrowed from the arena, or owned.
///
/// An owned body is for what a library hands back as a `String` or a `Vec`; it
/// is passed on without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bytes that live as long as the invocation.
    Borrowed(&'a [u8]),
    /// Bytes from the global allocator.
    Owned(Vec<u8>),
}

impl Body<'_> {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    #[cfg(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    ))]
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Borrowed(bytes) => crate::instance::into_vec(bytes),
            Self::Owned(bytes) => bytes,
        }
    }
}

macro_rules! body_from {
    ($($from:ty => |$value:ident| $body:expr),* $(,)?) => {
        $(impl<'a> From<$from> for Body<'a> {
            fn from($value: $from) -> Self {
                $body
            }
        })*
    };
}

body_from! {
    &'a [u8] => |bytes| Body::Borrowed(bytes),
    &'a mut [u8] => |bytes| Body::Borrowed(bytes),
    &'a str => |text| Body::Borrowed(text.as_bytes()),
    &'a mut str => |text| Body::Borrowed(text.as_bytes()),
    Vec<u8> => |bytes| Body::Owned(bytes),
    String => |text| Body::Owned(text.into_bytes()),
}

impl<'a, const N: usize> From<&'a [u8; N]> for Body<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Body::Borrowed(bytes)
    }
}

/// A response: status, headers and body.
///
/// The usual answers are one line each, with the content type beside the body:
///
/// ```
/// use lavandula::Response;
///
/// let response = Response::ok("{\"n\":1}", "application/json").with_header("etag", b"\"1\"");
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.header("ETag"), Some(&b"\"1\""[..]));
/// assert_eq!(Response::not_found("no such page", "text/plain").status(), 404);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    status: u16,
    headers: Vec<Header<'a>>,
    body: Body<'a>,
}

impl<'a> Response<'a> {
    /// A response with any status, without headers and without a body.
    ///
    /// The status is not checked here: a host answers 502 for one outside
    /// 200 to 599.
    pub const fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Borrowed(&[]),
        }
    }

    /// A response with any status.
    pub fn with_status(status: u16, body: impl Into<Body<'a>>, content_type: &'a str) -> Self {
        Self::new(status)
            .with_header("content-type", content_type.as_bytes())
            .with_body(body)
    }

    /// The same response with one more header. The name is in lower case.
    pub fn with_header(mut self, name: &'a str, value: &'a [u8]) -> Self {
        self.headers.push(Header { name, value });
        self
    }

    /// The same response with this body.
    pub fn with_body(mut self, body: impl Into<Body<'a>>) -> Self {
        self.body = body.into();
        self
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers, in the order in which they were added.
    pub fn headers(&self) -> &[Header<'a>] {
        &self.headers
    }

    /// The first value of a header, whose name is compared without regard to
    /// case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut headers = self.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value)
    }

    /// The body.
    pub const fn body(&self) -> &Body<'a> {
        &self.body
    }

    /// The headers as both doors lower them.
    #[cfg(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    ))]
    pub(crate) fn owned_headers(&self) -> Vec<(String, Vec<u8>)> {
        let owned = |header: &Header<'_>| (String::from(header.name), header.value.to_vec());
        self.headers.iter().map(owned).collect()
    }

    #[cfg(all(target_arch = "wasm32", not(feature = "arena-guest")))]
    pub(crate) fn into_body(self) -> Body<'a> {
        self.body
    }
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident = $status:literal;)*) => {
        impl<'a> Response<'a> {
            $($(#[$doc])*
            pub fn $name(body: impl Into<Body<'a>>, content_type: &'a str) -> Self {
                Self::with_status($status, body, content_type)
            })*
        }
    };
}

answers! {
    /// 200: here it is.
    ok = 200;
    /// 201: it was made.
    created = 201;
    /// 202: it will be done.
    accepted = 202;
    /// 400: the request makes no sense.
    bad_request = 400;
    /// 401: who are you?
    unauthorized = 401;
    /// 403: not for you.
    forbidden = 403;
    /// 404: there is no such thing.
    not_found = 404;
    /// 405: not with this method.
    method_not_allowed = 405;
    /// 409: it does not fit the state of things.
    conflict = 409;
    /// 413: the body is too large.
    content_too_large = 413;
    /// 415: not in this format.
    unsupported_media_type = 415;
    /// 422: the format is right and the content is not.
    unprocessable_content = 422;
    /// 429: too often.
    too_many_requests = 429;
    /// 500: the fault is here.
    internal_server_error = 500;
    /// 501: not yet.
    not_implemented = 501;
    /// 502: the fault is further up.
    bad_gateway = 502;
    /// 503: not now.
    service_unavailable = 503;
    /// 504: too late.
    gateway_timeout = 504;
    /// 507: no room for what the request needs.
    insufficient_storage = 507;
}

impl Response<'static> {
    /// 204: done, and there is nothing to say.
    pub const fn no_content() -> Self {
        Self::new(204)
    }
}

/// What a handler may return.
pub trait IntoResponse<'a> {
    /// The response that it stands for.
    fn into_response(self) -> Response<'a>;
}

impl<'a> IntoResponse<'a> for Response<'a> {
    fn into_response(self) -> Response<'a> {
        self
    }
}

/// An arena without room for the answer: 507.
impl<'a> IntoResponse<'a> for AllocError {
    fn into_response(self) -> Response<'a> {
        Response::insufficient_storage(
            "the request needs more memory than it may have\n",
            "text/plain",
        )
    }
}

/// An instance that cannot take a request: 500.
impl<'a> IntoResponse<'a> for StateError {
    fn into_response(self) -> Response<'a> {
        Response::internal_server_error(alloc::format!("{self}\n"), "text/plain")
    }
}

/// Formatting into the arena failed, which has no other cause than its room.
impl<'a> IntoResponse<'a> for fmt::Error {
    fn into_response(self) -> Response<'a> {
        AllocError::OutOfMemory { requested: 0 }.into_response()
    }
}

impl<'a, T: IntoResponse<'a>, E: IntoResponse<'a>> IntoResponse<'a> for Result<T, E> {
    fn into_response(self) -> Response<'a> {
        match self {
            Ok(answer) => answer.into_response(),
            Err(failure) => failure.into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_body_keeps_its_bytes() {
        let bodies: [Body<'_>; 5] = [
            "abc".into(),
            b"abc".into(),
            (&b"abc"[..]).into(),
            String::from("abc").into(),
            b"abc".to_vec().into(),
        ];
        for body in bodies {
            assert_eq!(body.as_bytes(), b"abc");
        }
    }

    #[test]
    fn an_arena_without_room_answers_507() {
        let failed: Result<Response<'_>, AllocError> = Err(AllocError::Layout);
        assert_eq!(failed.into_response().status(), 507);
    }
}
