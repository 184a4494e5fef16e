//! Whether a component needs an engine whose guests can wait for several things at
//! a time, which is what WASI 0.3 is made of.
//!
//! Such an engine keeps a list of tasks and streams for every store. The others
//! have no use for it, so a component is looked at before it is compiled, and gets
//! the engine that it needs and no more.

use wasmparser::{CanonicalFunction, CanonicalOption, Parser, Payload};
use wasmtime::Engine;

/// Whether the guests of an engine can wait for several things at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concurrency {
    /// One call at a time, from its beginning to its end.
    Off,
    /// Asynchronous calls, streams and futures of the component model.
    On,
}

impl Concurrency {
    /// What the component that `bytes` are needs. Off where they cannot be parsed:
    /// the compiler is the one to say what is wrong with them.
    pub(crate) fn needed_by(bytes: &[u8]) -> Self {
        let mut payloads = Parser::new(0).parse_all(bytes).map_while(Result::ok);
        // Components within it count as well: what they wait for they wait for in
        // the same store.
        if payloads.any(|payload| is_concurrent(&payload)) {
            Self::On
        } else {
            Self::Off
        }
    }

    /// What `engine` has.
    pub(crate) fn of(engine: &Engine) -> Self {
        if engine.get_concurrency_support() {
            Self::On
        } else {
            Self::Off
        }
    }
}

fn is_concurrent(payload: &Payload<'_>) -> bool {
    match payload {
        Payload::ComponentImportSection(imports) => {
            let mut imports = imports.clone().into_iter().map_while(Result::ok);
            imports.any(|import| is_wasi_0_3(import.name.name))
        }
        Payload::ComponentExportSection(exports) => {
            let mut exports = exports.clone().into_iter().map_while(Result::ok);
            exports.any(|export| is_wasi_0_3(export.name.name))
        }
        Payload::ComponentCanonicalSection(functions) => {
            let mut functions = functions.clone().into_iter().map_while(Result::ok);
            functions.any(|function| is_asynchronous(&function))
        }
        _ => false,
    }
}

/// Some functions of WASI 0.3 are plain calls, but the host can only link all of it
/// or nothing.
fn is_wasi_0_3(name: &str) -> bool {
    let version = name.rsplit_once('@').map(|(_, version)| version);
    name.starts_with("wasi:") && version.is_some_and(|version| version.starts_with("0.3."))
}

fn is_asynchronous(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.contains(&CanonicalOption::Async)
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        // Tasks, streams, futures and threads.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn needed(text: &str) -> Concurrency {
        Concurrency::needed_by(&testing::component(text))
    }

    #[test]
    fn the_components_of_the_other_doors_need_none() {
        for component in [
            testing::handler(testing::HELLO),
            testing::wasi_handler(""),
            testing::importing("wasi:clocks/monotonic-clock@0.2.3"),
            testing::importing("acme:db/store@0.3.0"),
        ] {
            assert_eq!(Concurrency::needed_by(&component), Concurrency::Off);
        }
        assert_eq!(Concurrency::needed_by(b"\0asm, and more"), Concurrency::Off);
    }

    #[test]
    fn an_interface_of_wasi_0_3_needs_it_on_either_side() {
        for version in ["0.3.0", "0.3.7"] {
            let import = testing::importing(&format!("wasi:random/random@{version}"));
            assert_eq!(Concurrency::needed_by(&import), Concurrency::On);
            let export = format!(
                r#"(component (instance $i) (export "wasi:http/handler@{version}" (instance $i)))"#
            );
            assert_eq!(needed(&export), Concurrency::On);
        }
    }

    #[test]
    fn what_is_asynchronous_within_a_component_needs_it() {
        let inner = "(component (component (core func (canon task.cancel))))";
        assert_eq!(needed(inner), Concurrency::On);
        let sync = "(component (component
            (type $r (resource (rep i32)))
            (core func (canon resource.drop $r))))";
        assert_eq!(needed(sync), Concurrency::Off);
    }
}
