//! What the guest `overlap` of this project does at `/marked`, on the bindings of the
//! crate `wasip3` and the allocator of the standard library alone: to be compared with.

use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_bindgen::{self, StreamReader};
use wasip3::{wit_future, wit_stream};

struct Handler;

wasip3::http::service::export!(Handler);

impl wasip3::exports::http::handler::Guest for Handler {
    /// Copies a marker of the request all over its memory, waits for the origin, and
    /// answers what is still there, with what the origin said.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let marker = target.split_once("marker=").map_or("", |(_, it)| it);
        let marker = marker.to_owned();
        let headers = request.get_headers().copy_all();
        let origin = headers.iter().find(|(name, _)| name == "x-origin");
        let origin = origin.map_or_else(String::new, |(_, value)| {
            String::from_utf8_lossy(value).into_owned()
        });
        let copies: Vec<String> = (0..32).map(|_| marker.clone()).collect();
        let on_the_heap = marker.repeat(8);

        let (_done, done) = wit_future::new(|| Ok(()));
        let (body, end) = Request::consume_body(request, done);
        let sent = whole(body).await;
        end.await?;
        let said = ask(&origin).await?;

        let same = copies.iter().all(|copy| *copy == marker)
            && on_the_heap == marker.repeat(8)
            && sent == marker.as_bytes();
        let mut text = if same { marker } else { "mixed up".to_owned() };
        text.push(' ');
        text.push_str(&String::from_utf8_lossy(&said));
        Ok(answer(text))
    }
}

async fn whole(body: StreamReader<u8>) -> Vec<u8> {
    body.collect().await
}

/// What the origin answers, whose address is `http://HOST/PATH`.
async fn ask(origin: &str) -> Result<Vec<u8>, ErrorCode> {
    let rest = origin.trim_start_matches("http://");
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    drop(no_trailers);
    let set = request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(host)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    set.map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    let response = client::send(request).await?;
    let (_done, done) = wit_future::new(|| Ok(()));
    let (body, end) = Response::consume_body(response, done);
    let said = whole(body).await;
    end.await?;
    Ok(said)
}

fn answer(text: String) -> Response {
    let (mut writer, reader) = wit_stream::new();
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
    drop(no_trailers);
    wit_bindgen::spawn_local(async move {
        writer.write_all(text.into_bytes()).await;
    });
    response
}
