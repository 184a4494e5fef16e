//! Bindings for the door of WASI 0.3, with their `export!` macro.
#![allow(missing_docs, reason = "generated from the WIT, which has the docs")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "generated")]

wit_bindgen::generate!({
    path: "wit-0.3",
    world: "service",
    pub_export_macro: true,
    generate_all,
    runtime_path: "crate::component::rt",
});
