//! Parts of a linear memory, as a guest names them.
#![forbid(unsafe_code)]

use std::ops::Range;

use crate::bindings::invocation::exports::lavandula::arena::invocation::Region;

/// Addresses of one linear memory.
pub(super) type Span = Range<usize>;

/// What the guest says, as addresses. It may be any nonsense: a region may lie
/// behind the end of memory, or across another.
pub(super) fn spans(named: &[Region]) -> Vec<Span> {
    let span = |region: &Region| {
        let at = region.at as usize;
        at..at + region.len as usize
    };
    named.iter().map(span).collect()
}

/// Parts of one linear memory: in order, apart from each other, none of them
/// empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Regions(Vec<Span>);

impl FromIterator<Span> for Regions {
    /// What lies in any of the spans.
    fn from_iter<T: IntoIterator<Item = Span>>(spans: T) -> Self {
        let mut spans: Vec<_> = spans.into_iter().filter(|span| !span.is_empty()).collect();
        spans.sort_by_key(|span| span.start);
        let mut joined: Vec<Span> = Vec::new();
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
        }
        Self(joined)
    }
}

impl Regions {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Span> {
        self.0.iter().cloned()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Span::len).sum()
    }

    /// Address behind the last byte.
    pub(super) fn end(&self) -> usize {
        self.0.last().map_or(0, |span| span.end)
    }

    /// Whether it lies in any of them.
    pub(super) fn contains(&self, address: usize) -> bool {
        let behind = self.0.partition_point(|span| span.start <= address);
        let before = self.0[..behind].last();
        before.is_some_and(|span| span.contains(&address))
    }

    /// Whether a part of `span` lies in any of them.
    pub(super) fn meets(&self, span: &Span) -> bool {
        let before = self.0.partition_point(|region| region.end <= span.start);
        let next = self.0[before..].first();
        !span.is_empty() && next.is_some_and(|region| region.start < span.end)
    }

    /// What lies in either of them.
    pub(super) fn or(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The first address that lies in both.
    pub(super) fn overlap(&self, other: &Self) -> Option<usize> {
        let (mut ours, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        while let ([our, our_rest @ ..], [their, their_rest @ ..]) = (ours, theirs) {
            let start = our.start.max(their.start);
            if start < our.end.min(their.end) {
                return Some(start);
            }
            // The one that ends first overlaps with nothing further up either.
            if our.end <= their.end {
                ours = our_rest;
            } else {
                theirs = their_rest;
            }
        }
        None
    }

    /// The parts of `whole` that lie in none of them, in order.
    pub(super) fn gaps(&self, whole: Span) -> Vec<Span> {
        let mut gaps = Vec::new();
        let mut at = whole.start;
        for span in &self.0 {
            if span.end <= at {
                continue;
            }
            if span.start >= whole.end {
                break;
            }
            if span.start > at {
                gaps.push(at..span.start);
            }
            at = span.end;
        }
        if at < whole.end {
            gaps.push(at..whole.end);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(spans: &[(usize, usize)]) -> Regions {
        spans.iter().map(|&(start, end)| start..end).collect()
    }

    #[test]
    fn overlapping_and_touching_spans_are_one() {
        let joined = regions(&[(8, 12), (0, 4), (4, 6), (10, 11), (20, 20), (11, 15)]);
        assert_eq!(joined, regions(&[(0, 6), (8, 15)]));
        assert_eq!((joined.bytes(), joined.end()), (13, 15));
        assert!(regions(&[(3, 3)]).is_empty());
        assert_eq!(
            regions(&[(0, 2)]).or(&regions(&[(1, 5)])),
            regions(&[(0, 5)])
        );
    }

    #[test]
    fn every_address_is_in_a_gap_or_in_a_region() {
        let regions = regions(&[(0, 3), (5, 9), (12, 20), (30, 31)]);
        for start in 0..35 {
            for end in start..35 {
                let gaps = regions.gaps(start..end);
                let meets = (start..end).any(|at| regions.contains(at));
                assert_eq!(regions.meets(&(start..end)), meets, "{start}..{end}");
                for at in start..end {
                    let in_gaps = gaps.iter().filter(|gap| gap.contains(&at)).count();
                    let in_regions = regions.iter().filter(|span| span.contains(&at)).count();
                    assert_eq!(in_gaps + in_regions, 1, "{at} of {start}..{end}");
                }
                let within = |gap: &Span| gap.start >= start && gap.end <= end;
                assert!(gaps.iter().all(within));
            }
        }
    }

    #[test]
    fn an_overlap_is_where_it_begins() {
        let some = regions(&[(4, 8), (20, 24)]);
        assert_eq!(some.overlap(&regions(&[(0, 4), (8, 20), (24, 30)])), None);
        assert_eq!(some.overlap(&regions(&[(23, 50), (0, 2)])), Some(23));
        assert_eq!(some.overlap(&regions(&[(0, 50)])), Some(4));
    }

    #[test]
    fn an_overlap_of_many_with_many_is_found_at_once() {
        let every_other = |first: usize| (0..1_000_000).map(move |i| first + 4 * i);
        let span = |start: usize| start..start + 2;
        let some: Regions = every_other(0).map(span).collect();
        let apart: Regions = every_other(2).map(span).collect();
        assert_eq!((some.overlap(&apart), apart.overlap(&some)), (None, None));
        let last = 4 * 999_999 + 1;
        let meets = apart.or(&regions(&[(last, last + 1)]));
        assert_eq!(some.overlap(&meets), Some(last));
    }

    #[test]
    fn what_a_guest_names_may_end_anywhere() {
        let top = Region {
            at: u32::MAX,
            len: u32::MAX,
        };
        assert_eq!(spans(&[top]).first(), Some(&(0xffff_ffff..0x1_ffff_fffe)));
    }
}
