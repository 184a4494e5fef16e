//! Which pages of memory a request wrote, and which are not as before when it is
//! over.
//!
//! The audit keeps a copy of all memory as it was before the request. After the call
//! whatever differs from it was written, and after the rewind whatever still does was
//! left. (A byte that is overwritten with what it was is not seen, and nothing is
//! lost by that.)
#![forbid(unsafe_code)]

use super::audit::{Place, Snapshot};
use super::bytes::{PIECE, differences};

/// Bytes of a page: what the machine's memory is made of, not WebAssembly's. And what
/// is compared at once, so that a difference lies in one page.
pub(super) const PAGE: usize = PIECE;

/// A page of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Page {
    pub(super) memory: usize,
    pub(super) number: usize,
}

impl Page {
    /// Where it begins.
    pub(super) fn place(self) -> Place {
        Place {
            memory: self.memory,
            offset: self.number * PAGE,
        }
    }

    /// The one in which this lies.
    pub(super) fn of(place: Place) -> Self {
        Self {
            memory: place.memory,
            number: place.offset / PAGE,
        }
    }
}

/// What a request did to memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traces {
    /// Pages that it wrote, in order.
    pub(super) written: Vec<Page>,
    /// Pages that were not as before it when it was over, in order.
    pub(super) left: Vec<Page>,
    /// The first byte of these.
    pub(super) first_left: Option<Place>,
    /// How many bytes of them differ.
    pub(super) bytes_left: u64,
    /// Bytes of each memory when it was over.
    pub(super) lengths: Vec<usize>,
}

/// All memory as it was before a request, and which pages had anything in them.
#[derive(Default)]
pub(super) struct Before {
    copy: Snapshot,
    filled: Vec<Vec<bool>>,
}

impl Before {
    /// Memory as it is now.
    pub(super) fn new(memories: &[&[u8]]) -> Self {
        let mut before = Self::default();
        before.take(memories, |_| false, |_| {});
        before
    }

    /// The pages that are not as they were.
    pub(super) fn written(&self, memories: &[&[u8]]) -> Vec<Page> {
        let mut written = Vec::new();
        for (memory, now) in memories.iter().enumerate() {
            differences(self.copy.memory(memory), now, 0..now.len(), |at, _, _| {
                let number = at / PAGE;
                let page = Page { memory, number };
                // A piece ends where the older memory did.
                if written.last() != Some(&page) {
                    written.push(page);
                }
            });
        }
        written
    }

    /// What is left, with which the next request begins, but for what the guest keeps
    /// for itself.
    pub(super) fn left(
        &mut self,
        written: Vec<Page>,
        memories: &[&[u8]],
        kept: impl Fn(Place) -> bool,
    ) -> Traces {
        let mut traces = Traces {
            written,
            lengths: memories.iter().map(|bytes| bytes.len()).collect(),
            ..Traces::default()
        };
        self.take(memories, kept, |difference| {
            let Difference { page, first, bytes } = difference;
            traces.first_left.get_or_insert(first);
            traces.bytes_left += bytes;
            if traces.left.last() != Some(&page) {
                traces.left.push(page);
            }
        });
        traces
    }

    /// Whether a page had anything but zeros.
    pub(super) fn is_filled(&self, page: Page) -> bool {
        let pages = self.filled.get(page.memory);
        let filled = pages.and_then(|pages| pages.get(page.number));
        filled.copied().unwrap_or(false)
    }

    /// Takes memory as it is now for what it was, and tells of every page that
    /// differs in a byte that is not `kept`.
    fn take(
        &mut self,
        memories: &[&[u8]],
        kept: impl Fn(Place) -> bool,
        mut differs: impl FnMut(Difference),
    ) {
        self.filled.resize(memories.len(), Vec::new());
        for (memory, now) in memories.iter().enumerate() {
            let mut changed = Vec::new();
            differences(
                self.copy.memory(memory),
                now,
                0..now.len(),
                |at, then, now| {
                    let number = at / PAGE;
                    changed.push(number);
                    let place = |i| Place {
                        memory,
                        offset: at + i,
                    };
                    let bytes = then.iter().zip(now).enumerate();
                    let mut bytes =
                        bytes.filter(|(i, (then, now))| then != now && !kept(place(*i)));
                    if let Some((first, _)) = bytes.next() {
                        differs(Difference {
                            page: Page { memory, number },
                            first: place(first),
                            bytes: 1 + bytes.count() as u64,
                        });
                    }
                },
            );
            let filled = &mut self.filled[memory];
            filled.resize(now.len().div_ceil(PAGE), false);
            let copy = self.copy.memory_mut(memory, now.len());
            for number in changed {
                let page = number * PAGE..now.len().min((number + 1) * PAGE);
                copy[page.clone()].copy_from_slice(&now[page.clone()]);
                filled[number] = now[page].iter().any(|&byte| byte != 0);
            }
        }
    }
}

struct Difference {
    page: Page,
    first: Place,
    bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(memory: usize, number: usize) -> Page {
        Page { memory, number }
    }

    #[test]
    fn what_was_written_and_what_is_left_of_it() {
        let (zero, other) = (vec![0; 3 * PAGE], vec![1; PAGE]);
        let mut before = Before::new(&[&zero, &other]);
        let mut during = zero.clone();
        during[5] = 1;
        during[2 * PAGE] = 1;
        let mut second = other.clone();
        second[PAGE - 1] = 9;
        let written = before.written(&[&during, &second]);
        assert_eq!(written, [page(0, 0), page(0, 2), page(1, 0)]);

        // One of the bytes is put back.
        let mut after = during.clone();
        after[5] = 0;
        after[2 * PAGE + 7] = 3;
        let traces = before.left(written, &[&after, &other], |_| false);
        assert_eq!(traces.left, [page(0, 2)]);
        assert_eq!(traces.bytes_left, 2);
        assert_eq!(
            traces.first_left,
            Some(Place {
                memory: 0,
                offset: 2 * PAGE
            })
        );
        assert_eq!(traces.lengths, [3 * PAGE, PAGE]);
        // The next request begins with that.
        assert!(before.written(&[&after, &other]).is_empty());
        assert!(before.is_filled(page(0, 2)) && before.is_filled(page(1, 0)));
        assert!(!before.is_filled(page(0, 0)) && !before.is_filled(page(7, 0)));
    }

    #[test]
    fn memory_that_grew_was_zero() {
        let mut before = Before::new(&[&[1; 100]]);
        let mut grown = vec![0; 2 * PAGE];
        grown[..100].fill(1);
        assert!(before.written(&[&grown]).is_empty());
        grown[PAGE + 1] = 4;
        // In the page that the memory ended in, and in the next one.
        grown[200] = 4;
        assert_eq!(before.written(&[&grown]), [page(0, 0), page(0, 1)]);
        let traces = before.left(Vec::new(), &[&grown], |place| place.offset == 200);
        assert_eq!((traces.left, traces.bytes_left), (vec![page(0, 1)], 1));
        // A memory that came later.
        let late = before.written(&[&grown, &[0, 1]]);
        assert_eq!(late, [page(1, 0)]);
    }
}
