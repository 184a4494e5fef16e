//! What wasm-bindgen makes of a module, as a factory: each call of it is an instance
//! with memory of its own.
//!
//! wasm-bindgen's own JavaScript has one instance in the variables of its module, and
//! its objects go on to call the next one where it was replaced. Here nothing outlives
//! an instance: the same text is the body of a function.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use wasm_bindgen_cli_support::Bindgen;
use wasmparser::{Parser, Payload};

use super::{File, NpmError};
use crate::border;
use crate::build::Module;

/// Of wasm-bindgen, here and in the guest's crate.
pub(super) const VERSION: &str = "0.2.130";

/// The bindings of a module.
#[derive(Debug)]
pub(super) struct Bindings {
    /// The module, as it is shipped.
    pub(super) wasm: Vec<u8>,
    factory: String,
    /// JavaScript of crates that the module is made of, by its path.
    snippets: BTreeMap<PathBuf, String>,
}

/// Where the variables of an instance begin in wasm-bindgen's text, and with them
/// everything that makes one.
const INSTANCE: &str = "\nlet wasmModule, wasmInstance, wasm;";

/// How the modules are called from which the macros of wasm-bindgen import.
const PLACEHOLDER: &str = "__wbindgen_";

impl Bindings {
    pub(super) fn new(module: &Module) -> Result<Self, NpmError> {
        let package = || module.package.name.to_string();
        let failed = |error: &dyn std::fmt::Display| NpmError::Bindings {
            package: package(),
            reason: error.to_string(),
        };
        if let Some((from, import)) = foreign_import(&module.bytes) {
            return Err(NpmError::Import {
                package: package(),
                import,
                from,
            });
        }
        let mut bindgen = Bindgen::new();
        bindgen
            .input_bytes("core", module.bytes.clone())
            .typescript(false)
            .omit_default_module_path(true)
            .remove_name_section(module.optimised)
            .remove_producers_section(true)
            .keep_debug(!module.optimised)
            .web(true)
            .map_err(|error| failed(&format_args!("{error:#}")))?;
        let mut output = bindgen
            .generate_output()
            .map_err(|error| failed(&format_args!("{error:#}")))?;
        let factory = factory(output.js()).map_err(|reason| NpmError::Form {
            package: package(),
            reason,
        })?;
        let mut snippets = BTreeMap::new();
        for (crate_name, texts) in output.snippets() {
            for (number, text) in texts.iter().enumerate() {
                let path = format!("snippets/{crate_name}/inline{number}.js");
                snippets.insert(path.into(), text.clone());
            }
        }
        for (path, text) in output.local_modules() {
            snippets.insert(PathBuf::from("snippets").join(path), text.clone());
        }
        if let Some(name) = output.npm_dependencies().keys().next() {
            return Err(NpmError::Form {
                package: package(),
                reason: format!("it depends on the npm package {name}, and it may on none"),
            });
        }
        // Nothing moves the data any more.
        let mut wasm = output.wasm_mut().emit_wasm();
        border::write(&mut wasm);
        Ok(Self {
            wasm,
            factory,
            snippets,
        })
    }

    /// All files of them.
    pub(super) fn files(&self) -> Vec<File> {
        let mut files = vec![
            (PathBuf::from("core.js"), self.factory.clone().into_bytes()),
            (PathBuf::from("core_bg.wasm"), self.wasm.clone()),
            (
                PathBuf::from("core_inline.js"),
                inline(&self.wasm).into_bytes(),
            ),
        ];
        let snippets = self.snippets.iter();
        files.extend(snippets.map(|(path, text)| (path.clone(), text.clone().into_bytes())));
        files
    }
}

/// The first import of a module that is not through wasm-bindgen, which would make an
/// `import` of it that no runtime knows: the module and the name.
fn foreign_import(module: &[u8]) -> Option<(String, String)> {
    let payloads = Parser::new(0).parse_all(module).map_while(Result::ok);
    let imports = payloads.filter_map(|payload| match payload {
        Payload::ImportSection(imports) => Some(imports),
        _ => None,
    });
    imports
        .flat_map(|section| section.into_imports().map_while(Result::ok))
        .find(|import| !import.module.starts_with(PLACEHOLDER))
        .map(|import| (import.module.to_owned(), import.name.to_owned()))
}

/// Makes a factory of wasm-bindgen's JavaScript for the web.
fn factory(js: &str) -> Result<String, String> {
    let (body, _) = js
        .split_once(INSTANCE)
        .ok_or("it does not say where an instance begins")?;
    let mut imports = String::new();
    let mut text = String::new();
    let mut names = Vec::new();
    for line in body.lines() {
        if line.starts_with("import ") {
            imports.push_str(line);
            imports.push('\n');
            continue;
        }
        let declared = match line.strip_prefix("export ") {
            None if line.starts_with("/* @ts-self-types") => continue,
            None => line,
            Some(declared) => {
                names.push(declared_name(declared).ok_or_else(|| {
                    format!("it exports by `{line}`, which declares no function, class or constant")
                })?);
                declared
            }
        };
        text.push_str(declared);
        text.push('\n');
    }
    let names = names.join(", ");
    Ok(format!(
        "// Made by `lavandula npm` of what wasm-bindgen {VERSION} generates. Do not edit.\n\n\
         {imports}\
         /** Makes an instance of the module, with memory of its own. */\n\
         export function createBindings(module) {{\n\
         let wasm;\n\
         {text}\n\
         wasm = new WebAssembly.Instance(module, __wbg_get_imports()).exports;\n\
         wasm.__wbindgen_start?.();\n\
         return {{ wasm, bindings: {{ {names} }} }};\n\
         }}\n"
    ))
}

/// The name that a declaration gives.
fn declared_name(declared: &str) -> Option<&str> {
    let kinds = ["async function ", "function ", "class ", "const "];
    let rest = kinds.iter().find_map(|kind| declared.strip_prefix(kind))?;
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let name = rest.split(|c| !is_part(c)).next()?;
    (!name.is_empty()).then_some(name)
}

/// The module in JavaScript.
fn inline(wasm: &[u8]) -> String {
    let text = BASE64.encode(wasm);
    format!(
        "/** The module's bytes. */\n\
         export const bytes = Uint8Array.from(atob('{text}'), (c) => c.charCodeAt(0));\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "/* @ts-self-types=\"./core.d.ts\" */\n\
        import { now } from './snippets/clock/inline0.js';\n\
        export class Point {\n    free() {}\n}\n\
        export const Colour = Object.freeze({ Red: 0 });\n\
        export function add(a, b) {\nreturn wasm.add(a, b);\n}\n\
        function __wbg_get_imports() { return {}; }\n\
        let wasmModule, wasmInstance, wasm;\nfunction initSync() {}\nexport { initSync };\n";

    #[test]
    fn everything_of_an_instance_is_in_the_function_that_makes_one() {
        let made = factory(GENERATED).unwrap();
        let (outside, inside) = made.split_once("createBindings(module) {").unwrap();
        assert!(outside.contains("import { now } from './snippets/clock/inline0.js';"));
        assert!(inside.contains("bindings: { Point, Colour, add } }"));
        assert!(!inside.contains("export ") && !inside.contains("initSync"));
        assert!(!outside.contains("wasm;"));
    }

    #[test]
    fn a_form_that_is_not_known_is_refused_and_not_guessed_at() {
        let error = factory("export function add() {}\n").unwrap_err();
        assert!(error.contains("where an instance begins"), "{error}");
        let error =
            factory(&GENERATED.replace("export class Point", "export { Point };\nclass Point"));
        assert!(error.unwrap_err().contains("`export { Point };`"));
    }

    #[test]
    fn what_does_not_come_through_wasm_bindgen_is_named() {
        let import = |from: &str| {
            let text = format!("(module (import {from:?} \"now\" (func)))");
            foreign_import(&wat::parse_str(text).unwrap())
        };
        assert_eq!(import("__wbindgen_placeholder__"), None);
        assert_eq!(import("__wbindgen_externref_xform__"), None);
        let expected = ("wasi:clocks/wall-clock@0.2.0".into(), "now".into());
        assert_eq!(import("wasi:clocks/wall-clock@0.2.0"), Some(expected));
        assert_eq!(foreign_import(b"no module"), None);
    }

    #[test]
    fn the_version_is_the_one_that_is_linked() {
        let lock = include_str!("../../../Cargo.lock");
        for name in ["wasm-bindgen", "wasm-bindgen-cli-support"] {
            let found = format!("name = \"{name}\"\nversion = \"{VERSION}\"");
            assert!(lock.contains(&found), "{name}");
        }
    }
}
