//! A request of a file, on its way to a shape.
#![forbid(unsafe_code)]

use super::error::Spot;
use super::shape::{Shape, ShapeError};

/// A request, and whom it is for.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it says so.
    pub(super) host: Option<String>,
    pub(super) shape: Shape,
}

/// What was not taken from a file as it is there, and why.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) spot: Spot,
    pub(super) why: String,
}

/// All that is in a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entries: Vec<Entry>,
    pub(super) notes: Vec<Note>,
}

impl Contents {
    pub(super) fn note(&mut self, spot: Spot, why: impl Into<String>) {
        let why = why.into();
        self.notes.push(Note { spot, why });
    }
}

/// Headers that are about one connection, and that no handler gets.
const OF_A_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Entry {
    /// A request as a client has sent it. `host` is that of its URL.
    pub(super) fn new(
        method: &str,
        host: Option<String>,
        path: &str,
        mut headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Self, ShapeError> {
        let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        let named = |wanted: &'static str, headers: &[(String, String)]| -> Option<String> {
            let mut headers = headers.iter();
            let header = headers.find(|(name, _)| is(name, wanted))?;
            Some(header.1.clone())
        };
        // HTTP/2 has these in the place of a request line and of `host`.
        let authority = named(":authority", &headers);
        let more = named("connection", &headers).unwrap_or_default();
        let more: Vec<&str> = more.split(',').map(str::trim).collect();
        headers.retain(|(name, _)| {
            let mut of_a_connection = OF_A_CONNECTION.iter().chain(&more);
            !name.starts_with(':') && !of_a_connection.any(|other| is(name, other))
        });
        let host = match named("host", &headers) {
            Some(host) => Some(host),
            None => {
                let host = authority.or(host);
                if let Some(host) = &host {
                    headers.insert(0, ("host".to_owned(), host.clone()));
                }
                host
            }
        };
        Ok(Self {
            host,
            shape: Shape::new(method, path, headers, body)?,
        })
    }
}
