//! The parts that answers are made of.

use crate::http::streams::{OutputStream, StreamError};
use crate::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::http::wasi::clocks::monotonic_clock;

/// A head with nothing in it but a status.
pub fn head(status: u16) -> OutgoingResponse {
    let head = OutgoingResponse::new(Fields::new());
    head.set_status_code(status).expect("a valid status");
    head
}

/// Sets the response and gives what its body is written to.
pub fn begin(out: ResponseOutparam, head: OutgoingResponse) -> (OutgoingBody, OutputStream) {
    let body = head.body().expect("nobody took it before");
    let stream = body.write().expect("nobody took it before");
    ResponseOutparam::set(out, Ok(head));
    (body, stream)
}

/// Writes all of `bytes`. It waits for the host only where the host takes no more.
pub fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let permitted = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if permitted == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(permitted.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    Ok(())
}

/// Writes one piece, and waits until the host has taken it. The interface allows
/// 4 KiB at a time.
pub fn send(stream: &OutputStream, piece: &[u8]) -> Result<(), StreamError> {
    stream.blocking_write_and_flush(piece)
}

/// Ends the body as it should be ended.
pub fn finish(body: OutgoingBody, stream: OutputStream) {
    drop(stream);
    // The error is that the length is not the one in the head, which is for the
    // host to tell.
    let _ = OutgoingBody::finish(body, None);
}

/// An answer as it should be.
pub fn whole(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    let (body, stream) = begin(out, head(status));
    if write(&stream, bytes).is_ok() {
        finish(body, stream);
    }
}

/// Waits on the host's clock.
pub fn pause(milliseconds: u64) {
    let nanoseconds = milliseconds.saturating_mul(1_000_000);
    monotonic_clock::subscribe_duration(nanoseconds).block();
}

pub fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = core::hint::black_box(n.wrapping_add(1));
    }
}
