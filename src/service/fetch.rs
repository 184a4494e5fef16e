//! Requests of a handler's own.

use alloc::vec::Vec;
use core::fmt;

use super::{FetchError, Incoming};
use crate::{Context, Headers, Request};

/// What an origin answered. Its head lies in the arena; its body is still to come.
#[derive(Debug)]
pub struct Fetched<'a> {
    pub(super) status: u16,
    pub(super) headers: Headers<'a>,
    pub(super) body: Incoming,
}

impl<'a> Fetched<'a> {
    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers, names in lower case.
    pub const fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// The body, to be read.
    pub const fn body_mut(&mut self) -> &mut Incoming {
        &mut self.body
    }

    /// The body, to be passed on.
    pub fn into_body(self) -> Incoming {
        self.body
    }
}

/// The body of a request of one's own: bytes, or one that comes from elsewhere.
pub struct Outgoing(pub(super) Kind);

#[cfg_attr(
    not(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    )),
    expect(dead_code, reason = "there is no host to send it")
)]
pub(super) enum Kind {
    Bytes(Vec<u8>),
    Incoming(Incoming),
}

/// Copied: they may be sent when the handler has gone on.
impl From<&[u8]> for Outgoing {
    fn from(bytes: &[u8]) -> Self {
        Self(Kind::Bytes(bytes.to_vec()))
    }
}

impl From<Incoming> for Outgoing {
    fn from(body: Incoming) -> Self {
        Self(Kind::Incoming(body))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Bytes(_) => "Bytes(..)",
            Kind::Incoming(_) => "Incoming(..)",
        })
    }
}

impl Context {
    /// Sends a request, and waits for the head of the answer. Other invocations of
    /// the instance go on meanwhile.
    ///
    /// The target is a whole address. For asynchronous handlers: the host of any
    /// other has no way to wait.
    ///
    /// ```
    /// use lavandula::{Context, FetchError, Incoming, Request, Response, Streamed};
    ///
    /// /// The origin's answer, as it comes.
    /// async fn proxy<'a>(
    ///     cx: &'a Context,
    ///     request: Request<'a, Incoming>,
    /// ) -> Result<Streamed<'a>, FetchError> {
    ///     let (head, body) = request.into_parts();
    ///     let target = cx.arena().alloc_fmt(format_args!(
    ///         "http://origin.internal{}",
    ///         head.path_with_query()
    ///     ))?;
    ///     let answer = cx.fetch(Request::new(head.method(), target).carrying(body)).await?;
    ///     let status = answer.status();
    ///     Ok(Response::new(status).passing_on(answer.into_body()))
    /// }
    ///
    /// lavandula::export!(async proxy);
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`FetchError`], which can be returned: it stands for a 502 or a 504.
    pub async fn fetch<B: Into<Outgoing>>(
        &self,
        request: Request<'_, B>,
    ) -> Result<Fetched<'_>, FetchError> {
        let target = Target::parse(request.path_with_query()).ok_or(FetchError::Invalid)?;
        #[cfg(all(
            target_arch = "wasm32",
            not(any(feature = "arena-guest", feature = "js"))
        ))]
        return super::door::send(self.arena(), target, request).await;
        #[cfg(not(all(
            target_arch = "wasm32",
            not(any(feature = "arena-guest", feature = "js"))
        )))]
        {
            let _ = (target, request.into_parts().1.into());
            Err(FetchError::NoHost)
        }
    }
}

/// The parts of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) tls: Tls,
    pub(super) authority: &'a str,
    pub(super) path_with_query: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    Without,
    With,
}

impl<'a> Target<'a> {
    fn parse(address: &'a str) -> Option<Self> {
        let (scheme, rest) = address.split_once("://")?;
        let tls = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => Tls::Without,
            _ if scheme.eq_ignore_ascii_case("https") => Tls::With,
            _ => return None,
        };
        // A query may follow the authority at once; what is behind `#` is not sent.
        let rest = rest.split_once('#').map_or(rest, |(sent, _)| sent);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_with_query) = rest.split_at(end);
        (!authority.is_empty()).then_some(Self {
            tls,
            authority,
            path_with_query,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_an_authority_and_a_path() {
        let parsed = |address| Target::parse(address);
        let target = |tls, authority, path_with_query| {
            Some(Target {
                tls,
                authority,
                path_with_query,
            })
        };
        assert_eq!(
            parsed("http://127.0.0.1:80/a?b#c"),
            target(Tls::Without, "127.0.0.1:80", "/a?b")
        );
        assert_eq!(parsed("HTTPS://a.b"), target(Tls::With, "a.b", ""));
        assert_eq!(
            parsed("http://a.b?c=/"),
            target(Tls::Without, "a.b", "?c=/")
        );
        for wrong in ["/a", "ftp://a/b", "http:///b", "http://", "://a", ""] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
