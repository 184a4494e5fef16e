//! Invocations of one instance that overlap: which memory each has, and when it goes
//! back. What the instance's door of WASI 0.3 calls; `docs/overlap.md` has the
//! reasons.
//!
//! ```text
//!              begin            take                            pause(Ended)
//!   handle ───────────► first poll ─► handler, body, ... ──► exit ───────────► host
//!                           │  ▲
//!              pause(Waits) ▼  │ another poll
//!                           host, and the polls of other invocations
//! ```

use core::cell::Cell;
use core::pin::Pin;

use alloc::boxed::Box;

use wit_bindgen::rt::async_support::{backpressure_dec, backpressure_inc};

use crate::image::zero_stack_below;
use crate::instance::{self, Form};
use crate::lease::Leased;
use crate::{Context, StateError};

/// What goes on of an invocation when its response was returned.
pub(crate) type Rest = Pin<Box<dyn Future<Output = ()>>>;

struct Slot(Cell<Option<Rest>>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
// thread.
unsafe impl Sync for Slot {}

/// Filled and emptied within one poll of one invocation.
static REST: Slot = Slot(Cell::new(None));

/// Lets `rest` go on when the response was returned.
pub(crate) fn go_on(rest: Rest) {
    REST.0.set(Some(rest));
}

/// What was given to [`go_on`] since the last time.
pub(crate) fn rest() -> Option<Rest> {
    REST.0.take()
}

/// The memory of one invocation.
pub(crate) enum Memory {
    /// An arena of its own, beside those of others.
    Leased(Leased<'static>),
    /// The instance's arena, where everything lies, and nobody beside it.
    Alone(&'static Context),
}

impl Memory {
    pub(crate) fn context(&self) -> &Context {
        match self {
            Self::Leased(leased) => leased.context(),
            Self::Alone(context) => context,
        }
    }
}

/// An invocation begins: nothing of it was put into memory yet.
pub(crate) fn begin() {
    if instance::form() == Form::Leases {
        return;
    }
    // Before it is known which form it is, it is alone: it has not given way to
    // another by then.
    if instance::begin_alone().is_err() {
        // A host that lets one in though it was told to wait. To go on would be to
        // take back memory that somebody uses.
        core::arch::wasm32::unreachable();
    }
    if instance::holds_everything() {
        backpressure_inc();
    }
}

/// Takes its memory. The first one ends the instance's initialisation.
///
/// # Errors
/// [`StateError::Memory`] where there is none for the image.
pub(crate) fn take(initialise: fn(), budget: Option<usize>) -> Result<Memory, StateError> {
    if !instance::is_sealed() {
        instance::end_initialisation_for_leases(initialise)?;
        match instance::form() {
            Form::Leases => instance::no_longer_alone(),
            Form::OneArena => backpressure_inc(),
        }
    }
    match instance::form() {
        Form::Leases => Ok(Memory::Leased(instance::leases().take(budget))),
        Form::OneArena => Ok(Memory::Alone(instance::context_alone(budget))),
    }
}

/// Why an invocation gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Waits,
    /// All of it is gone: its streams, and whatever it had on the heap.
    Ended,
}

/// An invocation gives way to others, or has ended. Called when nothing of memory
/// is used any more between here and the host.
pub(crate) fn pause(pause: Pause) {
    if pause == Pause::Waits {
        return;
    }
    if instance::form() == Form::OneArena {
        instance::end_alone();
        if instance::holds_everything() {
            backpressure_dec();
        }
    }
    // Frames that have returned may hold pieces of the request. Whoever waits has
    // none: what goes on later lies on the heap.
    zero_stack_below();
}
