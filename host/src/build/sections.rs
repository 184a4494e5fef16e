//! What of a core module is of no use to the runtimes that run it as it is.

use wasmparser::{Parser, Payload};

/// Bytes in front of the sections of a module.
const HEAD: usize = 8;

/// Leaves out the descriptions of components that bindings put into a module, of which
/// a tool would make one. This one is run as it is, and has nothing that they tell of.
/// What is no module stays as it is.
pub(super) fn without_descriptions(module: Vec<u8>) -> Vec<u8> {
    try_without(&module).unwrap_or(module)
}

fn try_without(module: &[u8]) -> Option<Vec<u8>> {
    let mut kept = module.get(..HEAD)?.to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.ok()?;
        if let Payload::CustomSection(section) = &payload
            && section.name().starts_with("component-type")
        {
            continue;
        }
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        kept.push(id);
        push_length(&mut kept, range.len());
        kept.extend_from_slice(module.get(range)?);
    }
    Some(kept)
}

/// LEB128, as short as it goes.
fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(description: &str) -> Vec<u8> {
        let text = format!(
            r#"(module (memory 1) {description} (func (export "f")) (data (i32.const 0) "{}")
                (@custom "producers" "kept"))"#,
            "x".repeat(300)
        );
        wat::parse_str(text).expect("a module")
    }

    #[test]
    fn descriptions_are_left_out_and_nothing_else() {
        let described = module(r#"(@custom "component-type:a:b" "anything")"#);
        let plain = module("");
        assert_ne!(described, plain);
        assert_eq!(without_descriptions(described), plain);
        assert_eq!(without_descriptions(plain.clone()), plain);
    }

    #[test]
    fn what_is_no_module_stays() {
        for bytes in [&b""[..], b"\0asm", b"no module at all"] {
            assert_eq!(without_descriptions(bytes.to_vec()), bytes);
        }
    }
}
