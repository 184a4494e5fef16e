//! One whole answer of a server: what the floor is told to give, and what all
//! others are compared with.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a single answer is waited for. Some compute for a while.
const PATIENCE: Duration = Duration::from_secs(30);

/// Headers that belong to the connection or to the server, and not to the handler.
const OF_THE_SERVER: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
];

/// A request that can be sent again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// The path, with the query.
    pub path: &'static str,
    /// The body.
    pub body: &'static [u8],
}

impl Request {
    /// Its bytes on the wire, for a connection that is kept.
    pub fn bytes(&self) -> Vec<u8> {
        self.with("")
    }

    fn with(&self, header: &str) -> Vec<u8> {
        let Self { method, path, body } = self;
        let length = match body.len() {
            0 => String::new(),
            bytes => format!("content-type: application/json\r\ncontent-length: {bytes}\r\n"),
        };
        let mut bytes = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: lavandula-bench\r\n\
             accept: */*\r\n{length}{header}\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

/// What a handler answered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers of the handler's own, in order of their names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &String::from_utf8_lossy(&self.body))
            .finish()
    }
}

impl Answer {
    /// Sends the request once, on a connection of its own.
    ///
    /// # Errors
    /// Those of the connection, and `InvalidData` where the answer is no HTTP/1.1.
    pub fn ask(addr: SocketAddr, request: &Request) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&request.with("connection: close\r\n"))?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Self::parse(&bytes).ok_or_else(|| {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("this is no answer: {text:?}"),
            )
        })
    }

    /// Of the bytes that came until the connection ended.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 4..]);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let found = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
        let body = match (found("transfer-encoding"), found("content-length")) {
            (Some(_), _) => unchunked(body)?,
            (None, Some((_, length))) if length.parse() != Ok(body.len()) => return None,
            _ => body.to_vec(),
        };
        headers.retain(|(name, _)| !OF_THE_SERVER.contains(&name.as_str()));
        headers.sort();
        Some(Self {
            status: status.get(..3)?.parse().ok()?,
            headers,
            body,
        })
    }

    /// What differs from the answer that is expected, if anything does.
    pub fn difference(&self, expected: &Self) -> Option<String> {
        if self.status != expected.status {
            let (found, expected) = (self.status, expected.status);
            return Some(format!("the status is {found} and not {expected}"));
        }
        if self.headers != expected.headers {
            let (found, expected) = (&self.headers, &expected.headers);
            return Some(format!("the headers are {found:?} and not {expected:?}"));
        }
        let bodies = self.body.iter().zip(&expected.body);
        let same = bodies.take_while(|(a, b)| a == b).count();
        (self.body != expected.body).then(|| {
            let (found, expected) = (self.body.len(), expected.body.len());
            format!(
                "the body of {found} bytes differs at byte {same} from the expected one of \
                 {expected}"
            )
        })
    }
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str, body: &str) -> Option<Answer> {
        Answer::parse(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}").as_bytes())
    }

    #[test]
    fn an_answer_is_the_same_however_its_length_is_told() {
        let sized = parsed("Content-Type: a/b\r\ncontent-length: 5\r\n", "hello").unwrap();
        let chunked = "transfer-encoding: chunked\r\ndate: x\r\ncontent-type: a/b\r\n";
        let chunked = parsed(chunked, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n").unwrap();
        assert_eq!(sized.difference(&chunked), None);
        assert_eq!(sized, chunked);
        assert_eq!(sized.headers, [("content-type".into(), "a/b".into())]);
    }

    #[test]
    fn an_answer_that_was_cut_off_is_none() {
        assert_eq!(parsed("content-length: 5\r\n", "hell"), None);
        let chunked = "transfer-encoding: chunked\r\n";
        for body in ["2\r\nhe\r\n", "2\r\nh", "2\r\nhe\r\n3\r\nllo\r\n"] {
            assert_eq!(parsed(chunked, body), None, "{body}");
        }
    }

    #[test]
    fn every_difference_is_told() {
        let one = parsed("a: b\r\ncontent-length: 2\r\n", "hi").unwrap();
        for (other, said) in [
            (
                Answer {
                    status: 500,
                    ..one.clone()
                },
                "status",
            ),
            (
                Answer {
                    headers: Vec::new(),
                    ..one.clone()
                },
                "headers",
            ),
            (
                Answer {
                    body: b"ho".to_vec(),
                    ..one.clone()
                },
                "at byte 1",
            ),
            (
                Answer {
                    body: b"hi!".to_vec(),
                    ..one.clone()
                },
                "at byte 2",
            ),
        ] {
            let told = other.difference(&one).unwrap_or_default();
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn a_request_has_a_length_where_it_has_a_body() {
        let mut request = Request {
            method: "GET",
            path: "/",
            body: b"",
        };
        let text = String::from_utf8(request.bytes()).unwrap();
        assert!(text.starts_with("GET / HTTP/1.1\r\nhost: localhost\r\n"));
        assert!(text.ends_with("\r\n\r\n") && !text.contains("content-length"));
        request.body = b"{}";
        let text = String::from_utf8(request.bytes()).unwrap();
        assert!(text.contains("content-length: 2\r\n") && text.ends_with("\r\n\r\n{}"));
    }
}
