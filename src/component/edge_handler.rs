//! The doors of the world `edge-handler`: what `export!` exports, for any [`Handler`].

/// Bindings for the doors, with their `export!` macro.
#[allow(missing_docs, reason = "generated from the WIT, which has the docs")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "generated")]
pub mod edge {
    wit_bindgen::generate!({
        path: "wit",
        world: "doors",
        pub_export_macro: true,
        generate_all,
        runtime_path: "crate::component::rt",
    });
}
