//! The world `edge-handler`: what `export!` exports, for any [`Handler`].

use alloc::vec::Vec;

use crate::handler::Handler;
use crate::instance;
use crate::span::Span;

/// Bindings for the world `edge-handler`, with its `export!` macro.
///
/// Without `seal` and `rewind`: what is generated for a function keeps its result
/// among the statics, which they put back. They are in `invocation.rs`.
#[allow(missing_docs, reason = "generated from the WIT, which has the docs")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "generated")]
pub mod edge {
    wit_bindgen::generate!({
        path: "wit",
        world: "edge-handler",
        pub_export_macro: true,
        generate_all,
        runtime_path: "crate::component::rt",
        skip: ["seal", "rewind"],
    });
}

use edge::exports::lavandula::arena::invocation;
use edge::exports::lavandula::arena::types;

super::wit_usage!(edge::exports::lavandula::arena::types);

impl<T: Handler> invocation::Guest for T {
    fn usage() -> types::Usage {
        instance::usage().into()
    }

    fn image_store() -> Vec<invocation::Region> {
        instance::image_store()
            .map(invocation::Region::from)
            .collect()
    }

    fn blocks() -> Vec<invocation::Region> {
        instance::blocks().map(invocation::Region::from).collect()
    }
}

impl From<Span> for invocation::Region {
    fn from(span: Span) -> Self {
        // Memory of 32 bits: it fits.
        Self {
            at: span.start as u32,
            len: span.len() as u32,
        }
    }
}
