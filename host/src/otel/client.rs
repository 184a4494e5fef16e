//! An HTTP client for one purpose: a batch of spans, every few seconds, to one
//! collector. It keeps no connection in between.

use std::future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// For all of an exchange.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer. A collector that takes everything answers with none.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends batches, and says in the log when that begins to fail and when it is over.
#[derive(Debug, Default)]
pub(super) struct Client {
    failing: AtomicBool,
}

impl HttpClient for Client {
    // What `async_trait` makes of `async fn send_bytes(&self, ..)`.
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        // The thread that exports has no runtime, and nothing else to do.
        let answer = self.send(request);
        Box::pin(future::ready(answer))
    }
}

impl Client {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let to = request.uri().clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async {
            match timeout(PATIENCE, exchange(request)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {PATIENCE:?}").into()),
            }
        });
        self.note(&to, &answer);
        answer
    }

    fn note(&self, to: &Uri, answer: &Result<Response<Bytes>, HttpError>) {
        let failure = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failing.swap(failure.is_some(), Relaxed);
        match failure {
            Some(why) if !failed_before => {
                tracing::warn!(%to, why, "spans cannot be exported and are lost until it can be reached");
            }
            None if failed_before => tracing::info!(%to, "spans are exported again"),
            _ => {}
        }
    }
}

async fn exchange(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let uri = request.uri().clone();
    let host = uri.host().ok_or("the endpoint has no host")?;
    // As they are in a URL: [::1].
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((name, uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(authority)?);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));

    let (head, body) = sender
        .send_request(request.map(Full::new))
        .await?
        .into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}
