//! Answers by WASI 0.3, in the way that its path says, and otherwise sends the
//! request's body back while it comes in.
#![cfg(target_arch = "wasm32")]

mod bindings {
    wit_bindgen::generate!({ path: "wit", generate_all });
}

mod fetch;

use bindings::exports::wasi::http::handler::Guest;
use bindings::wasi::clocks::monotonic_clock::wait_for;
use bindings::wasi::http::types::{ErrorCode, Fields, Request, Response, Trailers};
use bindings::{wit_future, wit_stream};
use wit_bindgen::{StreamReader, StreamResult, StreamWriter};

struct Component;

bindings::export!(Component with_types_in bindings);

/// A pause between the pieces of a slow body, in nanoseconds.
const PAUSE: u64 = 20_000_000;

/// Longer than anybody waits.
const HOUR: u64 = 3_600_000_000_000;

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/trap" => panic!("asked to trap"),
            "/spin" => spin(),
            "/error" => Err(ErrorCode::InternalError(Some("asked to fail".to_owned()))),
            "/describe" => Ok(text(200, describe(&request))),
            "/status" => Ok(text(number(query), String::new())),
            "/headers" => Ok(headers(number(query))),
            "/large" => Ok(stream(&[], |body| large(body, number(query)))),
            "/slow" => Ok(stream(&[], slowly)),
            "/length" => Ok(stream(&[("content-length", query)], hello)),
            "/hang" => Ok(stream(&[], hang)),
            "/trap-midway" => Ok(stream(&[], trap_midway)),
            "/trap-after" => Ok(stream(&[], trap_after)),
            "/spin-midway" => Ok(stream(&[], spin_midway)),
            "/error-midway" => Ok(error_midway()),
            "/count" => Ok(text(200, count())),
            "/hoard" => hoard(),
            "/handles" => handles(),
            "/fetch" => Ok(fetch::relay(query).await),
            _ => Ok(echo(request)),
        }
    }
}

fn number(query: &str) -> u16 {
    let number = query.strip_prefix("n=").and_then(|n| n.parse().ok());
    number.unwrap_or(0)
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = core::hint::black_box(n.wrapping_add(1));
    }
}

/// What the handler sees of the request.
fn describe(request: &Request) -> String {
    let method = request.get_method();
    let target = request.get_path_with_query();
    let scheme = request.get_scheme();
    let authority = request.get_authority();
    let mut text = format!("{method:?} {target:?}\n{scheme:?} {authority:?}\n");
    for (name, value) in request.get_headers().copy_all() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    text
}

/// How many requests this instance has served.
fn count() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static SERVED: AtomicU32 = AtomicU32::new(0);
    (SERVED.fetch_add(1, Ordering::Relaxed) + 1).to_string()
}

/// Takes memory until there is none, and dies of it.
fn hoard() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1_u8; 1 << 20]);
    }
}

/// Opens streams until there is no room for another, and dies of it.
fn handles() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(wit_stream::new::<u8>());
    }
}

fn fields(list: &[(&str, &str)]) -> Fields {
    let fields = Fields::new();
    for (name, value) in list {
        let set = fields.append(name, value.as_bytes());
        set.expect("a valid header");
    }
    fields
}

/// A response with as many kilobytes of headers.
fn headers(kilobytes: u16) -> Response {
    let value = "x".repeat(1000);
    let names: Vec<_> = (0..kilobytes).map(|n| format!("x-{n}")).collect();
    let list: Vec<_> = names.iter().map(|name| (&**name, &*value)).collect();
    answer(fields(&list), None)
}

/// A response whose trailers are none.
fn answer(headers: Fields, body: Option<StreamReader<u8>>) -> Response {
    let (trailers, future) = wit_future::new::<Result<Option<Trailers>, ErrorCode>>(|| Ok(None));
    drop(trailers);
    Response::new(headers, body, future).0
}

/// A response whose body is written by `write` after it was returned.
fn stream<F>(headers: &[(&str, &str)], write: impl FnOnce(StreamWriter<u8>) -> F) -> Response
where
    F: Future<Output = ()> + 'static,
{
    let (writer, reader) = wit_stream::new::<u8>();
    wit_bindgen::spawn_local(write(writer));
    answer(fields(headers), Some(reader))
}

fn text(status: u16, text: String) -> Response {
    let (mut writer, reader) = wit_stream::new::<u8>();
    wit_bindgen::spawn_local(async move {
        writer.write_all(text.into_bytes()).await;
    });
    let response = answer(fields(&[("content-type", "text/plain")]), Some(reader));
    response.set_status_code(status).expect("a status");
    response
}

async fn hello(mut body: StreamWriter<u8>) {
    body.write_all(b"hello".to_vec()).await;
}

async fn large(mut body: StreamWriter<u8>, kilobytes: u16) {
    for _ in 0..kilobytes {
        body.write_all(vec![b'x'; 1024]).await;
    }
}

async fn slowly(mut body: StreamWriter<u8>) {
    for piece in ["one ", "two ", "three"] {
        wait_for(PAUSE).await;
        body.write_all(piece.as_bytes().to_vec()).await;
    }
}

async fn hang(mut body: StreamWriter<u8>) {
    body.write_all(b"hello".to_vec()).await;
    wait_for(HOUR).await;
}

async fn trap_midway(mut body: StreamWriter<u8>) {
    body.write_all(b"hello".to_vec()).await;
    panic!("asked to trap midway");
}

/// The body is complete, and the work is not.
async fn trap_after(body: StreamWriter<u8>) {
    hello(body).await;
    wait_for(PAUSE).await;
    panic!("asked to trap afterwards");
}

async fn spin_midway(mut body: StreamWriter<u8>) {
    body.write_all(b"hello".to_vec()).await;
    spin();
}

/// A body that ends with an error in the place of trailers.
fn error_midway() -> Response {
    let (mut writer, reader) = wit_stream::new::<u8>();
    let (trailers, future) = wit_future::new::<Result<Option<Trailers>, ErrorCode>>(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        writer.write_all(b"hello".to_vec()).await;
        drop(writer);
        let _ = trailers.write(Err(ErrorCode::LoopDetected)).await;
    });
    Response::new(Fields::new(), Some(reader), future).0
}

/// Every piece of the body, as it comes.
fn echo(request: Request) -> Response {
    let (done, result) = wit_future::new::<Result<(), ErrorCode>>(|| Ok(()));
    let (mut body, trailers) = Request::consume_body(request, result);
    stream(&[], async move |mut echoed| {
        loop {
            let (status, piece) = body.read(Vec::with_capacity(64 << 10)).await;
            if !echoed.write_all(piece).await.is_empty() || status == StreamResult::Dropped {
                break;
            }
        }
        drop((done, trailers));
    })
}
