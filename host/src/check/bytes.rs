//! Comparing much memory: in pieces, since most of them are equal.
#![forbid(unsafe_code)]

use std::ops::Range;

/// Bytes that are compared at once. A multiple of a word.
pub(super) const PIECE: usize = 4096;

static ZEROS: [u8; PIECE] = [0; PIECE];

/// Calls `differs` with every piece of `part` that is not the same in `then` and
/// `now`: where it begins, and its bytes then and now. What memory did not have
/// yet counts as zero.
///
/// No piece lies across a multiple of [`PIECE`].
pub(super) fn differences(
    then: &[u8],
    now: &[u8],
    part: Range<usize>,
    mut differs: impl FnMut(usize, &[u8], &[u8]),
) {
    let part = part.start..part.end.min(now.len());
    let mut at = part.start;
    while at < part.end {
        let mut end = part.end.min((at / PIECE + 1) * PIECE);
        let before = match then.get(at..) {
            None | Some([]) => &ZEROS[..end - at],
            Some(rest) => {
                end = end.min(at + rest.len());
                &rest[..end - at]
            }
        };
        let after = &now[at..end];
        if before != after {
            differs(at, before, after);
        }
        at = end;
    }
}

/// Where the first byte is that is not zero.
pub(super) fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    let pieces = bytes.chunks(PIECE).enumerate();
    let mut nonzero = pieces.filter(|(_, piece)| **piece != ZEROS[..piece.len()]);
    let (number, piece) = nonzero.next()?;
    let within = piece.iter().position(|&byte| byte != 0)?;
    Some(number * PIECE + within)
}

/// Where the last byte is that is not zero.
pub(super) fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    for piece in bytes.rchunks(PIECE) {
        let start = end - piece.len();
        if *piece != ZEROS[..piece.len()] {
            let within = piece.iter().rposition(|&byte| byte != 0)?;
            return Some(start + within);
        }
        end = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(then: &[u8], now: &[u8], part: Range<usize>) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        differences(then, now, part, |at, before, after| {
            assert_eq!(before.len(), after.len());
            for (i, (before, after)) in before.iter().zip(after).enumerate() {
                if before != after {
                    found.push((at + i, usize::from(*after)));
                }
            }
        });
        found
    }

    #[test]
    fn every_byte_that_differs_is_found_and_no_other() {
        let then = vec![7; 3 * PIECE];
        let mut now = then.clone();
        for at in [0, 1, PIECE - 1, PIECE, 2 * PIECE + 5, 3 * PIECE - 1] {
            now[at] = 9;
        }
        let all: Vec<_> = found(&then, &now, 0..now.len());
        assert_eq!(all.len(), 6);
        let expected = [(PIECE - 1, 9), (PIECE, 9)];
        assert_eq!(found(&then, &now, 4..PIECE + 1), expected);
    }

    #[test]
    fn what_was_not_there_was_zero() {
        let then = [1; 10];
        let mut now = vec![0; 2 * PIECE];
        now[..10].fill(1);
        assert_eq!(found(&then, &now, 0..now.len()), []);
        now[10] = 5;
        now[2 * PIECE - 1] = 6;
        assert_eq!(
            found(&then, &now, 0..now.len()),
            [(10, 5), (2 * PIECE - 1, 6)]
        );
        // Nor is anything behind the end.
        assert_eq!(found(&then, &now, 0..3 * PIECE).len(), 2);
        assert_eq!(found(&[], &[0, 3], 0..2), [(1, 3)]);
    }

    #[test]
    fn the_first_and_the_last_byte_that_are_not_zero() {
        let mut bytes = vec![0; 2 * PIECE + 9];
        assert_eq!((first_nonzero(&bytes), last_nonzero(&bytes)), (None, None));
        for at in [0, 1, PIECE - 1, PIECE, 2 * PIECE + 8] {
            bytes.fill(0);
            bytes[at] = 1;
            let at = Some(at);
            assert_eq!((first_nonzero(&bytes), last_nonzero(&bytes)), (at, at));
        }
        bytes[3] = 1;
        assert_eq!(first_nonzero(&bytes), Some(3));
        assert_eq!(last_nonzero(&bytes), Some(2 * PIECE + 8));
        assert_eq!((first_nonzero(&[]), last_nonzero(&[])), (None, None));
    }
}
