//! What can be wrong with a request, and what the client is told.

use std::str::Utf8Error;

use lavandula::AllocError;
use serde::Serialize;
use serde_json::error::Category;

/// Why there is no answer.
#[derive(Debug)]
pub enum Problem {
    /// Nothing is at this path.
    Path,
    /// Not with this method.
    Method {
        /// Those that do, for the header `allow`.
        allowed: &'static str,
    },
    /// A value of the query is missing or means nothing.
    Query(String),
    /// The body is no JSON.
    NotJson(Place),
    /// The body is JSON, and not of the kind that is expected.
    Shape(Place),
    /// The arena has no room.
    Memory,
}

/// What is wrong with the body, and where.
#[derive(Debug)]
pub struct Place {
    what: String,
    line: usize,
    column: usize,
}

/// A problem as JSON.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl Problem {
    /// The body stops being UTF-8, and so JSON, somewhere.
    pub fn not_utf8(body: &[u8], error: Utf8Error) -> Self {
        let valid = body.get(..error.valid_up_to()).unwrap_or(body);
        let last_line = valid.rsplit(|&byte| byte == b'\n').next().unwrap_or(valid);
        Self::NotJson(Place {
            what: "not UTF-8".to_owned(),
            line: 1 + valid.iter().filter(|&&byte| byte == b'\n').count(),
            // In bytes, as serde_json counts.
            column: 1 + last_line.len(),
        })
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::Path => 404,
            Self::Method { .. } => 405,
            Self::NotJson(_) => 400,
            Self::Query(_) | Self::Shape(_) => 422,
            Self::Memory => 507,
        }
    }

    /// The body of the response.
    pub fn report(&self) -> Report<'_> {
        let (error, place) = match self {
            Self::Path => ("there is `/` and `/filter`", None),
            Self::Method { .. } => ("this path does not take this method", None),
            Self::Query(what) => (what.as_str(), None),
            Self::NotJson(place) | Self::Shape(place) => (place.what.as_str(), Some(place)),
            Self::Memory => ("the request needs more memory than it may have", None),
        };
        Report {
            error,
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
        }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        let place = Place {
            what: error.to_string(),
            line: error.line(),
            column: error.column(),
        };
        match error.classify() {
            Category::Data => Self::Shape(place),
            // Reading from a slice has no I/O to fail.
            Category::Io | Category::Syntax | Category::Eof => Self::NotJson(place),
        }
    }
}

impl From<AllocError> for Problem {
    fn from(_: AllocError) -> Self {
        Self::Memory
    }
}
