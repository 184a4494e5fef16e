//! What a handler must not do: it keeps the last guest where the next request finds
//! him. Without `InvocationHeap` there is no image, and nothing puts the static back.

use std::sync::Mutex;

const LONGEST: usize = 64;

static LAST_GUEST: Mutex<[u8; LONGEST]> = Mutex::new([0; LONGEST]);

pub fn remember(guest: &str) {
    let Ok(mut last) = LAST_GUEST.lock() else {
        return;
    };
    last.fill(0);
    for (place, byte) in last.iter_mut().zip(guest.bytes()) {
        *place = byte;
    }
}
