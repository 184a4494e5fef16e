//! Exports through wit-bindgen. Thin: the doors convert, the rest is elsewhere.
//!
//! The bindings for handlers are always there in a WebAssembly build, but
//! nothing is exported until [`export!`](crate::export) is used. With the
//! feature `arena-guest` this crate is a component of its own instead.

#[cfg(feature = "arena-guest")]
mod arena_guest;

#[cfg(not(feature = "arena-guest"))]
mod edge_handler;
#[cfg(not(feature = "arena-guest"))]
mod fast;
#[cfg(not(feature = "arena-guest"))]
mod invocation;
#[cfg(not(feature = "arena-guest"))]
pub(crate) mod rt;
#[cfg(not(feature = "arena-guest"))]
mod service;
#[cfg(not(feature = "arena-guest"))]
mod wasi_http;

#[cfg(not(feature = "arena-guest"))]
pub use edge_handler::edge;
#[cfg(not(feature = "arena-guest"))]
pub use invocation::{Overlapping, invocations, rewind, seal, seal_service};
#[cfg(not(feature = "arena-guest"))]
pub use rt::cabi_realloc;
#[cfg(all(not(feature = "arena-guest"), target_os = "wasi"))]
pub use rt::sbrk;
#[cfg(not(feature = "arena-guest"))]
pub use service::Service;

/// Turns this crate's figures into those of the WIT package, whose types each
/// world generates anew.
macro_rules! wit_usage {
    ($types:path) => {
        const _: () = {
            use $types as wit;

            impl From<$crate::Usage> for wit::Usage {
                fn from(usage: $crate::Usage) -> Self {
                    // Memory of 32 bits: every figure fits.
                    Self {
                        used: usage.used as u64,
                        total_allocated: usage.total_allocated as u64,
                        peak_used: usage.peak_used as u64,
                        committed: usage.committed as u64,
                        tail_waste: usage.tail_waste as u64,
                        free: usage.free as u64,
                        overhead: usage.overhead as u64,
                        blocks: usage.blocks as u32,
                        resets: usage.resets as u64,
                        grows: usage.grows as u64,
                        budget: usage.budget.map(|bytes| bytes as u64),
                    }
                }
            }
        };
    };
}
use wit_usage;
