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
//! # The arena
//!
//! **Lifetimes.** What an [`Arena`] hands out lives until the arena is reset or
//! dropped, and both take the arena by `&mut` or by value: the compiler refuses
//! a reset while anything of it is in use. A [`Scope`] ends earlier, and so does
//! what was allocated in it. Blocks live as long as the arena; pages live as
//! long as the instance, since linear memory cannot shrink, and pass from one
//! arena to the next through a pool.
//!
//! A plain allocation is never dropped, so a type that needs it does not
//! compile: there are [`alloc_owned`](Arena::alloc_owned), whose box drops the
//! value, and [`alloc_deferred`](Arena::alloc_deferred), whose value the reset
//! drops.
//!
//! **Policy.** A reset keeps every block and walks them again in the same order,
//! so that the second request of a kind finds the addresses of the first and
//! takes no memory; [`Reset`] says otherwise. [`Scrub`] says what becomes of the
//! bytes. A [budget](Arena::set_budget) bounds what a request may have, to the
//! byte, and a [reserve](Arena::set_reserve) keeps room for the answer that says
//! so. Failure is a value everywhere: [`AllocError`].
//!
//! **Mechanism.** Memory comes in blocks of 64 KiB, which is one page of linear
//! memory. An allocation moves the cursor of the current block up by its size,
//! rounded to 8 bytes: two loads, an addition, a comparison, a branch and a
//! store.
//!
//! ```text
//!             first                current
//!               |                     |
//!               v                     v
//! regular     [H|##########..]---->[H|######    :--]---->[H|            ]
//!                          ^                ^   ^
//!                    tail waste        cursor   limit, less what is held back
//!
//! dedicated   [H|############################.]---->[H|        ]
//! ```
//!
//! Where a block is full, and it ends where linear memory ends, it grows in
//! place: nothing is wasted and what was allocated last can go on growing. Else
//! the cursor goes to the next block. What is larger than a block gets a
//! dedicated one then, which never becomes the current one. Each step takes as
//! much as small allocations have taken so far, up to 1 MiB, so that few steps
//! are needed; large ones have no say in it. Each block knows how far it is
//! dirty, so that zeroed memory is filled only where it has to be.
//!
//! ## Coming from bumpalo
//!
//! | bumpalo | here | |
//! | --- | --- | --- |
//! | `Bump::new()` | [`Arena::new()`] | takes no memory until the first allocation; `const` |
//! | `alloc(x)`, `try_alloc(x)` | [`alloc(x)?`](Arena::alloc) | fallible only; does not compile for types with `Drop` |
//! | `alloc_with`, `alloc_try_with` | `alloc(f())` | write the value, or use a [`Scope`] for what may fail |
//! | `alloc_slice_copy`, `alloc_slice_fill_with` | the same, with `?` | |
//! | `alloc_str` | [`strdup`](Arena::strdup) | |
//! | `bumpalo::format!` | [`alloc_fmt`](Arena::alloc_fmt) | |
//! | `bumpalo::collections::String` | [`buffer`](Arena::buffer) | a sink; grows in place |
//! | `bumpalo::collections::Vec`, `&Bump` as allocator | `allocator_api2::vec::Vec::new_in(&arena)` | grows in place, where bumpalo copies |
//! | `bumpalo::boxed::Box` | [`alloc_owned`](Arena::alloc_owned) | |
//! | `set_allocation_limit` | [`set_budget`](Arena::set_budget) | exact to the byte, not to the chunk |
//! | `reset()` keeps the last chunk | [`reset()`](Arena::reset) keeps every block | [`Reset::Retain`] for less |
//! | `raw_checkpoint`, unsafe | [`scope()`](Arena::scope) | safe, nested, ends by itself |
//! | `allocated_bytes()` | [`usage()`](Arena::usage) | used, waste, free, overhead, peak |
//!
//! ## Coming from the C API
//!
//! | C | here |
//! | --- | --- |
//! | `arenaCreate()` | [`Arena::new()`] |
//! | `arenaCreateWithSize(n)` | [`Arena::with_block_size(n)?`](Arena::with_block_size) |
//! | `arenaAlloc(a, n)` | [`alloc_layout`](Arena::alloc_layout), or by type: [`alloc`](Arena::alloc), [`alloc_slice_copy`](Arena::alloc_slice_copy) |
//! | `arenaCalloc(a, n, size)` | [`calloc(n, size)?`](Arena::calloc) |
//! | `arenaStrdup(a, s)` | [`strdup(s)?`](Arena::strdup) |
//! | `arenaStrndup(a, s, n)` | [`strndup(s, n)?`](Arena::strndup): never splits a character |
//! | `arenaReset(a)` | [`reset()`](Arena::reset): no block is lost |
//! | `arenaDestroy(a)` | `drop(arena)` |
//! | `arenaGetTotalAllocated(a)` | [`total_allocated()`](Arena::total_allocated) |
//! | `arenaGetUsed(a)` | [`used()`](Arena::used) |
//! | `ctx->arena` | [`Context::arena()`] |
//! | `NULL` | [`AllocError`], which says why; zero bytes succeed |
//!
//! # The parts
//!
//! - [`Arena`] and what belongs to it: `no_std`, fallible throughout, never
//!   panics. Useful by itself, natively and in WebAssembly.
//! - [`Context`], [`Request`], [`Response`]: thin and borrowed from the arena.
//! - [`Invocation`]: the life of one invocation, which resets the arena.
//! - [`Door`]: for runtimes that have an ABI of their own.
//! - [`InvocationHeap`] (natively with the feature `std`): the global allocator that makes the
//!   arena hold everything of a request, and [`persist`] for what it does not.
//!
//! # Features
//!
//! - `std` (default): [`InvocationHeap`] in native builds too, and `std::io::Write` for [`Buffer`].
//! - `allocator-api2` (default): `Allocator` for `&Arena`, so that vectors and
//!   hash maps live in it.
//! - `arena-guest`: makes this crate itself, built for WebAssembly, the
//!   component with the world `arena-guest`. Not for dependent crates.
//! - `js`: [`export!`] exports for JavaScript instead of hosts of components. `lavandula
//!   npm` turns it on. With `arena-guest`, this crate itself is the module of the npm
//!   package.
#![cfg_attr(not(test), no_std)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]
#![warn(missing_docs)]
#![cfg_attr(
    any(feature = "arena-guest", feature = "js"),
    allow(
        dead_code,
        reason = "the arena alone has no handler, and JavaScript asks for less than a host"
    )
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod arena;
#[cfg(all(target_arch = "wasm32", not(feature = "js")))]
mod component;
mod door;
#[cfg(all(target_arch = "wasm32", not(feature = "arena-guest")))]
mod handler;
#[cfg(any(feature = "std", target_arch = "wasm32"))]
mod heap;
mod http;
#[cfg(target_arch = "wasm32")]
mod image;
#[cfg(target_arch = "wasm32")]
mod instance;
mod invocation;
#[cfg(all(target_arch = "wasm32", feature = "js"))]
mod js;
#[cfg(any(target_arch = "wasm32", test))]
mod lease;
#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
mod overlap;
#[cfg(any(target_arch = "wasm32", test))]
mod persistent;
pub(crate) mod service;
#[cfg(any(target_arch = "wasm32", test))]
mod span;

#[cfg(not(target_family = "wasm"))]
pub use arena::HeapPages;
#[cfg(target_arch = "wasm32")]
pub use arena::LinearMemory;
pub use arena::{
    AllocError, Arena, ArenaBox, Buffer, DEFAULT_BLOCK_SIZE, DefaultPages, PageSource, Pages,
    Reset, Scope, Scrub, Usage,
};
pub use door::Door;
#[cfg(any(feature = "std", target_arch = "wasm32"))]
pub use heap::{InvocationHeap, persist};
pub use http::{Body, Context, Header, Headers, IntoResponse, Request, Response};
pub use invocation::{Invocation, StateError};
pub use service::{
    BodyError, FetchError, Fetched, Incoming, IntoStreamed, Outgoing, Receive, Streamed, Writer,
};

/// The README's examples, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What [`export!`] expands to. Not for direct use.
#[cfg(all(target_arch = "wasm32", not(feature = "arena-guest")))]
#[doc(hidden)]
pub mod __private {
    #[cfg(all(target_os = "wasi", not(feature = "js")))]
    pub use crate::component::sbrk;
    #[cfg(not(feature = "js"))]
    pub use crate::component::{
        Overlapping, Service, cabi_realloc, edge, invocations, rewind, seal, seal_service,
    };
    #[cfg(all(target_os = "wasi", not(feature = "js")))]
    pub use crate::door::program::serve;
    pub use crate::handler::Handler;
    #[cfg(feature = "js")]
    pub use crate::js::{handle, rewind, seal};
    pub use crate::lease::lease;
    #[cfg(not(feature = "js"))]
    pub use crate::service::bindings as service;
}

/// Puts one handler function behind both doors of a component.
///
/// The function has the form `fn(&'a Context, Request<'a>) -> R`, where `R` is
/// anything that is [`IntoResponse`]: a [`Response`], or a `Result` whose error
/// is one as well. Use it once, at the top level of a crate that is built with
/// `lavandula build`. In a native build it checks the function's type and
/// exports nothing, so that the crate's own tests run natively.
///
/// A second function, a `fn()`, does what is to be done once, before the first
/// request: compile expressions, parse a configuration, warm up a table. With
/// [`InvocationHeap`] what it builds is a part of the image that every rewind puts
/// back, and a host that prepares instances ahead of need has it done by then.
///
/// ```
/// use std::sync::OnceLock;
/// use lavandula::{Context, Request, Response};
///
/// static GREETINGS: OnceLock<Vec<String>> = OnceLock::new();
///
/// fn prepare() {
///     GREETINGS.get_or_init(|| ["Hello", "Salut"].map(String::from).to_vec());
/// }
///
/// fn greet<'a>(_: &'a Context, _: Request<'a>) -> Response<'a> {
///     let greetings = GREETINGS.get().map_or(&[][..], Vec::as_slice);
///     Response::ok(greetings.join(", "), "text/plain")
/// }
///
/// lavandula::export!(greet, initialise = prepare);
/// # fn main() {}
/// ```
///
/// # Handlers that wait
///
/// An asynchronous function is put behind the door of WASI 0.3 instead,
/// `wasi:http/handler`: while one invocation waits, others of the same instance go on,
/// each with an arena of its own. It has the form
/// `async fn(&'a Context, Request<'a>) -> R`, or takes `Request<'a, Incoming>` where it
/// reads the body piece by piece; `R` may also be [`Streamed`], whose body is written
/// while it is sent, and [`Context::fetch`] asks an origin.
///
/// ```
/// use lavandula::{Context, FetchError, Request, Response};
///
/// async fn price<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, FetchError> {
///     let url = cx.arena().alloc_fmt(format_args!("http://stock.internal{}", request.path()))?;
///     let answer = cx.fetch(Request::new("GET", url)).await?;
///     Ok(Response::ok(format!("the stock says {}\n", answer.status()), "text/plain"))
/// }
///
/// lavandula::export!(async price, budget = 1 << 20);
/// # fn main() {}
/// ```
///
/// `budget` is the most that the arena of one invocation may hold, in bytes, so that
/// none takes what the others need. A function that does not wait is put behind this
/// door by `export!(greet, wasi = 0.3)`.
///
/// With [`InvocationHeap`] everything lies in one arena, which two invocations cannot
/// share: then the host is told to send one at a time, and the instance is rewound
/// after each. Without it they overlap. `docs/overlap.md` says more.
#[macro_export]
macro_rules! export {
    (async $handler:path $(, $($options:tt)*)?) => {
        $crate::__export_service!([.await] $handler $(, $($options)*)?);
    };
    ($handler:path, wasi = 0.3 $(, $($options:tt)*)?) => {
        $crate::__export_service!([] $handler $(, $($options)*)?);
    };
    ($handler:path) => {
        $crate::export!($handler, initialise = || ());
    };
    ($handler:path, initialise = $initialise:expr $(,)?) => {
        // Names that nobody else has, since those of functions are not hygienic: a
        // handler of the same name would be called in its own place.
        const _: () = {
            #[allow(dead_code)]
            fn __lavandula_answer<'a>(
                cx: &'a $crate::Context,
                request: $crate::Request<'a>,
            ) -> $crate::Response<'a> {
                $crate::IntoResponse::into_response($handler(cx, request))
            }

            #[allow(dead_code)]
            fn __lavandula_initialise() {
                let initialise: fn() = $initialise;
                initialise();
            }

            #[cfg(target_arch = "wasm32")]
            struct __Lavandula;

            #[cfg(target_arch = "wasm32")]
            impl $crate::__private::Handler for __Lavandula {
                fn initialise() {
                    __lavandula_initialise();
                }

                fn handle<'a>(
                    cx: &'a $crate::Context,
                    request: $crate::Request<'a>,
                ) -> $crate::Response<'a> {
                    __lavandula_answer(cx, request)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::__doors!(__Lavandula);
        };
    };
}

/// The exports of a component, for what [`export!`] makes. Not for direct use.
#[cfg(all(target_arch = "wasm32", not(feature = "js")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __doors {
    ($handler:ident) => {
        $crate::__private::edge::export!($handler with_types_in $crate::__private::edge);
        $crate::__private::invocations::export!(
            $handler with_types_in $crate::__private::invocations
        );

        #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#seal")]
        extern "C" fn __lavandula_seal() -> *const u8 {
            $crate::__private::seal::<$handler>()
        }

        $crate::__kept_by_hand!();
    };
}

/// What is the same whatever the doors are. Not for direct use.
#[cfg(all(target_arch = "wasm32", not(feature = "js")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __kept_by_hand {
    () => {
        #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#rewind")]
        extern "C" fn __lavandula_rewind() -> *const u8 {
            $crate::__private::rewind()
        }

        #[unsafe(export_name = "cabi_realloc")]
        unsafe extern "C" fn __lavandula_cabi_realloc(
            old: *mut u8,
            old_len: usize,
            align: usize,
            new_len: usize,
        ) -> *mut u8 {
            // SAFETY: what the canonical ABI promises.
            unsafe { $crate::__private::cabi_realloc(old, old_len, align, new_len) }
        }

        #[cfg(target_os = "wasi")]
        #[unsafe(export_name = "sbrk")]
        extern "C" fn __lavandula_sbrk(increment: isize) -> *mut u8 {
            $crate::__private::sbrk(increment)
        }
    };
}

/// The exports for JavaScript that depend on the handler; `js/handler.rs` has the others.
/// By hand, and numbers only: what wasm-bindgen would make of them may keep a frame on
/// the stack, which a seal and a rewind overwrite.
#[cfg(all(target_arch = "wasm32", feature = "js"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __doors {
    ($handler:ident) => {
        #[unsafe(export_name = "lavandula_seal")]
        extern "C" fn __lavandula_seal() -> u32 {
            $crate::__private::seal::<$handler>()
        }

        #[unsafe(export_name = "lavandula_handle")]
        unsafe extern "C" fn __lavandula_handle(
            head: *const u8,
            head_len: usize,
            body: *const u8,
            body_len: usize,
        ) -> *const u32 {
            // SAFETY: what JavaScript promises: it has both from `receive`.
            unsafe { $crate::__private::handle::<$handler>(head, head_len, body, body_len) }
        }

        #[unsafe(export_name = "lavandula_rewind")]
        extern "C" fn __lavandula_rewind() -> u32 {
            $crate::__private::rewind()
        }
    };
}
