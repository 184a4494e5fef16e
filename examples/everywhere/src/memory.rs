//! What this instance can see of its own memory.

/// A marker is this, and sixteen hex digits.
const PREFIX: &[u8] = b"mark-";
const DIGITS: usize = 16;
const LEN: usize = PREFIX.len() + DIGITS;

/// Whether it is a marker.
pub(crate) fn is_marker(text: &str) -> bool {
    let digits = text.as_bytes().strip_prefix(PREFIX);
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// How many markers lie in all of linear memory, besides `own`.
pub(crate) fn others(own: &str) -> usize {
    count(own.as_bytes(), size(), byte_at)
}

/// How many markers but `own` there are in `size` bytes.
fn count(own: &[u8], size: usize, byte_at: impl Fn(usize) -> u8) -> usize {
    let mut found = 0;
    // Nothing lies at address 0.
    for start in 1..size.saturating_sub(LEN - 1) {
        let is = |at: usize, byte: u8| byte_at(start + at) == byte;
        let begins = PREFIX.iter().enumerate().all(|(at, &byte)| is(at, byte));
        if begins
            && (PREFIX.len()..LEN).all(|at| byte_at(start + at).is_ascii_hexdigit())
            && !own.iter().enumerate().all(|(at, &byte)| is(at, byte))
        {
            found += 1;
        }
    }
    found
}

/// Bytes of linear memory.
#[cfg(target_family = "wasm")]
pub(crate) fn size() -> usize {
    core::arch::wasm32::memory_size(0) << 16
}

/// There is none.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn size() -> usize {
    0
}

#[cfg(target_family = "wasm")]
fn byte_at(at: usize) -> u8 {
    // SAFETY: it lies in linear memory, all of which is readable, and this instance has
    // one thread. That it may be nobody's, or not initialised, means nothing to
    // WebAssembly, and that it is volatile keeps the compiler from concluding anything.
    unsafe { core::ptr::with_exposed_provenance::<u8>(at).read_volatile() }
}

#[cfg(not(target_family = "wasm"))]
fn byte_at(_: usize) -> u8 {
    0
}

/// Ends the instance, as a panic does where panics abort.
#[cfg(target_family = "wasm")]
pub(crate) fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Where there is no instance that could end.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn trap() -> ! {
    panic!("asked for by the request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_markers_of_others_are_counted() {
        let own = b"mark-0123456789abcdef";
        let text =
            b" mark-0123456789abcdef mark-0123456789abcdee mark-012345678 mark-fedcba9876543210";
        assert_eq!(count(own, text.len(), |at| text[at]), 2);
        assert_eq!(count(own, 0, |_| unreachable!("nothing to read")), 0);
    }
}
