//! The handler of all makers, on the bindings of the crate `wasip3` alone, for
//! `wasi:http` 0.3.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Handler;

wasip3::http::service::export!(Handler);

impl wasip3::exports::http::handler::Guest for Handler {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let answer = match request.get_method() {
            Method::Get => hello(&request.get_path_with_query().unwrap_or_default()).into_bytes(),
            _ => body(request).await?,
        };
        let (mut writer, reader) = wit_stream::new();
        let (done, trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
        drop(done);
        wit_bindgen::spawn_local(async move {
            writer.write_all(answer).await;
        });
        Ok(response)
    }
}

async fn body(request: Request) -> Result<Vec<u8>, ErrorCode> {
    let (_done, done) = wit_future::new(|| Ok(()));
    let (stream, trailers) = Request::consume_body(request, done);
    let bytes = stream.collect().await;
    trailers.await?;
    Ok(bytes)
}

fn hello(path: &str) -> String {
    let name = path.split_once("q=").map_or("world", |(_, name)| name);
    format!("hello {name}\n")
}
