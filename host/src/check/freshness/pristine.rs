//! What the memories of a new instance are like, and what of another one is not
//! like that.

use std::fmt;
use std::iter::zip;

use memchr::memmem::Finder;

use crate::check::audit::Place;

/// Bytes that are compared at once before it is asked which of them differ. This
/// is what makes it fast: megabytes are compared a hundred times.
const CHUNK: usize = 4096;

/// The memories of an instance that was not called yet, in a slot that nobody
/// had before.
pub(super) struct Pristine(Vec<Vec<u8>>);

impl Pristine {
    pub(super) fn new(memories: &[&[u8]]) -> Self {
        Self(memories.iter().map(|memory| memory.to_vec()).collect())
    }

    /// Bytes of all memories together.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Compares the memories of a new instance, all of them and all of each.
    /// `run` is what all markers begin with.
    pub(super) fn compare(&self, memories: &[&[u8]], run: &Finder<'_>) -> Result<(), Difference> {
        self.sizes(memories)?;
        for (memory, seen) in memories.iter().enumerate() {
            if let Some(offset) = run.find(seen) {
                return Err(Difference::Marker(Place { memory, offset }));
            }
        }
        for (memory, (pristine, seen)) in zip(&self.0, memories).enumerate() {
            if let Some(offset) = difference(pristine, seen) {
                return Err(Difference::Byte {
                    at: Place { memory, offset },
                    was: pristine[offset],
                    is: seen[offset],
                });
            }
        }
        Ok(())
    }

    /// Looks at what the memories were grown by: it has to be zero.
    pub(super) fn compare_grown(&self, memories: &[&[u8]]) -> Result<(), Difference> {
        for (memory, (pristine, seen)) in zip(&self.0, memories).enumerate() {
            let len = pristine.len();
            let grown = seen.get(len..).unwrap_or_default();
            if let Some(offset) = not_zero(grown) {
                let at = Place {
                    memory,
                    offset: len + offset,
                };
                let is = grown[offset];
                return Err(Difference::Byte { at, was: 0, is });
            }
        }
        Ok(())
    }

    fn sizes(&self, memories: &[&[u8]]) -> Result<(), Difference> {
        let was: Vec<_> = self.0.iter().map(Vec::len).collect();
        let is: Vec<_> = memories.iter().map(|seen| seen.len()).collect();
        if was == is {
            Ok(())
        } else {
            Err(Difference::Sizes { was, is })
        }
    }
}

/// The first offset at which two memories of the same size differ.
fn difference(was: &[u8], is: &[u8]) -> Option<usize> {
    let mut chunks = zip(was.chunks(CHUNK), is.chunks(CHUNK));
    let chunk = chunks.position(|(was, is)| was != is)? * CHUNK;
    let byte = zip(&was[chunk..], &is[chunk..]).position(|(was, is)| was != is)?;
    Some(chunk + byte)
}

/// The first offset at which something is not zero.
fn not_zero(bytes: &[u8]) -> Option<usize> {
    let mut chunks = bytes.chunks(CHUNK);
    let chunk = chunks.position(|chunk| *chunk != [0; CHUNK][..chunk.len()])? * CHUNK;
    let byte = bytes[chunk..].iter().position(|byte| *byte != 0)?;
    Some(chunk + byte)
}

/// The first thing that is not as in a slot that nobody had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// Bytes of each memory.
    Sizes { was: Vec<usize>, is: Vec<usize> },
    /// A marker of an earlier request.
    Marker(Place),
    /// A byte of something else.
    Byte { at: Place, was: u8, is: u8 },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sizes { was, is } => {
                write!(f, "its memories had {is:?} bytes in place of {was:?}")
            }
            Self::Marker(at) => write!(f, "the marker of an earlier request was at {at}"),
            Self::Byte { at, was, is } => {
                write!(f, "the byte at {at} was 0x{is:02x} in place of 0x{was:02x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &[u8] = b"k3vw90ab";

    fn image() -> Vec<u8> {
        (0..3 * CHUNK + 100).map(|i| (i % 251) as u8).collect()
    }

    fn place(memory: usize, offset: usize) -> Place {
        Place { memory, offset }
    }

    #[test]
    fn an_equal_image_is_no_difference() {
        let image = image();
        let pristine = Pristine::new(&[&image, &[0; 100]]);
        assert_eq!(pristine.len(), image.len() + 100);
        let seen = pristine.compare(&[&image, &[0; 100]], &Finder::new(RUN));
        assert_eq!(seen, Ok(()));
    }

    #[test]
    fn one_byte_anywhere_is_a_difference() {
        let image = image();
        let pristine = Pristine::new(&[&[], &image]);
        for offset in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 7, image.len() - 1] {
            let mut other = image.clone();
            other[offset] ^= 0x80;
            let difference = Difference::Byte {
                at: place(1, offset),
                was: image[offset],
                is: other[offset],
            };
            let seen = pristine.compare(&[&[], &other], &Finder::new(RUN));
            assert_eq!(seen, Err(difference));
        }
    }

    #[test]
    fn a_marker_in_an_area_of_zeros_is_a_difference() {
        let zeros = vec![0; 2 * CHUNK];
        let pristine = Pristine::new(&[&zeros]);
        let mut other = zeros.clone();
        // Across the boundary of two pages.
        other[CHUNK - 3..][..RUN.len()].copy_from_slice(RUN);
        let seen = pristine.compare(&[&other], &Finder::new(RUN));
        assert_eq!(seen, Err(Difference::Marker(place(0, CHUNK - 3))));
    }

    #[test]
    fn a_memory_more_or_less_or_larger_or_smaller_is_a_difference() {
        let pristine = Pristine::new(&[&[0; 64]]);
        for memories in [&[][..], &[&[0; 65][..]], &[&[0; 63]], &[&[0; 64], &[]]] {
            let seen = pristine.compare(memories, &Finder::new(RUN));
            assert!(
                matches!(seen, Err(Difference::Sizes { .. })),
                "{memories:?}"
            );
        }
    }

    #[test]
    fn what_memory_grows_into_has_to_be_zero() {
        let pristine = Pristine::new(&[&[9; 64], &[9; 64]]);
        let mut grown = vec![0; 3 * CHUNK];
        grown[..64].fill(9);
        assert_eq!(pristine.compare_grown(&[&[9; 64], &grown]), Ok(()));
        for offset in [3 * CHUNK - 1, 2 * CHUNK, 64] {
            grown[offset] = 5;
            let seen = pristine.compare_grown(&[&[9; 64], &grown]);
            let at = place(1, offset);
            assert_eq!(seen, Err(Difference::Byte { at, was: 0, is: 5 }));
        }
    }
}
