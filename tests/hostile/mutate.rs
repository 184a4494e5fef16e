//! Components that are nearly those that were given.
//!
//! Blind changes are mostly refused by the first check that there is. So others
//! know the format: what they leave is a component that is valid, or wrong in one
//! place only, and gets further.

use std::ops::Range;

use wasmparser::{Operator, Parser, Payload};

use super::binary::{Binary, Body, Section, leb, unleb};
use super::chance::Chance;

/// What mutants are made of.
pub struct Original {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// The target of a request that it has to work for, and the file with the body.
    pub work: Option<(&'static str, &'static str)>,
    tree: Binary,
    spots: Spots,
}

/// Bytes that may be changed one by one, and the component stays valid.
#[derive(Default)]
struct Spots {
    /// Contents of data segments.
    data: Vec<Range<usize>>,
    /// Signed constants in code and in initial values of globals.
    constants: Vec<Range<usize>>,
    /// Unsigned offsets of loads and stores.
    offsets: Vec<Range<usize>>,
    /// Instructions of one byte that take and give the same as others.
    operations: Vec<(usize, &'static Range<u8>)>,
}

/// Codes of instructions that may stand for each other: two `i32` to one, a
/// comparison of two `i32`, two `i64` to one.
const ALIKE: [Range<u8>; 3] = [0x6a..0x79, 0x46..0x50, 0x7c..0x8b];

impl Original {
    /// # Panics
    /// Where `bytes` are no component: a test of nothing.
    pub fn new(name: &'static str, bytes: Vec<u8>) -> Self {
        let tree = Binary::parse(&bytes).expect("a component");
        assert_eq!(
            tree.encode().len(),
            bytes.len(),
            "{name}: the tree is the file"
        );
        Self {
            name,
            spots: Spots::of(&bytes),
            bytes,
            work: None,
            tree,
        }
    }

    /// The same, and a request that it has to work for. The document is a file of
    /// this package.
    pub fn working(self, target: &'static str, document: &'static str) -> Self {
        let work = Some((target, document));
        Self { work, ..self }
    }

    /// A mutant of it, and how it was made. `others` are where modules come from.
    pub fn mutant(&self, chance: &mut Chance, others: &[Original]) -> (String, Vec<u8>) {
        let mut how = Vec::new();
        let in_place = !chance.once_in(3);
        // Changes that keep the file as long as it is come first: the spots lie
        // where they lie in the original.
        let mut bytes = self.bytes.clone();
        if in_place {
            // Most of a large component is not reached by a request.
            let some = 3 + self.spots.operations.len() / 200;
            for _ in 0..1 + chance.below(some) {
                how.push(match chance.below(7) {
                    0 | 1 => scribble(chance, &mut bytes, &self.spots.data),
                    2 | 3 => self.constant(chance, &mut bytes),
                    4 => self.offset(chance, &mut bytes),
                    _ => self.operation(chance, &mut bytes),
                });
            }
        }
        if !in_place || chance.once_in(2) {
            let mut tree = Binary::parse(&bytes).unwrap_or_else(|| self.tree.clone());
            for _ in 0..1 + chance.below(2) {
                how.push(restructure(chance, &mut tree, others));
            }
            bytes = tree.encode();
        }
        if chance.once_in(8) {
            how.push(blind(chance, &mut bytes));
        }
        if how.len() > 5 {
            how = vec![format!("{} changes", how.len())];
        }
        (how.join(", "), bytes)
    }

    fn constant(&self, chance: &mut Chance, bytes: &mut [u8]) -> String {
        let Some(spot) = chance.pick(&self.spots.constants) else {
            return "no constant".to_owned();
        };
        let at = &mut bytes[spot.clone()];
        let last = at.len() - 1;
        for byte in at.iter_mut() {
            *byte = *byte & 0x80 | chance.byte() & 0x7f;
        }
        // The bits that are too many for the type have to be those of the sign.
        let sign: &[u8] = if last == 9 {
            &[0, 0x7f]
        } else {
            &[0, 7, 0x78, 0x7f]
        };
        if last == 4 || last == 9 {
            at[last] = *chance.pick(sign).expect("there are some");
        }
        format!("another constant at {spot:?}")
    }

    fn offset(&self, chance: &mut Chance, bytes: &mut [u8]) -> String {
        let Some(spot) = chance.pick(&self.spots.offsets) else {
            return "no offset".to_owned();
        };
        for (i, byte) in bytes[spot.clone()].iter_mut().enumerate() {
            let mask = if i == 4 { 0x0f } else { 0x7f };
            *byte = *byte & 0x80 | chance.byte() & mask;
        }
        format!("another offset at {spot:?}")
    }

    fn operation(&self, chance: &mut Chance, bytes: &mut [u8]) -> String {
        let Some((at, alike)) = chance.pick(&self.spots.operations) else {
            return "no operation".to_owned();
        };
        bytes[*at] = alike.start + chance.below(alike.len()) as u8;
        format!("another operation at {at}")
    }
}

impl Spots {
    fn of(bytes: &[u8]) -> Self {
        let mut spots = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.expect("the original is valid") {
                Payload::DataSection(section) => {
                    for segment in section {
                        let segment = segment.expect("the original is valid");
                        let end = segment.range.end;
                        spots.data.push(end - segment.data.len()..end);
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let code = body.get_operators_reader().expect("the original is valid");
                    let code: Vec<_> = code
                        .into_iter_with_offsets()
                        .collect::<Result<_, _>>()
                        .expect("the original is valid");
                    for pair in code.windows(2) {
                        spots.operation(bytes, &pair[0].0, pair[0].1..pair[1].1);
                    }
                }
                _ => {}
            }
        }
        spots
    }

    fn operation(&mut self, bytes: &[u8], operator: &Operator<'_>, at: Range<usize>) {
        let code = bytes[at.start];
        match operator {
            Operator::I32Const { .. } | Operator::I64Const { .. } => {
                self.constants.push(at.start + 1..at.end);
            }
            // Loads and stores: the alignment is in the first byte behind.
            _ if (0x28..=0x3e).contains(&code) && bytes[at.start + 1] < 0x40 => {
                self.offsets.push(at.start + 2..at.end);
            }
            _ if at.len() == 1 => {
                let alike = ALIKE.iter().find(|alike| alike.contains(&code));
                self.operations.extend(alike.map(|alike| (at.start, alike)));
            }
            _ => {}
        }
    }
}

/// Writes over a part of one of these.
fn scribble(chance: &mut Chance, bytes: &mut [u8], where_: &[Range<usize>]) -> String {
    let Some(range) = chance.pick(where_).cloned() else {
        return "no data".to_owned();
    };
    let at = range.start + chance.below(range.len());
    let end = (at + 1 + chance.below(64)).min(range.end);
    let same = chance.once_in(2).then(|| chance.byte());
    for byte in &mut bytes[at..end] {
        *byte = same.unwrap_or_else(|| chance.byte());
    }
    format!("data at {at}..{end}")
}

/// Changes bytes whatever they are.
fn blind(chance: &mut Chance, bytes: &mut Vec<u8>) -> String {
    let at = chance.below(bytes.len());
    let end = (at + 1 + chance.below(32)).min(bytes.len());
    match chance.below(5) {
        0 => {
            for _ in 0..1 + chance.below(8) {
                let at = chance.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
            "bits flipped".to_owned()
        }
        1 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        2 => {
            bytes.drain(at..end);
            format!("{at}..{end} left out")
        }
        3 => {
            let len = chance.below(64);
            let more = chance.bytes(len);
            bytes.splice(at..at, more);
            format!("bytes put in at {at}")
        }
        _ => {
            for byte in &mut bytes[at..end] {
                *byte = chance.byte();
            }
            format!("noise at {at}..{end}")
        }
    }
}

/// Changes the order, the number, the lengths or the content of sections.
fn restructure(chance: &mut Chance, tree: &mut Binary, others: &[Original]) -> String {
    let binary = descend(chance, tree);
    let count = binary.sections.len();
    if count == 0 {
        return "nothing in there".to_owned();
    }
    let at = chance.below(count);
    let id = binary.sections[at].id;
    match chance.below(8) {
        0 => {
            binary.sections.remove(at);
            format!("section {id} left out")
        }
        1 => {
            let again = binary.sections[at].clone();
            let to = if chance.once_in(2) { at } else { count };
            binary.sections.insert(to, again);
            format!("section {id} twice")
        }
        2 => {
            let with = chance.below(count);
            binary.sections.swap(at, with);
            format!("section {id} in another place")
        }
        3 => {
            let len = chance.pick(&[0, 1, 0x7f, 0xffff, 0xffff_ffff, u64::MAX >> 1]);
            binary.sections[at].claimed = len.copied();
            format!("section {id} of another length")
        }
        4 => {
            let len = chance.below(64);
            let body = Body::Plain(chance.bytes(len));
            // Custom sections may hold anything.
            let id = if chance.once_in(2) {
                0
            } else {
                chance.byte() % 14
            };
            binary.sections.insert(at, Section::new(id, body));
            format!("a new section {id}")
        }
        5 => another_module(chance, binary, others),
        6 => rename(chance, binary),
        _ => huge(chance, &mut binary.sections[at]),
    }
}

/// The binary itself, or one at some depth within it.
fn descend<'a>(chance: &mut Chance, binary: &'a mut Binary) -> &'a mut Binary {
    let nested: Vec<_> = (0..binary.sections.len())
        .filter(|&i| matches!(binary.sections[i].body, Body::Nested(_)))
        .collect();
    match chance.pick(&nested) {
        Some(&i) if !chance.once_in(2) => match &mut binary.sections[i].body {
            Body::Nested(inner) => descend(chance, inner),
            Body::Plain(_) => unreachable!("it was just looked at"),
        },
        _ => binary,
    }
}

/// A module of another component in place of one.
fn another_module(chance: &mut Chance, binary: &mut Binary, others: &[Original]) -> String {
    let Some(other) = chance.pick(others) else {
        return "no other".to_owned();
    };
    let Some(module) = chance.pick(&other.tree.modules()).map(|m| (*m).clone()) else {
        return "no module to take".to_owned();
    };
    for section in &mut binary.sections {
        if matches!(&section.body, Body::Nested(inner) if !inner.is_component()) {
            section.body = Body::Nested(module);
            return format!("a module of {}", other.name);
        }
    }
    "no module to replace".to_owned()
}

/// Names that are hard to print, to compare, or to hold.
fn odd_name(chance: &mut Chance, name: &[u8]) -> Vec<u8> {
    match chance.below(9) {
        0 => b"\x1b[31m\x1b]0;title\x07red".to_vec(),
        1 => b"two\nlines\r\n\0".to_vec(),
        2 => "\u{202e}backwards\u{2028}\u{feff}".as_bytes().to_vec(),
        3 => vec![b'a'; 90_000],
        4 => vec![b'a'; 1 << 20],
        5 => Vec::new(),
        6 => name.to_ascii_uppercase(),
        7 => vec![0xff, 0xfe, 0x80],
        _ => {
            let mut name = name.to_vec();
            name.push(b'x');
            name
        }
    }
}

/// Another name in place of one, with the length in front of it.
fn rename(chance: &mut Chance, binary: &mut Binary) -> String {
    let mut names = Vec::new();
    for (i, section) in binary.sections.iter().enumerate() {
        let Body::Plain(body) = &section.body else {
            continue;
        };
        for at in 0..body.len() {
            let Some((len, width)) = unleb(&body[at..]) else {
                continue;
            };
            let name = usize::try_from(len)
                .ok()
                .and_then(|len| body.get(at + width..at + width + len));
            if let Some(name) = name
                && (3..200).contains(&name.len())
                && name.iter().all(u8::is_ascii_graphic)
            {
                names.push((i, at..at + width + name.len(), name.to_vec()));
            }
        }
    }
    let Some((i, range, name)) = chance.pick(&names) else {
        return "no name".to_owned();
    };
    let odd = odd_name(chance, name);
    if let Body::Plain(body) = &mut binary.sections[*i].body {
        let with_length = [leb(odd.len() as u64), odd].concat();
        body.splice(range.clone(), with_length);
    }
    format!("another name for {}", String::from_utf8_lossy(name))
}

/// A number that is far too large somewhere in a section.
fn huge(chance: &mut Chance, section: &mut Section) -> String {
    let Body::Plain(body) = &mut section.body else {
        return "not there".to_owned();
    };
    // Counts are at the beginning.
    let at = if chance.once_in(2) {
        0
    } else {
        chance.below(body.len())
    };
    let number = *chance
        .pick(&[100_000, 1_000_000, 0x7fff_ffff, 0xffff_ffff, u64::MAX >> 1])
        .expect("there are some");
    let end = (at + 1).min(body.len());
    body.splice(at.min(end)..end, leb(number));
    format!("{number} at {at} of section {}", section.id)
}
