//! Reads the map that `wasm-ld` writes with `--Map`, as far as it is about data.
//!
//! ```text
//!     Addr      Off     Size Out     In      Symbol
//!        -      b21    23581 CODE
//!        -     240a2     7b2a DATA
//!    17840    2b8e0      2e0 .data
//!    17840    2b8e8       30         app.o:(.data._ZN3app4HITS17ha1f1e879ab6bf4e6E)
//!    17840    2b8e8       30                 _ZN3app4HITS17ha1f1e879ab6bf4e6E
//! ```
//!
//! How far the last column is to the right tells what a line is about: a section
//! or a segment of the module, a piece of it that came from one object file, or a
//! symbol in that piece. What has an address and is in a segment is data. All
//! numbers are hexadecimal.

use rustc_demangle::try_demangle;

use crate::segments::{self, Module};
use crate::symbols::{Symbol, Symbols};

/// The last column of pieces and of symbols, in spaces.
const PIECE: usize = 8;
const SYMBOL: usize = 16;

/// Most bytes between two constants that alignment asks for.
const PADDING: u64 = 15;

/// What the linker calls the segment that nobody writes to.
const READ_ONLY: &str = ".rodata";

/// And the one that is not in the file, since memory is zero to begin with.
const ZERO: &str = ".bss";

/// Stand for what has no name in the source: constants that lie together, and
/// others.
const CONSTANTS: &str = "unnamed constants";
const UNNAMED: &str = "an unnamed static";

/// The map of a module.
#[derive(Debug, Default)]
pub(crate) struct LinkMap {
    /// Bytes of the code section, with the id and the length in front.
    code: u64,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    name: String,
    address: u64,
    size: u64,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    whole: Symbol,
    /// As the linker names them.
    symbols: Vec<Symbol>,
    constant: bool,
}

impl LinkMap {
    /// Reads a map. `None` for what is none.
    pub(crate) fn parse(map: &str) -> Option<Self> {
        let mut lines = map.lines();
        if !lines.next()?.trim_start().starts_with("Addr ") {
            return None;
        }
        let mut parsed = Self::default();
        let mut in_segment = false;
        for line in lines {
            let line = Line::parse(line)?;
            let Some(address) = line.address else {
                if line.indent == 0 && line.text == "CODE" {
                    parsed.code = line.size;
                }
                in_segment = false;
                continue;
            };
            let symbol = || Symbol {
                address,
                size: line.size,
                name: line.text.to_owned(),
            };
            match (line.indent, parsed.segments.last_mut()) {
                (0, _) => {
                    in_segment = true;
                    parsed.segments.push(Segment {
                        name: line.text.to_owned(),
                        address,
                        size: line.size,
                        pieces: Vec::new(),
                    });
                }
                // Globals have a number where others have an address.
                _ if !in_segment => {}
                (PIECE, Some(segment)) => segment.pieces.push(Piece {
                    whole: symbol(),
                    symbols: Vec::new(),
                    constant: segment.is_read_only() || is_constant(line.text),
                }),
                (SYMBOL, Some(segment)) => segment.pieces.last_mut()?.symbols.push(symbol()),
                _ => return None,
            }
        }
        Some(parsed)
    }

    /// Whether it is the map of one of the modules in this component, going by
    /// their shape: the sizes of code and data, and where the data lies.
    pub(crate) fn describes(&self, component: &[u8]) -> bool {
        let segments = self.segments.iter().filter(|segment| segment.name != ZERO);
        let segments: Vec<_> = segments.map(|s| (s.address, s.size)).collect();
        let same = |module: &Module<'_>| {
            let there = module.segments.iter();
            let there = there.map(|s| (u64::from(s.address), s.bytes.len() as u64));
            with_header(module.code) == self.code && there.eq(segments.iter().copied())
        };
        segments::modules(component).iter().any(same)
    }

    /// The data of the module, with the names that it has in the source.
    pub(crate) fn into_symbols(self) -> Symbols {
        let changing = self.segments.iter().filter(|s| !s.is_read_only());
        let bounds = |segment: &Segment| (segment.address, segment.address + segment.size);
        let (starts, ends): (Vec<_>, Vec<_>) = changing.map(bounds).unzip();
        let start = starts.into_iter().min().unwrap_or(0);
        let end = ends.into_iter().max().unwrap_or(0);
        let symbols = self.segments.into_iter().flat_map(Segment::into_symbols);
        Symbols::new(symbols.collect(), start..end)
    }
}

impl Segment {
    fn is_read_only(&self) -> bool {
        self.name == READ_ONLY
    }

    fn into_symbols(self) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::new();
        for piece in self.pieces {
            for symbol in piece.into_symbols() {
                match symbols.last_mut() {
                    Some(last)
                        if last.name == CONSTANTS
                            && symbol.name == CONSTANTS
                            && symbol.address <= last.address + last.size + PADDING =>
                    {
                        let end = symbol.address + symbol.size;
                        last.size = last.size.max(end.saturating_sub(last.address));
                    }
                    _ => symbols.push(symbol),
                }
            }
        }
        symbols
    }
}

impl Piece {
    fn into_symbols(mut self) -> Vec<Symbol> {
        let substitute = if self.constant { CONSTANTS } else { UNNAMED };
        if self.symbols.is_empty() {
            self.whole.name = substitute.to_owned();
            return vec![self.whole];
        }
        for symbol in &mut self.symbols {
            symbol.name = name(&symbol.name).unwrap_or_else(|| substitute.to_owned());
        }
        self.symbols
    }
}

/// Whether a piece is of an object's section for constants, which may be among
/// what changes: with position-independent code, addresses in them are filled in
/// at the start.
fn is_constant(piece: &str) -> bool {
    let section = piece.rsplit_once(":(").map_or("", |(_, section)| section);
    section.starts_with(".rodata") || section.starts_with(".data.rel.ro")
}

/// The name in the source, if there is one. A C symbol is the name.
fn name(symbol: &str) -> Option<String> {
    if let Ok(name) = try_demangle(symbol) {
        // Without the hashes.
        return Some(format!("{name:#}"));
    }
    // What the compiler made up: what is private to an object file, and what was
    // so before the file was split; and constants as they are called without
    // optimisation.
    let hash = symbol.strip_prefix("alloc_").unwrap_or_default();
    let made_up = [".L", "anon.", "vtable.", "switch.table."]
        .iter()
        .any(|prefix| symbol.starts_with(prefix))
        || hash.len() >= 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!made_up).then(|| symbol.to_owned())
}

/// Bytes of a section whose content has so many.
fn with_header(content: usize) -> u64 {
    if content == 0 {
        return 0;
    }
    // The id, and the length in seven bits a byte.
    1 + u64::from(content.ilog2() / 7 + 1) + content as u64
}

struct Line<'a> {
    address: Option<u64>,
    size: u64,
    indent: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (address, rest) = column(line)?;
        let (_offset, rest) = column(rest)?;
        let (size, rest) = column(rest)?;
        let text = rest.trim_start_matches(' ');
        Some(Self {
            address: match address {
                "-" => None,
                digits => Some(u64::from_str_radix(digits, 16).ok()?),
            },
            size: u64::from_str_radix(size, 16).ok()?,
            indent: rest.len() - text.len(),
            text,
        })
    }
}

/// The first column, without the space behind it, and the rest.
fn column(line: &str) -> Option<(&str, &str)> {
    line.trim_start_matches(' ').split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
    Addr      Off     Size Out     In      Symbol
       -        8       a6 TYPE
       -      ab4       4a GLOBAL
       0        0        0         __stack_pointer
       -      b21        6 CODE
       -      b23        3         <internal>:(__wasm_call_ctors)
       -      b26        3         app.o:(_ZN3app4main17ha1f1e879ab6bf4e6E)
       -      b26        3                 _ZN3app4main17ha1f1e879ab6bf4e6E
       -      c00      100 DATA
   10000      c08       30 .rodata
   10000      c08        8         <internal>:(.rodata)
   10008      c10        4         app.o:(.rodata..Lanon.9cfdaf9871ee33c9c2ca7921570cf593.5)
   10008      c10        4                 .Lanon.9cfdaf9871ee33c9c2ca7921570cf593.5
   10010      c18       10         app.o:(.rodata._ZN3app5TABLE17ha1f1e879ab6bf4e6E)
   10010      c18       10                 _ZN3app5TABLE17ha1f1e879ab6bf4e6E
   10020      c28        2         app.o:(.rodata.anon.f00.1.llvm.7)
   10020      c28        2                 anon.f00.1.llvm.7
   10022      c2a        e         app.o:(.rodata.alloc_0123456789abcdef0123456789abcdef)
   10022      c2a        e                 alloc_0123456789abcdef0123456789abcdef
   10030      c40       10 .data
   10030      c40        4         app.o:(.data.rel.ro..Lvtable.1)
   10030      c40        4                 .Lvtable.1
   10034      c44        4         app.o:(.data..Lanon.1)
   10034      c44        4                 .Lanon.1
   10038      c48        4         /a folder/libc.a(getcwd.c.obj):(.data.__wasilibc_cwd)
   10038      c48        4                 __wasilibc_cwd
   10040      b00      120 .bss
   10040        0        4         app.o:(.bss._RNvNtCsebHcaeoSrxy_3std9panicking4HOOK.0)
   10040        0        4                 _RNvNtCsebHcaeoSrxy_3std9panicking4HOOK.0
   10060        0      100         app.o:(.bss.both)
   10060        0       80                 _ZN3app3ONE17ha1f1e879ab6bf4e6E
   100e0        0       80                 _ZN39_$LT$app..Cell$u20$as$u20$app..Lazy$GT$3get5READY17hcb07475053b9c111E
       -      d00     1bf8 CUSTOM(component-type:app:imports and exports)
";

    fn names(symbols: &Symbols, addresses: &[u64]) -> Vec<Option<String>> {
        addresses.iter().map(|at| symbols.name_of(*at)).collect()
    }

    fn symbols() -> Symbols {
        LinkMap::parse(MAP).expect("a map").into_symbols()
    }

    #[test]
    fn statics_have_the_names_of_the_source() {
        let found = names(&symbols(), &[0x10010, 0x10038, 0x10040, 0x10060, 0x100e1]);
        let expected = [
            "app::TABLE (16 bytes)",
            "__wasilibc_cwd (4 bytes)",
            "std::panicking::HOOK.0 (4 bytes)",
            "app::ONE (128 bytes)",
            "<app::Cell as app::Lazy>::get::READY + 1 (of 128 bytes)",
        ];
        assert_eq!(found, expected.map(|name| Some(name.to_owned())));
    }

    #[test]
    fn constants_without_a_name_are_taken_together() {
        let found = names(&symbols(), &[0x10000, 0x1000b, 0x10020, 0x10023, 0x10030]);
        let expected = [
            "unnamed constants (12 bytes)",
            "unnamed constants + 11 (of 12 bytes)",
            "unnamed constants (16 bytes)",
            "unnamed constants + 3 (of 16 bytes)",
            // Never across segments.
            "unnamed constants (4 bytes)",
        ];
        assert_eq!(found, expected.map(|name| Some(name.to_owned())));
        let found = names(&symbols(), &[0x10034]);
        assert_eq!(found, [Some("an unnamed static (4 bytes)".to_owned())]);
    }

    #[test]
    fn what_is_no_data_is_left_out() {
        // A global's number, a function's place in the file, what lies between.
        assert_eq!(
            names(&symbols(), &[0, 0xb26, 0x1003c, 0x10160]),
            [None, None, None, None]
        );
    }

    #[test]
    fn what_is_behind_the_constants_may_change() {
        assert_eq!(symbols().changing(), 0x10030..0x10160);
        assert_eq!(
            symbols().that_change().next().map(|s| s.address),
            Some(0x10030)
        );
    }

    #[test]
    fn a_module_without_data_has_a_map_too() {
        let map = "Addr Off Size Out\n       -        8       a6 TYPE\n";
        let symbols = LinkMap::parse(map).expect("a map").into_symbols();
        assert_eq!(symbols, Symbols::new(Vec::new(), 0..0));
    }

    #[test]
    fn what_is_no_map_is_none() {
        let symbol_without_a_piece =
            "    Addr Off Size Out\n 1 2 3 .data\n 1 2 3                 x\n";
        for text in [
            "",
            "The linker writes no map.\n",
            &MAP.replace("10010      c18", "1001x      c18"),
            &MAP[20..],
            symbol_without_a_piece,
        ] {
            assert!(LinkMap::parse(text).is_none(), "{text}");
        }
    }

    /// A module that has the shape of the map, with this data and function.
    fn module(read_only: usize, changes: &str, body: &str) -> Vec<u8> {
        let read_only = "x".repeat(read_only);
        let text = format!(
            r#"(module (memory 2) (func {body})
                (data (i32.const 0x10000) "{read_only}") {changes})"#
        );
        wat::parse_str(text).expect("a module")
    }

    const CHANGES: &str = r#"(data (i32.const 0x10030) "0123456789abcdef")"#;

    #[test]
    fn a_map_describes_the_module_that_it_was_written_for() {
        let map = LinkMap::parse(MAP).expect("a map");
        let same = module(0x30, CHANGES, "");
        assert!(map.describes(&same));
        let component = format!(
            "(component (core module (func unreachable)) (core {}",
            r#"module (memory 2) (func) (data (i32.const 0x10000) "0123456789abcdef0123456789abcdef0123456789abcdef")
               (data (i32.const 0x10030) "0123456789abcdef")))"#
        );
        assert!(map.describes(&wat::parse_str(component).expect("a component")));

        for other in [
            module(0x31, CHANGES, ""),
            module(0x30, CHANGES, "nop"),
            module(0x30, "", ""),
            module(0x30, &CHANGES.replace("10030", "10034"), ""),
            module(0x30, r#"(data "0123456789abcdef")"#, ""),
            module(0x30, &CHANGES.repeat(2), ""),
            b"nonsense".to_vec(),
        ] {
            assert!(!map.describes(&other));
        }
    }

    #[test]
    fn half_a_map_describes_nothing() {
        let (half, _) = MAP.split_once("   10030 ").expect("it has that address");
        let map = LinkMap::parse(half).expect("whole lines");
        assert!(!map.describes(&module(0x30, CHANGES, "")));
    }

    #[test]
    fn a_section_is_as_long_as_its_content_with_what_is_in_front() {
        for (content, whole) in [(0, 0), (1, 3), (127, 129), (128, 131), (0x2_b081, 0x2_b085)] {
            assert_eq!(with_header(content), whole);
        }
    }
}
