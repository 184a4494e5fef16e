//! What an asynchronous handler sees besides: bodies that come and go piece by
//! piece, and requests of its own.
//!
//! ```text
//!   client ──► Request<Incoming> ──► handler ──► Streamed ──► client
//!                                    │    ▲
//!                      Context::fetch│    │Fetched
//!                                    ▼    │
//!                                    origin
//! ```
//!
//! In a native build a body lies in memory, so that a handler's own tests run
//! without a host; there is nobody to fetch from. `docs/overlap.md` says what is
//! done so that many invocations of one instance may wait at the same time.

#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
pub mod bindings;
#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
pub(crate) mod door;
mod error;
mod export;
mod fetch;
mod incoming;
mod streamed;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;

pub use error::{BodyError, FetchError};
pub use fetch::{Fetched, Outgoing};
pub use incoming::{Incoming, Receive};
pub use streamed::{IntoStreamed, Streamed, Writer};

/// Something that goes on beside something else of the same invocation.
type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Overwrites what a piece of a body lay in, before the global allocator has it
/// back: a request has nothing of its own there that could stay.
pub(crate) fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // Else the compiler leaves out what nobody reads before it is freed.
    core::hint::black_box(bytes.as_mut_ptr());
    bytes.clear();
}
