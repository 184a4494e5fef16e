//! The world `edge-handler`: what `export!` exports, for any [`Handler`].

use super::instance;
use crate::{Context, Request, Response};

/// Bindings for the world `edge-handler`, with its `export!` macro.
#[allow(missing_docs, reason = "generated from the WIT, which has the docs")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "generated")]
pub mod edge {
    wit_bindgen::generate!({
        path: "wit",
        world: "edge-handler",
        pub_export_macro: true,
        generate_all,
    });
}

use edge::exports::lavandula::arena::invocation;
use edge::exports::lavandula::arena::types;

super::wit_conversions!(edge::exports::lavandula::arena::types);

/// The one function behind all doors. `export!` implements it.
pub trait Handler: 'static {
    /// Answers one request.
    fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Response<'a>;
}

impl<T: Handler> invocation::Guest for T {
    fn seal() -> Result<(), types::Error> {
        Ok(instance::seal()?)
    }

    fn rewind() -> Result<(), types::Error> {
        Ok(instance::rewind()?)
    }

    fn usage() -> types::Usage {
        instance::usage().into()
    }
}
