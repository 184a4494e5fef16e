//! The names of statics that a build writes beside a component: they are where the
//! names say, they belong to that component, and builds keep them right.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lavandula_host::Host;
use lavandula_host::bindings::invocation::Rewinding;
use lavandula_host::build::Target;
use lavandula_host::check::{Kind, Plan, Region};
use serde_json::Value;
use wasmparser::{DataKind, Operator, Parser, Payload};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use support::command::{lavandula, run};
use support::small::{CDYLIB, Crate};
use support::{component_for, root};

const SAMPLE: &str = "examples/json-api";
const TARGETS: [Target; 2] = [Target::Wasip2, Target::Unknown];

/// A line of the file.
#[derive(Debug, PartialEq)]
struct Symbol {
    address: u32,
    size: u32,
    name: String,
}

fn file(component: &Path) -> PathBuf {
    component.with_added_extension("symbols")
}

/// The symbols beside a component.
#[track_caller]
fn symbols(component: &Path) -> Vec<Symbol> {
    let text = fs::read_to_string(file(component)).expect("it lies beside the component");
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).expect("a number");
    let symbol = |line: &str| {
        let words: Vec<_> = line.splitn(3, ' ').collect();
        Symbol {
            address: number(words[0], 16),
            size: number(words[1], 10),
            name: words[2].to_owned(),
        }
    };
    text.lines().skip(1).map(symbol).collect()
}

#[track_caller]
fn find<'a>(symbols: &'a [Symbol], name: &str) -> &'a Symbol {
    let mut found = symbols.iter().filter(|symbol| symbol.name == name);
    match (found.next(), found.next()) {
        (Some(symbol), None) => symbol,
        found => panic!("not exactly one {name}: {found:?}"),
    }
}

/// Address and content of the data segments, in order.
fn segments(component: &[u8]) -> Vec<(u32, &[u8])> {
    let mut segments = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let Payload::DataSection(section) = payload.expect("a component") else {
            continue;
        };
        for segment in section {
            let segment = segment.expect("a segment");
            let DataKind::Active { offset_expr, .. } = segment.kind else {
                panic!("a passive segment");
            };
            match offset_expr.get_operators_reader().read() {
                Ok(Operator::I32Const { value }) => {
                    segments.push((value.cast_unsigned(), segment.data));
                }
                other => panic!("no fixed address: {other:?}"),
            }
        }
    }
    segments
}

#[track_caller]
fn inspect(component: &Path) -> Value {
    let done = run(lavandula().args(["inspect", "--json"]).arg(component));
    assert_eq!(done.code, Some(0), "{done:?}");
    serde_json::from_str(&done.stdout).expect("JSON")
}

#[test]
fn statics_are_where_their_names_say() {
    for target in TARGETS {
        let component = component_for(SAMPLE, target);
        let symbols = symbols(&component);
        let bytes = fs::read(&component).expect("it was built");
        let segments = segments(&bytes);
        let [(_, _), (changing, data)] = segments[..] else {
            panic!("{target}: not one segment for constants and one for others");
        };

        // By its content there is no doubt which static it is, and it is there to
        // say where the segment begins.
        let border = find(&symbols, "lavandula::image::BORDER");
        let offset = (border.address - changing) as usize;
        let content = &data[offset..offset + border.size as usize];
        assert!(
            content.starts_with(b"lavandula: statics that change begin at "),
            "{target}"
        );
        assert_eq!(content[40..44], changing.to_le_bytes(), "{target}");

        // Behind what is not zero to begin with.
        let store = find(&symbols, "lavandula::image::STATIC_STORE");
        assert_eq!(store.size, 64 * 1024, "{target}");
        assert!(store.address >= changing + data.len() as u32, "{target}");
        assert_eq!(find(&symbols, "json_api::HEAP").size, 64 * 1024, "{target}");

        // In front of all of them.
        let table = find(&symbols, "serde_json::ser::ESCAPE");
        assert_eq!(table.size, 256, "{target}");
        assert!(table.address + table.size <= changing, "{target}");
    }
}

#[test]
fn symbols_lie_in_order_and_apart() {
    for target in TARGETS {
        let symbols = symbols(&component_for(SAMPLE, target));
        assert!(symbols.len() > 20, "{target}: {symbols:?}");
        for pair in symbols.windows(2) {
            assert!(
                pair[0].address + pair[0].size <= pair[1].address,
                "{target}: {pair:?}"
            );
        }
        // Names, and not what the linker has.
        let mangled =
            |symbol: &&Symbol| symbol.name.starts_with('_') && symbol.name.contains("17h");
        assert_eq!(symbols.iter().find(mangled), None, "{target}");
    }
}

/// The regions of a sealed instance that a rewind leaves as they are.
async fn image_store(component: &Path) -> Vec<(u32, u32)> {
    let engine = Engine::default();
    let component = Component::from_file(&engine, component).expect("a component");
    let mut linker = Linker::new(&engine);
    linker
        .define_unknown_imports_as_traps(&component)
        .expect("any import");
    let mut store = Store::new(&engine, ());
    let guest = Rewinding::instantiate_async(&mut store, &component, &linker);
    let guest = guest.await.expect("an instance");
    let guest = guest.lavandula_arena_invocation();
    let sealed = guest.call_seal(&mut store).await.expect("no trap");
    sealed.expect("the first seal");
    let regions = guest.call_image_store(&mut store).await.expect("no trap");
    regions
        .iter()
        .map(|region| (region.at, region.len))
        .collect()
}

#[tokio::test]
async fn an_instance_keeps_its_image_where_the_names_say_and_of_the_size_that_inspect_says() {
    for target in TARGETS {
        let component = component_for(SAMPLE, target);
        let symbols = symbols(&component);
        let regions = image_store(&component).await;
        let [instance, free, image] = regions[..] else {
            panic!("{target}: {regions:?}");
        };
        for (region, name) in [
            (instance, "lavandula::instance::INSTANCE"),
            (free, "lavandula::arena::linear::FREE"),
        ] {
            let symbol = find(&symbols, name);
            assert_eq!((symbol.address, symbol.size), region, "{target}: {name}");
        }
        let store = find(&symbols, "lavandula::image::STATIC_STORE");
        assert_eq!(store.address, image.0, "{target}");

        // But for the alignment of what is behind the statics.
        let said = inspect(&component)["statics"]["image"].as_u64();
        let said = said.expect("a number");
        let kept = u64::from(image.1);
        assert!((said..said + 16).contains(&kept), "{target}: {said} {kept}");
    }
}

#[test]
fn inspect_shows_the_largest_statics_with_their_shares() {
    let component = component_for(SAMPLE, Target::Unknown);
    let statics = &inspect(&component)["statics"];
    let largest = statics["largest"].as_array().expect("a list");
    assert!(!largest.is_empty() && largest.len() <= 10, "{statics}");
    let image = statics["image"].as_f64().expect("a number");
    for pair in largest.windows(2) {
        assert!(
            pair[0]["bytes"].as_u64() >= pair[1]["bytes"].as_u64(),
            "{statics}"
        );
    }
    for of in largest {
        let bytes = of["bytes"].as_f64().expect("a number");
        let share = of["share"].as_f64().expect("a number");
        assert!((share - bytes / image).abs() < 0.001, "{of}");
    }

    let done = run(lavandula().arg("inspect").arg(&component));
    let first = largest[0]["name"].as_str().expect("a name");
    assert!(done.stdout.contains(&format!("%  {first}\n")), "{done:?}");
    assert!(
        done.stdout
            .contains(&format!("a rewind copies {image} of them")),
        "{done:?}"
    );
}

#[test]
fn symbols_that_are_missing_stale_or_nonsense_are_ignored() {
    let original = component_for(SAMPLE, Target::Unknown);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("sample.wasm");
    fs::copy(&original, &copy).expect("a copy");
    let statics = || {
        let done = run(lavandula().args(["inspect", "--json"]).arg(&copy));
        assert_eq!(done.code, Some(0), "{done:?}");
        let document: Value = serde_json::from_str(&done.stdout).expect("JSON");
        (document["statics"].clone(), done.stderr)
    };

    assert_eq!(statics(), (Value::Null, String::new()));
    fs::copy(file(&original), file(&copy)).expect("a copy");
    assert_ne!(statics(), (Value::Null, String::new()));

    // Another component of the same length: one letter of an error message.
    let mut bytes = fs::read(&copy).expect("a copy");
    let text = b"/filter";
    let at = bytes.windows(text.len()).position(|bytes| bytes == text);
    bytes[at.expect("it routes that")] = b'-';
    fs::write(&copy, &bytes).expect("a file");
    assert_eq!(statics(), (Value::Null, String::new()));

    fs::copy(&original, &copy).expect("a copy");
    assert_ne!(statics().0, Value::Null);
    let whole = fs::read_to_string(file(&original)).expect("a text");
    let half = &whole[..whole.len() / 2];
    let half = half.rsplit_once(' ').expect("words").0;
    fs::write(file(&copy), half).expect("a file");
    let (statics, stderr) = statics();
    assert_eq!(statics, Value::Null);
    assert!(
        stderr.contains("sample.wasm.symbols makes no sense"),
        "{stderr}"
    );
}

/// A component that cargo alone has built, beside which there are no symbols, but
/// with debug information in it, or without.
fn built_by_cargo(guest: &str, debug: &str) -> Vec<u8> {
    let folder = root().join("tests/guests").join(guest);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--target", "wasm32-wasip2"])
        .args(["--profile", "handler", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .args(["--config", "profile.handler.inherits=\"release\""])
        .args(["--config", &format!("profile.handler.debug={debug}")])
        .status();
    assert!(status.expect("cargo runs").success());
    let file = format!("target/wasm32-wasip2/handler/{guest}_guest.wasm");
    fs::read(root().join(file)).expect("a component")
}

#[tokio::test]
async fn a_check_names_statics_by_debug_information_where_there_are_no_symbols() {
    for debug in ["0", "2"] {
        let component = built_by_cargo("hoarding", debug);
        let host = Host::builder().load_bytes(&component).expect("a component");
        let report = host.check(&Plan::new().requests(40)).await;
        let report = report.expect("it can be checked");
        let content = report.evidence(Kind::Content).expect("it has all kinds");
        let place = content.culprit.as_ref().and_then(|it| it.place.as_ref());
        let place = place.expect("it hoards");
        assert_eq!(
            (place.memory, place.region),
            (0, Region::Statics),
            "{place:?}"
        );
        let symbol = place.symbol.as_deref();
        let is_named = symbol.is_some_and(|it| it.starts_with("hoarding_guest::LAST_SEEN + "));
        // A static that is zero to begin with is in no segment either.
        let is_as_expected = if debug == "2" {
            is_named
        } else {
            symbol.is_none()
        };
        assert!(is_as_expected, "{place:?}");
    }
}

// Builds.

const SOURCE: &str = "
    use std::sync::atomic::AtomicU32;
    #[used]
    static HITS: [AtomicU32; 5] = [const { AtomicU32::new(0) }; 5];
";

/// A crate with `HITS`, that was built.
fn small() -> Crate {
    let small = Crate::new(CDYLIB, "src/lib.rs", SOURCE);
    build(&small, &[]);
    small
}

/// Builds it, and returns what it said.
#[track_caller]
fn build(small: &Crate, environment: &[(&str, &OsStr)]) -> String {
    let done = small.ask_with("build", &[], environment);
    assert_eq!(done.code, Some(0), "{done:?}");
    done.stderr
}

fn map(small: &Crate) -> PathBuf {
    small
        .path()
        .join("target/wasm32-wasip2/handler/small.link-map")
}

/// What a build leaves: the component, and the file with its symbols.
fn left(small: &Crate) -> (Vec<u8>, Option<String>) {
    let component = small.component();
    let symbols = fs::read_to_string(file(&component)).ok();
    (fs::read(component).expect("a component"), symbols)
}

#[test]
fn a_second_build_does_nothing_and_leaves_the_same() {
    let small = small();
    let first = left(&small);
    assert_eq!(find(&symbols(&small.component()), "small::HITS").size, 20);
    let said = build(&small, &[]);
    assert!(!said.contains("Compiling"), "{said}");
    assert!(left(&small) == first);
}

#[test]
fn a_build_after_the_map_was_lost_or_spoilt_leaves_the_same() {
    let small = small();
    let first = left(&small);
    let whole = fs::read_to_string(map(&small)).expect("a map");
    // Of another module: its code had another size.
    let line = whole.lines().find(|line| line.ends_with(" CODE"));
    let line = line.expect("there is code");
    let size = line.split_whitespace().nth(2).expect("a size");
    let other = whole.replace(line, &line.replace(size, &format!("{size}0")));
    let spoil: [&dyn Fn(&Path); 3] = [
        &|map| fs::remove_file(map).expect("it was there"),
        &|map| fs::write(map, "nonsense").expect("a file"),
        &|map| fs::write(map, &other).expect("a file"),
    ];
    for spoil in spoil {
        spoil(&map(&small));
        let said = build(&small, &[]);
        assert!(said.contains("Compiling small"), "{said}");
        assert!(left(&small) == first);
        assert_eq!(fs::read_to_string(map(&small)).expect("a map"), whole);
    }
}

#[test]
fn a_build_of_a_changed_crate_has_its_new_symbols() {
    let small = small();
    let first = left(&small);
    small.write(
        "src/lib.rs",
        &SOURCE.replace('5', "6").replace("HITS", "MORE_HITS"),
    );
    build(&small, &[]);
    let symbols = symbols(&small.component());
    assert_eq!(find(&symbols, "small::MORE_HITS").size, 24);
    assert!(!symbols.iter().any(|symbol| symbol.name == "small::HITS"));

    small.write("src/lib.rs", SOURCE);
    build(&small, &[]);
    assert!(left(&small) == first);
}

#[test]
fn a_build_without_optimisation_has_symbols_and_leaves_the_others_alone() {
    let small = small();
    let first = left(&small);
    let done = small.ask("build", &["--dev".as_ref()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(find(&symbols(&small.component()), "small::HITS").size, 20);
    assert!(left(&small) != first);
    let said = build(&small, &[]);
    assert!(!said.contains("Compiling"), "{said}");
    assert!(left(&small) == first);
}

/// A linker that does `with_map` where it is asked for a map, and links where it
/// is not.
#[cfg(unix)]
fn linker(folder: &Path, with_map: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;

    let ask = |arguments: &[&str]| {
        let output = Command::new("rustc").args(arguments).output();
        let output = output.expect("rustc runs").stdout;
        String::from_utf8(output).expect("text").trim().to_owned()
    };
    // Where rustc keeps its own programs: beside the libraries of the host.
    let libraries = ask(&["--print", "target-libdir"]);
    let real = Path::new(&libraries).with_file_name("bin/wasm-component-ld");
    let script = format!(
        "#!/bin/sh\n\
         for argument; do\n\
         shift\n\
         case \"$argument\" in --Map=*) {with_map};; *) set -- \"$@\" \"$argument\";; esac\n\
         done\n\
         exec '{}' \"$@\"\n",
        real.display()
    );
    let path = folder.join("wasm-component-ld");
    fs::write(&path, script).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("may be run");
    path
}

/// Builds with a linker that gives no map: there is a component without symbols, a
/// word about it, and no second attempt until it is asked for.
#[cfg(unix)]
#[track_caller]
fn builds_without_symbols(with_map: &str) {
    let small = Crate::new(CDYLIB, "src/lib.rs", SOURCE);
    let tools = tempfile::tempdir().expect("a temporary folder");
    let linker = linker(tools.path(), with_map);
    let without = [("CARGO_TARGET_WASM32_WASIP2_LINKER", linker.as_os_str())];

    let said = build(&small, &without);
    assert!(said.contains("statics have no names"), "{said}");
    assert_eq!(left(&small).1, None);

    small.write("src/lib.rs", &SOURCE.replace('5', "6"));
    let said = build(&small, &without);
    assert!(said.contains("statics have no names"), "{said}");
    assert!(!said.contains("error"), "{said}");
    assert_eq!(left(&small).1, None);
    let said = build(&small, &without);
    assert!(!said.contains("Compiling"), "{said}");

    let component = left(&small).0;
    fs::remove_file(map(&small)).expect("it says that there is none");
    build(&small, &[]);
    assert!(left(&small).0 == component);
    assert_eq!(find(&symbols(&small.component()), "small::HITS").size, 24);
}

#[test]
#[cfg(unix)]
fn a_linker_that_refuses_to_write_a_map_is_not_asked_again() {
    builds_without_symbols("echo 'unknown argument --Map' >&2; exit 1");
}

#[test]
#[cfg(unix)]
fn a_linker_that_writes_no_map_is_not_asked_again() {
    builds_without_symbols(":");
}
