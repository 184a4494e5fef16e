//! Names from debug information that is put together by hand. What a compiler makes
//! is in `tests/symbols.rs`.

use gimli::constants as dw;

use super::super::debug::Sections;
use super::*;

/// Sections with these two.
fn sections<'a>(info: &'a [u8], shapes: &'a [u8]) -> Sections<'a> {
    let mut sections = Sections::default();
    sections.add(".debug_info", info);
    sections.add(".debug_abbrev", shapes);
    sections
}

/// Shapes of entries: tag, whether others are in it, attributes with their forms.
type Shape = (gimli::DwTag, bool, &'static [(gimli::DwAt, gimli::DwForm)]);

// Numbers of the shapes below.
const UNIT: u8 = 1;
const NAMESPACE: u8 = 2;
const VARIABLE: u8 = 3;
const BASE: u8 = 4;
const ARRAY: u8 = 5;
const COUNT: u8 = 6;
const LINKED: u8 = 7;
const TYPEDEF: u8 = 8;
const POINTER: u8 = 9;
const FUNCTION: u8 = 10;
const DECLARED: u8 = 11;
const DEFINED: u8 = 12;
const LOCAL: u8 = 13;
const UPPER: u8 = 14;
const NUMBERED: u8 = 15;
const OTHER: u8 = 16;

const SHAPES: [Shape; 16] = {
    const NAME: (gimli::DwAt, gimli::DwForm) = (dw::DW_AT_name, dw::DW_FORM_string);
    const TYPE: (gimli::DwAt, gimli::DwForm) = (dw::DW_AT_type, dw::DW_FORM_ref4);
    const AT: (gimli::DwAt, gimli::DwForm) = (dw::DW_AT_location, dw::DW_FORM_exprloc);
    [
        (
            dw::DW_TAG_compile_unit,
            true,
            &[
                (dw::DW_AT_str_offsets_base, dw::DW_FORM_sec_offset),
                (dw::DW_AT_addr_base, dw::DW_FORM_sec_offset),
            ],
        ),
        (dw::DW_TAG_namespace, true, &[NAME]),
        (dw::DW_TAG_variable, false, &[NAME, TYPE, AT]),
        (
            dw::DW_TAG_base_type,
            false,
            &[(dw::DW_AT_byte_size, dw::DW_FORM_data1)],
        ),
        (dw::DW_TAG_array_type, true, &[TYPE]),
        (
            dw::DW_TAG_subrange_type,
            false,
            &[(dw::DW_AT_count, dw::DW_FORM_data1)],
        ),
        (
            dw::DW_TAG_variable,
            false,
            &[NAME, (dw::DW_AT_linkage_name, dw::DW_FORM_string), TYPE, AT],
        ),
        (dw::DW_TAG_typedef, false, &[TYPE]),
        (dw::DW_TAG_pointer_type, false, &[]),
        (dw::DW_TAG_subprogram, true, &[NAME]),
        (
            dw::DW_TAG_variable,
            false,
            &[NAME, TYPE, (dw::DW_AT_external, dw::DW_FORM_flag_present)],
        ),
        (
            dw::DW_TAG_variable,
            false,
            &[(dw::DW_AT_specification, dw::DW_FORM_ref4), AT],
        ),
        (dw::DW_TAG_variable, false, &[NAME, TYPE]),
        (
            dw::DW_TAG_subrange_type,
            false,
            &[(dw::DW_AT_upper_bound, dw::DW_FORM_data1)],
        ),
        (
            dw::DW_TAG_variable,
            false,
            &[(dw::DW_AT_name, dw::DW_FORM_strx1), TYPE, AT],
        ),
        (
            dw::DW_TAG_lexical_block,
            true,
            &[(dw::DW_AT_low_pc, dw::DW_FORM_addr)],
        ),
    ]
};

/// A number of seven bits a byte.
fn leb(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// The section with the shapes.
fn shapes() -> Vec<u8> {
    let mut bytes = Vec::new();
    for ((tag, children, attributes), number) in SHAPES.iter().zip(1..) {
        bytes.extend(leb(number));
        bytes.extend(leb(tag.0.into()));
        bytes.push((*children).into());
        for (attribute, form) in *attributes {
            bytes.extend(leb(attribute.0.into()));
            bytes.extend(leb(form.0.into()));
        }
        bytes.extend([0, 0]);
    }
    bytes.push(0);
    bytes
}

/// Where the entries of a unit begin.
const FIRST: usize = 12;

/// The entries of a unit of DWARF 5.
struct Entries(Vec<u8>);

impl Entries {
    fn new() -> Self {
        let mut entries = Self(Vec::new());
        // The lists of strings and addresses have another entry in front.
        entries.add(UNIT, &[&12_u32.to_le_bytes(), &12_u32.to_le_bytes()]);
        entries
    }

    /// Returns where it is in the unit.
    fn add(&mut self, shape: u8, attributes: &[&[u8]]) -> [u8; 4] {
        let at = u32::try_from(FIRST + self.0.len()).expect("it is short");
        self.0.push(shape);
        self.0.extend(attributes.concat());
        at.to_le_bytes()
    }

    fn end(&mut self) {
        self.0.push(0);
    }

    /// A type of so many bytes.
    fn base(&mut self, bytes: u8) -> [u8; 4] {
        self.add(BASE, &[&[bytes]])
    }

    fn variable(&mut self, name: &str, ty: [u8; 4], address: u32) {
        self.add(VARIABLE, &[&text(name), &ty, &at(address)]);
    }

    /// The section with one unit.
    fn section(mut self) -> Vec<u8> {
        self.end();
        let len = u32::try_from(self.0.len() + FIRST - 4).expect("it is short");
        let mut bytes = len.to_le_bytes().to_vec();
        // Version, kind of unit, bytes of an address, where the shapes are.
        bytes.extend([5, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend(self.0);
        bytes
    }
}

fn text(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn expression(operations: &[u8]) -> Vec<u8> {
    [&leb(operations.len() as u64), operations].concat()
}

fn at(address: u32) -> Vec<u8> {
    expression(&[&[dw::DW_OP_addr.0][..], &address.to_le_bytes()].concat())
}

/// A component whose statics are from 0x10000 to 0x11000 of 0x20000, with these
/// sections.
fn with_sections(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut module = r#"(memory 2) (global $__stack_pointer (mut i32) (i32.const 0x10000))
        (data $.data (i32.const 0x10000) "data")
        (global $end i32 (i32.const 0x11000)) (export "__heap_base" (global $end))"#
        .to_owned();
    for (name, bytes) in sections {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        module.push_str(&format!("(@custom \"{name}\" \"{bytes}\")"));
    }
    of_module(&module)
}

fn with(entries: Entries) -> Vec<u8> {
    // Of two lists: the first has another entry in front.
    let strings = b"nothing\0app\0indexed\0";
    let offsets = [&[0; 12][..], &0_u32.to_le_bytes(), &12_u32.to_le_bytes()].concat();
    let addresses = [
        &[0; 12][..],
        &0_u32.to_le_bytes(),
        &0x10800_u32.to_le_bytes(),
    ]
    .concat();
    with_sections(&[
        (".debug_info", &entries.section()),
        (".debug_abbrev", &shapes()),
        (".debug_str", strings),
        (".debug_str_offsets", &offsets),
        (".debug_addr", &addresses),
    ])
}

#[track_caller]
fn assert_names(entries: Entries, expected: &[(usize, Option<&str>)]) {
    let bytes = with(entries);
    let anatomy = Anatomy::of(&bytes, None);
    for (address, name) in expected {
        let found = anatomy.name_of(place(0, *address));
        assert_eq!(found.as_deref(), *name, "{address:#x}");
    }
}

/// Statics of all kinds.
fn sample() -> Entries {
    let mut entries = Entries::new();
    let word = entries.base(4);
    let alias = entries.add(TYPEDEF, &[&word]);
    let pointer = entries.add(POINTER, &[]);
    let array = entries.add(ARRAY, &[&alias]);
    entries.add(COUNT, &[&[3]]);
    entries.add(UPPER, &[&[4]]);
    entries.end();
    entries.add(NAMESPACE, &[&text("app")]);
    entries.variable("HITS", word, 0x10000);
    entries.add(NAMESPACE, &[&text("cache")]);
    entries.variable("TABLE", array, 0x10010);
    let declared = entries.add(DECLARED, &[&text("shared"), &pointer]);
    entries.end();
    entries.variable("LAST", alias, 0x10060);
    entries.end();
    entries.add(FUNCTION, &[&text("handle")]);
    entries.add(LOCAL, &[&text("local"), &word]);
    entries.add(OTHER, &[&[0; 4]]);
    entries.variable("calls", word, 0x10064);
    entries.end();
    entries.end();
    entries.add(DEFINED, &[&declared, &at(0x10068)]);
    let mangled = "_ZN3app6Loader5READY17h0123456789abcdefE";
    entries.add(
        LINKED,
        &[&text("READY"), &text(mangled), &word, &at(0x1006c)],
    );
    let mangled = "_RNvNtCs1234_7mycrate6module5COUNT";
    entries.add(
        LINKED,
        &[&text("COUNT"), &text(mangled), &word, &at(0x10070)],
    );
    let of_c = "_ZZ4mainE1x";
    entries.add(LINKED, &[&text("x"), &text(of_c), &word, &at(0x10074)]);
    let indexed = expression(&[dw::DW_OP_addrx.0, 1]);
    entries.add(NUMBERED, &[&[1], &word, &indexed]);
    entries
}

#[test]
fn statics_have_the_names_of_the_source_with_all_that_they_are_in() {
    assert_names(
        sample(),
        &[
            (0x10000, Some("app::HITS (4 bytes)")),
            (0x10003, Some("app::HITS + 3 (of 4 bytes)")),
            (0x10004, None),
            (0x10010, Some("app::cache::TABLE (60 bytes)")),
            (0x1004b, Some("app::cache::TABLE + 59 (of 60 bytes)")),
            (0x1004c, None),
            (0x10060, Some("app::LAST (4 bytes)")),
            (0x10064, Some("handle::calls (4 bytes)")),
            (0x10068, Some("app::cache::shared (4 bytes)")),
            (0x1006c, Some("app::Loader::READY (4 bytes)")),
            (0x10070, Some("mycrate::module::COUNT (4 bytes)")),
            (0x10074, Some("x (4 bytes)")),
            (0x10800, Some("indexed (4 bytes)")),
        ],
    );
}

#[test]
fn the_segment_is_told_where_no_static_is_named() {
    let mut entries = Entries::new();
    let byte = entries.base(1);
    entries.variable("first", byte, 0x10000);
    assert_names(
        entries,
        &[
            (0x10000, Some("first (1 byte)")),
            (0x10001, Some("in segment .data")),
            (0x10004, None),
        ],
    );
}

#[test]
fn statics_that_are_not_in_the_module_are_left_out() {
    let mut entries = Entries::new();
    let word = entries.base(4);
    // Left out by the linker, in the stack, across the end of statics, and in the
    // heap.
    for address in [
        0,
        1,
        u32::MAX,
        u32::MAX - 3,
        0x8000,
        0xfffe,
        0x10ffe,
        0x11000,
    ] {
        entries.variable("gone", word, address);
    }
    entries.variable("last", word, 0x10ffc);
    let bytes = with(entries);
    let anatomy = Anatomy::of(&bytes, None);
    for address in [0, 1, 0x8000, 0xfffe, 0xffff, 0x11000, 0x11001, 0xffff_ffff] {
        assert_eq!(anatomy.name_of(place(0, address)), None, "{address:#x}");
    }
    let last = anatomy.name_of(place(0, 0x10ffe));
    assert_eq!(last.as_deref(), Some("last + 2 (of 4 bytes)"));
}

#[test]
fn statics_that_lie_nowhere_or_have_no_size_are_left_out() {
    let mut entries = Entries::new();
    let word = entries.base(4);
    let nothing = entries.base(0);
    let at_0 = &dw::DW_OP_addr.0;
    let address = 0x10100_u32.to_le_bytes();
    let [a, b, c, d] = address;
    // A computed value, a register, nothing, half an address, an unknown operation.
    for location in [
        &[*at_0, a, b, c, d, dw::DW_OP_stack_value.0][..],
        &[dw::DW_OP_WASM_location.0, 0, 0],
        &[],
        &[*at_0, a, b],
        &[0xff, 0xff],
    ] {
        let mut entries = Entries::new();
        let word = entries.base(4);
        entries.add(VARIABLE, &[&text("x"), &word, &expression(location)]);
        assert_names(entries, &[(0x10100, None)]);
    }
    entries.variable("nothing", nothing, 0x10100);
    // A type that is itself, one that is not there, and an array of no length.
    let here = u32::try_from(FIRST + entries.0.len()).expect("it is short");
    let circle = entries.add(TYPEDEF, &[&here.to_le_bytes()]);
    entries.variable("circle", circle, 0x10200);
    entries.variable("missing", [0xff; 4], 0x10300);
    let endless = entries.add(ARRAY, &[&word]);
    entries.add(UPPER, &[&[0xff]]);
    entries.end();
    // An attribute of one byte is signed where it is a bound: 0xff is -1.
    entries.variable("endless", endless, 0x10400);
    // And a part of one.
    let part = [*at_0, a, 0x05, c, d, dw::DW_OP_piece.0, 2];
    entries.add(VARIABLE, &[&text("part"), &word, &expression(&part)]);
    let moved = [*at_0, a, 0x06, c, d, dw::DW_OP_plus_uconst.0, 8];
    entries.add(VARIABLE, &[&text("moved"), &word, &expression(&moved)]);
    assert_names(
        entries,
        &[
            (0x10100, None),
            (0x10200, None),
            (0x10300, None),
            (0x10400, None),
            (0x10500, Some("part (2 bytes)")),
            (0x10600, None),
            (0x10608, Some("moved (4 bytes)")),
        ],
    );
}

/// As LLVM has it for code that may be put anywhere, which is what it takes WASI for.
#[test]
fn addresses_behind_the_base_of_all_data_are_what_the_linker_says() {
    let global = [dw::DW_OP_WASM_location.0, 3, 1, 0, 0, 0];
    let address = [&[dw::DW_OP_addr.0][..], &0x10020_u32.to_le_bytes()].concat();
    let plus = [dw::DW_OP_plus.0];
    for (location, name) in [
        (vec![&global[..], &address, &plus], Some("HITS (4 bytes)")),
        // Nothing is added, what is no address is, and it is where there is no base.
        (vec![&global, &address], None),
        (vec![&global, &plus], None),
        (vec![&address, &plus], None),
    ] {
        let mut entries = Entries::new();
        let word = entries.base(4);
        let location = expression(&location.concat());
        entries.add(VARIABLE, &[&text("HITS"), &word, &location]);
        assert_names(entries, &[(0x10020, name)]);
    }
}

#[test]
fn names_show_where_zeros_are_that_no_segment_has() {
    let mut entries = Entries::new();
    let word = entries.base(4);
    entries.variable("ZERO", word, 0x10800);
    // Without the end of statics.
    let bytes = with(entries);
    let text = bytes.windows(11).position(|name| name == b"__heap_base");
    let mut stripped = bytes.clone();
    stripped[text.expect("it is exported")] = b'-';
    let anatomy = Anatomy::of(&stripped, None);
    for (address, region) in [
        (0xffff, Region::Stack),
        (0x10004, Region::Statics),
        (0x10803, Region::Statics),
        (0x10804, Region::Heap),
    ] {
        let found = anatomy.region_of(place(0, address));
        assert_eq!(found, region, "{address:#x}");
    }
}

#[test]
fn a_unit_that_makes_no_sense_does_not_hide_others() {
    let mut broken = Entries::new();
    broken.add(0x70, &[]);
    let mut good = Entries::new();
    let word = good.base(4);
    good.variable("good", word, 0x10000);
    let info = [broken.section(), good.section()].concat();
    let bytes = with_sections(&[(".debug_info", &info), (".debug_abbrev", &shapes())]);
    let name = Anatomy::of(&bytes, None).name_of(place(0, 0x10000));
    assert_eq!(name.as_deref(), Some("good (4 bytes)"));
}

#[test]
fn names_in_debug_information_are_shown_plain_and_short() {
    let mut entries = Entries::new();
    let word = entries.base(4);
    for _ in 0..100 {
        entries.add(NAMESPACE, &[&text("\u{1b}[31m")]);
    }
    entries.variable(&"x".repeat(100_000), word, 0x10000);
    let bytes = with(entries);
    let name = Anatomy::of(&bytes, None).name_of(place(0, 0x10000));
    let name = name.expect("it has a name");
    assert!(name.starts_with("\\u{1b}[31m::"), "{name}");
    assert!(name.len() < 300, "{} bytes", name.len());
}

/// Asks for everything, and returns how long that took.
fn ask(bytes: &[u8]) -> Duration {
    let begin = testing::thread_time();
    let anatomy = Anatomy::of(bytes, None);
    for address in [0, 0x10000, 0x10064, 0x10fff, 0x20000] {
        anatomy.name_of(place(0, address));
        anatomy.region_of(place(0, address));
    }
    testing::thread_time() - begin
}

#[test]
fn whatever_is_cut_or_changed_there_is_an_answer() {
    let bytes = with(sample());
    for len in 0..bytes.len() {
        ask(&bytes[..len]);
    }
    let mut changed = bytes.clone();
    for at in 0..bytes.len() {
        for with in [0x01, 0x80, 0xff, bytes[at]] {
            changed[at] = bytes[at] ^ with;
            ask(&changed);
        }
        changed[at] = bytes[at];
    }
}

#[test]
fn what_would_take_for_ever_is_given_up() {
    let long = Duration::from_secs(20);
    // A shape of a million attributes that take no bytes, and entries of one byte.
    let mut shape = vec![1, dw::DW_TAG_variable.0 as u8, 0];
    for _ in 0..1_000_000 {
        shape.extend([dw::DW_AT_external.0 as u8, dw::DW_FORM_flag_present.0 as u8]);
    }
    shape.extend([0, 0, 0]);
    let many = Entries(vec![1; 100_000]).section();
    // Entries within each other.
    let mut deep = Entries::new();
    for _ in 0..100_000 {
        deep.add(NAMESPACE, &[&text("n")]);
    }
    // Units of nothing, each with all of the shapes.
    let units = Entries(Vec::new()).section().repeat(200_000);
    for (info, shapes) in [
        (many, shape),
        (deep.section(), shapes()),
        (units, shapes().repeat(1_000)),
    ] {
        let sections = sections(&info, &shapes);
        let begin = testing::thread_time();
        sections.statics();
        let took = testing::thread_time() - begin;
        assert!(took < long, "{took:?}");
    }
    let large = vec![0; (64 << 20) + 1];
    assert_eq!(sections(&large, &shapes()).statics(), []);
}
