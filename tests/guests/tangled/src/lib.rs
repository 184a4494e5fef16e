//! Sends the target and the body of a request back, which it keeps in an arena while
//! others run: one of its own making, so that it can get it wrong in ways in which a
//! handler of lavandula cannot.
#![cfg(target_arch = "wasm32")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod arena;
mod running;

use guest_support::__private as private;
use private::invocations::exports::lavandula::arena::{invocation, types};
use private::service::exports::lavandula::service::endings;
use private::service::exports::wasi::http::handler;
use private::service::wasi::http::types::{ErrorCode, Fields, Request, Response};
use private::service::{wit_future, wit_stream};
use wit_bindgen::rt::async_support::{StreamResult, StreamWriter};

use running::Invocation;

/// Leaves nothing readable, so that all that can be found is in an arena.
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

/// Bytes of a body that are read and written at a time.
const PIECE: usize = 16 * 1024;

struct Tangled;

impl handler::Guest for Tangled {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let mut invocation = Invocation::begin();
        let headers = request.get_headers();
        let marker = headers.get("x-lavandula-marker").pop().unwrap_or_default();
        running::note(&marker);
        if cfg!(feature = "held") {
            running::hold(headers);
        }
        let target = request.get_path_with_query().unwrap_or_default();
        invocation.keep(target.as_bytes());

        let (done, result) = wit_future::new::<Result<(), ErrorCode>>(|| Ok(()));
        let (mut body, end) = Request::consume_body(request, result);
        loop {
            let (status, piece) = body.read(Vec::with_capacity(PIECE)).await;
            invocation.keep(&piece);
            if status == StreamResult::Dropped {
                break;
            }
        }
        drop((done, end));

        let answered = running::marker(marker);
        let (writer, reader) = wit_stream::new::<u8>();
        let (no_trailers, trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers);
        drop(no_trailers);
        if cfg!(feature = "early") {
            invocation.give_back();
        }
        wit_bindgen::spawn_local(write(writer, answered, invocation.answering()));
        Ok(response)
    }
}

/// Writes the answer. The invocation ends with it.
async fn write(mut body: StreamWriter<u8>, marker: Vec<u8>, invocation: Invocation) {
    body.write_all(marker).await;
    for piece in invocation.pieces(PIECE) {
        if !body.write_all(piece).await.is_empty() {
            break;
        }
    }
    drop(body);
    drop(invocation);
}

impl invocation::Guest for Tangled {
    fn usage() -> types::Usage {
        running::usage()
    }

    fn image_store() -> Vec<invocation::Region> {
        Vec::new()
    }

    fn blocks() -> Vec<invocation::Region> {
        let region = |at: usize| invocation::Region {
            at: at as u32,
            len: arena::BLOCK as u32,
        };
        running::blocks().into_iter().map(region).collect()
    }
}

/// Its invocations are told of all together, which is what the check asks for.
impl endings::Guest for Tangled {
    fn take() -> Vec<endings::Ending> {
        Vec::new()
    }
}

/// What is sealed: nothing. It has lavandula's own part take no arena.
struct Sealed;

impl private::Service for Sealed {
    const BUDGET: Option<usize> = None;

    fn initialise() {}

    async fn handle<'a>(
        _: &'a lavandula::Context,
        _: lavandula::Request<'a, lavandula::Incoming>,
    ) -> lavandula::Streamed<'a> {
        lavandula::Response::no_content().into()
    }
}

private::service::export!(Tangled with_types_in private::service);
private::invocations::export!(Tangled with_types_in private::invocations);

#[unsafe(export_name = "lavandula:arena/invocation@0.1.0#seal")]
extern "C" fn seal() -> *const u8 {
    private::seal_service::<Sealed>()
}

#[unsafe(export_name = "lavandula:arena/invocation@0.1.0#rewind")]
extern "C" fn rewind() -> *const u8 {
    private::rewind()
}

#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
    // SAFETY: what the canonical ABI promises.
    unsafe { private::cabi_realloc(old, old_len, align, len) }
}
