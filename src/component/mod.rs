//! Exports through wit-bindgen. Thin: the doors convert, the rest is elsewhere.
//!
//! The bindings for handlers are always there in a WebAssembly build, but
//! nothing is exported until [`export!`](crate::export) is used. With the
//! feature `arena-guest` this crate is a component of its own instead.

mod instance;

#[cfg(feature = "arena-guest")]
mod arena_guest;

#[cfg(not(feature = "arena-guest"))]
mod edge_handler;
#[cfg(not(feature = "arena-guest"))]
mod fast;
#[cfg(not(feature = "arena-guest"))]
mod wasi_http;

#[cfg(not(feature = "arena-guest"))]
pub use edge_handler::{Handler, edge};

/// Turns this crate's figures and errors into those of the WIT package, whose
/// types each world generates anew.
macro_rules! wit_conversions {
    ($types:path) => {
        use $types as wit_types;

        impl From<$crate::Usage> for wit_types::Usage {
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

        impl From<$crate::AllocError> for wit_types::Error {
            fn from(error: $crate::AllocError) -> Self {
                match error {
                    $crate::AllocError::OutOfMemory { requested } => {
                        Self::OutOfMemory(requested as u64)
                    }
                    $crate::AllocError::Budget {
                        requested,
                        remaining,
                    } => Self::Budget(wit_types::BudgetExceeded {
                        requested: requested as u64,
                        remaining: remaining as u64,
                    }),
                    $crate::AllocError::Layout => Self::Layout,
                    $crate::AllocError::BlockSize => Self::BlockSize,
                    // Nothing behind these interfaces formats.
                    $crate::AllocError::Format => {
                        Self::State(alloc::string::ToString::to_string(&error))
                    }
                }
            }
        }

        impl From<$crate::StateError> for wit_types::Error {
            fn from(error: $crate::StateError) -> Self {
                match error {
                    $crate::StateError::Memory(error) => error.into(),
                    other => Self::State(alloc::string::ToString::to_string(&other)),
                }
            }
        }
    };
}
use wit_conversions;
