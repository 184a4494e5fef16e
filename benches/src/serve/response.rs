//! Reads an answer only as far as a load must: that its status is 200, where it
//! ends, and that its body is the one that is expected. Bytes come as they come.
//!
//! An answer of 503 is read to its end as well, whatever its body is: a server that
//! refuses says so on a connection that goes on, and how often it does is to be known.

use memchr::memchr;

/// The longest line of a head that is waited for.
const LONGEST_LINE: usize = 64 * 1024;

/// What an answer is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Status,
    Headers,
    /// So many bytes of the body are left.
    Sized(usize),
    ChunkSize,
    /// So many bytes of the chunk are left.
    Chunk(usize),
    ChunkEnd,
    Trailers,
}

/// How the end of the body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    NotTold,
    Bytes(usize),
    Chunked,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More of it is to come.
    More,
    /// It is whole.
    Whole,
    /// It is whole, and it is a 503.
    Refused,
}

/// What is wrong with an answer. The connection is of no use afterwards.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The status is another one than 200 and 503.
    #[error("the status line is `{0}`")]
    Status(String),
    /// It is not HTTP/1.1.
    #[error("this is no HTTP/1.1: `{0}`")]
    Malformed(String),
    /// Neither `content-length` nor chunks.
    #[error("nothing tells the length of the body")]
    NoLength,
    /// The server does not want to go on with this connection.
    #[error("the answer says `connection: close`")]
    Close,
    /// The body is not the expected one.
    #[error("the body differs from the expected one at byte {at}")]
    Body {
        /// The first byte that differs, or where the shorter one ends.
        at: usize,
    },
    /// There is something after the answer.
    #[error("{0} bytes follow the answer that nobody asked for")]
    Surplus(usize),
}

/// An answer that is being read. Ready for the next one as soon as one is whole.
#[derive(Debug)]
pub struct Response {
    state: State,
    length: Length,
    /// It is a 503.
    is_refusal: bool,
    /// Bytes of the body so far.
    seen: usize,
    /// A line that is not whole yet.
    line: Vec<u8>,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            state: State::Status,
            length: Length::NotTold,
            is_refusal: false,
            seen: 0,
            line: Vec::new(),
        }
    }
}

impl Response {
    /// Takes what came, of which the body must be that of `expected`.
    ///
    /// # Errors
    /// [`Wrong`], which says what is.
    pub fn feed(&mut self, mut bytes: &[u8], expected: &[u8]) -> Result<Progress, Wrong> {
        loop {
            if let State::Sized(left) | State::Chunk(left) = self.state {
                let (body, rest) = bytes.split_at(left.min(bytes.len()));
                self.compare(body, expected)?;
                bytes = rest;
                let left = left - body.len();
                self.state = match self.state {
                    State::Chunk(_) if left == 0 => State::ChunkEnd,
                    State::Chunk(_) => State::Chunk(left),
                    _ if left == 0 => return self.end(bytes, expected),
                    _ => State::Sized(left),
                };
                if left > 0 {
                    return Ok(Progress::More);
                }
                continue;
            }
            let Some(end) = memchr(b'\n', bytes) else {
                if self.line.len() + bytes.len() > LONGEST_LINE {
                    return Err(Wrong::Malformed(shown(&self.line)));
                }
                self.line.extend_from_slice(bytes);
                return Ok(Progress::More);
            };
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            let is_over = if self.line.is_empty() {
                self.line(line)?
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                let is_over = self.line(&whole)?;
                // Kept for the next one, so that it need not be allocated again.
                whole.clear();
                self.line = whole;
                is_over
            };
            if is_over == Progress::Whole {
                return self.end(bytes, expected);
            }
        }
    }

    /// A line, without its `\n`. Whether the answer ends with it.
    fn line(&mut self, line: &[u8]) -> Result<Progress, Wrong> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.state = match self.state {
            State::Status => {
                self.is_refusal = line.starts_with(b"HTTP/1.1 503");
                if !self.is_refusal && !line.starts_with(b"HTTP/1.1 200") {
                    return Err(match line.starts_with(b"HTTP/1.1 ") {
                        true => Wrong::Status(shown(line)),
                        false => Wrong::Malformed(shown(line)),
                    });
                }
                State::Headers
            }
            State::Headers if line.is_empty() => match self.length {
                Length::NotTold => return Err(Wrong::NoLength),
                Length::Bytes(0) => return Ok(Progress::Whole),
                Length::Bytes(bytes) => State::Sized(bytes),
                Length::Chunked => State::ChunkSize,
            },
            State::Headers => {
                self.header(line)?;
                State::Headers
            }
            State::ChunkSize => match chunk_size(line) {
                None => return Err(Wrong::Malformed(shown(line))),
                Some(0) => State::Trailers,
                Some(bytes) => State::Chunk(bytes),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(Wrong::Malformed(shown(line))),
            State::Trailers if line.is_empty() => return Ok(Progress::Whole),
            other => other,
        };
        Ok(Progress::More)
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if let Some(value) = value_of(line, b"content-length:") {
            match number(value, 10) {
                Some(bytes) => self.length = Length::Bytes(bytes),
                None => return Err(Wrong::Malformed(shown(line))),
            }
        } else if let Some(value) = value_of(line, b"transfer-encoding:") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Wrong::Malformed(shown(line)));
            }
            self.length = Length::Chunked;
        } else if let Some(value) = value_of(line, b"connection:")
            && value.eq_ignore_ascii_case(b"close")
        {
            return Err(Wrong::Close);
        }
        Ok(())
    }

    fn compare(&mut self, body: &[u8], expected: &[u8]) -> Result<(), Wrong> {
        if self.is_refusal {
            return Ok(());
        }
        let rest = expected.get(self.seen..).unwrap_or_default();
        if !rest.starts_with(body) {
            let same = body.iter().zip(rest).take_while(|(a, b)| a == b).count();
            return Err(Wrong::Body {
                at: self.seen + same,
            });
        }
        self.seen += body.len();
        Ok(())
    }

    /// The answer is whole, and this came after it.
    fn end(&mut self, rest: &[u8], expected: &[u8]) -> Result<Progress, Wrong> {
        if !rest.is_empty() {
            return Err(Wrong::Surplus(rest.len()));
        }
        let is_refusal = std::mem::take(&mut self.is_refusal);
        if !is_refusal && self.seen != expected.len() {
            return Err(Wrong::Body { at: self.seen });
        }
        self.state = State::Status;
        self.length = Length::NotTold;
        self.seen = 0;
        Ok(match is_refusal {
            true => Progress::Refused,
            false => Progress::Whole,
        })
    }
}

/// The value, where the line is that header. `name` is in lower case and ends with
/// its colon.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    number(line.split(|&byte| byte == b';').next()?.trim_ascii(), 16)
}

/// A number of digits alone: `from_str_radix` would take a sign as well.
fn number(text: &[u8], radix: u32) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.chars().all(|digit| digit.is_digit(radix));
    digits.then(|| usize::from_str_radix(text, radix).ok())?
}

/// The beginning of what a server said, for a message.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\
                           date: now\r\n\r\nhello";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                             2\r\nhe\r\n3;why=not\r\nllo\r\n0\r\nx-trailer: yes\r\n\r\n";

    #[test]
    fn an_answer_is_whole_however_it_is_split_and_not_before() {
        for answer in [SIZED, CHUNKED] {
            for step in 1..=answer.len() {
                let mut response = Response::default();
                // Twice: one connection carries one answer after the other.
                for _ in 0..2 {
                    let mut parts = answer.chunks(step).peekable();
                    while let Some(part) = parts.next() {
                        let progress = response.feed(part, b"hello").expect("it is right");
                        let is_last = parts.peek().is_none();
                        assert_eq!(progress == Progress::Whole, is_last, "step {step}");
                    }
                }
            }
        }
    }

    fn fed(answer: &[u8], expected: &[u8]) -> Vec<Result<Progress, Wrong>> {
        (1..=answer.len())
            .map(|step| {
                let mut response = Response::default();
                let mut fed = answer
                    .chunks(step)
                    .map(|part| response.feed(part, expected));
                let last = fed.find(|fed| *fed != Ok(Progress::More));
                last.unwrap_or(Ok(Progress::More))
            })
            .collect()
    }

    #[test]
    fn another_body_is_wrong_where_it_begins_to_differ() {
        for (expected, at) in [(&b"help!"[..], 3), (b"hell", 4), (b"hello!", 5), (b"", 0)] {
            for answer in [SIZED, CHUNKED] {
                for found in fed(answer, expected) {
                    assert_eq!(found, Err(Wrong::Body { at }), "{expected:?}");
                }
            }
        }
    }

    #[test]
    fn another_status_is_wrong() {
        let line = "HTTP/1.1 504 Gateway Timeout".to_owned();
        let answer = format!("{line}\r\ncontent-length: 0\r\n\r\n");
        for found in fed(answer.as_bytes(), b"") {
            assert_eq!(found, Err(Wrong::Status(line.clone())));
        }
    }

    #[test]
    fn a_refusal_is_read_to_its_end_and_the_next_answer_is_none() {
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\noverload\n";
        for step in 1..=refusal.len() {
            let mut response = Response::default();
            for (answer, whole) in [
                (&refusal[..], Progress::Refused),
                (SIZED, Progress::Whole),
                (refusal, Progress::Refused),
            ] {
                let fed = answer
                    .chunks(step)
                    .map(|part| response.feed(part, b"hello"));
                let progress: Vec<_> = fed.map(|fed| fed.expect("it is right")).collect();
                let (last, before) = progress.split_last().expect("there are parts");
                assert_eq!(*last, whole, "step {step}");
                assert!(before.iter().all(|progress| *progress == Progress::More));
            }
        }
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert!(fed(answer, b"").iter().all(|f| *f == Ok(Progress::Whole)));
    }

    #[test]
    fn what_cannot_be_told_apart_from_the_next_answer_is_refused() {
        let fed = |answer: &str| Response::default().feed(answer.as_bytes(), b"hello");
        let head = "HTTP/1.1 200 OK\r\n";
        assert_eq!(fed(&format!("{head}\r\n")), Err(Wrong::NoLength));
        let more = format!("{head}content-length: 5\r\n\r\nhello HTTP");
        assert_eq!(fed(&more), Err(Wrong::Surplus(5)));
        let close = format!("{head}Connection: Close\r\n");
        assert_eq!(fed(&close), Err(Wrong::Close));
        for malformed in [
            "SSH-2.0\r\n".to_owned(),
            format!("{head}content-length: +5\r\n"),
            format!("{head}transfer-encoding: gzip\r\n"),
            format!("{head}transfer-encoding: chunked\r\n\r\n+5\r\n"),
            format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nhello\r\n"),
        ] {
            assert!(
                matches!(fed(&malformed), Err(Wrong::Malformed(_))),
                "{malformed}"
            );
        }
    }
}
