//! Bytes as text and back: what a text file cannot hold, and what exporters write
//! where a body is no text.
#![forbid(unsafe_code)]

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// In lines of 76 characters, as in mail.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + bytes.len() / 57 + 5);
    for (n, three) in bytes.chunks(3).enumerate() {
        if n > 0 && n % 19 == 0 {
            text.push('\n');
        }
        let bits = three
            .iter()
            .zip([16, 8, 0])
            .fold(0, |bits, (&byte, shift)| bits | u32::from(byte) << shift);
        for (i, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(match i <= three.len() {
                true => char::from(ALPHABET[(bits >> shift & 63) as usize]),
                false => '=',
            });
        }
    }
    text
}

/// What a text means, in either alphabet and with or without the `=` at its end;
/// white space is none of it. Nothing if it is no base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    // One character alone is no byte, and what is left over of others is zero.
    (held < 6 && bits & ((1 << held) - 1) == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_text() {
        for len in 0..200 {
            let bytes: Vec<u8> = (0..len).map(|n: u32| (n * 37 % 256) as u8).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
        // From RFC 4648.
        for (bytes, text) in [("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text), Some(bytes.as_bytes().to_vec()));
            assert_eq!(
                decode(text.trim_end_matches('=')),
                Some(bytes.as_bytes().to_vec())
            );
        }
    }

    #[test]
    fn what_is_no_base64_is_nothing() {
        for text in ["a", "Zg=x", "a.b=", "Zh", "{}"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
