//! What can be wrong with a file of requests, where, and what to do about it.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::shape::ShapeError;

/// Why the requests of a file cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{file}{spot}: {problem}")]
pub struct TrafficError {
    pub(super) file: String,
    pub(super) spot: Spot,
    problem: TrafficProblem,
}

impl TrafficError {
    /// What is wrong.
    pub fn problem(&self) -> &TrafficProblem {
        &self.problem
    }

    pub(super) fn new(spot: Spot, problem: impl Into<TrafficProblem>) -> Self {
        Self {
            file: String::new(),
            spot,
            problem: problem.into(),
        }
    }

    pub(super) fn in_file(self, file: &str) -> Self {
        Self {
            file: file.to_owned(),
            ..self
        }
    }
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// Nowhere in particular.
    File,
    /// Counted from one, as all of these.
    Line(usize),
    Character {
        line: usize,
        column: usize,
    },
    /// An entry of a HAR.
    Entry(usize),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line(line) => write!(f, ":{line}"),
            Self::Character { line, column } => write!(f, ":{line}:{column}"),
            Self::Entry(number) => write!(f, ": entry {number}"),
        }
    }
}

/// What is wrong with a file of requests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrafficProblem {
    /// The file cannot be read.
    #[error("cannot be read: {0}: name a HAR or a `.http` file that exists and may be read")]
    Unreadable(io::Error),
    /// Its bytes are no text.
    #[error(
        "is no text in UTF-8, so neither a HAR nor a `.http` file: save it as UTF-8, or name \
         another file"
    )]
    NoText,
    /// It begins as JSON and does not go on so.
    #[error("is no JSON ({0}), so no HAR: export it from the browser once more")]
    NoJson(String),
    /// It is JSON, of something else.
    #[error(
        "is JSON and no HAR ({0}): a HAR has its requests in `log.entries`; in a browser, choose \
         \"Save all as HAR\" in the network panel"
    )]
    NoHar(String),
    /// There is nothing to send in it.
    #[error(
        "has no requests: write them as `GET /path`, with a line `###` between two of them, or \
         export a HAR that has some"
    )]
    Empty,
    /// Nothing that is in it can be sent.
    #[error("has no request that can be sent: {0}")]
    NoneLeft(String),
    /// Its requests are for others.
    #[error("has no request for {asked}: it has some for {there}")]
    NoneForHost {
        /// The hosts that were asked for.
        asked: String,
        /// Those that there are.
        there: String,
    },
    /// A method, path or header that HTTP does not allow.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A line among the headers that is none.
    #[error(
        "`{0}` is no header: write it as `Name: value`, and leave an empty line before the body"
    )]
    Header(String),
    /// A text in the place of a request line.
    #[error(
        "`{0}` is no request line: write it as `METHOD URL`, `POST /path`, and texts behind a `#`"
    )]
    RequestLine(String),
    /// A command in the place of a request line.
    #[error("a curl command is no request line: write it as `METHOD URL`, `POST /path`")]
    Curl,
    /// A line with an `@` that defines nothing.
    #[error("`{0}` defines no variable: write it as `@name = value`")]
    Definition(String),
    /// A variable without a value.
    #[error(
        "`{{{{{0}}}}}` has no value: write `@{0} = ...` in a line above the request (values that an \
         editor takes from its settings, or from another answer, are not there in a check)"
    )]
    Unknown(String),
    /// A variable with another value each time.
    #[error(
        "`{{{{{0}}}}}` is not the same each time and everywhere, and a check compares requests that \
         differ in their marker only: write `{{{{marker}}}}` for a text that each request has of its \
         own, or a value that stays"
    )]
    Dynamic(String),
    /// The file of a body cannot be read.
    #[error(
        "cannot read the body {}: {error}: its path is relative to the folder of this file, and \
         names a file that may be read", path.display()
    )]
    BodyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// A body is to be read in a way that is not known here.
    #[error("`{0}` is no encoding of a body that is known here: save the body as UTF-8 or base64")]
    Encoding(String),
    /// A body is said to be base64 and is not.
    #[error("the body is no base64: write its bytes as base64, or leave out that it is")]
    Base64,
}
