//! Tells a component where its statics begin that may ever change.
//!
//! A guest with an image of its statics copies them after each request. Most of
//! them are read-only and need not be copied, but the linker has no name for where
//! these end. It does put them into a data segment of their own, in front of the
//! others; so the address can be read off the finished module, and is written into
//! a place that the guest has for it.

use crate::segments::{self, Segment};

/// What the guest has in front of the place: see `src/image.rs` there.
const MAGIC: &[u8; 40] = b"lavandula: statics that change begin at ";

/// Writes the address into every module of `component` that asks for it and whose
/// segments are as expected. The others are left as they are: what they copy is
/// more than they have to.
pub(crate) fn write(component: &mut [u8]) {
    for place in places(component) {
        let bytes = component.get_mut(place.offset..place.offset + 4);
        if let Some(bytes) = bytes {
            bytes.copy_from_slice(&place.address.to_le_bytes());
        }
    }
}

/// What is to be written, and where in the file.
struct Place {
    offset: usize,
    address: u32,
}

fn places(component: &[u8]) -> Vec<Place> {
    let modules = segments::modules(component);
    let places = modules.iter().map(|module| place(&module.segments));
    places.flatten().collect()
}

/// The place in these segments, where there is exactly one, in the second of them:
/// the first is what is read-only.
fn place(segments: &[Segment<'_>]) -> Option<Place> {
    let mut found = segments.iter().flat_map(|segment| {
        memchr::memmem::find_iter(segment.bytes, MAGIC).map(move |at| (segment, at))
    });
    let ((segment, at), None) = (found.next()?, found.next()) else {
        return None;
    };
    let before = segments
        .iter()
        .filter(|other| other.address < segment.address);
    (before.count() == 1).then_some(Place {
        offset: segment.offset + at + MAGIC.len(),
        address: segment.address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKING: &str = "lavandula: statics that change begin at \\00\\00\\00\\00";

    fn noted(text: &str) -> Option<u32> {
        let mut module = wat::parse_str(text).expect("a module");
        write(&mut module);
        let at = memchr::memmem::find(&module, MAGIC)? + MAGIC.len();
        module[at..]
            .first_chunk()
            .map(|bytes| u32::from_le_bytes(*bytes))
    }

    #[test]
    fn the_address_of_the_second_segment_is_written() {
        let module = format!(
            r#"(module (memory 2) (data (i32.const 65536) "read only")
                (data (i32.const 66000) "x{ASKING}y"))"#
        );
        assert_eq!(noted(&module), Some(66_000));
        let component = format!("(component (core {}", &module[1..]) + ")";
        assert_eq!(noted(&component), Some(66_000));
    }

    #[test]
    fn segments_that_are_not_as_expected_are_left_alone() {
        for data in [
            // Nothing in front of it.
            format!(r#"(data (i32.const 66000) "{ASKING}")"#),
            // Something else in front of it as well.
            format!(
                r#"(data (i32.const 8) "a") (data (i32.const 16) "b") (data (i32.const 24) "{ASKING}")"#
            ),
            // Two that ask.
            format!(r#"(data (i32.const 8) "a") (data (i32.const 16) "{ASKING}{ASKING}")"#),
            // Not there from the start.
            format!(r#"(data (i32.const 8) "a") (data "{ASKING}")"#),
        ] {
            assert_eq!(
                noted(&format!("(module (memory 2) {data})")),
                Some(0),
                "{data}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_module_are_left_alone() {
        let mut bytes = MAGIC.repeat(3);
        let before = bytes.clone();
        write(&mut bytes);
        assert_eq!(bytes, before);
    }
}
