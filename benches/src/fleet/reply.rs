//! One answer, read from a connection that may be kept.

use std::io::{self, BufRead, Read};

use super::traffic::Trouble;

/// The longest head that is read. Those of the handlers have a tenth of it.
const LONGEST_HEAD: u64 = 16 * 1024;

/// The longest body.
const LONGEST_BODY: usize = 1024 * 1024;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Whether another request may follow on the connection.
    pub(super) keeps: bool,
}

/// How the length of a body is told.
enum Length {
    NotTold,
    Bytes(usize),
    Chunked,
}

impl Reply {
    /// The next one.
    ///
    /// # Errors
    /// What a client would say of it.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Self, Trouble> {
        let first = from.fill_buf().map_err(|error| silent(&error))?;
        if first.is_empty() {
            return Err(Trouble::Closed);
        }
        let mut head = from.by_ref().take(LONGEST_HEAD);
        let status = line(&mut head)?
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or(Trouble::Malformed)?;
        let (mut length, mut keeps) = (Length::NotTold, true);
        loop {
            let line = line(&mut head)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or(Trouble::Malformed)?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let bytes = value.parse().map_err(|_| Trouble::Malformed)?;
                    length = Length::Bytes(bytes);
                }
                "transfer-encoding" => length = Length::Chunked,
                "connection" if value.eq_ignore_ascii_case("close") => keeps = false,
                _ => {}
            }
        }
        let body = match length {
            Length::Bytes(bytes) => exactly(from, bytes)?,
            Length::Chunked => chunks(from)?,
            Length::NotTold => {
                keeps = false;
                let mut body = Vec::new();
                let mut rest = from.take(LONGEST_BODY as u64);
                rest.read_to_end(&mut body).map_err(|_| Trouble::CutOff)?;
                body
            }
        };
        Ok(Self {
            status,
            body,
            keeps,
        })
    }
}

/// Nothing came.
fn silent(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Trouble::Late,
        _ => Trouble::Closed,
    }
}

/// A line without its end.
fn line(from: &mut impl BufRead) -> Result<String, Trouble> {
    let mut line = String::new();
    from.read_line(&mut line).map_err(|_| Trouble::CutOff)?;
    let whole = line.strip_suffix("\r\n").ok_or(Trouble::CutOff)?;
    Ok(whole.to_owned())
}

fn exactly(from: &mut impl Read, bytes: usize) -> Result<Vec<u8>, Trouble> {
    if bytes > LONGEST_BODY {
        return Err(Trouble::Malformed);
    }
    let mut body = vec![0; bytes];
    from.read_exact(&mut body).map_err(|_| Trouble::CutOff)?;
    Ok(body)
}

fn chunks(from: &mut impl BufRead) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| Trouble::Malformed)?;
        if size == 0 {
            // No trailers are asked for, and none are sent.
            return line(from).map(|_| body);
        }
        body.extend(exactly(from, size)?);
        if body.len() > LONGEST_BODY || !line(from)?.is_empty() {
            return Err(Trouble::Malformed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Result<(u16, String, bool), Trouble> {
        let reply = Reply::read(&mut bytes.as_bytes())?;
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        Ok((reply.status, body, reply.keeps))
    }

    #[test]
    fn a_body_ends_where_its_length_its_chunks_or_the_connection_say() {
        let sized = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhixx";
        assert_eq!(read(sized), Ok((200, "hi".to_owned(), true)));
        let chunked =
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x\r\ni\r\n0\r\n\r\n";
        assert_eq!(read(chunked), Ok((503, "hi".to_owned(), true)));
        let open = "HTTP/1.1 200 OK\r\n\r\nhi";
        assert_eq!(read(open), Ok((200, "hi".to_owned(), false)));
        let close = "HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read(close), Ok((200, String::new(), false)));
    }

    #[test]
    fn an_answer_that_is_cut_off_anywhere_is_told_from_none_at_all() {
        let whole = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        assert_eq!(read(""), Err(Trouble::Closed));
        for end in 1..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Trouble::CutOff), "{end}");
        }
        assert!(read(whole).is_ok());
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert_eq!(read(text), Err(Trouble::Malformed), "{text:?}");
        }
    }
}
