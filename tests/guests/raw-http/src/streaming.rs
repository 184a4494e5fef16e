//! Answers whose head is gone before their end is known.

use crate::answer::{begin, finish, head, pause, send, spin, whole};
use crate::http::types::{IncomingRequest, ResponseOutparam};
use crate::request::{self, Asked};

/// `pieces` pieces, with pauses of `pause` milliseconds before each. The head goes
/// at once.
pub fn pieces(asked: &Asked, out: ResponseOutparam) {
    let (body, stream) = begin(out, head(200));
    for number in 0..asked.number("pieces") {
        pause(asked.number("pause"));
        if send(&stream, format!("piece {number}\n").as_bytes()).is_err() {
            return;
        }
    }
    finish(body, stream);
}

/// Each piece of the request's body, as it comes.
pub fn echo(request: IncomingRequest, out: ResponseOutparam) {
    /// The most that may be sent at a time.
    const AT_ONCE: usize = 4096;
    let (body, stream) = begin(out, head(200));
    request::pieces(request, |piece| {
        for part in piece.chunks(AT_ONCE) {
            // Nobody is there to read it. The rest of the request is read on.
            let _ = send(&stream, part);
        }
    });
    finish(body, stream);
}

/// The head and one piece, which the host has taken by the time that something
/// goes wrong.
fn first_piece(out: ResponseOutparam, then: impl FnOnce()) {
    /// Longer than a host may keep a piece back in the hope of the whole.
    const LONG_ENOUGH: u64 = 50;
    let (body, stream) = begin(out, head(200));
    let _ = send(&stream, b"first piece\n");
    pause(LONG_ENOUGH);
    then();
    drop(stream);
    drop(body);
}

pub fn then_trap(out: ResponseOutparam) {
    first_piece(out, || core::arch::wasm32::unreachable());
}

pub fn then_spin(out: ResponseOutparam) {
    first_piece(out, || spin());
}

/// Ends without an end of the body.
pub fn then_drop(out: ResponseOutparam) {
    first_piece(out, || {});
}

/// Nothing at all for `pause` milliseconds, then everything.
pub fn slow_head(asked: &Asked, out: ResponseOutparam) {
    pause(asked.number("pause"));
    whole(out, 200, b"late");
}

/// Writes as long as anybody takes it.
pub fn endless(out: ResponseOutparam) {
    let (body, stream) = begin(out, head(200));
    while send(&stream, &[b'x'; 4096]).is_ok() {}
    drop(stream);
    drop(body);
}

/// Reads the body, pausing `pause` milliseconds after each piece, and tells how
/// many bytes it had.
pub fn slow_reader(asked: &Asked, request: IncomingRequest, out: ResponseOutparam) {
    let mut bytes = 0;
    request::pieces(request, |piece| {
        bytes += piece.len();
        pause(asked.number("pause"));
    });
    whole(out, 200, bytes.to_string().as_bytes());
}
