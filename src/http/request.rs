//! A request, borrowed from the arena.

#[cfg(any(
    test,
    all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    )
))]
use crate::{AllocError, Arena};
#[cfg(any(
    test,
    all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    )
))]
use alloc::{string::String, vec::Vec};

/// One header: its name in lower case, and its value.
///
/// A value is text almost always, but HTTP does not promise UTF-8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, in lower case.
    pub name: &'a str,
    /// The value, as the client sent it.
    pub value: &'a [u8],
}

/// The headers of a request, in the order in which they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'a>(&'a [Header<'a>]);

impl<'a> Headers<'a> {
    #[cfg(all(target_arch = "wasm32", not(feature = "arena-guest")))]
    pub(crate) const fn of(headers: &'a [Header<'a>]) -> Self {
        Self(headers)
    }

    /// The first value of `name`, which is compared without regard to case,
    /// where it is UTF-8.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.get_all(name)
            .find_map(|value| core::str::from_utf8(value).ok())
    }

    /// Every value of `name`, which is compared without regard to case.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// All headers.
    pub fn iter(&self) -> core::slice::Iter<'a, Header<'a>> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = &'a Header<'a>;
    type IntoIter = core::slice::Iter<'a, Header<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A request whose parts lie in the invocation's arena. Cheap to copy.
///
/// In a test of a handler, [`Request::new`] and the `with_` methods make one
/// without a host:
///
/// ```
/// use lavandula::{Header, Request};
///
/// let request = Request::new("POST", "/convert?to=html")
///     .with_headers(&[Header { name: "content-type", value: b"text/markdown" }])
///     .with_body(b"# Title");
/// assert_eq!(request.path(), "/convert");
/// assert_eq!(request.query_value("to"), Some("html"));
/// assert_eq!(request.headers().get("Content-Type"), Some("text/markdown"));
/// ```
///
/// `B` is the body: bytes in the arena, unless the handler asks for something else.
/// One that is asynchronous may have it piece by piece, as an
/// [`Incoming`](crate::Incoming).
#[derive(Debug, Clone, Copy)]
pub struct Request<'a, B = &'a [u8]> {
    method: &'a str,
    path_with_query: &'a str,
    authority: Option<&'a str>,
    headers: Headers<'a>,
    body: B,
}

impl<'a> Request<'a> {
    /// A request without headers and without a body.
    pub const fn new(method: &'a str, path_with_query: &'a str) -> Self {
        Self {
            method,
            path_with_query,
            authority: None,
            headers: Headers(&[]),
            body: &[],
        }
    }

    /// The same request with this body.
    pub const fn with_body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// The whole body.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

impl<'a, B> Request<'a, B> {
    /// The same request with these headers. Names are in lower case.
    pub const fn with_headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = Headers(headers);
        self
    }

    /// The same request with this authority.
    pub const fn with_authority(mut self, authority: Option<&'a str>) -> Self {
        self.authority = authority;
        self
    }

    /// `GET`, `POST`, or any other token.
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The path and the query, as in the request line.
    pub const fn path_with_query(&self) -> &'a str {
        self.path_with_query
    }

    /// The path, without the query. Not percent-decoded.
    pub fn path(&self) -> &'a str {
        self.split_path().0
    }

    /// What follows the first `?`, where there is one. Not percent-decoded.
    pub fn query(&self) -> Option<&'a str> {
        self.split_path().1
    }

    /// The value of the first `name=value` of the query. Not percent-decoded.
    pub fn query_value(&self, name: &str) -> Option<&'a str> {
        self.query()?
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The host, and the port where there is one, that the client asked for.
    pub const fn authority(&self) -> Option<&'a str> {
        self.authority
    }

    /// The headers.
    pub const fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// The body, which may have to be `&mut` to be read.
    pub const fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The request without its body, and the body.
    pub fn into_parts(self) -> (Request<'a>, B) {
        (
            Request {
                method: self.method,
                path_with_query: self.path_with_query,
                authority: self.authority,
                headers: self.headers,
                body: &[],
            },
            self.body,
        )
    }

    /// The same request with another kind of body.
    pub fn carrying<C>(self, body: C) -> Request<'a, C> {
        Request {
            method: self.method,
            path_with_query: self.path_with_query,
            authority: self.authority,
            headers: self.headers,
            body,
        }
    }

    fn split_path(&self) -> (&'a str, Option<&'a str>) {
        match self.path_with_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.path_with_query, None),
        }
    }
}

/// Headers as a door receives them, copied into the arena, names in lower case.
#[cfg(any(
    test,
    all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    )
))]
pub(crate) fn headers_in<'a, N: AsRef<str>, V: AsRef<[u8]>>(
    arena: &'a Arena,
    headers: &[(N, V)],
) -> Result<&'a [Header<'a>], AllocError> {
    let copies = arena.alloc_slice_fill_with(headers.len(), |_| Header::default())?;
    for (copy, (name, value)) in copies.iter_mut().zip(headers) {
        let name = arena.strdup(name.as_ref())?;
        name.make_ascii_lowercase();
        *copy = Header {
            name,
            value: arena.alloc_slice_copy(value.as_ref())?,
        };
    }
    Ok(copies)
}

/// The same where they lie in the arena already.
#[cfg(any(
    test,
    all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    )
))]
pub(crate) fn headers_of<'a>(
    arena: &'a Arena,
    headers: &'a mut [(String, Vec<u8>)],
) -> Result<&'a [Header<'a>], AllocError> {
    for (name, _) in &mut *headers {
        name.make_ascii_lowercase();
    }
    let headers = &*headers;
    let copies = arena.alloc_slice_fill_with(headers.len(), |_| Header::default())?;
    for (copy, (name, value)) in copies.iter_mut().zip(headers) {
        *copy = Header { name, value };
    }
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lie_in_the_arena_and_are_found_whatever_their_case() {
        let arena = Arena::new();
        let raw = [
            ("X-Tag", b"one".as_slice()),
            ("x-tag", b"\xff"),
            ("Host", b"h"),
        ];
        let headers = Headers(headers_in(&arena, &raw).unwrap());
        assert_eq!(headers.get("X-TAG"), Some("one"));
        assert_eq!(headers.get_all("x-tag").count(), 2);
        assert_eq!(headers.get("absent"), None);
        assert!(
            headers
                .iter()
                .all(|h| h.name.bytes().all(|b| !b.is_ascii_uppercase()))
        );
        for header in headers {
            assert!(
                arena
                    .handed_out(header.value.as_ptr().addr(), header.value.len())
                    .is_some()
            );
        }
    }

    #[test]
    fn headers_that_lie_in_the_arena_are_not_copied() {
        let arena = Arena::new();
        let mut raw = [(String::from("X-Tag"), Vec::from(*b"one"))];
        let value = raw[0].1.as_ptr();
        let headers = Headers(headers_of(&arena, &mut raw).unwrap());
        assert_eq!(headers.iter().next().unwrap().name, "x-tag");
        assert_eq!(headers.get_all("x-tag").next().unwrap().as_ptr(), value);
    }

    #[test]
    fn a_path_is_split_at_the_first_question_mark() {
        let request = Request::new("GET", "/a?b=1&c=2?3&flag");
        assert_eq!(request.path(), "/a");
        assert_eq!(request.query(), Some("b=1&c=2?3&flag"));
        assert_eq!(request.query_value("c"), Some("2?3"));
        assert_eq!(request.query_value("flag"), None);
        assert_eq!(Request::new("GET", "/a").query(), None);
    }
}
