//! A kind of request: the template that the requests of a run are made from.
#![forbid(unsafe_code)]

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use memchr::memmem;

use super::MARKER;

/// What a template has in the place of the marker.
pub const PLACEHOLDER: &str = "{{marker}}";

/// The header in which every request has its marker.
pub(super) const MARKER_HEADER: &str = "x-lavandula-marker";

/// Whom requests are for that name no host.
const NO_HOST: &str = "check.invalid";

/// A kind of request: all requests of a shape are equal but for the marker,
/// which has always the same length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Shape {
    /// A request of one's own. Each `{{marker}}` in the path, the headers and
    /// the body becomes the marker of the request; it has a marker in a header
    /// in any case. That header and `content-length` need not be given, and are
    /// not taken where they are.
    ///
    /// # Errors
    /// What is wrong with the method, the path or a header.
    pub fn new(
        method: &str,
        path: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Self, ShapeError> {
        if !path.starts_with('/') {
            return Err(ShapeError::Path(path.to_owned()));
        }
        // Tried here, all of it, so that a run cannot fail for it in the middle.
        let marker = "0".repeat(MARKER);
        let wrong_method = |_| ShapeError::Method(method.to_owned());
        let method = method.parse().map_err(wrong_method)?;
        if path.replace(PLACEHOLDER, &marker).parse::<Uri>().is_err() {
            return Err(ShapeError::Target(path.to_owned()));
        }
        for (name, value) in &headers {
            check_header(name, &value.replace(PLACEHOLDER, &marker))?;
        }
        let ours = [CONTENT_LENGTH.as_str(), MARKER_HEADER];
        let is_ours = |name: &str| ours.iter().any(|ours| name.eq_ignore_ascii_case(ours));
        let shape = Self {
            method,
            path: path.to_owned(),
            headers: headers
                .into_iter()
                .filter(|(name, _)| !is_ours(name))
                // What is around a value is no part of it.
                .map(|(name, value)| (name, value.trim_matches([' ', '\t']).to_owned()))
                .collect(),
            body,
        };
        shape.build(&marker)?;
        Ok(shape)
    }

    pub(super) fn build(&self, marker: &str) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path.replace(PLACEHOLDER, marker));
        if !self.has(HOST) {
            request = request.header(HOST, NO_HOST);
        }
        request = request.header(MARKER_HEADER, marker);
        for (name, value) in &self.headers {
            request = request.header(name, value.replace(PLACEHOLDER, marker));
        }
        let body = replace(&self.body, marker);
        if !body.is_empty() {
            request = request.header(CONTENT_LENGTH, body.len());
        }
        request.body(body.into())
    }

    fn has(&self, header: HeaderName) -> bool {
        let mut names = self.headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case(header.as_str()))
    }
}

/// Whether HTTP allows this header.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), ShapeError> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(ShapeError::Name(name.to_owned()));
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(ShapeError::Value(name.to_owned()));
    }
    Ok(())
}

/// Why a shape is no request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// Without the slash it could be anything.
    #[error("the path `{0}` does not begin with a slash: write it as in a request line, `/{0}`")]
    Path(String),
    /// A method that HTTP does not allow.
    #[error("`{0}` is no method: a method is one word, such as GET or POST")]
    Method(String),
    /// A path or query that HTTP does not allow.
    #[error(
        "`{0}` is no path: a path has no spaces, and what is not ASCII is written as in a URL, \
         such as %20"
    )]
    Target(String),
    /// A header's name that HTTP does not allow.
    #[error("`{0}` is no name of a header: such a name has only letters, digits and dashes")]
    Name(String),
    /// A header's value that HTTP does not allow.
    #[error(
        "the value of the header `{0}` has a line break or another control character: leave it out"
    )]
    Value(String),
    /// Anything else that HTTP does not allow.
    #[error("{0}: give another method, path or header")]
    Http(#[from] http::Error),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or("/");
        let len = replace(&self.body, &"0".repeat(MARKER)).len();
        write!(f, "{} {path} with {len} bytes", self.method)
    }
}

fn replace(body: &[u8], marker: &str) -> Vec<u8> {
    let mut result = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memmem::find(rest, PLACEHOLDER.as_bytes()) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(marker.as_bytes());
        rest = &rest[at + PLACEHOLDER.len()..];
    }
    result.extend_from_slice(rest);
    result
}
