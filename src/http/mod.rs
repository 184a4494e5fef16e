//! What a handler sees: a context, a request, and how it answers.
//!
//! Thin on purpose: no router, no body types, no framework. Everything is
//! borrowed from the invocation's arena, and the core knows nothing of
//! `wasi:http` or of any other door.

mod context;
mod request;
mod response;

#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
pub(crate) use request::{headers_in, headers_of};

pub use context::Context;
pub use request::{Header, Headers, Request};
pub use response::{Body, IntoResponse, Response};
