//! The requests that a guest sends: to hosts that were allowed, and no longer than
//! the request lasts that it is answering.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks, default_send_request};

use crate::trace::{self, TRACEPARENT};

mod allowed;

use self::allowed::Destination;
pub use self::allowed::{AllowedHost, AllowedHostError};

/// What becomes of a request that is sent: the response, and the future that
/// moves its bytes.
type Sent = Result<(Response<WasiBody>, Transfer), Error>;
type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The way out of one store. Closed where nothing was allowed.
pub(crate) struct Outbound {
    allowed: Arc<[AllowedHost]>,
    deadline: Instant,
}

impl Outbound {
    /// A way to the hosts that are `allowed`.
    pub(crate) fn new(allowed: Arc<[AllowedHost]>, deadline: Instant) -> Self {
        Self { allowed, deadline }
    }

    /// The same, with another request to answer.
    pub(crate) fn until(&mut self, deadline: Instant) -> &mut Self {
        self.deadline = deadline;
        self
    }

    /// Lets the request through, if it may go where it wants to.
    fn permit(&self, request: &mut Request<WasiBody>) -> Result<(), Error> {
        let uri = request.uri();
        let Some(authority) = uri.authority() else {
            return Err(Error::HttpRequestUriInvalid);
        };
        let Some(destination) = Destination::new(uri.scheme(), authority) else {
            tracing::warn!(%authority, "refused a request of the guest: this is no plain host");
            return Err(Error::HttpRequestDenied);
        };
        if !self.allowed.iter().any(|host| host.matches(&destination)) {
            tracing::warn!(
                host = %destination,
                "refused a request of the guest; `--allow-outbound {destination}` would allow it"
            );
            return Err(Error::HttpRequestDenied);
        }
        // Servers for many hosts go by this header. It is the one that was allowed,
        // whatever the guest has made of it.
        let host =
            HeaderValue::try_from(authority.as_str()).map_err(|_| Error::HttpRequestUriInvalid)?;
        request.headers_mut().insert(header::HOST, host);
        Ok(())
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Transfer,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if let Err(denied) = self.permit(&mut request) {
            return Box::new(std::future::ready(Err(denied)));
        }
        // The span of the request is the parent of what comes of it, unless the guest
        // has one of its own.
        if let Some(trace) = trace::current()
            && !request.headers().contains_key(TRACEPARENT)
        {
            trace.hand_on(request.headers_mut());
        }
        let deadline = self.deadline;
        let options = within(deadline, options.unwrap_or_default());
        Box::new(async move {
            // The options leave out the greetings of TLS.
            let sent = tokio::time::timeout_at(
                deadline.into(),
                default_send_request(request, Some(options)),
            );
            let (response, transfer) = sent.await.map_err(|_| Error::ConnectionTimeout)??;
            let transfer: Transfer = Box::new(transfer);
            Ok((response.map(BodyExt::boxed_unsync), transfer))
        })
    }
}

/// The options, with no time in them that lasts beyond `deadline`.
fn within(deadline: Instant, options: RequestOptions) -> RequestOptions {
    let left = deadline.saturating_duration_since(Instant::now());
    let shorten = |time: Option<Duration>| Some(time.map_or(left, |time| time.min(left)));
    RequestOptions {
        connect_timeout: shorten(options.connect_timeout),
        first_byte_timeout: shorten(options.first_byte_timeout),
        between_bytes_timeout: shorten(options.between_bytes_timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Full;

    fn request(url: &str) -> Request<WasiBody> {
        let body = Full::new(Bytes::new()).map_err(|never| match never {});
        let request = Request::get(url).header("host", "elsewhere.test");
        request.body(body.boxed_unsync()).expect("a request")
    }

    fn outbound(allowed: &[&str]) -> Outbound {
        let allowed = allowed.iter().map(|host| host.parse().expect("a host"));
        Outbound::new(allowed.collect(), Instant::now())
    }

    #[test]
    fn nothing_is_allowed_until_something_is() {
        let denied = outbound(&[]).permit(&mut request("http://example.com/"));
        assert!(matches!(denied, Err(Error::HttpRequestDenied)));
        let none = outbound(&["example.com"]).permit(&mut request("/path"));
        assert!(matches!(none, Err(Error::HttpRequestUriInvalid)));
    }

    #[test]
    fn the_host_that_is_told_is_the_one_that_was_allowed() {
        let mut request = request("http://example.com/");
        let permitted = outbound(&["example.com"]).permit(&mut request);
        assert!(permitted.is_ok());
        let hosts: Vec<_> = request.headers().get_all("host").iter().collect();
        assert_eq!(hosts, ["example.com"]);
    }

    #[test]
    fn no_wait_is_longer_than_the_time_that_is_left() {
        let second = Duration::from_secs(1);
        let options = RequestOptions {
            connect_timeout: Some(second / 1000),
            first_byte_timeout: Some(100 * second),
            between_bytes_timeout: None,
        };
        let options = within(Instant::now() + second, options);
        assert_eq!(options.connect_timeout, Some(second / 1000));
        assert!(options.first_byte_timeout <= Some(second));
        assert!(options.between_bytes_timeout <= Some(second));
        let over = within(Instant::now() - second, RequestOptions::default());
        assert_eq!(over.connect_timeout, Some(Duration::ZERO));
    }
}
