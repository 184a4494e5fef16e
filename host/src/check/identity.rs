//! Evidence **identity**: a rewind puts all of memory back, bit for bit.
//!
//! A guest with an image of itself names the bytes that its rewind does not put
//! back, which are those that it works with. Every other byte has to be what it
//! was when `seal` returned, and memory that came later has to be zero. So nothing
//! of a request can be left anywhere else, in whatever form: what is found here is
//! not only markers.
#![forbid(unsafe_code)]

use super::audit::{Place, Snapshot};
use super::bytes::differences;
use super::evidence::{Blame, Finding, Request};
use super::names::Names;
use super::regions::Regions;
use super::report::{Evidence, Kind};
use super::sealed::Sealed;

/// What a guest may keep for itself, whatever it has: figures, and the head of an
/// image.
const ALWAYS_ALLOWED: usize = 64 * 1024;

/// What comparing memory with the copy of it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison {
    compared: usize,
    different: usize,
    first: Option<Difference>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Difference {
    place: Place,
    sealed: u8,
    now: u8,
}

/// Compares every byte of every memory, but for those that the guest keeps for
/// itself.
pub(super) fn compare(sealed: &Sealed, memories: &[&[u8]]) -> Comparison {
    let nothing = Regions::default();
    let kept = |memory| match memory == sealed.home {
        true => &sealed.store,
        false => &nothing,
    };
    compare_but_for(&sealed.copy, memories, kept)
}

fn compare_but_for<'a>(
    copy: &Snapshot,
    memories: &[&[u8]],
    kept: impl Fn(usize) -> &'a Regions,
) -> Comparison {
    let mut result = Comparison {
        compared: 0,
        different: 0,
        first: None,
    };
    for (memory, now) in memories.iter().enumerate() {
        for part in kept(memory).gaps(0..now.len()) {
            result.compared += part.len();
            differences(copy.memory(memory), now, part, |at, before, after| {
                for (i, (&sealed, &now)) in before.iter().zip(after).enumerate() {
                    if sealed != now {
                        result.different += 1;
                        let offset = at + i;
                        let place = Place { memory, offset };
                        let difference = Difference { place, sealed, now };
                        result.first.get_or_insert(difference);
                    }
                }
            });
        }
    }
    result
}

/// What is wrong with a store of these regions, if anything is: a guest that calls
/// all of its memory its own would be compared with nothing.
fn implausible(store: &Regions, sealed_len: usize) -> Option<String> {
    let most = sealed_len / 2 + ALWAYS_ALLOWED;
    if store.end() > sealed_len {
        return Some(format!(
            "the guest keeps bytes for itself at 0x{:x}, and memory had {sealed_len} when it was \
             sealed",
            store.end() - 1
        ));
    }
    (store.bytes() > most).then(|| {
        format!(
            "the guest keeps {} bytes for itself, which a rewind does not put back, of {sealed_len} \
             that it had when it was sealed: an image of the rest needs {most} at most",
            store.bytes()
        )
    })
}

/// What there is to be put back, of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// No rewind is done: every request has an instance of its own.
    NewInstance,
    /// It has no `lavandula:arena/invocation`.
    NoInterface,
    /// It keeps no image. A rewind is about the arena and the stack.
    NoImage,
    /// It keeps an image, of which and for which it has so many bytes.
    Image {
        /// What a rewind does not put back.
        kept: usize,
    },
}

/// Hears about every rewind.
pub(super) struct Identity {
    claim: Claim,
    finding: Finding,
    rewinds: u32,
    broken: u32,
    compared: usize,
}

impl Identity {
    /// Of an instance that was sealed, where it has the interface for it.
    pub(super) fn new(sealed: Option<&Sealed>) -> Self {
        let mut finding = Finding::default();
        let claim = match sealed {
            None => Claim::NoInterface,
            Some(sealed) if !sealed.has_image() => Claim::NoImage,
            Some(sealed) => {
                if let Some(why) = implausible(&sealed.store, sealed.home_len()) {
                    finding.note(|| (why, Blame::default()));
                }
                Claim::Image {
                    kept: sealed.store.bytes(),
                }
            }
        };
        Self::of(claim, finding)
    }

    /// Where nothing is rewound.
    pub(super) fn of_new_instances() -> Self {
        Self::of(Claim::NewInstance, Finding::default())
    }

    fn of(claim: Claim, finding: Finding) -> Self {
        Self {
            claim,
            finding,
            rewinds: 0,
            broken: 0,
            compared: 0,
        }
    }

    pub(super) fn hear(
        &mut self,
        request: &Request<'_>,
        comparison: &Comparison,
        overlap: Option<Place>,
        names: &dyn Names,
    ) {
        self.rewinds += 1;
        self.compared = self.compared.max(comparison.compared);
        if let Some(place) = overlap {
            self.finding.note(|| {
                let detail = format!(
                    "after {request} the guest named {} both as a part of its arena and as a byte \
                     that it keeps for itself",
                    names.describe(place)
                );
                (detail, Blame::on(request.number).at(Some(place)))
            });
        }
        if let Some(first) = comparison.first {
            self.broken += 1;
            self.finding.note(|| {
                let (bytes, were) = match comparison.different {
                    1 => (String::from("one byte"), "was"),
                    n => (format!("{n} bytes"), "were"),
                };
                let detail = format!(
                    "after {request} was taken back, {bytes} {were} not as when the instance was \
                     sealed: at {} there was 0x{:02x}, and now there is 0x{:02x}",
                    names.describe(first.place),
                    first.sealed,
                    first.now
                );
                // Before it all was as sealed, or it would not be the first.
                let number = request.number;
                let blame = Blame::on(number).at(Some(first.place));
                (detail, blame.by(Some(number), number))
            });
        }
    }

    pub(super) fn conclude(mut self, names: &dyn Names) -> Evidence {
        let Self {
            broken,
            rewinds,
            compared,
            claim,
            ..
        } = self;
        if broken > 1 {
            self.finding.add(&format!("; so after {broken} of {rewinds}"));
        }
        self.finding.evidence(Kind::Identity, names, || match claim {
            Claim::NewInstance => {
                "nothing is put back: every request had an instance of its own".to_owned()
            }
            Claim::NoInterface => "nothing is claimed: the component keeps no image (it has no \
                 `lavandula:arena/invocation`), and statics stay as requests leave them"
                .to_owned(),
            Claim::NoImage => {
                "nothing is claimed: the component keeps no image (it has no `InvocationHeap`). \
                 Its rewind is about the arena and the stack, and statics stay as requests leave \
                 them"
                    .to_owned()
            }
            Claim::Image { kept } => format!(
                "{rewinds} rewinds put back all of memory, bit for bit: {compared} bytes compared \
                 each time, and {kept} that the guest keeps for itself"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<'static> {
        Request {
            number: 3,
            shape: "GET / with 0 bytes",
        }
    }

    fn sealed(memory: Vec<u8>, store: &[(usize, usize)]) -> Sealed {
        let before = Snapshot::from(vec![memory.clone()]);
        let copy = Snapshot::from(vec![memory]);
        let store = store.iter().map(|&(start, end)| start..end).collect();
        Sealed::new(&before, copy, store, &[])
    }

    fn judged(sealed: &Sealed, now: &[u8], overlap: Option<Place>) -> Evidence {
        let mut identity = Identity::new(Some(sealed));
        let comparison = compare(sealed, &[now]);
        identity.hear(&request(), &comparison, overlap, &None);
        identity.conclude(&None)
    }

    #[test]
    fn memory_as_it_was_holds_and_its_bytes_are_counted() {
        let sealed = sealed(vec![1; 1000], &[(10, 30)]);
        // What the guest keeps may change, and memory may have grown.
        let mut now = vec![1; 1000];
        now[10..30].fill(2);
        now.extend([0; 500]);
        let evidence = judged(&sealed, &now, None);
        assert!(evidence.holds, "{evidence:?}");
        assert!(evidence.detail.contains("1480 bytes compared"));
        assert!(evidence.detail.contains("and 20 that the guest keeps"));
    }

    #[test]
    fn a_byte_that_differs_is_told_with_its_place_and_both_values() {
        let sealed = sealed(vec![1; 100_000], &[(10, 30)]);
        let mut now = vec![1; 100_000];
        now[30] = 0xab;
        now[99_999] = 0;
        let evidence = judged(&sealed, &now, None);
        assert!(!evidence.holds);
        assert_eq!(
            evidence.detail,
            "after request 3 (GET / with 0 bytes) was taken back, 2 bytes were not as when the \
             instance was sealed: at 0x1e there was 0x01, and now there is 0xab"
        );
        now[99_999] = 1;
        assert!(
            judged(&sealed, &now, None)
                .detail
                .contains(", one byte was not")
        );
    }

    #[test]
    fn grown_memory_that_is_not_zero_breaks_it() {
        let sealed = sealed(vec![1; 100], &[(10, 30)]);
        let mut now = vec![1; 100];
        now.extend([0; 100]);
        assert!(judged(&sealed, &now, None).holds);
        now[150] = 4;
        let evidence = judged(&sealed, &now, None);
        assert!(!evidence.holds && evidence.detail.contains("at 0x96 there was 0x00"));
    }

    #[test]
    fn a_guest_that_keeps_all_of_its_memory_for_itself_is_not_believed() {
        const MEMORY: usize = 1 << 20;
        let most = MEMORY / 2 + ALWAYS_ALLOWED;
        let keeping = |bytes| judged(&sealed(vec![1; MEMORY], &[(0, bytes)]), &[], None);
        assert!(keeping(most).holds);
        let all = keeping(most + 1);
        assert!(
            !all.holds && all.detail.contains("needs 589824 at most"),
            "{all:?}"
        );
    }

    #[test]
    fn bytes_that_no_memory_has_are_not_kept() {
        let evidence = judged(&sealed(vec![1; 100], &[(90, 101)]), &[1; 100], None);
        assert!(
            !evidence.holds && evidence.detail.contains("at 0x64"),
            "{evidence:?}"
        );
    }

    #[test]
    fn the_arena_is_nothing_that_a_guest_keeps() {
        let overlap = Place {
            memory: 0,
            offset: 20,
        };
        let evidence = judged(&sealed(vec![1; 100], &[(10, 30)]), &[1; 100], Some(overlap));
        assert!(
            !evidence.holds && evidence.detail.contains("named 0x14 both"),
            "{evidence:?}"
        );
    }

    #[test]
    fn only_the_memory_that_the_guest_speaks_of_has_a_store() {
        let memories = |second: Vec<u8>| Snapshot::from(vec![vec![1; 50], second]);
        let store = core::iter::once(10..30).collect();
        // The seal changed the second one there.
        let sealed = Sealed::new(&memories(vec![0; 50]), memories(vec![1; 50]), store, &[]);
        let mut changed = vec![1; 50];
        changed[10] = 9;
        let other = compare(&sealed, &[&changed, &[1; 50]]);
        assert_eq!((other.different, other.compared), (1, 80));
        assert_eq!(compare(&sealed, &[&[1; 50], &changed]).different, 0);
    }

    #[test]
    fn without_an_image_nothing_is_claimed() {
        for identity in [
            Identity::new(None),
            Identity::new(Some(&sealed(vec![1; 100], &[]))),
            Identity::of_new_instances(),
        ] {
            let evidence = identity.conclude(&None);
            assert!(evidence.holds && evidence.detail.starts_with("nothing is"));
        }
    }
}
