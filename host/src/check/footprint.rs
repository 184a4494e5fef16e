//! Evidence **footprint**: the pages that requests write are used again.
//!
//! What matters is the union over requests. One that is served from memory that was
//! used before adds nothing to it, so it comes to a plateau; an arena that is not
//! taken back, or a cache without a bound, marches on. It does so also where neither
//! memory grows (there may be much of it from the start) nor anything of a request is
//! left.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::evidence::{Blame, Finding, NOTHING_COMPARED, Request, middle};
use super::names::Names;
use super::pages::{PAGE, Page};
use super::report::{Evidence, Kind};

/// New pages in the second half of the run that are no march yet. A leak of a few
/// bytes reaches another page sooner or later, and that one is for `addresses`.
const ALLOWED: usize = 2;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// The machine's pages.
    Page,
    /// WebAssembly's. Where requests overlap, which of them gets which block of the pool
    /// is different each time, and so is how much of the block is used; but no other
    /// block is.
    WasmPage,
}

impl Grain {
    /// In pages of the machine.
    fn pages(self) -> usize {
        match self {
            Self::Page => 1,
            Self::WasmPage => 64 * 1024 / PAGE,
        }
    }

    fn of(self, page: Page) -> Page {
        let number = page.number / self.pages() * self.pages();
        Page { number, ..page }
    }
}

/// Hears which pages requests write, after the warm-up.
pub(super) struct Footprint {
    finding: Finding,
    grain: Grain,
    /// The first request of the second half.
    half: u32,
    all: BTreeSet<Page>,
    /// Those that came in the second half, and how many requests they came with.
    late: BTreeSet<Page>,
    late_requests: u32,
    largest: usize,
}

impl Footprint {
    /// Of a run of which the requests from `warm_up` to `last` are compared.
    pub(super) fn new(warm_up: u32, last: u32, grain: Grain) -> Self {
        Self {
            finding: Finding::default(),
            grain,
            half: middle(warm_up, last),
            all: BTreeSet::new(),
            late: BTreeSet::new(),
            late_requests: 0,
            largest: 0,
        }
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, written: &[Page]) {
        let written: BTreeSet<Page> = written.iter().map(|&page| self.grain.of(page)).collect();
        self.largest = self.largest.max(written.len());
        let mut new = written.iter().filter(|page| !self.all.contains(*page));
        let first = new.next().copied();
        let more: Vec<Page> = new.copied().collect();
        let Some(first) = first else { return };
        self.all.insert(first);
        self.all.extend(&more);
        if request.number <= self.half {
            return;
        }
        self.late_requests += 1;
        self.late.insert(first);
        self.late.extend(&more);
        if self.late.len() > ALLOWED && self.late_requests as usize > ALLOWED {
            self.finding.note(|| {
                let place = first.place();
                let detail = format!(
                    "{request} wrote a page at {place} that no request before it had written, and \
                     so did others in the second half of the run: what requests use is not used \
                     again, it marches on"
                );
                let blame = Blame::default().at(Some(place));
                (detail, blame.by(Some(request.number), request.number))
            });
        }
    }

    /// Pages of the machine that any request wrote.
    pub(super) fn of_all(&self) -> usize {
        self.all.len() * self.grain.pages()
    }

    /// Pages of the machine that the request wrote that wrote the most.
    pub(super) fn largest(&self) -> usize {
        self.largest * self.grain.pages()
    }

    pub(super) fn conclude(mut self, names: &dyn Names, compared: u32) -> Evidence {
        let Self {
            all,
            late,
            largest,
            grain,
            ..
        } = self;
        let most = match grain {
            Grain::Page => "the one with the most wrote",
            Grain::WasmPage => "those that overlapped and wrote the most wrote",
        };
        self.finding.add(&format!(
            "; {} pages in the first half, {} more in the second",
            all.len() - late.len(),
            late.len()
        ));
        self.finding.evidence(Kind::Footprint, names, || {
            if compared == 0 {
                return NOTHING_COMPARED.to_owned();
            }
            let late = match late.len() {
                0 => "none".to_owned(),
                n => n.to_string(),
            };
            format!(
                "{compared} requests wrote {} pages of {} KiB, {late} of them for the first time \
                 in the second half; {most} {largest}",
                all.len(),
                grain.pages() * PAGE / 1024
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(requests: impl Iterator<Item = Vec<usize>>, last: u32) -> Evidence {
        let mut footprint = Footprint::new(0, last, Grain::Page);
        for (number, pages) in (1..).zip(requests) {
            let page = |&number: &usize| Page { memory: 0, number };
            let written: Vec<_> = pages.iter().map(page).collect();
            let shape = "GET / with 0 bytes";
            footprint.hear(&Request { number, shape }, &written);
        }
        footprint.conclude(&None, last)
    }

    #[test]
    fn pages_that_are_written_again_come_to_a_plateau() {
        // Of different sizes, and lazily: the last new one in the middle.
        let evidence = run((0..20).map(|n| (0..n.min(9)).collect()), 20);
        assert!(evidence.holds, "{evidence:?}");
        assert_eq!(
            evidence.detail,
            "20 requests wrote 9 pages of 4 KiB, none of them for the first time in the second \
             half; the one with the most wrote 9"
        );
    }

    #[test]
    fn pages_that_march_on_break_it() {
        let evidence = run((0..20).map(|n| vec![0, 16 + n]), 20);
        assert!(!evidence.holds);
        assert!(
            evidence
                .detail
                .starts_with("request 13 (GET / with 0 bytes) wrote a page at 0x1c000")
                && evidence
                    .detail
                    .ends_with("; 11 pages in the first half, 10 more in the second"),
            "{evidence:?}"
        );
        let culprit = evidence.culprit.expect("a culprit");
        assert_eq!(culprit.written_by, Some(13));
    }

    #[test]
    fn a_page_or_two_are_no_march() {
        let evidence = run((0..20).map(|n| vec![n / 14]), 20);
        assert!(evidence.holds, "{evidence:?}");
        // All at once, by one request: that is a plateau again.
        let evidence = run(
            (0..20).map(|n| if n < 15 { vec![0] } else { vec![1, 2, 3, 4] }),
            20,
        );
        assert!(evidence.holds, "{evidence:?}");
    }
}
