//! The files of a handler's package, besides its core: JavaScript, which is that of
//! the npm package `lavandula`, and what npm has to know.

use std::path::PathBuf;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::bindings::Bindings;
use super::{File, NpmError};
use crate::build::Module;

/// Files as they are in the repository.
macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../js/src/", $name)))),*]
    };
}

/// What a handler needs of the JavaScript.
const SOURCES: &[(&str, &str)] = sources![
    "argument.js",
    "compile.js",
    "failure.js",
    "handler.js",
    "handler-package.js",
    "instance.js",
    "request.js",
    "response.js",
    "usage.js",
    "handler-entries/edge-light.js",
    "handler-entries/inline.js",
    "handler-entries/node.js",
    "handler-entries/slim.js",
    "handler-entries/web.js",
    "handler-entries/workerd.js",
];

const TYPES: &str = include_str!("../../../js/src/handler-entries/index.d.ts");

/// The conditions under which runtimes choose an entry, in order: the first one that
/// they know counts.
const CONDITIONS: [(&str, &str); 7] = [
    ("workerd", "workerd"),
    ("edge-light", "edge-light"),
    ("deno", "node"),
    ("bun", "node"),
    ("node", "node"),
    ("browser", "web"),
    ("default", "web"),
];

/// All files of a package.
pub(super) fn files(name: &str, module: &Module, bindings: &Bindings) -> Vec<File> {
    let at = |path: &str| PathBuf::from("dist").join(path);
    let mut files: Vec<File> = bindings.files();
    for (path, _) in &mut files {
        *path = PathBuf::from("dist").join(&*path);
    }
    for (path, text) in SOURCES {
        files.push((at(path), text.as_bytes().to_vec()));
    }
    let mut manifest = serde_json::to_vec_pretty(&manifest(name, module)).unwrap_or_default();
    manifest.push(b'\n');
    files.extend([
        ("index.d.ts".into(), TYPES.as_bytes().to_vec()),
        ("README.md".into(), readme(name, module).into_bytes()),
        // Last: without it there is no package.
        ("package.json".into(), manifest),
    ]);
    files
}

fn entry(name: &str) -> String {
    format!("./dist/handler-entries/{name}.js")
}

/// JSON whose objects keep their order: of the conditions the first one counts.
enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

fn text(text: impl ToString) -> Json {
    Json::Text(text.to_string())
}

const ENTRY_TYPES: (&str, &str) = ("types", "./index.d.ts");

fn manifest(name: &str, module: &Module) -> Json {
    let package = &module.package;
    let with_types = |entries: Vec<(&'static str, Json)>| {
        let types = (ENTRY_TYPES.0, text(ENTRY_TYPES.1));
        Json::Object([types].into_iter().chain(entries).collect())
    };
    let conditions = CONDITIONS.map(|(condition, name)| (condition, text(entry(name))));
    let one = |name: &str| with_types(vec![("default", text(entry(name)))]);
    let mut fields = vec![("name", text(name)), ("version", text(&package.version))];
    for (key, value) in [
        ("description", &package.description),
        ("license", &package.license),
        ("repository", &package.repository),
        ("homepage", &package.homepage),
    ] {
        fields.extend(value.as_ref().map(|value| (key, text(value))));
    }
    if !package.authors.is_empty() {
        let authors = package.authors.iter().map(text).collect();
        fields.push(("contributors", Json::List(authors)));
    }
    fields.extend([
        ("type", text("module")),
        ("engines", Json::Object(vec![("node", text(">=20"))])),
        (ENTRY_TYPES.0, text(ENTRY_TYPES.1)),
        (
            "exports",
            Json::Object(vec![
                (".", with_types(conditions.into())),
                ("./slim", one("slim")),
                ("./inline", one("inline")),
                ("./core_bg.wasm", text("./dist/core_bg.wasm")),
                ("./package.json", text("./package.json")),
            ]),
        ),
        // Bundlers drop what they take for unused without this.
        (
            "sideEffects",
            Json::List(vec![text("./dist/handler-entries/*.js")]),
        ),
        (
            "files",
            Json::List(["dist", "index.d.ts", "README.md"].map(text).into()),
        ),
    ]);
    Json::Object(fields)
}

fn readme(name: &str, module: &Module) -> String {
    let description = match &module.package.description {
        Some(text) => format!("{text}\n\n"),
        None => String::new(),
    };
    format!(
        "# {name}\n\n{description}\
         A request handler in WebAssembly, for whatever has the Fetch API.\n\n\
         ```js\n\
         // A whole worker:\n\
         export {{ default }} from '{name}';\n\
         ```\n\n\
         ```js\n\
         // Anywhere else:\n\
         import {{ handle, usage }} from '{name}';\n\n\
         const response = await handle(new Request('https://example.com/'));\n\
         console.log(response.status, usage());\n\
         ```\n\n\
         `handle` never rejects: where the handler fails, the response says so with its status \
         and the header `x-lavandula-error`. Requests run one after the other in one instance, \
         whose memory is taken back after each; `new Handler({{ isolation: 'instance' }})` makes \
         a fresh instance for each. Where nothing can be loaded by itself, \
         `'{name}/slim'` has a `Handler` that is given its module, and `'{name}/inline'` has \
         the module in its JavaScript.\n"
    )
}

/// Whether npm takes the name.
pub(super) fn check_name(name: &str) -> Result<(), NpmError> {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '_'])
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    };
    let fits = match name.strip_prefix('@').map(|rest| rest.split_once('/')) {
        None => plain(name),
        Some(Some((scope, name))) => plain(scope) && plain(name),
        Some(None) => false,
    };
    match fits && name.len() <= 214 {
        true => Ok(()),
        false => Err(NpmError::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_npm_takes() {
        for name in ["a", "my-handler", "@me/my.handler_2", "3d"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(215);
        for name in [
            "", "A", "a b", ".a", "_a", "@me", "@/a", "@me/", "a/b", "../a", &long,
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_order_of_conditions_is_kept_for_the_first_one_counts() {
        let given = CONDITIONS.map(|(condition, name)| (condition, text(entry(name))));
        let written = serde_json::to_string(&Json::Object(given.into())).unwrap();
        let places = CONDITIONS.map(|(condition, _)| written.find(&format!("\"{condition}\":")));
        assert!(places.is_sorted() && places[0].is_some(), "{written}");
    }

    #[test]
    fn every_source_that_another_one_imports_is_in_the_package() {
        for (path, text) in SOURCES {
            let folder = PathBuf::from(path);
            let folder = folder.parent().unwrap();
            for line in text
                .lines()
                .filter(|line| line.contains(" from './") || line.contains(" from '../"))
            {
                let target = line.split('\'').nth(1).unwrap();
                let mut whole = folder.to_owned();
                for part in target.split('/') {
                    match part {
                        "." => {}
                        ".." => _ = whole.pop(),
                        part => whole.push(part),
                    }
                }
                let whole = whole.to_str().unwrap();
                let is_core = whole.starts_with("core");
                let is_there = SOURCES.iter().any(|(path, _)| *path == whole);
                assert!(is_core || is_there, "{path} imports {target}");
            }
        }
    }
}
