//! What no handler should do. None of it waits for the host after the answer has
//! begun, unless it says so.

use std::mem;

use crate::answer::{begin, finish, head, pause, spin, whole, write};
use crate::http::types::{ErrorCode, Fields, OutgoingResponse, ResponseOutparam};
use crate::http::wasi::clocks::monotonic_clock;
use crate::request::Asked;

/// Has a way to answer, and makes no use of it.
pub fn hold_and_spin(_: &ResponseOutparam) {
    spin()
}

/// The same, and waits for something that comes in a day.
pub fn hold_and_wait(_: &ResponseOutparam) {
    const A_DAY: u64 = 24 * 60 * 60 * 1000;
    pause(A_DAY);
}

/// Answers, and then answers once more by the same handle, which is gone by then.
pub fn twice(out: ResponseOutparam) {
    let handle = out.take_handle();
    // SAFETY: `take_handle` left `out` without the handle, so that this is its
    // only owner.
    let first = unsafe { ResponseOutparam::from_handle(handle) };
    whole(first, 200, b"first");
    // SAFETY: not sound in the sense of the bindings, on purpose: `first` gave the
    // handle back to the host. In this module's memory it is a plain number; what
    // using it comes to is decided by the host, which traps.
    let second = unsafe { ResponseOutparam::from_handle(handle) };
    whole(second, 200, b"second");
}

/// Answers in full, and traps then.
pub fn trap_after(out: ResponseOutparam) {
    whole(out, 200, b"all is well");
    core::arch::wasm32::unreachable()
}

/// Answers with an error in the place of a response.
pub fn error_code(out: ResponseOutparam) {
    let error = ErrorCode::InternalError(Some("asked to fail".to_owned()));
    ResponseOutparam::set(out, Err(error));
}

/// Says that the body has `says` bytes, and sends `sends`.
pub fn length(asked: &Asked, out: ResponseOutparam) {
    let fields = Fields::new();
    let says = asked.text("says").as_bytes().to_vec();
    let _ = fields.append("content-length", &says);
    let (body, stream) = begin(out, OutgoingResponse::new(fields));
    let sends = usize::try_from(asked.number("sends")).unwrap_or(0);
    let _ = write(&stream, &vec![b'x'; sends]);
    finish(body, stream);
}

/// Sets the status `n`, and does not look whether that was allowed: where it was
/// not, the status stays 200.
pub fn status(asked: &Asked, out: ResponseOutparam) {
    let head = head(200);
    let n = u16::try_from(asked.number("n")).unwrap_or(u16::MAX);
    let verdict = head.set_status_code(n);
    told(out, head, verdict.is_ok());
}

/// Adds a field that no response may have, by the name of the `kind`.
pub fn field(asked: &Asked, out: ResponseOutparam) {
    let (name, value): (&str, &[u8]) = match asked.text("kind") {
        "name" => ("not a name", b"x"),
        "value" => ("x-value", b"x\r\nx-smuggled: 1"),
        "connection" => ("connection", b"close"),
        "transfer-encoding" => ("transfer-encoding", b"chunked"),
        _ => ("host", b"elsewhere"),
    };
    let fields = Fields::new();
    let verdict = fields.append(name, value);
    told(out, OutgoingResponse::new(fields), verdict.is_ok());
}

/// Answers with what the host said.
fn told(out: ResponseOutparam, head: OutgoingResponse, allowed: bool) {
    let (body, stream) = begin(out, head);
    let said: &[u8] = if allowed { b"allowed" } else { b"refused" };
    let _ = write(&stream, said);
    finish(body, stream);
}

/// Drops the body half-way.
pub fn drop_body(out: ResponseOutparam) {
    let (body, stream) = begin(out, head(200));
    let _ = write(&stream, b"half of it");
    drop(stream);
    drop(body);
}

/// Returns with the body open.
pub fn leave_open(out: ResponseOutparam) {
    let (body, stream) = begin(out, head(200));
    let _ = write(&stream, b"half of it");
    mem::forget(stream);
    mem::forget(body);
}

/// Opens handles without end.
pub fn handles() {
    loop {
        mem::forget(monotonic_clock::subscribe_duration(u64::MAX));
    }
}
