//! The one invocation state of this instance, and its shadow stack.

use core::cell::{RefCell, RefMut};
use core::ptr;

#[cfg(not(feature = "arena-guest"))]
use crate::{Context, Usage};
use crate::{Invocation, StateError};

struct OneThread(RefCell<Invocation>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on
// one thread.
unsafe impl Sync for OneThread {}

static INVOCATION: OneThread = OneThread(RefCell::new(Invocation::new()));

fn invocation() -> Result<RefMut<'static, Invocation>, StateError> {
    INVOCATION
        .0
        .try_borrow_mut()
        .map_err(|_| StateError::Running)
}

/// Answers one request with the instance's arena.
#[cfg(not(feature = "arena-guest"))]
pub(super) fn run<R>(answer: impl FnOnce(&Context) -> R) -> Result<R, StateError> {
    invocation()?.run(answer)
}

pub(super) fn seal() -> Result<(), StateError> {
    invocation()?.seal()
}

/// Scrubs the arena, and the shadow stack below this call.
pub(super) fn rewind() -> Result<(), StateError> {
    invocation()?.rewind()?;
    scrub_stack();
    Ok(())
}

/// The figures of the arena that requests use.
#[cfg(not(feature = "arena-guest"))]
pub(super) fn usage() -> Usage {
    match INVOCATION.0.try_borrow() {
        Ok(invocation) => invocation.usage(),
        // Not reached from a host: a component is not entered while it runs.
        Err(_) => Usage::default(),
    }
}

/// Overwrites the unused part of the shadow stack with zeros.
///
/// Handlers keep pieces of requests in local variables, and a returned frame
/// stays readable. `lavandula build` puts the stack first in memory, growing
/// down towards zero, so it cannot run into data; its lowest address comes
/// from the linker.
#[inline(never)]
fn scrub_stack() {
    unsafe extern "C" {
        /// Lowest address of the shadow stack. Only its address means something.
        static __stack_low: u8;
    }
    // The only variable here whose address is taken is the only one on the
    // shadow stack, so its address is where the used part begins.
    let top = [0_u64; 2];
    let top = core::hint::black_box(&raw const top).expose_provenance();
    let low = (&raw const __stack_low).expose_provenance().max(16);
    if let Some(bytes) = top.checked_sub(low) {
        // SAFETY: `low..top` lies below the frame of this function and of all its
        // callers, and the compiler knows of no object there. `write_bytes` is
        // one `memory.fill`; without optimisation it is a call with a frame in
        // that very range, but what the call still needs by then, the place of
        // its caller's frame, is in a local of WebAssembly and not in memory.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(low).write_bytes(0, bytes) };
    }
}
