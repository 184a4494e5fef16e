//! A host as a service of tower: what axum, hyper and others mount.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::answer::ResponseBody;
use crate::body::BoxError;
use crate::host::Host;

/// Each request is answered as [`Host::respond`] does it, failures and overload
/// included: the service is always ready, and is never an error.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::Router;
/// use lavandula_host::Host;
///
/// let host = Host::builder().load("handler.wasm")?;
/// let app: Router = Router::new()
///     .route("/health", axum::routing::get(|| async { "fine" }))
///     .fallback_service(host);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// axum::serve(listener, app).await?;
/// # Ok(())
/// # }
/// ```
impl<B> Service<Request<B>> for Host
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let host = self.clone();
        Box::pin(async move { Ok(host.respond(request).await) })
    }
}
