//! The handler of all makers, on the bindings of the crate `wasi` alone.

use std::io::{Read, Write};

use wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Handler;

wasi::http::proxy::export!(Handler);

impl wasi::exports::http::incoming_handler::Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let answer = match request.method() {
            Method::Get => hello(&request.path_with_query().unwrap_or_default()).into_bytes(),
            _ => body(&request),
        };
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().unwrap();
        stream.write_all(&answer).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

fn body(request: &IncomingRequest) -> Vec<u8> {
    let incoming = request.consume().unwrap();
    let mut stream = incoming.stream().unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    drop(stream);
    drop(IncomingBody::finish(incoming));
    bytes
}

fn hello(path: &str) -> String {
    let name = path.split_once("q=").map_or("world", |(_, name)| name);
    format!("hello {name}\n")
}
