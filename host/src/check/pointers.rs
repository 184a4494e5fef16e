//! Evidence **pointers**: nothing points to what was taken back.
//!
//! The scan is conservative: every aligned word outside of the arena counts as a
//! pointer that is not as it was when the instance was sealed, and is the address
//! of something that the request was given. Before the rewind such words are to be
//! expected: a static that is initialised by the first request that needs it has
//! them. A rewind with an image puts them back; which they were is worth knowing,
//! since they could be initialised before the seal and kept. After it there must
//! be none.
//!
//! Without an image statics stay as they are, and a word that remains is either a
//! pointer that dangles or a number that looks like one, such as a length. A second
//! instance tells them apart, whose arena lies elsewhere: there a pointer has
//! another value, and a number has the same.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::Response;

use super::audit::Place;
use super::bytes::{differences, last_nonzero};
use super::evidence::{Blame, Finding, Request};
use super::names::Names;
use super::regions::{Regions, Span};
use super::report::{Evidence, Kind};
use super::sealed::Sealed;

/// Bytes of an address in a linear memory.
const WORD: usize = 4;
/// How many places a detail names.
const NAMED: usize = 3;
/// How many values of a word are tried to be told from a number.
const SIGHTINGS: usize = 3;

/// The words that point into the arena: where they are, and to what.
pub(super) type Found = BTreeMap<Place, usize>;

/// The arena after a request, before it is taken back.
pub(super) struct Arena {
    blocks: Regions,
    /// What the request may have been given, of each block, in order.
    handed_out: Vec<Span>,
}

impl Arena {
    /// The guest names the blocks. How much of them was used is seen: what was not
    /// is zero. A block begins with its header, to which the arena itself points.
    ///
    /// Blocks lie apart. Of those that do not, in a guest that names nonsense, the
    /// first counts, so that no byte is looked at more than once.
    pub(super) fn new(blocks: &[Span], memory: &[u8]) -> Self {
        let handed_out = |block: &Span| {
            let bytes = memory.get(block.start..block.end.min(memory.len()))?;
            let last = last_nonzero(bytes)?;
            Some(block.start + 1..block.start + last + 1)
        };
        let mut apart = blocks.to_vec();
        apart.sort_by_key(|block| block.start);
        let mut end = 0;
        apart.retain(|block| {
            let is_apart = block.start >= end;
            if is_apart {
                end = block.end;
            }
            is_apart
        });
        Self {
            handed_out: apart.iter().filter_map(handed_out).collect(),
            blocks: blocks.iter().cloned().collect(),
        }
    }

    pub(super) fn blocks(&self) -> &Regions {
        &self.blocks
    }

    fn handed_out(&self, address: usize) -> bool {
        let behind = self.handed_out.partition_point(|part| part.end <= address);
        let part = self.handed_out.get(behind);
        part.is_some_and(|part| part.contains(&address))
    }
}

/// Every word outside of the arena that points into it, and did not when the
/// instance was sealed. Neither the stack nor what the guest keeps for itself is
/// looked at.
pub(super) fn scan(sealed: &Sealed, memory: &[u8], arena: &Arena) -> Found {
    let mut found = Found::new();
    let then = sealed.copy.memory(sealed.home);
    let excluded = sealed.store.or(&arena.blocks);
    for part in excluded.gaps(sealed.stack.end..memory.len()) {
        let part = part.start.next_multiple_of(WORD)..part.end / WORD * WORD;
        differences(then, memory, part, |at, before, after| {
            let words = before.as_chunks::<WORD>().0.iter().zip(after.as_chunks().0);
            for (i, (before, after)) in words.enumerate() {
                let to = u32::from_le_bytes(*after) as usize;
                if before != after && arena.handed_out(to) {
                    let offset = at + i * WORD;
                    let memory = sealed.home;
                    found.insert(Place { memory, offset }, to);
                }
            }
        });
    }
    found
}

/// Leaves out the answer itself, which the guest's bindings have put together for
/// the host, and mostly in a static: where the headers are and how many, where the
/// body is and how long.
pub(super) fn leave_out_answer(found: &mut Found, memory: &[u8], answer: &Response<Bytes>) {
    const HEADERS: usize = 4;
    const BODY: usize = 12;
    const BODY_LEN: usize = 16;
    let word = |at: usize| {
        let bytes = memory.get(at..at + WORD)?;
        bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    };
    let status = u32::from(answer.status().as_u16());
    let len = answer.body().len();
    let is_answer = |at: Option<usize>| {
        let Some(at) = at else { return false };
        // The status has two bytes, and what is behind them is anything.
        word(at).is_some_and(|word| word & 0xffff == status)
            && word(at + BODY_LEN).is_some_and(|word| word as usize == len)
    };
    found.retain(|place, _| {
        let from = |offset| place.offset.checked_sub(offset);
        // A length may look like an address as well.
        ![HEADERS, BODY, BODY_LEN]
            .map(from)
            .into_iter()
            .any(is_answer)
    });
}

/// What was found around one rewind.
pub(super) struct Pointed {
    /// Bytes of the blocks that the guest named.
    pub(super) blocks: usize,
    pub(super) before: Found,
    pub(super) after: Found,
}

/// What there is to be found, of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// Every request has an instance of its own.
    NewInstances,
    /// It has no `lavandula:arena/invocation`, and names no arena.
    NoInterface,
    /// Statics stay as they are.
    NoImage,
    /// Statics are put back.
    Image,
}

/// How another instance differs from the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere {
    /// Addresses from here on lie further up ...
    pub(super) from: usize,
    /// ... by so many bytes.
    pub(super) by: usize,
}

impl Elsewhere {
    fn place(self, place: Place) -> Place {
        let moved = place.offset >= self.from;
        Place {
            offset: place.offset + if moved { self.by } else { 0 },
            ..place
        }
    }
}

/// A word that looked like a pointer after a rewind.
struct Sighting {
    request: u32,
    to: usize,
}

/// Hears about every rewind.
pub(super) struct Pointers {
    subject: Subject,
    finding: Finding,
    rewinds: u32,
    /// Largest arena that the guest named.
    blocks: usize,
    put_back: BTreeSet<Place>,
    dangling: BTreeSet<Place>,
    undecided: BTreeMap<Place, Vec<Sighting>>,
}

impl Pointers {
    /// Of an instance that was sealed, where it has the interface for it.
    pub(super) fn new(sealed: Option<&Sealed>) -> Self {
        Self::of(match sealed {
            None => Subject::NoInterface,
            Some(sealed) if sealed.has_image() => Subject::Image,
            Some(_) => Subject::NoImage,
        })
    }

    /// Where nothing is rewound.
    pub(super) fn of_new_instances() -> Self {
        Self::of(Subject::NewInstances)
    }

    fn of(subject: Subject) -> Self {
        Self {
            subject,
            finding: Finding::default(),
            rewinds: 0,
            blocks: 0,
            put_back: BTreeSet::new(),
            dangling: BTreeSet::new(),
            undecided: BTreeMap::new(),
        }
    }

    pub(super) fn hear(&mut self, request: &Request<'_>, seen: &Pointed, names: &dyn Names) {
        self.rewinds += 1;
        self.blocks = self.blocks.max(seen.blocks);
        if self.subject == Subject::Image {
            let gone = |(place, _): &(&Place, &usize)| !seen.after.contains_key(place);
            let put_back = seen.before.iter().filter(gone);
            self.put_back.extend(put_back.map(|(place, _)| *place));
            for (&place, &to) in &seen.after {
                self.dangles(request, place, to, names);
            }
            return;
        }
        for (&place, &to) in &seen.after {
            let sightings = self.undecided.entry(place).or_default();
            if sightings.len() < SIGHTINGS && sightings.iter().all(|sighting| sighting.to != to) {
                let request = request.number;
                sightings.push(Sighting { request, to });
            }
        }
    }

    /// The last request that another instance has to get, for pointers to be told
    /// from numbers. None where there is nothing to tell.
    pub(super) fn undecided(&self) -> Option<u32> {
        let sightings = self.undecided.values().flatten();
        sightings.map(|sighting| sighting.request).max()
    }

    /// What was found after the same request in an instance whose arena lies
    /// elsewhere.
    pub(super) fn hear_again(
        &mut self,
        request: &Request<'_>,
        after: &Found,
        elsewhere: Elsewhere,
        names: &dyn Names,
    ) {
        let mut dangling = Vec::new();
        for (&place, sightings) in &self.undecided {
            let same = |sighting: &&Sighting| sighting.request == request.number;
            let Some(sighting) = sightings.iter().find(same) else {
                continue;
            };
            let there = after.get(&elsewhere.place(place));
            if there.is_some_and(|&to| to != sighting.to) {
                dangling.push((place, sighting.to));
            }
        }
        for (place, to) in dangling {
            self.dangles(request, place, to, names);
        }
    }

    fn dangles(&mut self, request: &Request<'_>, place: Place, to: usize, names: &dyn Names) {
        self.dangling.insert(place);
        self.finding.note(|| {
            let detail = format!(
                "after {request} was taken back, the word at {} still pointed into the arena, to \
                 0x{to:x}, where nothing is any more",
                names.describe(place)
            );
            let number = request.number;
            let blame = Blame::on(number).at(Some(place));
            (detail, blame.by(Some(number), number))
        });
    }

    pub(super) fn conclude(mut self, names: &dyn Names) -> Evidence {
        if self.dangling.len() > 1 {
            let more = format!("; {} places in all", self.dangling.len());
            self.finding.add(&more);
        }
        let Self {
            subject,
            rewinds,
            blocks,
            put_back,
            ..
        } = self;
        let numbers = self.undecided.len();
        self.finding.evidence(Kind::Pointers, names, || match subject {
            Subject::NewInstances => {
                "nothing is taken back: every request had an instance of its own".to_owned()
            }
            Subject::NoInterface => {
                "the component names no arena (it has no `lavandula:arena/invocation`)".to_owned()
            }
            _ if blocks == 0 => {
                "the component names no block of its arena, so nothing could point there".to_owned()
            }
            Subject::NoImage => {
                let numbers = match numbers {
                    0 => String::new(),
                    n => format!(
                        " ({n} words looked like it, and stayed the same where the arena was \
                         elsewhere)"
                    ),
                };
                format!(
                    "after {rewinds} rewinds no word outside of the arena pointed into it{numbers}"
                )
            }
            Subject::Image => format!(
                "after {rewinds} rewinds no word outside of the arena pointed into it; {}",
                advice(&put_back, names)
            ),
        })
    }
}

/// What the words that were put back mean.
fn advice(put_back: &BTreeSet<Place>, names: &dyn Names) -> String {
    let first = put_back.iter().take(NAMED);
    let first: Vec<_> = first.map(|&place| names.describe(place)).collect();
    let list = first.join(", ");
    match put_back.len() {
        0 => "before, none did either".to_owned(),
        1 => format!(
            "before, the one at {list} did: what it points to is made anew in each request, and \
             could be made once, before the seal"
        ),
        n => {
            let more = match n - first.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "before, {n} did, at {list}{more}: what they point to is made anew in each \
                 request, and could be made once, before the seal"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::audit::Snapshot;
    use super::*;

    const LEN: usize = 0x400;
    const BLOCK: Span = 0x200..0x300;

    /// A memory with a static that is not zero at 0x40, and a block of which a
    /// half is used.
    fn memory(words: &[(usize, usize)]) -> Vec<u8> {
        let mut memory = vec![0; LEN];
        memory[0x40] = 1;
        memory[BLOCK.start..0x280].fill(7);
        for &(at, value) in words {
            let value = u32::try_from(value).expect("an address");
            memory[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        memory
    }

    fn sealed(words: &[(usize, usize)], store: Span) -> Sealed {
        let copy = || Snapshot::from(vec![memory(words)]);
        Sealed::new(&copy(), copy(), [store].into_iter().collect(), &[])
    }

    fn found(sealed: &Sealed, words: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let memory = memory(words);
        let found = scan(sealed, &memory, &Arena::new(&[BLOCK], &memory));
        found
            .iter()
            .map(|(place, to)| (place.offset, *to))
            .collect()
    }

    #[test]
    fn a_word_that_points_to_what_was_handed_out_is_found() {
        let sealed = sealed(&[], 0..0);
        for to in [0x201, 0x220, 0x27f] {
            assert_eq!(found(&sealed, &[(0x80, to)]), [(0x80, to)]);
        }
        // The header of the block, what was not handed out, and what is no block.
        for to in [0x200, 0x280, 0x2ff, 0x300, 0x1ff, 0] {
            assert_eq!(found(&sealed, &[(0x80, to)]), []);
        }
        // In the block itself, on the stack, and across two words.
        for at in [0x210, 0x3c, 0x82] {
            assert_eq!(found(&sealed, &[(at, 0x220)]), []);
        }
        assert_eq!(
            found(&sealed, &[(0x1fc, 0x220), (0x300, 0x221)]),
            [(0x1fc, 0x220), (0x300, 0x221)]
        );
    }

    #[test]
    fn of_blocks_that_overlap_the_first_counts() {
        let memory = memory(&[]);
        // In any order, and so many that all of them could not be looked at.
        let mut named = vec![0x210..LEN; 1_000_000];
        named.push(BLOCK);
        let arena = Arena::new(&named, &memory);
        assert_eq!(arena.handed_out, std::slice::from_ref(&(0x201..0x280)));
        assert_eq!(arena.blocks().bytes(), LEN - BLOCK.start);
    }

    #[test]
    fn what_the_guest_keeps_and_what_was_there_before_is_left_alone() {
        assert_eq!(found(&sealed(&[], 0x80..0x90), &[(0x80, 0x220)]), []);
        // A store that begins and ends within words.
        let store = 0x81..0x8e;
        assert_eq!(
            found(&sealed(&[], store), &[(0x80, 0x220), (0x8c, 0x220)]),
            []
        );
        let before = [(0x80, 0x220)];
        assert_eq!(found(&sealed(&before, 0..0), &before), []);
        assert_eq!(
            found(&sealed(&before, 0..0), &[(0x80, 0x224)]),
            [(0x80, 0x224)]
        );
    }

    #[test]
    fn the_answer_that_lies_in_a_static_is_left_out_and_nothing_else() {
        let status = 200 | 0xabcd << 16;
        let answer = [
            (0x80, status),
            (0x84, 0x220),
            (0x88, 3),
            (0x8c, 0x240),
            (0x90, 5),
        ];
        let mut words = answer.to_vec();
        words.push((0xa0, 0x220));
        let left = |words: &[(usize, usize)], status: u16, body: &'static [u8]| {
            let memory = memory(words);
            let mut found = scan(&sealed(&[], 0..0), &memory, &Arena::new(&[BLOCK], &memory));
            let response = Response::builder().status(status).body(body.into());
            leave_out_answer(&mut found, &memory, &response.expect("valid"));
            found.keys().map(|place| place.offset).collect::<Vec<_>>()
        };
        assert_eq!(left(&words, 200, b"hello"), [0xa0]);
        assert_eq!(left(&words, 201, b"hello"), [0x84, 0x8c, 0xa0]);
        assert_eq!(left(&words, 200, b"hell"), [0x84, 0x8c, 0xa0]);
        let long = [(0x80, 200), (0x90, 0x240)];
        assert!(left(&long, 200, &[b'x'; 0x240]).is_empty());
        assert_eq!(left(&long, 200, &[b'x'; 0x241]), [0x90]);
        // At the end of memory.
        assert_eq!(left(&[(0x3fc, 0x220)], 200, b""), [0x3fc]);
    }

    fn place(offset: usize) -> Place {
        Place { memory: 0, offset }
    }

    fn request(number: u32) -> Request<'static> {
        Request {
            number,
            shape: "GET / with 0 bytes",
        }
    }

    fn pointed(before: &[(usize, usize)], after: &[(usize, usize)]) -> Pointed {
        let found = |words: &[(usize, usize)]| {
            let words = words.iter().map(|&(at, to)| (place(at), to));
            words.collect()
        };
        Pointed {
            blocks: 64,
            before: found(before),
            after: found(after),
        }
    }

    #[test]
    fn what_a_rewind_put_back_is_advice_and_what_it_did_not_dangles() {
        let with_image = sealed(&[], 0x80..0x90);
        let mut pointers = Pointers::new(Some(&with_image));
        pointers.hear(&request(1), &pointed(&[], &[]), &None);
        let evidence = pointers.conclude(&None);
        assert!(evidence.holds && evidence.detail.ends_with("before, none did either"));

        let mut pointers = Pointers::new(Some(&with_image));
        let words = [(0x90, 0x220), (0x94, 0x230), (0xa0, 0x240), (0xa4, 0x240)];
        pointers.hear(&request(1), &pointed(&words[..2], &[]), &None);
        pointers.hear(&request(2), &pointed(&words, &[]), &None);
        assert_eq!(pointers.undecided(), None);
        let evidence = pointers.conclude(&None);
        let named = "before, 4 did, at 0x90, 0x94, 0xa0 and 1 more";
        assert!(
            evidence.holds && evidence.detail.contains(named),
            "{evidence:?}"
        );

        let mut pointers = Pointers::new(Some(&with_image));
        pointers.hear(&request(2), &pointed(&words, &words[1..]), &None);
        let evidence = pointers.conclude(&None);
        let first = "after request 2 (GET / with 0 bytes) was taken back, the word at 0x94 still \
                     pointed into the arena, to 0x230, where nothing is any more; 3 places in all";
        assert_eq!((evidence.holds, evidence.detail.as_str()), (false, first));
    }

    #[test]
    fn without_an_image_a_number_is_told_from_a_pointer_where_the_arena_lies_elsewhere() {
        let elsewhere = Elsewhere {
            from: 0x200,
            by: 0x1000,
        };
        let again = |there: &[(usize, usize)]| {
            let mut pointers = Pointers::new(Some(&sealed(&[], 0..0)));
            let seen = pointed(&[], &[(0x90, 0x220), (0x310, 0x230)]);
            pointers.hear(&request(1), &pointed(&[], &[]), &None);
            pointers.hear(&request(4), &seen, &None);
            pointers.hear(&request(5), &seen, &None);
            assert_eq!(pointers.undecided(), Some(4));
            let after = pointed(&[], there).after;
            // Found after another request it means nothing.
            pointers.hear_again(&request(3), &after, elsewhere, &None);
            pointers.hear_again(&request(4), &after, elsewhere, &None);
            pointers.conclude(&None)
        };
        for numbers in [
            &[][..],
            &[(0x90, 0x220), (0x1310, 0x230)],
            // Another place, which is nobody's.
            &[(0x310, 0x1230)],
        ] {
            let evidence = again(numbers);
            assert!(evidence.holds && evidence.detail.contains("2 words looked like it"));
        }
        let static_ = again(&[(0x90, 0x1220)]);
        assert!(!static_.holds && static_.detail.contains("at 0x90 still"));
        let moved = again(&[(0x1310, 0x1230)]);
        assert!(!moved.holds && moved.detail.contains("at 0x310 still"));
    }

    #[test]
    fn a_component_without_an_arena_has_nothing_to_point_to() {
        for pointers in [Pointers::new(None), Pointers::of_new_instances()] {
            assert!(pointers.conclude(&None).holds);
        }
        let mut pointers = Pointers::new(Some(&sealed(&[], 0..0)));
        let nothing = Pointed {
            blocks: 0,
            ..pointed(&[], &[])
        };
        pointers.hear(&request(1), &nothing, &None);
        let evidence = pointers.conclude(&None);
        assert!(evidence.holds && evidence.detail.contains("names no block"));
    }
}
