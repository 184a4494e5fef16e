//! The files of a handler's package, besides its core: JavaScript, which is that of
//! the npm package `lavandula`, and what npm has to know.

use std::path::PathBuf;

use cargo_metadata::Package;
use serde::{Serialize, Serializer};

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
    let mut manifest =
        serde_json::to_vec_pretty(&manifest(name, &module.package)).unwrap_or_default();
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

/// `package.json`. Structs, and no map that sorts its keys: of conditions the first
/// one counts that a runtime knows, and `default` is one that all of them know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    name: &'a str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<Repository<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    contributors: &'a [String],
    #[serde(rename = "type")]
    kind: &'static str,
    engines: Engines,
    types: &'static str,
    exports: Exports,
    /// Bundlers drop what they take for unused without this.
    side_effects: [&'static str; 1],
    files: [&'static str; 3],
}

#[derive(Serialize)]
struct Repository<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
}

#[derive(Serialize)]
struct Engines {
    node: &'static str,
}

#[derive(Serialize)]
struct Exports {
    #[serde(rename = ".")]
    main: Conditions,
    #[serde(rename = "./slim")]
    slim: Conditions,
    #[serde(rename = "./inline")]
    inline: Conditions,
    #[serde(rename = "./core_bg.wasm")]
    module: &'static str,
    #[serde(rename = "./package.json")]
    manifest: &'static str,
}

/// Conditions and files, in the order in which they are tried.
struct Conditions(Vec<(&'static str, String)>);

impl Conditions {
    /// Types come first for the same reason.
    fn new(entries: &[(&'static str, &str)]) -> Self {
        let types = ("types", "./index.d.ts".to_owned());
        let entries = entries
            .iter()
            .map(|&(condition, name)| (condition, entry(name)));
        Self([types].into_iter().chain(entries).collect())
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(condition, path)| (condition, path)))
    }
}

fn manifest<'a>(name: &'a str, package: &'a Package) -> Manifest<'a> {
    let one = |name| Conditions::new(&[("default", name)]);
    Manifest {
        name,
        version: package.version.to_string(),
        description: package.description.as_deref(),
        license: package.license.as_deref(),
        repository: package
            .repository
            .as_deref()
            .map(|url| Repository { kind: "git", url }),
        homepage: package.homepage.as_deref(),
        contributors: &package.authors,
        kind: "module",
        engines: Engines { node: ">=20" },
        types: "./index.d.ts",
        exports: Exports {
            main: Conditions::new(&CONDITIONS),
            slim: one("slim"),
            inline: one("inline"),
            module: "./dist/core_bg.wasm",
            manifest: "./package.json",
        },
        side_effects: ["./dist/handler-entries/*.js"],
        files: ["dist", "index.d.ts", "README.md"],
    }
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
    fn conditions_come_in_the_order_in_which_they_must_be_tried() {
        let text = serde_json::to_string(&Conditions::new(&CONDITIONS)).unwrap();
        let order = [
            "types",
            "workerd",
            "edge-light",
            "deno",
            "bun",
            "node",
            "browser",
            "default",
        ];
        let places = order.map(|condition| text.find(&format!("\"{condition}\":")));
        assert!(places.is_sorted() && places[0] == Some(1), "{text}");
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
