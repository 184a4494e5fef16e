//! `traceparent` and `tracestate` as text. Strict, as the recommendation asks:
//! what is not valid is not repaired but left out.

use std::num::{NonZeroU64, NonZeroU128};

use http::HeaderMap;
use http::header::HeaderValue;

use super::{Flags, SpanId, TRACEPARENT, TRACESTATE, TraceContext, TraceId};

/// Characters of a `traceparent` of version 00:
/// `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
const LENGTH: usize = 55;

/// Entries that a `tracestate` may have.
const MAX_ENTRIES: usize = 32;

/// Characters of a `tracestate` that we pass on. 512 is what everybody has to;
/// more than a few times that is nothing for each hop of a trace.
const MAX_STATE: usize = 4096;

/// A valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) flags: Flags,
}

/// The parent that these headers name. Two of them are none.
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.as_bytes()),
        _ => None,
    }
}

fn parse(text: &[u8]) -> Option<Parent> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let [version, trace, span, flags] = fields(known)?;
    let version = hex(version)?;
    // Version 00 is as long as it is. A later one may go on, after a dash; what
    // goes on is not for us.
    let well_ended = match version {
        0 => rest.is_empty(),
        0xff => return None,
        _ => matches!(rest.first(), None | Some(b'-')),
    };
    if !well_ended {
        return None;
    }
    Some(Parent {
        trace: TraceId(NonZeroU128::new(hex(trace)?)?),
        span: SpanId(NonZeroU64::new(u64::try_from(hex(span)?).ok()?)?),
        flags: Flags::known(u8::try_from(hex(flags)?).ok()?),
    })
}

/// The fields of the first 55 characters: of 2, 32, 16 and 2, with dashes between.
fn fields(text: &[u8]) -> Option<[&[u8]; 4]> {
    let dashes = [2, 35, 52];
    if dashes.iter().any(|at| text.get(*at) != Some(&b'-')) {
        return None;
    }
    Some([&text[..2], &text[3..35], &text[36..52], &text[53..LENGTH]])
}

/// A number of lower-case hexadecimal digits, 32 at most.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Our span as a parent. Always of version 00, whatever was given: the rest of a
/// later one we would not know how to write.
pub(super) fn traceparent(context: &TraceContext) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let mut put = |from: usize, bytes: &[u8]| {
        for (at, byte) in bytes.iter().enumerate() {
            text[from + 2 * at] = DIGITS[usize::from(byte >> 4)];
            text[from + 2 * at + 1] = DIGITS[usize::from(byte & 15)];
        }
    };
    put(3, &context.trace.0.get().to_be_bytes());
    put(36, &context.span.0.get().to_be_bytes());
    put(53, &[context.flags.0]);
    // Digits and dashes are what a header may hold; the other arm is never taken.
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// The `tracestate` of these headers, joined where it is several. None where it
/// is empty, too long or not valid.
pub(super) fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(TRACESTATE).iter();
    let first = values.next()?;
    let joined = values.try_fold(first.clone(), |joined, value| {
        let joined = [joined.as_bytes(), value.as_bytes()].join(&b',');
        (joined.len() <= MAX_STATE).then(|| HeaderValue::from_bytes(&joined).ok())?
    })?;
    is_state(joined.as_bytes()).then_some(joined)
}

/// Whether that is a list of at least one entry, no two of the same key.
fn is_state(text: &[u8]) -> bool {
    if text.len() > MAX_STATE {
        return false;
    }
    let mut keys: Vec<&[u8]> = Vec::new();
    for entry in text.split(|byte| *byte == b',') {
        let entry = entry.trim_ascii();
        // An empty one is allowed, and nothing.
        if entry.is_empty() {
            continue;
        }
        let Some(equals) = entry.iter().position(|byte| *byte == b'=') else {
            return false;
        };
        let (key, value) = (&entry[..equals], &entry[equals + 1..]);
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return false;
        }
        keys.push(key);
        if keys.len() > MAX_ENTRIES {
            return false;
        }
    }
    !keys.is_empty()
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &[u8]) -> bool {
    let is_rest = |rest: &[u8]| {
        rest.iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => {
            key.len() <= 256
                && matches!(key.first(), Some(b'a'..=b'z' | b'0'..=b'9'))
                && is_rest(key)
        }
        Some(at) => {
            let (tenant, vendor) = (&key[..at], &key[at + 1..]);
            tenant.len() <= 241
                && matches!(tenant.first(), Some(b'a'..=b'z' | b'0'..=b'9'))
                && is_rest(tenant)
                && vendor.len() <= 14
                && matches!(vendor.first(), Some(b'a'..=b'z'))
                && is_rest(vendor)
        }
    }
}

/// Up to 256 printable characters, without `,` and `=`.
fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len())
        && value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}
