//! Every way in which a request can fail, and the one table that says what the
//! client is told.
//!
//! The error itself is for the log and for the caller of the library: it says
//! what happened and what to do. The response is for a stranger: a status, a
//! label and a sentence, never a message or a backtrace of the guest.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use thiserror::Error;

use crate::told::Told;

/// The response header that carries the label of a failure.
pub const ERROR_HEADER: HeaderName = HeaderName::from_static("x-lavandula-error");

/// Why a request was not answered by its handler.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The guest trapped: a panic, an index out of bounds, a stack overflow, an
    /// exit.
    #[error("the handler trapped; look for its panic message in the log")]
    Trap(#[source] wasmtime::Error),

    /// The guest was denied memory and did not survive it.
    #[error(
        "the handler needed {asked} bytes more than its {limit} bytes allow; \
         raise the memory limit or make the handler use less"
    )]
    OutOfMemory {
        /// By how much the last denied growth would have grown, in bytes.
        asked: usize,
        /// The limit, in bytes.
        limit: usize,
    },

    /// The time for the whole invocation was up.
    #[error("the handler did not finish within {limit:?}; raise the timeout or look for a loop")]
    Deadline {
        /// The time that it had.
        limit: Duration,
    },

    /// The guest returned, but what it returned is no response.
    #[error("the handler's response cannot be sent: {0}")]
    BadResponse(#[from] BadResponse),

    /// Every instance was busy for longer than a request waits.
    #[error("every instance is busy; raise the number of requests in flight or try again later")]
    Overload,

    /// The server is shutting down.
    #[error("the server is shutting down; ask another one")]
    Draining,

    /// There is no instance, for another reason than a trap or a limit.
    #[error("the component could not be instantiated")]
    Instantiate(#[source] wasmtime::Error),

    /// A call of `lavandula:arena/invocation` was refused by the guest, or the
    /// guest does not export the interface.
    #[error("the guest refused `{call}`: {why}", why = Told(why))]
    Invocation {
        /// The function that was called.
        call: &'static str,
        /// What the guest gave as its reason.
        why: String,
    },

    /// The request's body is too large.
    #[error("the request's body exceeds {limit} bytes; send less or raise the limit")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The request's target and headers are too large.
    #[error("the request's headers exceed {limit} bytes; send less or raise the limit")]
    HeadersTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },

    /// The request breaks HTTP.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),

    /// The client took too long to send its request.
    #[error("the client paused its request for longer than {limit:?}")]
    TooSlow {
        /// The time that it had.
        limit: Duration,
    },

    /// The client went away before its request was complete.
    #[error("the client closed the connection in the middle of its request")]
    ClientGone,
}

/// What is wrong with a response of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadResponse {
    /// `response-outparam.set` was never called.
    #[error("it was never set; call `response-outparam.set` before returning")]
    Missing,
    /// The guest answered with an error code of `wasi:http` in its place.
    #[error("it is the error `{}`", Told(.0))]
    ErrorCode(String),
    /// The status is not one of a final response.
    #[error("its status is {0}; use one from 200 to 599")]
    Status(u16),
    /// A header's name or value holds bytes that no header may hold.
    #[error("its header `{}` is not valid", Told(.0))]
    Header(String),
    /// The headers are too large.
    #[error("its headers exceed {0} bytes")]
    HeadersTooLarge(usize),
    /// The body is too large.
    #[error("its body exceeds {0} bytes")]
    BodyTooLarge(usize),
    /// `content-length` is not what the body has.
    #[error("its content-length is {declared}, its body has {sent} bytes", declared = Told(declared))]
    Length {
        /// What the header says.
        declared: String,
        /// What the body has.
        sent: usize,
    },
    /// The body was dropped, or left open, instead of being finished.
    #[error("its body was not finished; call `outgoing-body.finish` before returning")]
    Unfinished,
}

/// What becomes of the connection after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// It serves the next request.
    Keep,
    /// It closes: what the client sends next cannot be told from the rest of
    /// this request, or nobody will be there to read it.
    Close,
}

/// One row of the table.
struct Row {
    status: StatusCode,
    label: &'static str,
    connection: Connection,
    text: &'static str,
}

impl Failure {
    /// The table.
    fn row(&self) -> Row {
        use Connection::{Close, Keep};
        let (status, label, connection, text) = match self {
            Self::Trap(_) => (500, "trap", Keep, "The handler failed."),
            Self::OutOfMemory { .. } => {
                (500, "out_of_memory", Keep, "The handler ran out of memory.")
            }
            Self::Instantiate(_) => (500, "instantiate", Keep, "The handler could not start."),
            Self::Invocation { .. } => (500, "invocation", Keep, "The handler failed."),
            Self::Deadline { .. } => (504, "deadline", Keep, "The handler took too long."),
            Self::BadResponse(_) => (
                502,
                "bad_response",
                Keep,
                "The handler's response was not valid.",
            ),
            Self::Overload => (503, "overload", Keep, "The server is busy. Try again."),
            Self::Draining => (503, "draining", Close, "The server is shutting down."),
            Self::BodyTooLarge { .. } => (413, "body_too_large", Close, "The body is too large."),
            Self::HeadersTooLarge { .. } => (
                431,
                "headers_too_large",
                Close,
                "The headers are too large.",
            ),
            Self::Malformed(_) => (400, "malformed", Close, "The request is malformed."),
            Self::TooSlow { .. } => (408, "too_slow", Close, "The request took too long."),
            // Nobody reads this one; it keeps the log honest.
            Self::ClientGone => (400, "client_gone", Close, "The request is incomplete."),
        };
        Row {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            label,
            connection,
            text,
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.row().status
    }

    /// The word for this failure in the header [`ERROR_HEADER`], in logs and in
    /// metrics.
    pub fn label(&self) -> &'static str {
        self.row().label
    }

    /// What the client is sent.
    pub fn response(&self) -> Response<Bytes> {
        let row = self.row();
        let mut response = Response::new(Bytes::from(format!("{}\n", row.text)));
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        headers.insert(ERROR_HEADER, HeaderValue::from_static(row.label));
        if matches!(self, Self::Overload | Self::Draining) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if row.connection == Connection::Close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_failure() -> Vec<(Failure, u16, &'static str)> {
        let cause = || wasmtime::Error::msg("secret of the guest");
        let limit = Duration::from_secs(1);
        vec![
            (Failure::Trap(cause()), 500, "trap"),
            (
                Failure::OutOfMemory { asked: 1, limit: 2 },
                500,
                "out_of_memory",
            ),
            (Failure::Deadline { limit }, 504, "deadline"),
            (BadResponse::Missing.into(), 502, "bad_response"),
            (Failure::Overload, 503, "overload"),
            (Failure::Draining, 503, "draining"),
            (Failure::Instantiate(cause()), 500, "instantiate"),
            (
                Failure::Invocation {
                    call: "seal",
                    why: "secret of the guest".to_owned(),
                },
                500,
                "invocation",
            ),
            (Failure::BodyTooLarge { limit: 1 }, 413, "body_too_large"),
            (
                Failure::HeadersTooLarge { limit: 1 },
                431,
                "headers_too_large",
            ),
            (Failure::Malformed("no host"), 400, "malformed"),
            (Failure::TooSlow { limit }, 408, "too_slow"),
            (Failure::ClientGone, 400, "client_gone"),
        ]
    }

    #[test]
    fn each_failure_has_its_status_and_label() {
        for (failure, status, label) in every_failure() {
            assert_eq!(failure.status(), status, "{failure}");
            assert_eq!(failure.label(), label, "{failure}");
            let response = failure.response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[ERROR_HEADER], label);
        }
    }

    #[test]
    fn a_client_never_sees_what_the_guest_said() {
        for (failure, ..) in every_failure() {
            let response = failure.response();
            let text = String::from_utf8_lossy(response.body());
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn what_a_guest_said_is_short_and_plain_in_the_text() {
        let said = || "\x1b[31m".repeat(100_000);
        let failures = [
            Failure::Invocation {
                call: "seal",
                why: said(),
            },
            BadResponse::ErrorCode(said()).into(),
            BadResponse::Header(said()).into(),
            BadResponse::Length {
                declared: said(),
                sent: 1,
            }
            .into(),
        ];
        for failure in failures {
            let text = failure.to_string();
            assert!(text.len() < 500, "{} bytes", text.len());
            assert!(text.contains("31m") && !text.contains('\x1b'), "{text:?}");
        }
    }

    #[test]
    fn only_a_busy_server_asks_to_be_tried_again() {
        for (failure, status, label) in every_failure() {
            let retry = failure.response().headers().contains_key("retry-after");
            assert_eq!(retry, status == 503, "{label}");
        }
    }
}
