//! Per-request memory for WebAssembly edge handlers.
//!
//! A handler's request, and what it allocates to answer it, live in one
//! [`Arena`] inside its own linear memory. When the invocation ends, the arena
//! is taken back whole and used again for the next one.
//!
//! # A handler
//!
//! ```
//! use lavandula::{AllocError, Context, Request, Response};
//!
//! fn greet<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
//!     let name = request.path().trim_start_matches('/');
//!     let mut body = cx.arena().buffer();
//!     body.push(b"Hello, ")?;
//!     body.push(name.as_bytes())?;
//!     Ok(Response::ok(body.finish(), "text/plain"))
//! }
//!
//! lavandula::export!(greet);
//! # fn main() {}
//! ```
//!
//! [`export!`] puts that one function behind two doors of a component: the
//! standard `wasi:http/incoming-handler`, and `lavandula:arena/handler`, a
//! single call with plain values that a host which knows it prefers.
//!
//! # The parts
//!
//! - [`Arena`] and what belongs to it: `no_std`, fallible throughout, never
//!   panics. Useful by itself, natively and in WebAssembly.
//! - [`Context`], [`Request`], [`Response`]: thin and borrowed from the arena.
//! - [`Invocation`]: the life of one invocation, which resets the arena.
//! - [`InvocationHeap`] (feature `std`): the global allocator to go with it.
//!
//! # Features
//!
//! - `std` (default): [`InvocationHeap`], and `std::io::Write` for [`Buffer`].
//! - `allocator-api2` (default): `Allocator` for `&Arena`, so that vectors and
//!   hash maps live in it.
//! - `arena-guest`: makes this crate itself, built for WebAssembly, the
//!   component with the world `arena-guest`. Not for dependent crates.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod arena;
#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(feature = "std")]
mod heap;
mod http;
mod invocation;

#[cfg(not(target_family = "wasm"))]
pub use arena::HeapPages;
#[cfg(target_arch = "wasm32")]
pub use arena::LinearMemory;
pub use arena::{
    AllocError, Arena, Buffer, DEFAULT_BLOCK_SIZE, DefaultPages, PageSource, Pages, Usage,
};
#[cfg(feature = "std")]
pub use heap::InvocationHeap;
pub use http::{Body, Context, Header, Headers, IntoResponse, Request, Response};
pub use invocation::{Invocation, StateError};

/// The README's examples, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What [`export!`] expands to. Not for direct use.
#[cfg(all(target_arch = "wasm32", not(feature = "arena-guest")))]
#[doc(hidden)]
pub mod __private {
    pub use crate::component::{Handler, edge};
}

/// Puts one handler function behind both doors of a component.
///
/// The function has the form `fn(&'a Context, Request<'a>) -> R`, where `R` is
/// anything that is [`IntoResponse`]: a [`Response`], or a `Result` whose error
/// is one as well. Use it once, at the top level of a crate that is built with
/// `lavandula build`. In a native build it checks the function's type and
/// exports nothing, so that the crate's own tests run natively.
#[macro_export]
macro_rules! export {
    ($handler:path) => {
        const _: () = {
            #[allow(dead_code)]
            fn answer<'a>(
                cx: &'a $crate::Context,
                request: $crate::Request<'a>,
            ) -> $crate::Response<'a> {
                $crate::IntoResponse::into_response($handler(cx, request))
            }

            #[cfg(target_arch = "wasm32")]
            struct Exported;

            #[cfg(target_arch = "wasm32")]
            impl $crate::__private::Handler for Exported {
                fn handle<'a>(
                    cx: &'a $crate::Context,
                    request: $crate::Request<'a>,
                ) -> $crate::Response<'a> {
                    answer(cx, request)
                }
            }

            #[cfg(target_arch = "wasm32")]
    $crate::__private::edge::export!(Exported with_types_in $crate::__private::edge);
        };
    };
}
