//! One request and its answer, over a connection that is kept where the server keeps it.
//!
//! Written for servers of any make: bodies of a length, in chunks and up to the end of the
//! connection, informational answers, answers that come before the request was sent to its
//! end. Everything has a time by which it is over, and a size that it does not exceed.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// More than any answer has that is asked for here.
const LARGEST_BODY: usize = 32 << 20;
const LARGEST_HEAD: usize = 256 << 10;

/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, with the query.
    pub path: &'a str,
    /// Headers besides those that belong to the connection.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: Sent<'a>,
}

/// A body, and how it is sent.
#[derive(Debug, Clone, Copy)]
pub enum Sent<'a> {
    /// There is none.
    Nothing,
    /// At once, with its length told before.
    Whole(&'a [u8]),
    /// In chunks, with a pause before each.
    Pieces(&'a [&'a [u8]], Duration),
}

impl<'a> Ask<'a> {
    /// A `GET` of this path.
    pub fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            headers: &[],
            body: Sent::Nothing,
        }
    }

    /// A `POST` to this path.
    pub fn post(path: &'a str, body: Sent<'a>) -> Self {
        Self {
            method: "POST",
            body,
            ..Self::get(path)
        }
    }

    fn head(&self, addr: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {addr}\r\n", self.method, self.path);
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.body {
            Sent::Nothing => {}
            Sent::Whole(body) => head.push_str(&format!("content-length: {}\r\n", body.len())),
            Sent::Pieces(..) => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn send(&self, mut stream: &TcpStream, addr: SocketAddr) -> io::Result<()> {
        let mut head = self.head(addr);
        match self.body {
            Sent::Nothing => stream.write_all(&head),
            Sent::Whole(body) => {
                head.extend_from_slice(body);
                stream.write_all(&head)
            }
            Sent::Pieces(pieces, pause) => {
                stream.write_all(&head)?;
                for piece in pieces {
                    std::thread::sleep(pause);
                    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                    chunk.extend_from_slice(piece);
                    chunk.extend_from_slice(b"\r\n");
                    stream.write_all(&chunk)?;
                }
                stream.write_all(b"0\r\n\r\n")
            }
        }
    }
}

/// What came.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers as they came, with their names in small letters.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.status, shown(&self.body))
    }
}

impl Answer {
    /// The values of the header, joined as HTTP says that they may be.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        let values: Vec<&[u8]> = values.map(|(_, value)| value.as_slice()).collect();
        (!values.is_empty()).then(|| values.join(&b", "[..]))
    }
}

/// The beginning of what a server said, for a message.
pub fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    match bytes.len() {
        0 => "an empty body".to_owned(),
        len if len > MOST => format!("{text:?} and {} bytes more", len - MOST),
        _ => format!("{text:?}"),
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nobody took the connection.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The connection ended without a byte of an answer.
    #[error("the connection was dropped without an answer")]
    Dropped,
    /// The connection ended in the middle of an answer.
    #[error("the answer was cut off: {0}")]
    Cut(&'static str),
    /// It took too long.
    #[error("no whole answer in {0:?}")]
    Late(Duration),
    /// It is no HTTP.
    #[error("this is no HTTP: {0}")]
    Malformed(String),
    /// It is larger than anything that was asked for.
    #[error("the answer is larger than anything that was asked for")]
    TooLarge,
}

/// Who asks: on a connection at a time.
#[derive(Debug)]
pub struct Client {
    addr: SocketAddr,
    patience: Duration,
    kept: Option<TcpStream>,
}

impl Client {
    /// Of the server at this address. An answer is waited for no longer than `patience`.
    pub fn new(addr: SocketAddr, patience: Duration) -> Self {
        Self {
            addr,
            patience,
            kept: None,
        }
    }

    /// Forgets the connection, so that the next request has a new one.
    pub fn leave(&mut self) {
        self.kept = None;
    }

    /// Asks once. Nothing is asked again: an answer that is lost is told.
    ///
    /// # Errors
    /// [`Failed`] where no whole answer comes.
    pub fn ask(&mut self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let until = Instant::now() + self.patience;
        let stream = match self.kept.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.addr, self.patience)
                    .map_err(Failed::Connect)?;
                stream.set_nodelay(true).map_err(Failed::Connect)?;
                stream
            }
        };
        stream
            .set_write_timeout(Some(self.patience))
            .map_err(Failed::Connect)?;
        let (read, sent) = std::thread::scope(|scope| {
            // Beside each other: who echoes may answer before all was sent, and would
            // wait for ever for a client that sends first and reads then.
            let sending = match ask.body {
                Sent::Nothing => None,
                _ => Some(scope.spawn(|| ask.send(&stream, self.addr))),
            };
            let sent = match sending {
                Some(_) => Ok(()),
                None => ask.send(&stream, self.addr),
            };
            let mut reader = Reader {
                stream: &stream,
                buffer: Vec::new(),
                until,
                patience: self.patience,
            };
            let read = reader.answer(ask.method);
            if read.is_err() {
                // So that the sender ends, whatever it waits for.
                let _ = stream.shutdown(Shutdown::Both);
            }
            let sent = sending.map_or(sent, |sending| {
                sending
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("the sender panicked")))
            });
            (read, sent)
        });
        let (answer, is_kept) = read?;
        // An answer may come before the request was taken to its end: it counts, and the
        // connection does not.
        if is_kept && sent.is_ok() {
            self.kept = Some(stream);
        }
        Ok(answer)
    }
}

/// How the end of a body is known.
enum Length {
    Bytes(usize),
    Chunked,
    ToTheEnd,
}

struct Reader<'a> {
    stream: &'a TcpStream,
    buffer: Vec<u8>,
    until: Instant,
    patience: Duration,
}

impl Reader<'_> {
    /// The answer, and whether the connection can be used again.
    fn answer(&mut self, method: &str) -> Result<(Answer, bool), Failed> {
        loop {
            let head = self.head()?;
            let text = String::from_utf8_lossy(&head).into_owned();
            let mut lines = text.split("\r\n");
            let first = lines.next().unwrap_or_default();
            let malformed = || Failed::Malformed(shown(first.as_bytes()));
            let rest = first.strip_prefix("HTTP/1.").ok_or_else(malformed)?;
            let is_newer = rest.starts_with('1');
            let status = rest.get(2..5).and_then(|code| code.parse().ok());
            let status: u16 = status.ok_or_else(malformed)?;
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let headers = headers(&head)?;
            let mut answer = Answer {
                status,
                headers,
                body: Vec::new(),
            };
            let length = length(&answer, method)?;
            let connection = answer.header("connection").unwrap_or_default();
            let says = |word: &[u8]| {
                connection
                    .to_ascii_lowercase()
                    .windows(word.len())
                    .any(|it| it == word)
            };
            let is_kept = !matches!(length, Length::ToTheEnd)
                && match is_newer {
                    true => !says(b"close"),
                    false => says(b"keep-alive"),
                };
            answer.body = match length {
                Length::Bytes(bytes) => self.take(bytes)?,
                Length::Chunked => self.chunks()?,
                Length::ToTheEnd => {
                    while self.more()? {}
                    std::mem::take(&mut self.buffer)
                }
            };
            if !self.buffer.is_empty() {
                let more = shown(&self.buffer);
                return Err(Failed::Malformed(format!("after the answer came {more}")));
            }
            return Ok((answer, is_kept));
        }
    }

    /// The first line and the headers, without the empty line after them.
    fn head(&mut self) -> Result<Vec<u8>, Failed> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer[..at].to_vec();
                self.buffer.drain(..at + 4);
                return Ok(head);
            }
            if self.buffer.len() > LARGEST_HEAD {
                return Err(Failed::TooLarge);
            }
            if !self.more()? {
                return Err(match self.buffer.is_empty() {
                    true => Failed::Dropped,
                    false => Failed::Cut("in its headers"),
                });
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Failed> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let size = number(size.trim_ascii(), 16);
            let size = size.ok_or_else(|| Failed::Malformed(shown(&line)))?;
            if size == 0 {
                // Trailers.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            if size > LARGEST_BODY || body.len() + size > LARGEST_BODY {
                return Err(Failed::TooLarge);
            }
            body.extend_from_slice(&self.take(size)?);
            if !self.line()?.is_empty() {
                return Err(Failed::Malformed(
                    "a chunk is longer than it says".to_owned(),
                ));
            }
        }
    }

    fn line(&mut self) -> Result<Vec<u8>, Failed> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line = self.buffer[..at].to_vec();
                self.buffer.drain(..at + 2);
                return Ok(line);
            }
            if self.buffer.len() > LARGEST_HEAD {
                return Err(Failed::TooLarge);
            }
            if !self.more()? {
                return Err(Failed::Cut("between the chunks of its body"));
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Result<Vec<u8>, Failed> {
        while self.buffer.len() < bytes {
            if !self.more()? {
                return Err(Failed::Cut("in its body"));
            }
        }
        let rest = self.buffer.split_off(bytes);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Reads on. False at the end of the connection.
    fn more(&mut self) -> Result<bool, Failed> {
        if self.buffer.len() > LARGEST_BODY {
            return Err(Failed::TooLarge);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        // A timeout of zero would be none.
        if left.is_zero() {
            return Err(Failed::Late(self.patience));
        }
        let mut bytes = vec![0; BUFFER];
        let read = self
            .stream
            .set_read_timeout(Some(left))
            .and_then(|()| self.stream.read(&mut bytes));
        match read {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                Ok(true)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => Ok(true),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Err(Failed::Late(self.patience))
                }
                // Reset by who had not read all of the request: the end as well.
                _ => Ok(false),
            },
        }
    }
}

fn headers(head: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Failed> {
    let mut headers = Vec::new();
    let mut rest = head;
    let mut is_first = true;
    while !rest.is_empty() {
        let end = find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        if std::mem::take(&mut is_first) {
            continue;
        }
        let at = line.iter().position(|&byte| byte == b':');
        let at = at.ok_or_else(|| Failed::Malformed(shown(line)))?;
        let name = String::from_utf8_lossy(&line[..at]).to_ascii_lowercase();
        headers.push((name, line[at + 1..].trim_ascii().to_vec()));
    }
    Ok(headers)
}

fn length(answer: &Answer, method: &str) -> Result<Length, Failed> {
    if method == "HEAD" || matches!(answer.status, 204 | 304) {
        return Ok(Length::Bytes(0));
    }
    if let Some(encoding) = answer.header("transfer-encoding") {
        return match encoding.eq_ignore_ascii_case(b"chunked") {
            true => Ok(Length::Chunked),
            false => Err(Failed::Malformed(shown(&encoding))),
        };
    }
    match answer.header("content-length") {
        None => Ok(Length::ToTheEnd),
        Some(text) => match number(&text, 10) {
            Some(bytes) if bytes <= LARGEST_BODY => Ok(Length::Bytes(bytes)),
            Some(_) => Err(Failed::TooLarge),
            None => Err(Failed::Malformed(shown(&text))),
        },
    }
}

/// A number of digits alone: `from_str_radix` would take a sign as well.
fn number(text: &[u8], radix: u32) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.chars().all(|digit| digit.is_digit(radix));
    digits.then(|| usize::from_str_radix(text, radix).ok())?
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Says this to whoever connects, and ends.
    fn says(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer);
        });
        addr
    }

    fn asked(answer: &'static [u8]) -> Result<Answer, Failed> {
        Client::new(says(answer), Duration::from_secs(10)).ask(&Ask::get("/"))
    }

    #[test]
    fn an_answer_is_the_same_however_its_end_is_told() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nt: u\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nx-a:b\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 5\r\n\r\nhello",
        ] {
            let found = asked(answer).unwrap();
            assert_eq!((found.status, &found.body[..]), (200, &b"hello"[..]));
            assert_eq!(found.header("x-a").as_deref(), Some(&b"b"[..]));
        }
    }

    #[test]
    fn what_is_not_whole_is_no_answer() {
        let dropped = asked(b"");
        assert!(matches!(dropped, Err(Failed::Dropped)), "{dropped:?}");
        for cut in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"[..],
            b"HTTP/1.1 200 OK\r\nconte",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            let found = asked(cut);
            assert!(matches!(found, Err(Failed::Cut(_))), "{found:?}");
        }
        for other in [
            &b"SSH-2.0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello",
        ] {
            let found = asked(other);
            assert!(matches!(found, Err(Failed::Malformed(_))), "{found:?}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let found = Client::new(addr, Duration::from_millis(50)).ask(&Ask::get("/"));
        assert!(matches!(found, Err(Failed::Late(_))), "{found:?}");
    }
}
