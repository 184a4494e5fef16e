//! What is measured, in the words of the report: servers, and the requests that are
//! sent to them.

use std::path::Path;
use std::process::Command;

use lavandula_host::Door;

use super::answer::Request;
use super::programs;

/// The server that others are related to.
pub const FLOOR: &str = "floor";

/// A server, with its settings.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// As in the report.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// Its colour in the plot.
    pub colour: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours, as small as it can be, without WebAssembly.
    Floor,
    /// `lavandula serve`.
    Ours {
        /// What keeps requests apart.
        isolation: Isolation,
        /// The door that requests enter by.
        door: Door,
        /// What it logs.
        log: Log,
    },
    /// `wasmtime serve`.
    Wasmtime(Tuning),
}

/// What keeps requests apart, as `--isolation` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// An instance for each.
    Instance,
    /// One that is rewound.
    Rewind,
    /// One that several use at a time.
    Shared,
}

/// What a server of ours logs, into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// What it logs by default.
    Default,
    /// Warnings: nothing, that is.
    Warnings,
}

/// How `wasmtime serve` is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// As it comes.
    None,
    /// Its pool keeps memory, as ours does.
    Pool,
    /// As it comes, with a limit on the time of a request, as ours has one.
    Timeout,
    /// As it comes, with the handler behind the door of WASI 0.3: an instance has 16
    /// requests at a time, and 128 in all.
    Service,
}

/// The pool of `wasmtime serve` with what ours has.
const POOL: &str = "pooling-memory-keep-resident=4194304,pooling-table-keep-resident=1048576,\
                    pooling-pagemap-scan=auto";

/// In the order of the report.
pub const SUBJECTS: &[Subject] = &[
    Subject {
        name: FLOOR,
        what: "hyper alone, which gives the same answers from memory: a runtime per processor",
        colour: "#444444",
        kind: Kind::Floor,
    },
    Subject {
        name: "instance-fast",
        what: "lavandula serve: an instance for each request, through lavandula:arena/handler",
        colour: "#2c8f4e",
        kind: ours(Isolation::Instance, Door::Fast, Log::Warnings),
    },
    Subject {
        name: "instance-fast-logging",
        what: "the same with the log as it comes, into a file",
        colour: "#8fcf9f",
        kind: ours(Isolation::Instance, Door::Fast, Log::Default),
    },
    Subject {
        name: "instance-wasi-http",
        what: "lavandula serve: an instance for each request, through wasi:http",
        colour: "#1f77b4",
        kind: ours(Isolation::Instance, Door::WasiHttp, Log::Warnings),
    },
    Subject {
        name: "rewind-fast",
        what: "lavandula serve --isolation rewind, through lavandula:arena/handler",
        colour: "#7b3fb5",
        kind: ours(Isolation::Rewind, Door::Fast, Log::Warnings),
    },
    Subject {
        name: "rewind-wasi-http",
        what: "lavandula serve --isolation rewind, through wasi:http",
        colour: "#b892dc",
        kind: ours(Isolation::Rewind, Door::WasiHttp, Log::Warnings),
    },
    Subject {
        name: "wasmtime-serve",
        what: "wasmtime serve as it comes: an instance for each request, through wasi:http",
        colour: "#c0392b",
        kind: Kind::Wasmtime(Tuning::None),
    },
    Subject {
        name: "wasmtime-serve-tuned",
        what: "the same with -O pooling-memory-keep-resident=4194304, \
               pooling-table-keep-resident=1048576, pooling-pagemap-scan=auto",
        colour: "#e59a8f",
        kind: Kind::Wasmtime(Tuning::Pool),
    },
    Subject {
        name: "wasmtime-serve-timeout",
        what: "wasmtime serve with -W timeout=10s, which is what lavandula serve has by default",
        colour: "#c98a1b",
        kind: Kind::Wasmtime(Tuning::Timeout),
    },
    Subject {
        name: "shared-service",
        what: "lavandula serve --isolation shared, through wasi:http 0.3: 16 requests at a time in \
               an instance, and 128 in all",
        colour: "#17807e",
        kind: ours(Isolation::Shared, Door::Service, Log::Warnings),
    },
    Subject {
        name: "instance-service",
        what: "lavandula serve: an instance for each request, through wasi:http 0.3",
        colour: "#7cc7c4",
        kind: ours(Isolation::Instance, Door::Service, Log::Warnings),
    },
    Subject {
        name: "wasmtime-serve-service",
        what: "wasmtime serve as it comes, through wasi:http 0.3: 16 requests at a time in an \
               instance, and 128 in all",
        colour: "#8c564b",
        kind: Kind::Wasmtime(Tuning::Service),
    },
];

const fn ours(isolation: Isolation, door: Door, log: Log) -> Kind {
    Kind::Ours {
        isolation,
        door,
        log,
    }
}

/// The server with this name.
pub fn subject(name: &str) -> Option<&'static Subject> {
    SUBJECTS.iter().find(|subject| subject.name == name)
}

/// What is needed to start any of them.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// `lavandula`.
    pub lavandula: &'a Path,
    /// `wasmtime`. Of no meaning where it takes no part.
    pub wasmtime: &'a Path,
    /// This one.
    pub bench: &'a Path,
    /// The component that is served.
    pub component: &'a Path,
    /// The same handler behind the door of WASI 0.3.
    pub service: &'a Path,
    /// What the floor answers.
    pub answers: &'a Path,
    /// Connections that a server has to take.
    pub connections: usize,
}

impl Subject {
    /// Whether it serves the handler behind the door of WASI 0.3.
    pub fn is_service(&self) -> bool {
        match self.kind {
            Kind::Floor => false,
            Kind::Ours { door, .. } => door == Door::Service,
            Kind::Wasmtime(tuning) => tuning == Tuning::Service,
        }
    }

    fn component<'a>(&self, programs: &Programs<'a>) -> &'a Path {
        match self.is_service() {
            true => programs.service,
            false => programs.component,
        }
    }

    /// The command that starts it.
    pub fn command(&self, programs: &Programs<'_>) -> Command {
        // One more than are opened: for questions beside the load.
        let connections = (programs.connections + 1).to_string();
        match self.kind {
            Kind::Floor => {
                let mut command = programs::command(programs.bench);
                command.args(["floor", "--addr", ADDR, "--answers"]);
                command.arg(programs.answers);
                command
            }
            Kind::Ours {
                isolation,
                door,
                log,
            } => {
                let mut command = programs::command(programs.lavandula);
                command.arg("serve").arg(self.component(programs));
                command.args(["--addr", ADDR, "--door", &door.to_string()]);
                // All of them may wait at a time: nobody is refused who was let in.
                command.args(["--max-connections", &connections]);
                command.args(["--max-queue", &connections]);
                command.args([
                    "--isolation",
                    match isolation {
                        Isolation::Instance => "instance",
                        Isolation::Rewind => "rewind",
                        Isolation::Shared => "shared",
                    },
                ]);
                if log == Log::Warnings {
                    command.args(["--log", "warn"]);
                }
                command
            }
            Kind::Wasmtime(tuning) => {
                let mut command = programs::command(programs.wasmtime);
                command.args(["serve", "--addr", ADDR]);
                // Of requests it lets any number wait.
                command.args(["--max-concurrent-connections", &connections]);
                match tuning {
                    Tuning::None | Tuning::Service => {}
                    Tuning::Pool => {
                        command.args(["-O", POOL]);
                    }
                    Tuning::Timeout => {
                        command.args(["-W", "timeout=10s"]);
                    }
                }
                command.arg(self.component(programs));
                command
            }
        }
    }
}

/// Servers listen here, on any port that is free.
const ADDR: &str = "127.0.0.1:0";

/// A request that is sent again and again.
#[derive(Debug, Clone, Copy)]
pub struct LoadKind {
    /// As in the report.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// The request.
    pub request: Request,
}

/// In the order of the report. All go to `examples/json-api`.
pub const LOADS: &[LoadKind] = &[
    LoadKind {
        name: "hello",
        what: "GET /: a constant text",
        request: Request {
            method: "GET",
            path: "/",
            body: b"",
        },
    },
    LoadKind {
        name: "json",
        what: "POST /filter?browser=firefox, a document of 1.7 KB",
        request: small_json(),
    },
];

/// The one of `requests`.
const fn small_json() -> Request {
    Request {
        method: "POST",
        path: "/filter?browser=firefox",
        body: include_bytes!("../../data/range.json"),
    }
}

/// The load with this name.
pub fn load(name: &str) -> Option<&'static LoadKind> {
    LOADS.iter().find(|load| load.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::requests::catalogue::{SMALL_JSON, handler};

    #[test]
    fn every_server_has_a_name_and_a_colour_of_its_own() {
        let names: BTreeSet<_> = SUBJECTS.iter().map(|subject| subject.name).collect();
        let colours: BTreeSet<_> = SUBJECTS.iter().map(|subject| subject.colour).collect();
        assert_eq!(
            (names.len(), colours.len()),
            (SUBJECTS.len(), SUBJECTS.len())
        );
    }

    #[test]
    fn the_small_document_is_the_one_that_requests_are_measured_with() {
        let load = load("json").expect("it is there");
        let known = handler(SMALL_JSON).expect("it is there");
        assert_eq!(
            (load.request.method, load.request.path, load.request.body),
            (known.method, known.path, known.body)
        );
    }
}
