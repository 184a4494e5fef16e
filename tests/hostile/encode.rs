//! Components from a few lines of WebAssembly text.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Makes a component of a core module that keeps to the canonical ABI, as far as
/// types go.
pub fn encode(module: &str, exports: &str) -> Vec<u8> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    let world = format!("package test:guest; world guest {{ {exports} }}");
    let mut resolve = Resolve::default();
    resolve.push_dir(wit).expect("the WIT of this project");
    let package = resolve.push_str("guest.wit", &world).expect("a world");
    let world = resolve.select_world(&[package], None).expect("one world");

    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("metadata fits");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{error:#}"))
}
