use std::time::{Duration, Instant};

use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::super::audit;
use super::*;
use crate::config::Limits;
use crate::symbols::Symbol;
use crate::testing;

fn place(memory: usize, offset: usize) -> Place {
    Place { memory, offset }
}

fn component(text: &str) -> Vec<u8> {
    testing::component(&format!("(component {text})"))
}

/// A component with an instance of this core module.
fn of_module(text: &str) -> Vec<u8> {
    component(&format!(
        "(core module $m {text}) (core instance (instantiate $m))"
    ))
}

#[track_caller]
fn assert_regions(module: &str, expected: &[(usize, Region)]) {
    let bytes = of_module(module);
    let anatomy = Anatomy::of(&bytes, None);
    for (address, region) in expected {
        let found = anatomy.region_of(place(0, *address));
        assert_eq!(found, *region, "{address:#x} of {module}");
    }
}

// Which memory is whose.

/// Bytes of each memory that there is in the beginning, as an instance shows it.
async fn seen(bytes: &[u8]) -> Vec<u64> {
    let (engine, memories) = audit::engine(&Limits::default()).expect("an engine");
    let component = Component::new(&engine, bytes).expect("a component");
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(1);
    let linker = Linker::new(&engine);
    let made = linker.instantiate_async(&mut store, &component).await;
    made.expect("an instance");
    // SAFETY: the instance is made, and nobody calls it.
    unsafe { memories.look(|all| all.iter().map(|memory| memory.len() as u64).collect()) }
}

/// The same as the component's text tells it.
fn told(bytes: &[u8]) -> Vec<u64> {
    let anatomy = Anatomy::of(bytes, None);
    let initial = |memory: &Memory| {
        let module = &anatomy.modules[memory.origin.module];
        module.initial(memory.origin.memory)
    };
    anatomy.memories.iter().map(initial).collect()
}

/// A component with core modules `$a` to `$d`, which have memories of 1, 2 and 3,
/// and 4 pages, and one that has none of its own.
fn assembled(rest: &str) -> Vec<u8> {
    component(&format!(
        r#"(core module $a (memory (export "m") 1))
        (core module $b (memory 2) (memory 3))
        (core module $c (import "a" "m" (memory 1)) (memory 4))
        (core module $d (import "a" "m" (memory 1)))
        {rest}"#
    ))
}

#[tokio::test]
async fn memories_are_told_in_the_order_in_which_an_instance_gets_them() {
    const PAGE: u64 = 1 << 16;
    let inner = r#"(component $in (core instance (instantiate $b)) (core module $z (memory 9))
        (export "z" (core module $z)))"#;
    let table: &[(&str, &[u64])] = &[
        // In order of instances, not of modules, and as often as they are made.
        (
            "(core instance (instantiate $b)) (core instance (instantiate $a))
             (core instance (instantiate $b))",
            &[2, 3, 1, 2, 3],
        ),
        // Imported memories are no others.
        (
            r#"(core instance $i (instantiate $a))
            (core instance (instantiate $d (with "a" (instance $i))))
            (core instance (instantiate $c (with "a" (instance $i))))"#,
            &[1, 4],
        ),
        // Components within it, when they are made, and not where they are.
        (
            "(component $in (core module $z (memory 9)) (core instance (instantiate $z)))
            (core instance (instantiate $a)) (instance (instantiate $in))
            (core instance (instantiate $b)) (instance (instantiate $in))",
            &[1, 9, 2, 3, 9],
        ),
        // Modules of a component around, and those that are exported and passed on.
        (
            &format!(
                r#"{inner} (instance $i (instantiate $in))
                (component $user (import "z" (core module $m)) (core instance (instantiate $m)))
                (instance (instantiate $user (with "z" (core module $i "z"))))
                (instance (instantiate $user (with "z" (core module $a))))"#
            ),
            &[2, 3, 9, 1],
        ),
        // A component that is passed on has what was around it where it was defined.
        (
            r#"(component $maker (import "m" (core module $m))
                (component $made (core instance (instantiate $m)))
                (export "made" (component $made)))
            (instance $one (instantiate $maker (with "m" (core module $a))))
            (instance $two (instantiate $maker (with "m" (core module $b))))
            (alias export $two "made" (component $b2)) (alias export $one "made" (component $a2))
            (instance (instantiate $b2)) (instance (instantiate $a2)) (instance (instantiate $b2))"#,
            &[2, 3, 1, 2, 3],
        ),
        // By way of instances of instances.
        (
            r#"(instance $group (export "a" (core module $a)) (export "b" (core module $b)))
            (component $user
                (import "in" (instance $in (export "group" (instance
                    (export "b" (core module))))))
                (alias export $in "group" (instance $group))
                (core instance (instantiate (module $group "b"))))
            (instance $outer (export "group" (instance $group)))
            (instance (instantiate $user (with "in" (instance $outer))))"#,
            &[2, 3],
        ),
    ];
    for (rest, pages) in table {
        // How the text format names an export in the place of a module.
        let rest = rest.replace(
            "(core instance (instantiate (module $group \"b\")))",
            "(alias export $group \"b\" (core module $m)) (core instance (instantiate $m))",
        );
        let bytes = assembled(&rest);
        let pages: Vec<_> = pages.iter().map(|pages| pages * PAGE).collect();
        assert_eq!(told(&bytes), pages, "{rest}");
        assert_eq!(seen(&bytes).await, pages, "{rest}");
    }
}

#[test]
fn what_comes_after_a_module_from_outside_is_not_told() {
    let bytes = assembled(
        r#"(import "m" (core module $m)) (core instance (instantiate $a))
        (core instance (instantiate $m)) (core instance (instantiate $b))"#,
    );
    assert_eq!(told(&bytes), [1 << 16]);
    let anatomy = Anatomy::of(&bytes, None);
    assert_eq!(anatomy.region_of(place(1, 0)), Region::Heap);
    assert_eq!(anatomy.name_of(place(1, 0)), None);
}

#[test]
fn a_core_module_by_itself_has_its_memories() {
    let bytes = testing::component("(module (memory 1) (memory 2))");
    assert_eq!(told(&bytes), [1 << 16, 2 << 16]);
}

#[test]
fn instances_without_end_are_given_up() {
    let twice = |i: usize| {
        let of = i - 1;
        format!("(component $c{i} (instance (instantiate $c{of})) (instance (instantiate $c{of})))")
    };
    let doubled: String = (1..60).map(twice).collect();
    let bytes = component(&format!(
        "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))
        {doubled} (instance (instantiate $c59))"
    ));
    let begin = Instant::now();
    assert!(told(&bytes).len() < 1_000_000);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

// Regions.

const DATA: &str = r#"(data $.rodata (i32.const 0x10000) "constants")
    (data $.data (i32.const 0x10010) "variables")"#;

#[test]
fn a_stack_that_is_first_ends_where_its_pointer_begins() {
    use Region::{Heap, Stack, Statics};
    let module = format!(
        r#"(memory 2) (global $__stack_pointer (mut i32) (i32.const 0x10000)) {DATA}
        (global $end i32 (i32.const 0x10100)) (export "__heap_base" (global $end))"#
    );
    let expected = [
        (0, Stack),
        (0xffff, Stack),
        (0x10000, Statics),
        (0x10010, Statics),
        (0x100ff, Statics),
        (0x10100, Heap),
        (0x30000, Heap),
    ];
    assert_regions(&module, &expected);
    // By its place, where it has no name.
    let stripped = module.replace("$__stack_pointer", "");
    assert_regions(&stripped, &expected);

    // As it is called in code for WASI.
    let (without, _) = module.split_once("(global $end").expect("it has that");
    let internal =
        format!("{without} (global $GOT.data.internal.__heap_base i32 (i32.const 0x10100))");
    assert_regions(&internal, &expected);

    // Nothing but zeros.
    assert_regions(&stripped.replace(DATA, ""), &expected);
}

#[test]
fn a_stack_that_is_last_begins_where_data_ends() {
    use Region::{Heap, Stack, Statics};
    let module = r#"(memory 3) (global (mut i32) (i32.const 0x12000))
        (data (i32.const 1024) "data") (data (i32.const 2048) "more")"#;
    let known = format!(
        r#"{module} (global $e i32 (i32.const 4000)) (export "__data_end" (global $e))
        (global $__heap_base i32 (i32.const 0x12000))"#
    );
    let expected = [
        (0, Heap),
        (1023, Heap),
        (1024, Statics),
        (1500, Statics),
        (3999, Statics),
        (4000, Stack),
        (0x11fff, Stack),
        (0x12000, Heap),
    ];
    assert_regions(&known, &expected);
    // AssemblyScript has the file in front.
    let script = known.replace("__data_end", "~lib/memory/__data_end");
    assert_regions(&script, &expected);

    // Without the end of zeros, only the usual stack is one for certain.
    let expected = [
        (2051, Statics),
        (2052, Heap),
        (0x1fff, Heap),
        (0x2000, Stack),
        (0x11fff, Stack),
    ];
    assert_regions(module, &expected);
}

#[test]
fn a_number_is_not_taken_for_the_pointer_of_a_stack() {
    use Region::{Heap, Statics};
    for global in [
        "(global (mut i32) (i32.const 0x1001))",
        "(global (mut i32) (i32.const 0))",
        "(global i32 (i32.const 0x1000))",
        "(global (mut i64) (i64.const 0x1000))",
        // Behind the end of memory, and in the midst of data.
        "(global (mut i32) (i32.const 0x100000))",
        "(global (mut i32) (i32.const 0x10010))",
        "(global $__stack_pointer (mut i32) (i32.const 0x10010))",
        // The one that is called so is none.
        "(global (mut i32) (i32.const 0x1000)) (global $__stack_pointer i32 (i32.const 0x1000))",
    ] {
        let module = format!("(memory 2) {global} {DATA}");
        let expected = [
            (0, Heap),
            (0xfff, Heap),
            (0x10008, Statics),
            (0x10020, Heap),
        ];
        assert_regions(&module, &expected);
    }
}

#[test]
fn constants_of_a_linker_that_contradict_its_data_are_not_believed() {
    for value in ["0x10012", "0x20001", "0xffffffff"] {
        let module = format!(
            r#"(memory 2) (global (mut i32) (i32.const 0x10000)) {DATA}
            (global $end i32 (i32.const {value})) (export "__heap_base" (global $end))"#
        );
        let expected = [(0x10018, Region::Statics), (0x10019, Region::Heap)];
        assert_regions(&module, &expected);
    }
}

#[test]
fn each_memory_has_its_own_segments_and_only_the_first_has_a_stack() {
    let bytes = of_module(
        r#"(memory 2) (memory 1) (global (mut i32) (i32.const 0x10000))
        (data $first (i32.const 0x10000) "a") (data $second (memory 1) (i32.const 16) "b")"#,
    );
    let anatomy = Anatomy::of(&bytes, None);
    for (memory, address, region, name) in [
        (0, 16, Region::Stack, None),
        (0, 0x10000, Region::Statics, Some("in segment first")),
        (1, 0, Region::Heap, None),
        (1, 16, Region::Statics, Some("in segment second")),
        (1, 0x10000, Region::Heap, None),
        (2, 16, Region::Heap, None),
    ] {
        let place = place(memory, address);
        assert_eq!(anatomy.region_of(place), region, "{place}");
        assert_eq!(anatomy.name_of(place).as_deref(), name, "{place}");
    }
}

#[test]
fn memory_of_another_module_has_no_stack_of_this_one() {
    let bytes = component(
        r#"(core module $a (memory (export "m") 2))
        (core module $b (import "a" "m" (memory 2)) (memory 2)
            (global (mut i32) (i32.const 0x10000)) (data (i32.const 0x10000) "a"))
        (core instance $i (instantiate $a))
        (core instance (instantiate $b (with "a" (instance $i))))"#,
    );
    let anatomy = Anatomy::of(&bytes, None);
    assert_eq!(anatomy.memories.len(), 2);
    for memory in 0..2 {
        for address in [0, 0x10000] {
            assert_eq!(anatomy.region_of(place(memory, address)), Region::Heap);
        }
    }
}

#[test]
fn segments_at_unknown_addresses_are_left_out() {
    let bytes = of_module(
        r#"(memory 1) (data $passive "p") (data $there (i32.const 16) "a")
        (global $g i32 (i32.const 64)) (data $computed (global.get $g) "b")"#,
    );
    let anatomy = Anatomy::of(&bytes, None);
    let name = |address| anatomy.name_of(place(0, address));
    assert_eq!(name(16).as_deref(), Some("in segment there"));
    assert_eq!((name(0), name(64)), (None, None));
}

// Names.

/// What a build leaves.
fn symbols() -> Symbols {
    let symbol = Symbol {
        address: 0x10010,
        size: 4,
        name: "app::HITS".to_owned(),
    };
    Symbols::new(vec![symbol], 0x10010..0x10200)
}

#[test]
fn the_builds_own_names_come_first_and_are_of_the_first_memory() {
    let bytes = of_module(&format!(
        "(memory 2) (memory 2) {DATA} (data (memory 1) (i32.const 0x10010) \"x\")"
    ));
    let symbols = symbols();
    let anatomy = Anatomy::of(&bytes, Some(&symbols));
    let name = |memory, address| anatomy.name_of(place(memory, address));
    let hits = "app::HITS (4 bytes)";
    assert_eq!(name(0, 0x10010).as_deref(), Some(hits));
    assert_eq!(name(0, 0x10014).as_deref(), Some("in segment .data"));
    assert_eq!(name(1, 0x10010), None);
    assert_eq!(
        anatomy.describe(place(0, 0x10010)),
        format!("0x10010 ({hits})")
    );
    // The end of zeros is known from the build.
    assert_eq!(anatomy.region_of(place(0, 0x101ff)), Region::Statics);
    assert_eq!(anatomy.region_of(place(0, 0x10200)), Region::Heap);
    assert_eq!(anatomy.region_of(place(1, 0x101ff)), Region::Heap);
}

#[test]
fn names_of_strangers_are_shown_plain_and_short() {
    let long = "x".repeat(100_000);
    for (name, shown) in [
        (r#"\1b[31mred"#, "in segment \\u{1b}[31mred"),
        (&long, "in segment xxx"),
    ] {
        let bytes = of_module(&format!(
            r#"(memory 1) (data $d (@name "{name}") (i32.const 16) "a")"#
        ));
        let found = Anatomy::of(&bytes, None).name_of(place(0, 16));
        let found = found.expect("it has a name");
        assert!(found.starts_with(shown), "{found}");
        assert!(found.len() < 300, "{} bytes", found.len());
    }
}

mod dwarf;
