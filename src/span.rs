//! Ranges of addresses, and what is left of one without others.
#![forbid(unsafe_code)]

/// Addresses from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Where a static lies.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn of_static<T>(place: &'static T) -> Self {
        let start = (&raw const *place).expose_provenance();
        Self::new(start, start + size_of::<T>())
    }

    pub(crate) const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// A few spans, none of them empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans<const MOST: usize> {
    spans: [Span; MOST],
    len: usize,
}

impl<const MOST: usize> Spans<MOST> {
    pub(crate) const fn new() -> Self {
        Self {
            spans: [Span::EMPTY; MOST],
            len: 0,
        }
    }

    /// Adds a span, if it is not empty. `None` where there is no room for it.
    pub(crate) fn insert(&mut self, span: Span) -> Option<()> {
        if span.len() > 0 {
            *self.spans.get_mut(self.len)? = span;
            self.len += 1;
        }
        Some(())
    }

    /// The spans in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> + Clone {
        self.spans.iter().take(self.len).copied()
    }
}

/// Calls `gap` with each part of `whole` that lies in none of `excluded`, in
/// order.
pub(crate) fn gaps(
    whole: Span,
    excluded: impl Iterator<Item = Span> + Clone,
    mut gap: impl FnMut(Span),
) {
    let mut at = whole.start;
    while at < whole.end {
        // Of those that end behind here, the one that begins first.
        let next = excluded
            .clone()
            .filter(|span| span.len() > 0 && span.end > at)
            .min_by_key(|span| span.start);
        let start = next.map_or(whole.end, |span| span.start.min(whole.end));
        if start > at {
            gap(Span::new(at, start));
        }
        at = next.map_or(whole.end, |span| span.end);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn found(whole: (usize, usize), excluded: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let excluded = excluded.iter().map(|&(start, end)| Span::new(start, end));
        let mut all = Vec::new();
        gaps(Span::new(whole.0, whole.1), excluded, |gap| {
            all.push((gap.start, gap.end))
        });
        all
    }

    #[test]
    fn gaps_are_what_no_exclusion_covers() {
        assert_eq!(found((0, 10), &[]), [(0, 10)]);
        assert_eq!(found((0, 10), &[(2, 4), (7, 8)]), [(0, 2), (4, 7), (8, 10)]);
        assert_eq!(found((0, 10), &[(7, 8), (2, 4)]), [(0, 2), (4, 7), (8, 10)]);
        assert_eq!(found((5, 10), &[(0, 6), (9, 20)]), [(6, 9)]);
        assert_eq!(found((5, 10), &[(0, 20)]), []);
        assert_eq!(
            found((5, 10), &[(0, 5), (10, 12), (0, 0), (7, 7)]),
            [(5, 10)]
        );
        assert_eq!(found((0, 10), &[(2, 6), (4, 8)]), [(0, 2), (8, 10)]);
        assert_eq!(found((0, 10), &[(2, 8), (4, 6)]), [(0, 2), (8, 10)]);
        assert_eq!(found((4, 4), &[]), []);
    }

    #[test]
    fn a_few_spans_are_as_many_as_there_is_room_for_and_none_is_empty() {
        let mut spans = Spans::<2>::new();
        assert_eq!(spans.insert(Span::EMPTY), Some(()));
        assert_eq!(spans.insert(Span::new(5, 7)), Some(()));
        assert_eq!(spans.insert(Span::new(9, 9)), Some(()));
        assert_eq!(spans.insert(Span::new(1, 2)), Some(()));
        assert_eq!(spans.insert(Span::new(3, 4)), None);
        assert_eq!(spans.insert(Span::EMPTY), Some(()));
        let all: Vec<_> = spans.iter().collect();
        assert_eq!(all, [Span::new(5, 7), Span::new(1, 2)]);
    }

    #[test]
    fn every_byte_is_in_a_gap_or_excluded_and_never_both() {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % below) as usize
        };
        for _ in 0..500 {
            let excluded: Vec<_> = (0..random(6))
                .map(|_| {
                    let start = random(40);
                    (start, start + random(12))
                })
                .collect();
            let gaps = found((5, 45), &excluded);
            for at in 5..45 {
                let within = |spans: &[(usize, usize)]| {
                    spans
                        .iter()
                        .filter(|(start, end)| (*start..*end).contains(&at))
                        .count()
                };
                assert_eq!(
                    within(&gaps) == 1,
                    within(&excluded) == 0,
                    "{at} of {excluded:?}"
                );
            }
        }
    }
}
