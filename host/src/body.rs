//! Puts a body together from its pieces, within a limit.

use bytes::{Bytes, BytesMut};

/// The body is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The pieces so far. Most bodies come in one, which is then passed on as it
/// is, without a copy.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    limit: usize,
    first: Bytes,
    /// All of them, the first included, where there is more than one.
    joined: BytesMut,
}

impl Pieces {
    /// No pieces, and room for `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    /// Adds a piece, or says that it is one too many.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), TooLarge> {
        // The length never exceeds the limit, so this cannot wrap.
        if piece.len() > self.limit - self.len() {
            return Err(TooLarge);
        }
        if self.len() == 0 {
            self.first = piece;
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// The body.
    pub(crate) fn join(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(limit: usize, pieces: &[&'static str]) -> Result<Bytes, TooLarge> {
        let mut all = Pieces::new(limit);
        for piece in pieces {
            all.push(Bytes::from_static(piece.as_bytes()))?;
        }
        assert_eq!(all.len(), pieces.concat().len());
        Ok(all.join())
    }

    #[test]
    fn pieces_are_joined_in_order() {
        assert_eq!(join(9, &[]).as_deref(), Ok(&b""[..]));
        assert_eq!(
            join(9, &["", "a", "", "bc", "d"]).as_deref(),
            Ok(&b"abcd"[..])
        );
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let piece = Bytes::from_static(b"whole");
        let mut all = Pieces::new(5);
        all.push(piece.clone()).expect("it fits");
        assert_eq!(all.join().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn the_limit_is_exact() {
        assert!(join(4, &["ab", "cd"]).is_ok());
        assert_eq!(join(4, &["ab", "cde"]), Err(TooLarge));
        assert_eq!(join(0, &["a"]), Err(TooLarge));
    }
}
