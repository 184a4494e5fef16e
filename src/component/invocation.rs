//! `seal` and `rewind` of `lavandula:arena/invocation`, by hand: what they answer
//! must not lie among what they put back, and no frame of theirs may stay on the
//! stack.

use crate::handler::Handler;
use crate::image::zero_stack;
use crate::instance;

/// `seal`.
#[inline(always)]
pub fn seal<T: Handler>() -> *const u8 {
    super::rt::run_ctors_once();
    initialise_and_seal(T::initialise);
    end()
}

/// `rewind`.
#[inline(always)]
pub fn rewind() -> *const u8 {
    put_back();
    end()
}

#[inline(never)]
fn initialise_and_seal(initialise: fn()) {
    instance::reply(instance::seal(initialise));
}

#[inline(never)]
fn put_back() {
    instance::reply(instance::rewind());
}

#[inline(always)]
fn end() -> *const u8 {
    // SAFETY: only the host is above this and what it is inlined into, which has
    // nothing in memory: what follows is a constant.
    unsafe { zero_stack() };
    instance::reply_place().cast()
}
