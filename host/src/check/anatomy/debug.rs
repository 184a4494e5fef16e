//! The names of statics in debug information: DWARF, which compilers leave in custom
//! sections of a core module.
//!
//! Whoever made the component wrote it, and a component is loaded whether or not it
//! makes sense. So everything is read once, from front to back, and what may be
//! referred to from elsewhere is kept. Nothing is looked up in the sections but
//! strings and addresses, a bounded number of bytes each time. What is too much is
//! left out: then statics have no names.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt::{self, Write};

use gimli::{
    AttributeSpecification, AttributeValue, DebugAbbrev, DebugAbbrevOffset, DebugInfo, EndianSlice,
    EntriesRaw, Expression, Format, LittleEndian, Operation, UnitHeader, constants as dw,
};
use memchr::memchr;
use rustc_demangle::try_demangle;

use crate::symbols::Symbol;
use crate::told::Told;

/// Bytes that are read of what there is on variables and types. Large handlers with
/// all of it have a tenth.
const MAX_INFO: usize = 64 << 20;

/// The same of the shapes that entries have. They take a hundred times as much when
/// they are read.
const MAX_SHAPES: usize = 4 << 20;

/// Entries, and what is said of them: all in all, one or two seconds.
const MAX_WORK: usize = 40_000_000;

/// Units: what was compiled together.
const MAX_UNITS: usize = 100_000;

/// Types that are kept.
const MAX_TYPES: usize = 1_000_000;

/// Statics that are kept, and declarations of statics.
const MAX_STATICS: usize = 200_000;

/// Bytes of a string in the sections that are looked at, and of a name.
const MAX_STRING: usize = 1024;
const MAX_NAME: usize = 512;

/// Names of what a static is in, the innermost ones.
const MAX_PATH: usize = 16;

/// Entries with names within each other. Compilers are not that deep.
const MAX_DEPTH: usize = 256;

/// Types that a type is made of, one of the other.
const MAX_CHAIN: usize = 32;

/// What stands for a static whose name is not told.
const UNNAMED: &str = "an unnamed static";

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The sections with debug information of a core module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sections<'a> {
    info: &'a [u8],
    shapes: &'a [u8],
    strings: &'a [u8],
    line_strings: &'a [u8],
    string_offsets: &'a [u8],
    addresses: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Keeps a custom section, if it is one of them.
    pub(super) fn add(&mut self, name: &str, bytes: &'a [u8]) {
        let section = match name {
            ".debug_info" => &mut self.info,
            ".debug_abbrev" => &mut self.shapes,
            ".debug_str" => &mut self.strings,
            ".debug_line_str" => &mut self.line_strings,
            ".debug_str_offsets" => &mut self.string_offsets,
            ".debug_addr" => &mut self.addresses,
            _ => return,
        };
        *section = bytes;
    }

    /// The statics that they tell of, in no order. Some may be nonsense: what a
    /// linker left out of the module stays in the debug information.
    pub(super) fn statics(&self) -> Vec<Symbol> {
        if self.info.len() > MAX_INFO || self.shapes.len() > MAX_SHAPES {
            tracing::warn!(
                "the debug information of the component is too large to be read, so that statics \
                 have no names of it; strip types of dependencies (`debug = 1`) to have them"
            );
            return Vec::new();
        }
        let mut reading = Reading::new(*self);
        if reading.all().is_err() {
            tracing::warn!(
                "the debug information of the component has too many entries to be read to the \
                 end, so that some statics may have no names"
            );
        }
        reading.statics()
    }
}

/// There is more than is read.
#[derive(Debug)]
struct TooMuch;

/// Why a unit is not read to its end.
enum Stop {
    TooMuch,
    /// It makes no sense. Others may.
    Malformed,
}

impl From<gimli::Error> for Stop {
    fn from(_: gimli::Error) -> Self {
        Self::Malformed
    }
}

impl From<TooMuch> for Stop {
    fn from(_: TooMuch) -> Self {
        Self::TooMuch
    }
}

/// A type, as far as its size is concerned. Others are known by where they are in
/// the section.
#[derive(Debug, Clone, Copy)]
enum Type {
    Bytes(u64),
    /// Another name for one.
    Same(usize),
    Array {
        of: usize,
        /// None where that is not told.
        elements: Option<u64>,
    },
}

/// A variable, or the declaration of one.
#[derive(Debug)]
struct Variable {
    name: Option<String>,
    ty: Option<usize>,
    /// The declaration that says the rest.
    declared: Option<usize>,
}

/// A variable that lies in memory.
#[derive(Debug)]
struct Static {
    address: u64,
    /// Of the part of it that lies there, where it was split.
    part: Option<u64>,
    variable: Variable,
}

struct Reading<'a> {
    sections: Sections<'a>,
    types: HashMap<usize, Type>,
    declarations: HashMap<usize, Variable>,
    statics: Vec<Static>,
    work: usize,
}

impl<'a> Reading<'a> {
    fn new(sections: Sections<'a>) -> Self {
        Self {
            sections,
            types: HashMap::new(),
            declarations: HashMap::new(),
            statics: Vec::new(),
            work: 0,
        }
    }

    fn all(&mut self) -> Result<(), TooMuch> {
        let mut headers = DebugInfo::new(self.sections.info, LittleEndian).units();
        let mut units: Vec<UnitHeader<Slice<'a>>> = Vec::new();
        // Behind a header that makes no sense nothing is found.
        while let Ok(Some(header)) = headers.next() {
            if units.len() == MAX_UNITS {
                return Err(TooMuch);
            }
            units.push(header);
        }
        // Those together that have the same shapes. Each list ends where the next
        // one begins at the latest, so that none is read twice.
        let shapes = |unit: &UnitHeader<_>| unit.debug_abbrev_offset().0;
        units.sort_by_key(shapes);
        let lists: Vec<_> = units.chunk_by(|a, b| shapes(a) == shapes(b)).collect();
        for (i, list) in lists.iter().enumerate() {
            let Some(start) = list.first().map(shapes) else {
                continue;
            };
            let end = lists.get(i + 1).and_then(|next| next.first()).map(shapes);
            let end = end.unwrap_or(self.sections.shapes.len());
            let Some(bytes) = self.sections.shapes.get(start..end) else {
                continue;
            };
            let read = DebugAbbrev::new(bytes, LittleEndian).abbreviations(DebugAbbrevOffset(0));
            let Ok(shapes) = read else { continue };
            for unit in *list {
                let Ok(entries) = unit.entries_raw(&shapes, None) else {
                    continue;
                };
                match Unit::new(self, unit).read(entries) {
                    Err(Stop::TooMuch) => return Err(TooMuch),
                    Ok(()) | Err(Stop::Malformed) => {}
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, work: usize) -> Result<(), TooMuch> {
        self.work = self.work.saturating_add(work);
        (self.work <= MAX_WORK).then_some(()).ok_or(TooMuch)
    }

    fn keep_type(&mut self, at: usize, ty: Type) -> Result<(), TooMuch> {
        if self.types.len() >= MAX_TYPES {
            return Err(TooMuch);
        }
        self.types.insert(at, ty);
        Ok(())
    }

    /// What was found.
    fn statics(mut self) -> Vec<Symbol> {
        let statics = std::mem::take(&mut self.statics);
        let symbol = |found: Static| {
            let Variable { name, ty, declared } = found.variable;
            let declared = declared.and_then(|at| self.declarations.get(&at));
            let ty = ty.or_else(|| declared?.ty);
            let name = name.or_else(|| declared?.name.clone());
            Some(Symbol {
                address: found.address,
                size: found.part.or_else(|| self.size(ty?))?,
                name: name.unwrap_or_else(|| UNNAMED.to_owned()),
            })
        };
        statics.into_iter().filter_map(symbol).collect()
    }

    /// Bytes of the type that is there.
    fn size(&self, mut at: usize) -> Option<u64> {
        let mut elements = 1_u64;
        for _ in 0..MAX_CHAIN {
            match *self.types.get(&at)? {
                Type::Bytes(bytes) => return bytes.checked_mul(elements),
                Type::Same(same) => at = same,
                Type::Array { of, elements: more } => {
                    elements = elements.checked_mul(more?)?;
                    at = of;
                }
            }
        }
        None
    }
}

/// What an entry is in.
struct Around<'a> {
    depth: isize,
    /// Part of the names of all in it.
    name: Option<&'a [u8]>,
    /// Where it is, if it is an array.
    array: Option<usize>,
}

/// A unit that is being read.
struct Unit<'r, 'a> {
    reading: &'r mut Reading<'a>,
    header: &'r UnitHeader<Slice<'a>>,
    /// In the section.
    start: usize,
    /// Where its parts of the lists begin, to which it refers by numbers.
    string_offsets: usize,
    addresses: usize,
    path: Vec<Around<'a>>,
}

/// What an entry says of itself, as far as it is of interest.
#[derive(Default)]
struct Said<'a> {
    name: Option<AttributeValue<Slice<'a>>>,
    linkage_name: Option<AttributeValue<Slice<'a>>>,
    location: Option<Expression<Slice<'a>>>,
    /// These two are in the section.
    ty: Option<usize>,
    declared: Option<usize>,
    bytes: Option<u64>,
    count: Option<u64>,
    lower: Option<i64>,
    upper: Option<i64>,
    /// A static of a class, for one that is not a variable by its tag.
    is_external: bool,
    string_offsets: Option<usize>,
    addresses: Option<usize>,
}

impl<'r, 'a> Unit<'r, 'a> {
    fn new(reading: &'r mut Reading<'a>, header: &'r UnitHeader<Slice<'a>>) -> Self {
        // Behind the header of the list, where nothing else is said.
        let first = match header.format() {
            Format::Dwarf32 => 8,
            Format::Dwarf64 => 16,
        };
        Self {
            reading,
            header,
            start: header.debug_info_offset().map_or(0, |offset| offset.0),
            string_offsets: first,
            addresses: first,
            path: Vec::new(),
        }
    }

    fn read(&mut self, mut entries: EntriesRaw<'_, Slice<'a>>) -> Result<(), Stop> {
        while !entries.is_empty() {
            self.reading.count(1)?;
            let at = self.start + entries.next_offset().0;
            let depth = entries.next_depth();
            let Some(shape) = entries.read_abbreviation()? else {
                continue;
            };
            while self.path.last().is_some_and(|last| last.depth >= depth) {
                self.path.pop();
            }
            if self.path.len() > MAX_DEPTH {
                return Err(Stop::Malformed);
            }
            self.reading.count(shape.attributes().len())?;
            if matters(shape.tag()) {
                let said = self.said(&mut entries, shape.attributes())?;
                self.entry(at, depth, shape.tag(), &said)?;
            } else {
                entries.skip_attributes(shape.attributes())?;
            }
        }
        Ok(())
    }

    fn said(
        &self,
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        attributes: &[AttributeSpecification],
    ) -> Result<Said<'a>, Stop> {
        let mut said = Said::default();
        for attribute in attributes {
            let attribute = entries.read_attribute(*attribute)?;
            let value = attribute.value();
            match attribute.name() {
                dw::DW_AT_name => said.name = Some(value),
                dw::DW_AT_linkage_name | dw::DW_AT_MIPS_linkage_name => {
                    said.linkage_name = Some(value);
                }
                dw::DW_AT_location => said.location = value.exprloc_value(),
                dw::DW_AT_type => said.ty = self.place(&value),
                dw::DW_AT_specification | dw::DW_AT_abstract_origin => {
                    said.declared = self.place(&value);
                }
                dw::DW_AT_byte_size => said.bytes = value.udata_value(),
                dw::DW_AT_count => said.count = value.udata_value(),
                dw::DW_AT_lower_bound => said.lower = value.sdata_value(),
                dw::DW_AT_upper_bound => said.upper = value.sdata_value(),
                dw::DW_AT_external => said.is_external = value == AttributeValue::Flag(true),
                dw::DW_AT_str_offsets_base => said.string_offsets = attribute.offset_value(),
                dw::DW_AT_addr_base => said.addresses = attribute.offset_value(),
                _ => {}
            }
        }
        Ok(said)
    }

    fn entry(
        &mut self,
        at: usize,
        depth: isize,
        tag: gimli::DwTag,
        said: &Said<'a>,
    ) -> Result<(), Stop> {
        match tag {
            dw::DW_TAG_compile_unit | dw::DW_TAG_partial_unit => {
                self.string_offsets = said.string_offsets.unwrap_or(self.string_offsets);
                self.addresses = said.addresses.unwrap_or(self.addresses);
            }
            dw::DW_TAG_variable => self.variable(at, said)?,
            dw::DW_TAG_member if said.is_external => self.declaration(at, said)?,
            dw::DW_TAG_subrange_type => self.elements(depth, said),
            _ => {}
        }
        if names_what_is_in_it(tag) {
            let name = said.name.as_ref().and_then(|name| self.string(name));
            self.path.push(Around {
                depth,
                name,
                array: None,
            });
        }
        let ty = match (tag, said.ty, said.bytes) {
            (dw::DW_TAG_subrange_type | dw::DW_TAG_member | dw::DW_TAG_variable, ..) => None,
            (_, _, Some(bytes)) => Some(Type::Bytes(bytes)),
            (dw::DW_TAG_array_type, Some(of), None) => {
                self.path.push(Around {
                    depth,
                    name: None,
                    array: Some(at),
                });
                let elements = Some(1);
                Some(Type::Array { of, elements })
            }
            (tag, ..) if is_address(tag) => Some(Type::Bytes(self.header.address_size().into())),
            (tag, Some(same), None) if is_another_name(tag) => Some(Type::Same(same)),
            _ => None,
        };
        if let Some(ty) = ty {
            self.reading.keep_type(at, ty)?;
        }
        Ok(())
    }

    /// One dimension of the array that it is in.
    fn elements(&mut self, depth: isize, said: &Said<'a>) {
        let Some(around) = self.path.last().filter(|last| last.depth == depth - 1) else {
            return;
        };
        let array = around.array.and_then(|at| self.reading.types.get_mut(&at));
        if let Some(Type::Array { elements, .. }) = array {
            let span = || {
                let span = said.upper?.checked_sub(said.lower.unwrap_or(0))?;
                u64::try_from(span.checked_add(1)?).ok()
            };
            let more = said.count.or_else(span);
            *elements = elements
                .zip(more)
                .and_then(|(elements, more)| elements.checked_mul(more));
        }
    }

    fn variable(&mut self, at: usize, said: &Said<'a>) -> Result<(), Stop> {
        let Some(location) = said.location else {
            return self.declaration(at, said);
        };
        let Some((address, part)) = self.lies_at(location)? else {
            return Ok(());
        };
        // What a linker has left out of the module lies at 0 or at the very end.
        if address == 0 {
            return Ok(());
        }
        if self.reading.statics.len() >= MAX_STATICS {
            return Err(Stop::TooMuch);
        }
        let variable = self.described(said);
        self.reading.statics.push(Static {
            address,
            part,
            variable,
        });
        Ok(())
    }

    fn declaration(&mut self, at: usize, said: &Said<'a>) -> Result<(), Stop> {
        // Others are local variables, which nothing refers to.
        if !said.is_external {
            return Ok(());
        }
        if self.reading.declarations.len() >= MAX_STATICS {
            return Err(Stop::TooMuch);
        }
        let variable = self.described(said);
        self.reading.declarations.insert(at, variable);
        Ok(())
    }

    fn described(&self, said: &Said<'a>) -> Variable {
        Variable {
            name: self.full_name(said),
            ty: said.ty,
            declared: said.declared,
        }
    }

    /// The address of what lies in memory, and how many bytes of it, where they are
    /// not all.
    ///
    /// Code that may be put anywhere adds a global to it, which the linker does not
    /// fill in: the base of the data. That is 0 in a module with a memory of its own,
    /// and in others nobody asks.
    fn lies_at(&self, location: Expression<Slice<'a>>) -> Result<Option<(u64, Option<u64>)>, Stop> {
        let mut operations = location.operations(self.header.encoding());
        let mut first = operations.next()?;
        let mut is_relative = matches!(first, Some(Operation::WasmGlobal { .. }));
        if is_relative {
            first = operations.next()?;
        }
        let address = match first {
            Some(Operation::Address { address }) => Some(address),
            Some(Operation::AddressIndex { index }) => self.address(index.0),
            _ => None,
        };
        let Some(mut address) = address else {
            return Ok(None);
        };
        let mut part = None;
        while let Some(operation) = operations.next()? {
            match operation {
                Operation::Plus if is_relative => is_relative = false,
                Operation::PlusConstant { value } => address = address.wrapping_add(value),
                Operation::Piece { size_in_bits, .. } => {
                    part = Some(size_in_bits / 8);
                    break;
                }
                // A value that is computed lies nowhere.
                _ => return Ok(None),
            }
        }
        Ok((!is_relative).then_some((address, part)))
    }

    /// The name that the source has for it, with the names of all that it is in.
    fn full_name(&self, said: &Said<'a>) -> Option<String> {
        let linkage_name = said.linkage_name.as_ref();
        if let Some(name) = linkage_name.and_then(|name| demangled(self.string(name)?)) {
            return Some(Told(&name).to_string());
        }
        let name = self.string(said.name.as_ref()?)?;
        let outer = self.path.iter().filter_map(|around| around.name);
        let outer: Vec<_> = outer.filter(|name| !name.is_empty()).collect();
        let inner = outer.len().saturating_sub(MAX_PATH);
        let mut full = String::new();
        for part in outer[inner..].iter().copied().chain([name]) {
            if !full.is_empty() {
                full.push_str("::");
            }
            full.push_str(&String::from_utf8_lossy(part));
        }
        Some(Told(&full).to_string())
    }

    /// Where something is in the section that an entry refers to.
    fn place(&self, value: &AttributeValue<Slice<'a>>) -> Option<usize> {
        match value {
            AttributeValue::UnitRef(offset) => self.start.checked_add(offset.0),
            AttributeValue::DebugInfoRef(offset) => Some(offset.0),
            _ => None,
        }
    }

    fn string(&self, value: &AttributeValue<Slice<'a>>) -> Option<&'a [u8]> {
        let sections = &self.reading.sections;
        let (section, at) = match value {
            AttributeValue::String(text) => (text.slice(), 0),
            AttributeValue::DebugStrRef(offset) => (sections.strings, offset.0),
            AttributeValue::DebugLineStrRef(offset) => (sections.line_strings, offset.0),
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let bytes = self.header.format().word_size().into();
                let offset = entry(sections.string_offsets, self.string_offsets, index.0, bytes);
                (sections.strings, usize::try_from(offset?).ok()?)
            }
            _ => return None,
        };
        let text = section.get(at..)?;
        let text = text.get(..MAX_STRING).unwrap_or(text);
        text.get(..memchr(0, text).unwrap_or(text.len()))
    }

    /// The address with this number in the unit's list.
    fn address(&self, number: usize) -> Option<u64> {
        let bytes = self.header.address_size().into();
        entry(
            self.reading.sections.addresses,
            self.addresses,
            number,
            bytes,
        )
    }
}

/// The number `number` of a list of numbers with so many bytes each.
fn entry(section: &[u8], list: usize, number: usize, bytes: usize) -> Option<u64> {
    let at = number.checked_mul(bytes)?.checked_add(list)?;
    let value = section.get(at..at.checked_add(bytes)?)?;
    let mut word = [0; 8];
    word.get_mut(..bytes)?.copy_from_slice(value);
    Some(u64::from_le_bytes(word))
}

/// Whether an entry tells anything of statics or of the size of types.
fn matters(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_compile_unit
            | dw::DW_TAG_partial_unit
            | dw::DW_TAG_variable
            | dw::DW_TAG_member
            | dw::DW_TAG_base_type
            | dw::DW_TAG_array_type
            | dw::DW_TAG_subrange_type
    ) || names_what_is_in_it(tag)
        || is_address(tag)
        || is_another_name(tag)
}

fn names_what_is_in_it(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_namespace
            | dw::DW_TAG_module
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type
            | dw::DW_TAG_subprogram
    )
}

fn is_address(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type
    )
}

fn is_another_name(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_typedef
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
    )
}

/// What a linker's name is in the source, for one of Rust. Without the hash.
fn demangled(name: &[u8]) -> Option<String> {
    let name = try_demangle(str::from_utf8(name).ok()?).ok()?;
    let mut text = Bounded(String::new());
    // What is longer is cut: a name may stand for many times its own length.
    let _ = write!(text, "{name:#}");
    Some(text.0)
}

/// As much of a text as is kept of a name.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_NAME {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
