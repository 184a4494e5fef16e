//! What the request says.

use crate::http::streams::{InputStream, StreamError};
use crate::http::types::{IncomingBody, IncomingRequest};

/// Path and query.
pub struct Asked(String);

impl Asked {
    pub fn of(request: &IncomingRequest) -> Self {
        Self(request.path_with_query().unwrap_or_default())
    }

    pub fn path(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// The value of `name` in the query, as it stands there.
    pub fn text(&self, name: &str) -> &str {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter_map(|(key, value)| (key == name).then_some(value));
        values.next().unwrap_or_default()
    }

    /// The same as a number, 0 where there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

/// The body's pieces as they come, each handed to `each`.
pub fn pieces(request: IncomingRequest, mut each: impl FnMut(&[u8])) {
    let body = request.consume().expect("nobody took it before");
    let stream = body.stream().expect("nobody took it before");
    while let Some(piece) = next(&stream) {
        each(&piece);
    }
    // A stream is a child of its body, and must be gone first.
    drop(stream);
    drop(IncomingBody::finish(body));
}

fn next(stream: &InputStream) -> Option<Vec<u8>> {
    const AT_ONCE: u64 = 64 * 1024;
    match stream.blocking_read(AT_ONCE) {
        Ok(piece) => Some(piece),
        Err(StreamError::Closed) => None,
        Err(StreamError::LastOperationFailed(error)) => panic!("{}", error.to_debug_string()),
    }
}

pub fn whole(request: IncomingRequest) -> Vec<u8> {
    let mut whole = Vec::new();
    pieces(request, |piece| whole.extend_from_slice(piece));
    whole
}
