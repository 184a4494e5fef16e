//! Names for addresses in a guest's linear memory.
//!
//! A build knows where the linker has put each static; the finished component
//! does not say it. So a build writes it beside the component, into
//! `NAME.wasm.symbols`:
//!
//! ```text
//! bytes=218686 fnv1a64=9ae16a3b2f90404f changing=17840..37c36
//! 17840 48 lavandula::image::BORDER
//! 17870 184 lavandula::instance::PERSISTENT
//! 17b40 65536 json_api::HEAP
//! ```
//!
//! The first line names the component that the others are of, by its length and a
//! checksum, and the addresses between which statics may change. Then address,
//! size in bytes, and name of each static, in order. Addresses are hexadecimal.

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::whole_file::{self, MAX_COMPONENT, ReadError};

/// Behind the last address of a linear memory of 32 bits.
const MEMORY_END: u64 = 1 << 32;

/// A static, or several without a name that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) name: String,
}

impl Symbol {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

/// The statics of a component, by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbols {
    /// In order, none of them within another.
    symbols: Vec<Symbol>,
    /// Where those lie that a program can write to.
    changing: Range<u64>,
}

impl Symbols {
    /// Puts them in order. What lies within another is left out, and so is what
    /// has no size.
    pub(crate) fn new(mut symbols: Vec<Symbol>, changing: Range<u64>) -> Self {
        symbols.retain(|symbol| symbol.size > 0);
        // Of those that begin together, the longest first.
        symbols.sort_by(|a, b| {
            let key = |symbol: &Symbol| (symbol.address, u64::MAX - symbol.size);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        let mut end = 0;
        symbols.retain(|symbol| {
            let beyond = symbol.end() > end;
            end = end.max(symbol.end());
            beyond
        });
        Self { symbols, changing }
    }

    /// What lies beside the component in this file, which consists of `bytes`.
    ///
    /// `None` where nothing is there, and where it is of another component. So is
    /// what makes no sense, which the log tells of.
    pub(crate) fn beside(component: &Path, bytes: &[u8]) -> Option<Self> {
        let file = file(component);
        let text = match whole_file::read_text(&file, MAX_COMPONENT) {
            Ok(text) => text,
            Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(
                    "cannot read {}, so that statics have no names: {error}",
                    file.display()
                );
                return None;
            }
        };
        match Self::of(bytes, &text) {
            Ok(symbols) => symbols,
            Err(Malformed { line }) => {
                tracing::warn!(
                    "line {line} of {} makes no sense, so that statics have no names: build the \
                     component again, or remove the file",
                    file.display()
                );
                None
            }
        }
    }

    /// What a file with this text says, if it is of the component that is `bytes`.
    fn of(bytes: &[u8], text: &str) -> Result<Option<Self>, Malformed> {
        let (of, symbols) = Self::parse(text)?;
        Ok((of == Identity::of(bytes)).then_some(symbols))
    }

    /// What lies at this address of the memory that the statics are in, as a piece
    /// of a sentence: `json_api::HITS (4 bytes)` or `json_api::CACHE + 12 (of 64
    /// bytes)`. `None` between statics, in the stack, and in the heap.
    pub(crate) fn name_of(&self, address: u64) -> Option<String> {
        let behind = self.symbols.partition_point(|s| s.address <= address);
        let symbol = self.symbols[..behind].last()?;
        let Symbol { size, name, .. } = symbol;
        let bytes = if *size == 1 { "byte" } else { "bytes" };
        match address - symbol.address {
            0 => Some(format!("{name} ({size} {bytes})")),
            offset if offset < *size => Some(format!("{name} + {offset} (of {size} {bytes})")),
            _ => None,
        }
    }

    /// Where the statics lie that may change: from the first of them to behind the
    /// last.
    pub(crate) fn changing(&self) -> Range<u64> {
        self.changing.clone()
    }

    /// Behind the last of them.
    pub(crate) fn end(&self) -> u64 {
        self.symbols.last().map_or(0, Symbol::end)
    }

    /// The statics that may change.
    pub(crate) fn that_change(&self) -> impl Iterator<Item = &Symbol> {
        let changes = |symbol: &&Symbol| self.changing.contains(&symbol.address);
        self.symbols.iter().filter(changes)
    }

    /// What the file of the component that is `bytes` holds.
    pub(crate) fn to_text(&self, bytes: &[u8]) -> String {
        let Range { start, end } = self.changing;
        let mut text = format!("{} changing={start:x}..{end:x}\n", Identity::of(bytes));
        for symbol in &self.symbols {
            let Symbol {
                address,
                size,
                name,
            } = symbol;
            // Writing to a string does not fail.
            let _ = writeln!(text, "{address:x} {size} {name}");
        }
        text
    }

    fn parse(text: &str) -> Result<(Identity, Self), Malformed> {
        let mut lines = text.lines();
        let head = lines.next().and_then(head).ok_or(Malformed { line: 1 })?;
        let (of, changing) = head;
        let mut symbols: Vec<Symbol> = Vec::new();
        for (line, number) in lines.zip(2..) {
            let symbol = symbol(line).filter(|symbol| {
                let end = symbols.last().map_or(0, Symbol::end);
                let begin = symbols.last().map_or(0, |last| last.address);
                symbol.size > 0 && symbol.address >= begin && symbol.end() > end && sound(symbol)
            });
            symbols.push(symbol.ok_or(Malformed { line: number })?);
        }
        Ok((of, Self { symbols, changing }))
    }
}

/// The file with the symbols of the component in this one.
pub(crate) fn file(component: &Path) -> PathBuf {
    let mut name = OsString::from(component);
    name.push(".symbols");
    name.into()
}

/// Where the file makes no sense.
#[derive(Debug, PartialEq, Eq)]
struct Malformed {
    line: usize,
}

/// Tells one component from another. Nobody gains anything from two that it takes
/// for the same, so it need not be hard to find such.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    fnv1a64: u64,
}

impl Identity {
    fn of(bytes: &[u8]) -> Self {
        // FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
        let fnv1a64 = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self {
            bytes: bytes.len() as u64,
            fnv1a64,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes={} fnv1a64={:016x}", self.bytes, self.fnv1a64)
    }
}

/// The first line.
fn head(line: &str) -> Option<(Identity, Range<u64>)> {
    let mut words = line.split(' ');
    let mut value = |key| words.next()?.strip_prefix(key)?.strip_prefix('=');
    let identity = Identity {
        bytes: value("bytes")?.parse().ok()?,
        fnv1a64: hexadecimal(value("fnv1a64")?)?,
    };
    let (start, end) = value("changing")?.split_once("..")?;
    let changing = hexadecimal(start)?..hexadecimal(end)?;
    (changing.start <= changing.end && words.next().is_none()).then_some((identity, changing))
}

/// One of the other lines.
fn symbol(line: &str) -> Option<Symbol> {
    let (address, rest) = line.split_once(' ')?;
    let (size, name) = rest.split_once(' ')?;
    Some(Symbol {
        address: hexadecimal(address)?,
        size: size.parse().ok()?,
        name: (!name.is_empty()).then(|| name.to_owned())?,
    })
}

/// Whether it lies in a linear memory, so that sizes can be added up, and has a name
/// that a terminal shows: anybody may have written the file.
fn sound(symbol: &Symbol) -> bool {
    symbol.end() <= MEMORY_END && !symbol.name.contains(char::is_control)
}

fn hexadecimal(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(address: u64, size: u64, name: &str) -> Symbol {
        Symbol {
            address,
            size,
            name: name.to_owned(),
        }
    }

    fn sample() -> Symbols {
        let symbols = vec![
            symbol(0x2000, 4, "app::HITS"),
            symbol(0x1000, 64, "app::TABLE"),
            symbol(0x2010, 1, "<app::Cell as app::Lazy>::get::READY"),
        ];
        Symbols::new(symbols, 0x2000..0x2011)
    }

    const COMPONENT: &[u8] = b"a component";

    #[test]
    fn an_address_is_named_by_the_static_that_it_lies_in() {
        let symbols = sample();
        for (address, name) in [
            (0x1000, "app::TABLE (64 bytes)"),
            (0x1001, "app::TABLE + 1 (of 64 bytes)"),
            (0x103f, "app::TABLE + 63 (of 64 bytes)"),
            (0x2000, "app::HITS (4 bytes)"),
            (0x2003, "app::HITS + 3 (of 4 bytes)"),
            (0x2010, "<app::Cell as app::Lazy>::get::READY (1 byte)"),
        ] {
            assert_eq!(symbols.name_of(address).as_deref(), Some(name));
        }
    }

    #[test]
    fn an_address_outside_of_all_statics_has_no_name() {
        for address in [0, 0xfff, 0x1040, 0x1fff, 0x2004, 0x2011, u64::MAX] {
            assert_eq!(sample().name_of(address), None, "{address:x}");
        }
        assert_eq!(Symbols::new(Vec::new(), 0..0).name_of(0), None);
    }

    #[test]
    fn what_lies_within_another_is_left_out_and_what_overlaps_is_not() {
        let symbols = Symbols::new(
            vec![
                symbol(0x12, 4, "within"),
                symbol(0x10, 8, "whole"),
                symbol(0x10, 8, "same"),
                symbol(0x10, 4, "shorter"),
                symbol(0x16, 4, "overlaps"),
                symbol(0x30, 0, "empty"),
            ],
            0..0x40,
        );
        let names: Vec<_> = symbols.that_change().map(|s| &*s.name).collect();
        assert_eq!(names, ["same", "overlaps"]);
    }

    #[test]
    fn those_that_may_change_are_told_from_the_others() {
        let symbols = sample();
        let names: Vec<_> = symbols.that_change().map(|s| &*s.name).collect();
        let expected = ["app::HITS", "<app::Cell as app::Lazy>::get::READY"];
        assert_eq!(names, expected);
        assert_eq!(symbols.changing(), 0x2000..0x2011);
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let text = sample().to_text(COMPONENT);
        // The checksum was computed by another program.
        let expected = "bytes=11 fnv1a64=d14f70f84db013a3 changing=2000..2011\n\
                        1000 64 app::TABLE\n\
                        2000 4 app::HITS\n\
                        2010 1 <app::Cell as app::Lazy>::get::READY\n";
        assert_eq!(text, expected);
        assert_eq!(Symbols::of(COMPONENT, &text), Ok(Some(sample())));
    }

    #[test]
    fn symbols_of_another_component_are_ignored() {
        let text = sample().to_text(COMPONENT);
        for other in [&b"b component"[..], b"a component ", b""] {
            assert_eq!(Symbols::of(other, &text), Ok(None));
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_known_by_its_number() {
        let good = sample().to_text(COMPONENT);
        let (head, rest) = good.split_once('\n').expect("lines");
        let table = [
            (String::new(), 1),
            ("nonsense\n".to_owned(), 1),
            (rest.to_owned(), 1),
            (format!("{head} more\n{rest}"), 1),
            (good.replace("2000..2011", "2011..2000"), 1),
            (good.replace("bytes=11", "bytes=-11"), 1),
            (good.replace("1000 64 app", "1000 sixty-four app"), 2),
            (good.replace("1000 64 app", "1000 app"), 2),
            (good.replace("1000 64 app::TABLE", "1000 64 "), 2),
            (good.replace("2000 4 app", "2000 0 app"), 3),
            // Not in order, and one within another.
            (good.replace("2000 4 app", "0900 9999 app"), 3),
            (good.replace("2000 4 app", "1004 4 app"), 3),
            (good.replace("2010 1", "2010 1 \n"), 4),
            // Not in memory, and not to be shown.
            (good.replace("1000 64", "1000 4294963201"), 2),
            (good.replace("2010 1", "2010 18446744073709551615"), 4),
            (good.replace("::READY", "\u{1b}[31m"), 4),
            (format!("{good}\n"), 5),
        ];
        for (text, line) in table {
            let read = Symbols::of(COMPONENT, &text);
            assert_eq!(read, Err(Malformed { line }), "{text}");
        }
    }
}
