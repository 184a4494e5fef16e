//! Components made by hand to be as large, as deep or as many as the format lets
//! them be.

use super::binary::{Binary, Body, Section};
use super::chance::Chance;
use super::guests::{Evil, encode};

/// A name and the bytes that go by it.
pub type Nasty = (String, Vec<u8>);

const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What is no WebAssembly, or is cut off after a few bytes.
pub fn noise(chance: &mut Chance) -> Vec<Nasty> {
    let mut all: Vec<Nasty> = Vec::new();
    for len in [0, 1, 4, 7, 8, 9, 100, 100_000] {
        let noise = chance.bytes(len);
        all.push((format!("{len} random bytes"), noise));
    }
    for len in 0..16 {
        let noise = chance.bytes(len);
        let begun = [EMPTY_COMPONENT, &noise].concat();
        all.push((format!("{len} random bytes of a component"), begun));
    }
    // What wasmtime calls compiled code, which nobody may load from a stranger.
    for class in 0..4 {
        let noise = chance.bytes(4096);
        let head = [0x7f, b'E', b'L', b'F', class, 1, 1, 200 + class];
        let elf = [&head[..], &noise].concat();
        all.push((format!("compiled code of class {class}"), elf));
    }
    let module = Evil::default().module();
    let module = wat::parse_str(module).expect("a module");
    all.push(("a core module".to_owned(), module));
    for layer in 2..6 {
        let head = [0, b'a', b's', b'm', 0x0d, 0, layer, 0];
        all.push((format!("layer {layer}"), head.to_vec()));
    }
    all
}

/// Components that are large in one way.
pub fn giants() -> Vec<Nasty> {
    let mut all = vec![
        nested(90),
        nested(20_000),
        custom(8 << 20),
        within(
            "2^32 bytes of memory",
            "(memory 65536) (data (i32.const -1) \"x\")",
        ),
        within(
            "data at both ends of a memory",
            "(memory 256 65536) (data (i32.const 0) \"x\") (data (i32.const 16777215) \"x\")",
        ),
        within(
            "data behind the end of a memory",
            "(memory 1) (data (i32.const 65535) \"xx\")",
        ),
        within("a table of 2^32 - 1", "(table 4294967295 funcref)"),
        within("a table of 10^7", "(table 10000000 funcref)"),
        within(
            "a table with its last element set",
            "(table 19000 funcref) (func $f) (elem (i32.const 18999) $f)",
        ),
        within("64-bit memory", "(memory i64 1)"),
        within("the largest 64-bit memory", "(memory i64 0x1000000000000)"),
        within(
            "nearly the largest 64-bit memory",
            "(memory i64 0xffffffffffff)",
        ),
        within("a shared memory", "(memory 1 1 shared)"),
        within("100 memories", &"(memory 1)".repeat(100)),
        within("101 memories", &"(memory 1)".repeat(101)),
        within("4 memories", &"(memory 200)".repeat(4)),
        within("100 tables", &"(table 10 funcref)".repeat(100)),
        within("20 000 functions", &"(func)".repeat(20_000)),
        within(
            "20 functions with 50 000 locals each",
            &format!("(func (local {}))", "i64 ".repeat(50_000)).repeat(20),
        ),
        within(
            "a function of 20 000 blocks",
            &format!(
                "(func {} {})",
                "block loop ".repeat(10_000),
                "end end ".repeat(10_000)
            ),
        ),
        within(
            "a function of 1 000 loops",
            &format!(
                "(func {} {})",
                "block loop ".repeat(1_000),
                "end end ".repeat(1_000)
            ),
        ),
        within(
            "a branch to 50 000 places",
            &format!(
                "(func (block (br_table {} (i32.const 0))))",
                "0 ".repeat(50_000)
            ),
        ),
        within(
            "100 000 instructions",
            &format!("(func {})", "nop ".repeat(100_000)),
        ),
        within(
            "50 000 values on the stack",
            &format!(
                "(func {} {})",
                "i32.const 1 ".repeat(50_000),
                "drop ".repeat(50_000)
            ),
        ),
        within(
            "1 000 parameters",
            &format!("(func (param {}))", "i32 ".repeat(1_000)),
        ),
        within("20 000 types", &"(type (func (param i64)))".repeat(20_000)),
        within(
            "20 000 globals",
            &"(global i32 (i32.const 0))".repeat(20_000),
        ),
        within(
            "20 000 segments",
            &format!("(memory 1){}", "(data (i32.const 0) \"x\")".repeat(20_000)),
        ),
        text(
            "90 lists of lists",
            chain(90, |i| format!("(type $t{i} (list $t{}))", i - 1)),
        ),
        text(
            "200 lists of lists",
            chain(200, |i| format!("(type $t{i} (list $t{}))", i - 1)),
        ),
        text(
            "pairs of pairs",
            chain(18, |i| format!("(type $t{i} (tuple $t{0} $t{0}))", i - 1)),
        ),
        text(
            "more pairs of pairs",
            chain(64, |i| format!("(type $t{i} (tuple $t{0} $t{0}))", i - 1)),
        ),
        text("1 000 instances of instances", fan(10)),
        text("2^30 instances of instances", fan(30)),
        text("instances of what is given", given()),
        within(
            "500 functions with 50 000 locals each",
            &format!("(func (local {}))", "i64 ".repeat(50_000)).repeat(500),
        ),
        within(
            "20 000 locals and 20 000 branches",
            &format!(
                "(func (local {}) {})",
                "i64 ".repeat(20_000),
                "block end ".repeat(20_000)
            ),
        ),
        text("20 core instances", cores(20)),
        text("30 core instances", cores(30)),
        text("1 001 core instances", cores(1_001)),
        text(
            "a module that a module imports a thousand times",
            thousand_arguments(),
        ),
    ];
    let numbered =
        |count: usize, item: &dyn Fn(usize) -> String| -> String { (0..count).map(item).collect() };
    let export = |i| format!("(export \"export-{}\" (func $f))", letters(i));
    let function = r#"(core module $m (func (export "f")))
        (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))"#;
    all.extend([
        text("20 000 imports", numbered(20_000, &|i| format!("(import \"import-{}\" (func))", letters(i)))),
        text("20 000 exports", format!("{function}{}", numbered(20_000, &export))),
        text("an export of 99 000 letters", format!("{function}(export \"{}\" (func $f))", "a".repeat(99_000))),
        text("an import of 99 000 letters", format!("{DOOR}(import \"{}\" (func))", "a".repeat(99_000))),
        text("an import that turns a terminal red", format!(
            "{DOOR}(import \"integrity=<sha256-AAAA?\\1b[31m\\u{{202e}}>\" (func))"
        )),
        text("an export that turns a terminal red", format!(
            "{function}(export \"unlocked-dep=<a:b>\" (func $f))(import \"integrity=<sha256-AAAA?\\1b[31m>\" (func))"
        )),
        text("an interface with a name that turns a terminal red", format!(
            "{DOOR}(import \"wasi:cli/stdout@0.2.0-\\1b[31m\" (instance))"
        )),
        text("half of the interface", "(instance $none) (export \"lavandula:arena/handler@0.1.0\" (instance $none))".to_owned()),
        text("a door that is a function", format!("{function} (export \"lavandula:arena/handler@0.1.0\" (func $f))")),
    ]);
    all
}

/// A door that leads nowhere, for components that are to be looked into further.
const DOOR: &str = "(instance $none) (export \"lavandula:arena/handler@0.1.0\" (instance $none))";

fn text(name: &str, items: String) -> Nasty {
    let component = wat::parse_str(format!("(component {items})"));
    let component = component.unwrap_or_else(|error| panic!("{name}: {error}"));
    (name.to_owned(), component)
}

/// A good handler that has a second module with these items, instantiated.
fn within(name: &str, items: &str) -> Nasty {
    let good = Evil::default().component();
    let mut tree = Binary::parse(&good).expect("a component");
    let more = wat::parse_str(format!(
        "(component (core module {items}) (core instance (instantiate 0)))"
    ));
    let more = more.unwrap_or_else(|error| panic!("{name}: {error}"));
    let more = Binary::parse(&more).expect("a component");
    // In front, where it is module 0 and instance 0; the handler's own are made
    // what comes behind it by being a component of their own.
    let mut sections = more.sections;
    sections.push(Section::new(4, Body::Nested(tree.clone())));
    sections.extend(around_the_handler());
    tree.sections = sections;
    (name.to_owned(), tree.encode())
}

/// Instantiates component 0, and exports the door that it has.
fn around_the_handler() -> Vec<Section> {
    let around = wat::parse_str(
        r#"(component
            (component)
            (instance $i (instantiate 0))
            (alias export $i "lavandula:arena/handler@0.1.0" (instance $d))
            (export "lavandula:arena/handler@0.1.0" (instance $d)))"#,
    );
    let around = around.expect("a component");
    let mut sections = Binary::parse(&around).expect("a component").sections;
    sections.remove(0);
    // Names that somebody gave the text.
    sections.retain(|section| section.id != 0);
    sections
}

/// Components within components.
fn nested(depth: usize) -> Nasty {
    let mut tree = Binary::parse(EMPTY_COMPONENT).expect("a component");
    let empty = tree.clone();
    let mut bytes = tree.encode();
    for _ in 0..depth {
        tree = empty.clone();
        tree.sections.push(Section::new(4, Body::Plain(bytes)));
        bytes = tree.encode();
    }
    (format!("{depth} components within each other"), bytes)
}

fn custom(bytes: usize) -> Nasty {
    let good = Evil::default().component();
    let mut tree = Binary::parse(&good).expect("a component");
    let body = [&b"\x04note"[..], &vec![0; bytes]].concat();
    tree.sections.push(Section::new(0, Body::Plain(body)));
    (format!("a note of {bytes} bytes"), tree.encode())
}

fn chain(count: usize, item: impl Fn(usize) -> String) -> String {
    let begin = "(type $t0 (tuple u8))".to_owned();
    begin + &(1..count).map(item).collect::<String>()
}

/// Each component is two instances of the one before.
pub fn fan(depth: usize) -> String {
    let twice = |i: usize| {
        format!(
            "(component $c{i} (instance (instantiate $c{0})) (instance (instantiate $c{0})))",
            i - 1
        )
    };
    let first = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    let rest: String = (1..=depth).map(twice).collect();
    format!("{first}{rest}(instance (instantiate $c{depth}))")
}

/// A component that instantiates the one that it is given.
fn given() -> String {
    r#"(component $user (import "c" (component $c)) (instance (instantiate $c)))
    (component $used)
    (instance (instantiate $user (with "c" (component $used))))"#
        .to_owned()
}

fn cores(count: usize) -> String {
    let items = "(core module $m (memory 0))".to_owned();
    items + &"(core instance (instantiate $m))".repeat(count)
}

fn thousand_arguments() -> String {
    let imports: String = (0..1_000)
        .map(|i| format!("(import \"\" \"{i}\" (func))"))
        .collect();
    let exports: String = (0..1_000)
        .map(|i| format!("(export \"{i}\" (func $f))"))
        .collect();
    format!(
        r#"(core module $a (func $f) {exports}) (core module $b {imports})
        (core instance $i (instantiate $a))
        (core instance (instantiate $b (with "" (instance $i))))"#
    )
}

/// A number in letters, as names of components are.
fn letters(mut number: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
        if number == 0 {
            return text;
        }
    }
}

/// Handlers that are what they should be, and do not come to life.
pub fn stillborn() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let starting = |items: &str| {
        Evil {
            items: &format!("(func $s {items}) (start $s)"),
            ..Evil::default()
        }
        .component()
    };
    vec![
        ("a start that loops", starting("(loop $l (br $l))"), "deadline"),
        ("a start that traps", starting("unreachable"), "trap"),
        ("a start that recurses", starting("(call $s)"), "trap"),
        (
            "a start that takes memory and traps",
            starting("(if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable))"),
            "out_of_memory",
        ),
        (
            "a start that fills memory for ever",
            starting(
                "(drop (memory.grow (i32.const 200)))
                 (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 13000000)) (br $l))",
            ),
            "deadline",
        ),
        (
            "a start that grows a table",
            Evil {
                items: "(table $t 1 funcref) (func $s
                    (if (i32.eq (table.grow $t (ref.null func) (i32.const 4000000000)) (i32.const -1))
                        (then unreachable))) (start $s)",
                ..Evil::default()
            }
            .component(),
            "trap",
        ),
        (
            "a segment behind the end of memory",
            Evil {
                items: "(data (i32.const 131071) \"xx\")",
                ..Evil::default()
            }
            .component(),
            "trap",
        ),
        (
            "a handler of another type",
            wat::parse_str(
                r#"(component
                    (core module $m (func (export "f")))
                    (core instance $i (instantiate $m))
                    (func $f (canon lift (core func $i "f")))
                    (instance $h (export "handle" (func $f)))
                    (export "lavandula:arena/handler@0.1.0" (instance $h)))"#,
            )
            .expect("a component"),
            "instantiate",
        ),
    ]
}

/// Behind the standard door: it never answers, or breaks off.
pub fn by_the_standard_door() -> Vec<Nasty> {
    [
        ("silence", ""),
        ("a trap", "unreachable"),
        ("a loop", "(loop $l (br $l))"),
    ]
    .map(|(name, body)| {
        let module = format!(
            r#"(module (memory (export "memory") 1)
                    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                        (i32.const -1))
                    (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32 i32)
                        {body}))"#
        );
        let bytes = encode(&module, "export wasi:http/incoming-handler@0.2.0;");
        (format!("{name} by the standard door"), bytes)
    })
    .to_vec()
}
