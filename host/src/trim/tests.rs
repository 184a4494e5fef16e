use std::time::Duration;

use wasmparser::{KnownCustom, Name, Parser, Payload};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use super::*;
use crate::testing;
use crate::{Door, Host};

/// The component without what only its other doors need.
fn lean(component: &[u8]) -> Option<Vec<u8>> {
    to_fast_door(component).map(|lean| {
        assert_eq!(Parts::of(&lean.component), Some(lean.parts));
        lean.component
    })
}

/// How many modules have an instance in each instance of `component`.
fn modules(component: &[u8]) -> usize {
    Parts::of(component).expect("all of it is known").modules
}

/// How much those import.
fn imports(component: &[u8]) -> usize {
    Parts::of(component).expect("all of it is known").imports
}

/// A component with the fast door alone that `parts` are put into: what comes before the
/// instance of `$main`, with the arguments of that, and in that module.
fn parts(before: &str, args: &str, main: &str) -> Vec<u8> {
    testing::component(&format!(
        r#"(component
            (import "test:other/things" (instance $things (export "use" (func))))
            (core func $use (canon lower (func $things "use")))
            {before}
            (core module $main {main})
            (core instance $main (instantiate $main {args}))
            (func $handle (canon lift (core func $main "handle")))
            (func $other (canon lift (core func $main "other")))
            (instance $handler (export "handle" (func $handle)))
            (instance $more (export "handle" (func $other)))
            (export "lavandula:arena/handler@0.1.0" (instance $handler))
            (export "test:other/handler" (instance $more)))"#
    ))
}

/// What the doors of a component are, in a module that imports nothing.
const DOORS: &str = r#"(func (export "handle")) (func (export "other"))"#;

fn compiles(component: &[u8]) {
    Component::new(&Engine::default(), component).expect("it is valid");
}

#[tokio::test]
async fn what_only_another_door_needs_is_left_out_and_the_answers_are_the_same() {
    let other = "(drop (call $fields)) (call $body (i32.const 0) (i32.const 64))";
    let whole = testing::with_two_doors("", testing::HELLO, other);
    // The handler, and two that stand between it and what needs its memory.
    assert_eq!((modules(&whole), imports(&whole)), (3, 4));
    let less = lean(&whole).expect("there is something to leave out");
    assert_eq!((modules(&less), imports(&less)), (1, 0));
    assert_eq!(lean(&less), None, "there is nothing left");

    for component in [whole, less] {
        let host = Host::builder().load_bytes(&component).expect("it loads");
        assert_eq!(host.door(), Door::Fast);
        let request = http::Request::new("");
        let outcome = host.request(request).await;
        assert_eq!(outcome.response.body(), "hello", "{:?}", outcome.failure);
        assert_eq!(outcome.response.headers()["x-guest"], "wat");
    }
}

#[tokio::test]
async fn the_other_door_is_there_for_whoever_asks_for_it() {
    // It is called, and sets no response.
    let other = "(drop (call $fields))";
    let component = testing::with_two_doors("", testing::HELLO, other);
    let host = Host::builder().door(Door::WasiHttp).load_bytes(&component);
    let outcome = host
        .expect("it loads")
        .request(http::Request::new(""))
        .await;
    let failure = outcome.failure.expect("no response");
    assert_eq!(failure.label(), "bad_response", "{failure}");
}

#[tokio::test]
async fn what_a_table_refers_to_stays() {
    let items = r#"
        (table 1 1 funcref) (elem (i32.const 0) $through)
        (func $through (result i32) (call $fields))"#;
    let body = "(drop (call_indirect (result i32) (i32.const 0))) (call $answer (i32.const 200))";
    let whole = testing::with_two_doors(items, body, "(call $body (i32.const 0) (i32.const 64))");
    let less = lean(&whole).expect("the other import is left out");
    assert_eq!(modules(&less), 1);
    let host = Host::builder().load_bytes(&less).expect("it loads");
    let outcome = host.request(http::Request::new("")).await;
    assert_eq!(outcome.response.status(), 200, "{:?}", outcome.failure);
}

#[test]
fn an_import_that_the_door_reaches_stays() {
    let arg = r#"(with "things" (instance (export "use" (func $use))))"#;
    let import = r#"(import "things" "use" (func $use))"#;
    let by = |door: &str, other: &str| {
        let main = format!(
            r#"{import}
            (func $deep call $use)
            (func (export "handle") {door})
            (func (export "other") {other})"#
        );
        lean(&parts("", arg, &main))
    };
    assert_eq!(by("call $deep", "call $use"), None);
    assert_eq!(by("(if (i32.const 0) (then return_call $deep))", ""), None);
    let less = by("", "call $deep").expect("nothing leads to it");
    assert_eq!(imports(&less), 0);
    compiles(&less);
}

#[test]
fn instances_stay_of_which_somebody_would_notice() {
    let rest = |module: &str, args: &str| {
        let before = format!(
            r#"(core module $store
                (memory (export "memory") 1) (table (export "table") 4 funcref))
            (core instance $store (instantiate $store))
            (core module $m {module})
            (core instance (instantiate $m {args}))"#
        );
        let main = format!(r#"(import "store" "memory" (memory 1)) {DOORS}"#);
        let whole = parts(&before, r#"(with "store" (instance $store))"#, &main);
        compiles(&whole);
        match lean(&whole) {
            Some(less) => {
                compiles(&less);
                modules(&less)
            }
            None => modules(&whole),
        }
    };
    let store = r#"(with "store" (instance $store))"#;
    let memory = r#"(import "store" "memory" (memory 1))"#;
    let table = r#"(import "store" "table" (table 4 funcref))"#;
    // Nothing of these is anybody's but its own.
    assert_eq!(rest("", ""), 2);
    assert_eq!(rest(memory, store), 2);
    assert_eq!(
        rest("(func $f) (table 2 funcref) (elem (i32.const 1) $f)", ""),
        2
    );
    // They count among what an instance may have.
    assert_eq!(rest("(memory 1)", ""), 3);
    assert_eq!(rest("(table 1001 funcref)", ""), 3);
    // It runs.
    assert_eq!(rest("(func $f) (start $f)", ""), 3);
    // It writes into what another reads.
    assert_eq!(
        rest(&format!(r#"{memory} (data (i32.const 0) "1")"#), store),
        3
    );
    assert_eq!(
        rest(&format!("{table} (func $f) (elem (i32.const 0) $f)"), store),
        3
    );
    // It traps, so that there is no instance at all.
    assert_eq!(
        rest("(func $f) (table 2 funcref) (elem (i32.const 2) $f)", ""),
        3
    );
    assert_eq!(
        rest("(func $f) (table 2 funcref) (elem (i32.const -1) $f)", ""),
        3
    );
}

#[test]
fn a_table_that_nobody_calls_through_goes_with_whoever_fills_it() {
    let before = r#"
        (core module $shim
            (table (export "table") 1 1 funcref)
            (func (export "use") (call_indirect (i32.const 0))))
        (core instance $shim (instantiate $shim))
        (alias core export $shim "table" (core table $table))
        (alias core export $shim "use" (core func $indirect))
        (core module $fixup
            (import "" "table" (table 1 1 funcref)) (import "" "0" (func $f))
            (elem (i32.const 0) $f))
        (core instance (instantiate $fixup (with "" (instance
            (export "table" (table $table)) (export "0" (func $use))))))"#;
    let args = r#"(with "things" (instance (export "use" (func $indirect))))"#;
    let main = |door: &str, other: &str| {
        let main = format!(
            r#"(import "things" "use" (func $use))
            (func (export "handle") {door}) (func (export "other") {other})"#
        );
        let whole = parts(before, args, &main);
        compiles(&whole);
        lean(&whole)
    };
    let less = main("", "call $use").expect("nothing leads to it");
    compiles(&less);
    assert_eq!(modules(&less), 1);
    assert_eq!(main("call $use", ""), None);
}

#[tokio::test]
async fn of_a_table_that_is_filled_for_several_only_the_entries_that_are_called_stay() {
    // Two that go through the table: each writes to memory.
    let items = r#"
        (import "wasi:http/types@0.2.0" "[method]incoming-request.method"
            (func $method (param i32 i32)))"#;
    let two = |body: &str| {
        let other = "(call $body (i32.const 0) (i32.const 64))";
        testing::with_two_doors(items, &format!("{body} {}", testing::HELLO), other)
    };
    // The one is in reach of the door, and not called.
    let whole = two("(if (i32.const 0) (then (call $method (i32.const 0) (i32.const 64))))");
    assert_eq!((modules(&whole), imports(&whole)), (3, 6));
    let less = lean(&whole).expect("the other is left out");
    // In the handler, and in the module that fills the table, which has it as well.
    assert_eq!((modules(&less), imports(&less)), (3, 3));
    let host = Host::builder().load_bytes(&less).expect("it loads");
    let outcome = host.request(http::Request::new("")).await;
    assert_eq!(outcome.response.body(), "hello", "{:?}", outcome.failure);

    // It is called, and gets through: nobody has such a request.
    let less = lean(&two("(call $method (i32.const 0) (i32.const 64))")).expect("likewise");
    let host = Host::builder().load_bytes(&less).expect("it loads");
    let failure = host.request(http::Request::new("")).await.failure;
    let told = format!("{:#?}", failure.expect("there is no such request"));
    assert!(told.contains("handle index 0"), "{told}");
}

#[test]
fn entries_of_tables_stay_where_it_is_not_known_which_are_called() {
    let with = |shim: &str, segment: &str| {
        let before = format!(
            r#"(core module $shim
                (table (export "table") 2 2 funcref)
                (type $t (func)) (func (export "use") (param i32) {shim}))
            (core instance $shim (instantiate $shim))
            (alias core export $shim "table" (core table $table))
            (core module $fixup
                (import "" "table" (table 2 2 funcref))
                (import "" "0" (func $f)) (import "" "1" (func $g))
                {segment})
            (core instance (instantiate $fixup (with "" (instance
                (export "table" (table $table))
                (export "0" (func $use)) (export "1" (func $use))))))"#
        );
        let main = r#"
            (import "shim" "use" (func $use (param i32)))
            (func (export "handle") (call $use (i32.const 1))) (func (export "other"))"#;
        let whole = parts(&before, r#"(with "shim" (instance $shim))"#, main);
        compiles(&whole);
        lean(&whole).map(|less| {
            compiles(&less);
            imports(&less)
        })
    };
    let segment = "(elem (i32.const 0) $f $g)";
    let called = "(call_indirect (type $t) (i32.const 1))";
    assert_eq!(
        with(called, segment),
        Some(3),
        "the handler's, the table, an entry"
    );
    assert_eq!(
        with("(call_indirect (type $t) (local.get 0))", segment),
        None
    );
    let copied = "(table.copy (i32.const 1) (i32.const 0) (i32.const 1))";
    assert_eq!(with(&format!("{called} {copied}"), segment), None);
    // It does more than that.
    assert_eq!(with(called, &format!("{segment} (func $own)")), None);
    assert_eq!(
        with(called, &format!("{segment} (elem (i32.const 1) $f)")),
        None
    );
}

#[test]
fn nothing_is_concluded_of_a_table_that_goes_through_several_hands() {
    let filled = |by: &str| {
        let before = format!(
            r#"(core module $store
                (table (export "table") 1 1 funcref)
                (func (export "call") (call_indirect (i32.const 0))))
            (core instance $store (instantiate $store))
            (core module $hands
                (import "" "table" (table 1 1 funcref)) (export "table" (table 0)))
            (core instance $hands (instantiate $hands (with "" (instance $store))))
            (core module $fixup
                (import "" "table" (table 1 1 funcref))
                (func $f) (elem (i32.const 0) $f))
            (core instance (instantiate $fixup (with "" (instance {by}))))"#
        );
        let args = r#"(with "store" (instance $store))
            (with "things" (instance (export "use" (func $use))))"#;
        let main = r#"
            (import "store" "call" (func $call)) (import "things" "use" (func $use))
            (func (export "handle") call $call) (func (export "other") call $use)"#;
        let whole = parts(&before, args, main);
        compiles(&whole);
        lean(&whole).map(|less| modules(&less))
    };
    // What filled it stays, what only handed it on goes.
    assert_eq!(filled("$store"), Some(3));
    assert_eq!(filled("$hands"), None);
}

#[test]
fn what_fills_one_of_two_tables_stays_with_that_one() {
    // Nothing of the first is called, and the second is.
    let before = r#"
        (core module $t
            (table (export "table") 1 1 funcref)
            (func (export "call") (call_indirect (i32.const 0))))
        (core instance $first (instantiate $t))
        (core module $u
            (table (export "table") 1 1 funcref)
            (func (export "call") (call_indirect (i32.const 0))))
        (core instance $second (instantiate $u))
        (core module $fixup
            (import "first" "table" (table $a 1 1 funcref))
            (import "second" "table" (table $b 1 1 funcref))
            (import "things" "use" (func $f))
            (elem (table $b) (i32.const 0) func $f))
        (core instance (instantiate $fixup
            (with "first" (instance $first)) (with "second" (instance $second))
            (with "things" (instance (export "use" (func $use))))))"#;
    let args = r#"(with "second" (instance $second))
        (with "things" (instance (export "use" (func $use))))"#;
    let main = r#"
        (import "second" "call" (func $call)) (import "things" "use" (func $use))
        (func (export "handle") call $call) (func (export "other") call $use)"#;
    let whole = parts(before, args, main);
    compiles(&whole);
    let less = lean(&whole).expect("an import of the handler is left out");
    compiles(&less);
    // Both tables are in what fills one.
    assert_eq!((modules(&less), imports(&less)), (4, 4));
}

#[test]
fn a_module_with_two_instances_stays_as_it_is() {
    let before = r#"
        (core module $twice (func (export "a")) (func (export "b") unreachable))
        (core instance $first (instantiate $twice))
        (core instance $second (instantiate $twice))"#;
    let args = r#"(with "first" (instance $first)) (with "second" (instance $second))"#;
    let main = r#"
        (import "first" "a" (func $a)) (import "second" "b" (func $b))
        (func (export "handle") call $a) (func (export "other") call $b)"#;
    let less = lean(&parts(before, args, main)).expect("one is left out");
    assert_eq!(modules(&less), 2);
    let engine = Engine::default();
    let component = Component::new(&engine, &less).expect("it is valid");
    let mut linker = Linker::<()>::new(&engine);
    let mut things = linker.instance("test:other/things").expect("a name");
    things.func_wrap("use", |_, ()| Ok(())).expect("a function");
    let mut store = Store::new(&engine, ());
    linker
        .instantiate(&mut store, &component)
        .expect("an instance");
}

#[test]
fn what_is_not_valid_is_left_to_the_compiler() {
    let import = r#"(import "things" "use" (func $use))"#;
    let args = r#"(with "things" (instance (export "use" (func $use))))"#;
    let main = |other: &str| {
        parts(
            "",
            args,
            &format!(r#"{import} (func (export "handle")) (func (export "other") {other})"#),
        )
    };
    assert!(lean(&main("call $use")).is_some());
    // The import would be left out, and this with it.
    let broken = main("call $use i32.const 1");
    assert_eq!(lean(&broken), None);
    assert!(Host::builder().load_bytes(&broken).is_err());
}

#[test]
fn components_without_the_door_are_left_alone() {
    let other = testing::wasi_handler("");
    assert_eq!(lean(&other), None);
    assert_eq!(lean(&testing::handler(testing::HELLO)), None);
    assert_eq!(lean(b""), None);
    assert_eq!(lean(b"\0asm\x01\0\0\0"), None);
}

#[test]
fn traces_of_traps_still_have_the_names_of_functions() {
    let whole = testing::with_two_doors("", testing::HELLO, "(drop (call $fields))");
    let less = lean(&whole).expect("an import is left out");
    let names = |component: &[u8]| -> Vec<(u32, String)> {
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            let Payload::CustomSection(section) = payload.expect("it can be read") else {
                continue;
            };
            let KnownCustom::Name(parts) = section.as_known() else {
                continue;
            };
            for part in parts {
                if let Name::Function(functions) = part.expect("a part") {
                    let functions = functions.into_iter().map(|name| name.expect("a name"));
                    names.extend(functions.map(|name| (name.index, name.name.to_owned())));
                }
            }
        }
        names
    };
    let index = |component: &[u8], name: &str| {
        let names = names(component);
        let found = names.iter().find(|(_, function)| function == name);
        found.map(|(index, _)| *index)
    };
    let before = index(&whole, "answer").expect("it has a name");
    // Both imports came before it.
    assert_eq!(index(&less, "answer"), Some(before - 2));
    assert_eq!(index(&less, "fields"), None);
}

#[test]
fn no_change_of_a_component_is_more_than_can_be_borne() {
    let whole = testing::with_two_doors("", testing::HELLO, "(drop (call $fields))");
    let bear = |changed: &[u8]| {
        if let Some(less) = lean(changed) {
            assert!(is_valid(changed) && is_valid(&less));
        }
    };
    for at in 0..whole.len() {
        bear(&whole[..at]);
        for change in [0x01, 0x7F, 0x80, 0xFF] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            bear(&changed);
        }
    }
}

/// Files of strangers are looked at before they are compiled, and some are made to take long.
#[test]
fn what_it_takes_is_in_proportion_to_the_size_of_a_component() {
    const MANY: usize = 10_000;
    // A component has no more than a thousand instances.
    const CHAIN: usize = 900;
    let of = |text: &dyn Fn(usize) -> String| (0..MANY).map(text).collect::<String>();
    let bag = of(&|i| format!(r#"(export "{i}" (func $use))"#));
    let imports = of(&|i| format!(r#"(import "things" "{i}" (func))"#));
    let exports = of(&|i| format!(r#"(export "{i}" (func {i}))"#));
    let aliases = of(&|i| format!(r#"(alias core export $more "{i}" (core func))"#));
    // Each in a bag that has what the one before it has.
    let mut chain = String::from(r#"(core instance $b0 (export "f" (func $use)))"#);
    for i in 1..CHAIN {
        let before = i - 1;
        chain.push_str(&format!(
            r#"(alias core export $b{before} "f" (core func $f{i}))
            (core instance $b{i} (export "f" (func $f{i})))"#
        ));
    }
    let before = format!(
        r#"(core instance $bag {bag})
        (core module $more {imports} {exports})
        (core instance $more (instantiate $more (with "things" (instance $bag))))
        {aliases} {chain}"#
    );
    let last = CHAIN - 1;
    let args = format!(
        r#"(with "more" (instance $more)) (with "chain" (instance $b{last}))
        (with "things" (instance $bag))"#
    );
    let main = format!(
        r#"(import "more" "1" (func $f)) (import "chain" "f" (func $g)) {imports}
        (func (export "handle") call $f call $g) (func (export "other") call 2)"#
    );
    let whole = parts(&before, &args, &main);
    let before = testing::thread_time();
    let less = lean(&whole).expect("some are left out");
    let took = testing::thread_time() - before;
    assert_eq!((modules(&less), self::imports(&less)), (2, 3));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

fn is_valid(component: &[u8]) -> bool {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(component).is_ok()
}
