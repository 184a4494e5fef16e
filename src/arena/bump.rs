//! Pure address arithmetic: where an allocation goes, and whether it fits.
//!
//! Imports only `core`, works on `usize`, and holds no pointer, so that every
//! claim about overflow can be read, fuzzed and model-checked by itself.
#![forbid(unsafe_code)]

/// Alignment that every allocation has at least, and the step of the cursor.
pub const MIN_ALIGN: usize = 8;

/// Size of a WebAssembly page, which is the unit that pages come in.
pub const PAGE: usize = 64 * 1024;

/// The addresses of one allocation: `start..end`, `end` a multiple of
/// [`MIN_ALIGN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub start: usize,
    pub end: usize,
}

/// The largest limit there is, for asking where something ends.
pub const NO_LIMIT: usize = usize::MAX - (MIN_ALIGN - 1);

/// Rounds `value` up to a multiple of `to`, a power of two. `None` where the
/// result does not fit: the original wrapped around to a tiny size here.
#[inline(always)]
pub const fn round_up(value: usize, to: usize) -> Option<usize> {
    let mask = to - 1;
    match value.checked_add(mask) {
        Some(sum) => Some(sum & !mask),
        None => None,
    }
}

/// Places `size` bytes at a multiple of `align` within `cursor..limit`.
///
/// `cursor` and `limit` are multiples of [`MIN_ALIGN`], `cursor` is at most
/// `limit`, and `align` is a power of two.
#[inline(always)]
pub const fn place(cursor: usize, limit: usize, size: usize, align: usize) -> Option<Placed> {
    // Where `align` is a constant the compiler drops this branch: an alignment
    // that the cursor has anyway costs nothing.
    let start = if align <= MIN_ALIGN {
        cursor
    } else {
        match round_up(cursor, align) {
            Some(start) if start <= limit => start,
            _ => return None,
        }
    };
    // Cannot wrap, since `start <= limit`; `start + size` could. What lies between
    // the two is a multiple of the alignment, so a size that fits there fits
    // there rounded up as well, and the sum below does not wrap either.
    if size > limit - start {
        return None;
    }
    let size = (size + (MIN_ALIGN - 1)) & !(MIN_ALIGN - 1);
    Some(Placed {
        start,
        end: start + size,
    })
}

/// Bytes that surely hold `size` bytes at a multiple of `align`, from any
/// multiple of [`MIN_ALIGN`].
#[inline]
pub const fn worst_case(size: usize, align: usize) -> Option<usize> {
    let Some(size) = round_up(size, MIN_ALIGN) else {
        return None;
    };
    // From a multiple of `MIN_ALIGN` the next multiple of a larger power of
    // two is at most `align - MIN_ALIGN` away.
    size.checked_add(align.saturating_sub(MIN_ALIGN))
}

/// Bytes of the whole pages that hold `bytes`.
#[inline]
pub const fn whole_pages(bytes: usize) -> Option<usize> {
    round_up(bytes, PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_near_the_end_of_the_address_space_fails_instead_of_wrapping() {
        assert_eq!(round_up(usize::MAX - 3, 8), None);
        assert_eq!(round_up(usize::MAX - 7, 8), Some(usize::MAX - 7));
        assert_eq!(whole_pages(usize::MAX), None);
        assert_eq!(worst_case(usize::MAX - 8, 64), None);
    }

    #[test]
    fn an_allocation_fits_to_the_last_byte_and_not_one_further() {
        assert_eq!(
            place(64, 128, 64, 8),
            Some(Placed {
                start: 64,
                end: 128
            })
        );
        assert_eq!(place(64, 128, 65, 8), None);
        assert_eq!(
            place(128, 128, 0, 8),
            Some(Placed {
                start: 128,
                end: 128
            })
        );
        assert_eq!(place(128, 128, 1, 8), None);
    }

    #[test]
    fn a_size_that_would_wrap_past_the_limit_is_refused() {
        let high = usize::MAX - 2 * PAGE + 1;
        assert_eq!(place(high, high + PAGE, usize::MAX - 7, 8), None);
        assert_eq!(place(high, high + PAGE, 8, 1 << (usize::BITS - 1)), None);
    }

    #[test]
    fn every_small_case_agrees_with_a_search() {
        // Miri would take an hour, and there is no pointer here to look at.
        let largest = if cfg!(miri) { 16 } else { 72_usize };
        for cursor in (0..largest).step_by(MIN_ALIGN) {
            for limit in (cursor..largest).step_by(MIN_ALIGN) {
                for size in 0..largest {
                    for shift in 0..6 {
                        let align = 1 << shift;
                        let found = (cursor..=limit).find(|&at| {
                            let len = size.div_ceil(MIN_ALIGN) * MIN_ALIGN;
                            at % align == 0 && at % MIN_ALIGN == 0 && at + len <= limit
                        });
                        let placed = place(cursor, limit, size, align);
                        assert_eq!(placed.map(|p| p.start), found);
                        if let Some(p) = placed {
                            assert!(p.end - p.start >= size && p.end % MIN_ALIGN == 0);
                            assert!(p.end - cursor <= worst_case(size, align).unwrap());
                        }
                    }
                }
            }
        }
    }
}
