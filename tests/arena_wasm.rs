//! Nothing in the arena can panic: of a module that exports every method, no
//! panic is linked.
//!
//! Looked for in two ways, on what the compiler has emitted: the import that
//! the panic handler of the module calls, and the names of all functions.

#[path = "support/core_module.rs"]
mod core_module;

use core_module::core_module;
use wasmparser::{KnownCustom, Name, Operator, Parser, Payload};

/// Parts of the names of functions that panic, or that do nothing but lead there.
const PANICKING: [&str; 9] = [
    "panic",
    "unwrap_failed",
    "expect_failed",
    "slice_index",
    "slice_start_index",
    "slice_end_index",
    "bounds",
    "handle_alloc_error",
    "capacity_overflow",
];

/// The methods that have to be in the module, so that nothing is proved of an
/// empty one.
const METHODS: [&str; 37] = [
    "new",
    "with_block_size",
    "with_source",
    "set_budget",
    "set_reserve",
    "open_reserve",
    "set_reset",
    "set_scrub",
    "reset",
    "scrub",
    "prepare",
    "usage",
    "used",
    "total_allocated",
    "alloc_layout",
    "alloc_zeroed",
    "alloc_word",
    "alloc_aligned",
    "alloc_slice_copy",
    "alloc_slice_fill_with",
    "calloc",
    "strdup",
    "strndup",
    "alloc_fmt",
    "alloc_owned",
    "into_inner",
    "alloc_deferred",
    "buffer",
    "buffer_write_fmt",
    "scope",
    "dropped",
    "allocate",
    "allocate_zeroed",
    "grow",
    "grow_zeroed",
    "shrink",
    "deallocate",
];

/// What a module consists of, as far as it matters here.
#[derive(Debug, Default)]
struct Emitted {
    imports: Vec<String>,
    exports: Vec<String>,
    /// Names of functions by their index, those imported first.
    functions: Vec<String>,
    /// Who calls whom, by index.
    calls: Vec<(usize, usize)>,
    code: usize,
}

impl Emitted {
    fn of(module: &[u8]) -> Self {
        let mut emitted = Self::default();
        let mut bodies = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.expect("the compiler's own output") {
                Payload::ImportSection(imports) => {
                    let imports = imports.into_imports();
                    emitted.imports = imports.map(|import| import.unwrap().name.into()).collect();
                }
                Payload::ExportSection(exports) => {
                    let exports = exports.into_iter();
                    emitted.exports = exports.map(|export| export.unwrap().name.into()).collect();
                }
                Payload::CodeSectionStart { size, .. } => emitted.code = size as usize,
                Payload::CodeSectionEntry(body) => {
                    let caller = emitted.imports.len() + bodies;
                    bodies += 1;
                    for operator in body.get_operators_reader().unwrap() {
                        if let Operator::Call { function_index } = operator.unwrap() {
                            emitted.calls.push((caller, function_index as usize));
                        }
                    }
                }
                Payload::CustomSection(custom) => {
                    if let KnownCustom::Name(names) = custom.as_known() {
                        for name in names {
                            if let Ok(Name::Function(map)) = name {
                                let names = map.into_iter().map(|name| name.unwrap().name.into());
                                emitted.functions.extend(names);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        emitted
    }

    /// What of it can panic, and who calls that.
    fn panics(&self) -> Vec<String> {
        let panics = |name: &str| PANICKING.iter().any(|part| name.contains(part));
        let mut found: Vec<String> = Vec::new();
        for (index, name) in self.functions.iter().enumerate() {
            if panics(name) {
                let callers = self.calls.iter().filter(|(_, callee)| *callee == index);
                let mut callers: Vec<_> = callers.map(|&(by, _)| &self.functions[by]).collect();
                callers.dedup();
                found.push(format!("{name}, called by {callers:?}"));
            }
        }
        let imported = self.imports.iter().any(|name| name == "panicked");
        found.extend(imported.then(|| "panicked, which is imported".to_owned()));
        found
    }
}

fn emitted(features: &[&str]) -> Emitted {
    let module = std::fs::read(core_module("bare", features)).expect("it was just built");
    Emitted::of(&module)
}

#[test]
fn no_method_of_the_arena_links_a_panic() {
    let emitted = emitted(&[]);
    println!(
        "the code of {} methods takes {} bytes, in {} functions",
        METHODS.len(),
        emitted.code,
        emitted.functions.len()
    );
    for method in METHODS {
        assert!(
            emitted.exports.iter().any(|export| export == method),
            "{method} is not exported"
        );
    }
    assert!(
        emitted.functions.len() > METHODS.len(),
        "the names were stripped"
    );
    assert!(
        emitted.panics().is_empty(),
        "these can panic: {:#?}",
        emitted.panics()
    );
}

/// The same test finds one method that indexes a slice.
#[test]
fn a_method_that_can_panic_is_found() {
    let emitted = emitted(&["panicking"]);
    let panics = emitted.panics();
    let names = |part: &str| panics.iter().any(|found| found.contains(part));
    assert!(names("panicked, which is imported"), "{panics:?}");
    assert!(names("called by [\"indexes\"]"), "{panics:?}");
}
