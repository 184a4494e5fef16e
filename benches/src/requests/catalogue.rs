//! What is measured, in the words of the report: handlers with their requests,
//! allocators, and ways to keep requests apart.

use std::path::{Path, PathBuf};

use super::instance::Request;

/// A handler's source: a crate that people copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sample {
    /// `examples/json-api`.
    JsonApi,
    /// `examples/markdown`.
    Markdown,
}

impl Sample {
    /// Both.
    pub const ALL: [Self; 2] = [Self::JsonApi, Self::Markdown];

    /// As in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonApi => "json-api",
            Self::Markdown => "markdown",
        }
    }
}

/// A sample with one request.
#[derive(Debug, Clone, Copy)]
pub struct Handler {
    /// As in the report.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// What answers it.
    pub sample: Sample,
    /// The request's method.
    pub method: &'static str,
    /// The request's path, with the query.
    pub path: &'static str,
    /// The request's body.
    pub body: &'static [u8],
}

impl Handler {
    /// The request.
    pub fn request(&self) -> Request {
        Request {
            method: self.method,
            path: self.path,
            body: self.body,
        }
    }
}

/// The one that the targets are about.
pub const SMALL_JSON: &str = "json-api-small";

/// In the order of the report.
pub const HANDLERS: &[Handler] = &[
    Handler {
        name: "json-api-usage",
        what: "GET /: a constant text",
        sample: Sample::JsonApi,
        method: "GET",
        path: "/",
        body: b"",
    },
    Handler {
        name: SMALL_JSON,
        what: "POST /filter?browser=firefox, a document of 1.7 KB",
        sample: Sample::JsonApi,
        method: "POST",
        path: "/filter?browser=firefox",
        body: include_bytes!("../../data/range.json"),
    },
    Handler {
        name: "json-api",
        what: "POST /filter?browser=firefox, a document of 71.5 KB",
        sample: Sample::JsonApi,
        method: "POST",
        path: "/filter?browser=firefox",
        body: include_bytes!("../../../examples/json-api/data/marked.json"),
    },
    Handler {
        name: "markdown",
        what: "POST /render, a document of 0.4 KB",
        sample: Sample::Markdown,
        method: "POST",
        path: "/render",
        body: include_bytes!("../../../examples/markdown/data/marked.md"),
    },
];

/// The handler with this name.
pub fn handler(name: &str) -> Option<&'static Handler> {
    HANDLERS.iter().find(|handler| handler.name == name)
}

/// How a sample is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Make {
    /// As it stands.
    InvocationHeap,
    /// With std's allocator, and else the same.
    Std,
    /// With std's allocator, and behind a door that never takes anything back.
    Bare,
}

impl Make {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InvocationHeap, Self::Std, Self::Bare];

    /// The allocator, as in the report.
    pub fn allocator(self) -> &'static str {
        match self {
            Self::InvocationHeap => "InvocationHeap",
            Self::Std | Self::Bare => "std",
        }
    }

    /// The crate that makes it, and the features that it takes.
    pub fn package(self, sample: Sample) -> (PathBuf, &'static [&'static str]) {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ours = benches.join("handlers").join(sample.name());
        match self {
            Self::InvocationHeap => (benches.join("../examples").join(sample.name()), &[]),
            Self::Std => (ours, &[]),
            Self::Bare => (ours, &["bare"]),
        }
    }
}

/// What keeps a request apart from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// An instance for each request.
    Instance(Pool),
    /// One instance, which the host rewinds after each request.
    Rewind,
    /// One instance, whose host knows nothing of a rewind.
    SelfRewind,
    /// One instance of a guest without an image, which takes back its explicit
    /// arena and its stack by itself and nothing else.
    Arena,
    /// One instance, and nothing at all.
    Reuse,
}

/// How the pool of instances is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// As wasmtime has it.
    Default,
    /// As `lavandula serve` has it.
    Tuned,
}

impl Isolation {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::Instance(Pool::Default),
        Self::Instance(Pool::Tuned),
        Self::Rewind,
        Self::SelfRewind,
        Self::Arena,
        Self::Reuse,
    ];

    /// As in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance(Pool::Default) => "instance, default pool",
            Self::Instance(Pool::Tuned) => "instance, tuned pool",
            Self::Rewind => "rewind",
            Self::SelfRewind => "self-rewind",
            Self::Arena => "arena only",
            Self::Reuse => "reuse",
        }
    }

    /// In words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Instance(Pool::Default) => {
                "an instance for each request, from wasmtime's pool as it comes"
            }
            Self::Instance(Pool::Tuned) => {
                "the same, from the pool as `lavandula serve` sets it up"
            }
            Self::Rewind => {
                "one instance, rewound after each request: handle, usage (must say 0), rewind"
            }
            Self::SelfRewind => {
                "one instance, whose host only calls handle: the guest rewinds itself"
            }
            Self::Arena => {
                "one instance, whose guest has no image: it overwrites its explicit arena and its \
                 stack, and keeps its heap and its statics"
            }
            Self::Reuse => "the floor: one instance, of which nothing is ever taken back",
        }
    }

    /// How the guests for it are made.
    pub fn makes(self) -> &'static [Make] {
        match self {
            Self::Instance(_) => &[Make::InvocationHeap, Make::Std],
            Self::Rewind | Self::SelfRewind => &[Make::InvocationHeap],
            Self::Arena => &[Make::Std],
            Self::Reuse => &[Make::Bare],
        }
    }

    /// Its colour in the plot, with this allocator.
    pub fn colour(self, make: Make) -> &'static str {
        match (self, make) {
            (Self::Instance(Pool::Default), Make::InvocationHeap) => "#1f77b4",
            (Self::Instance(Pool::Default), _) => "#9cc3e3",
            (Self::Instance(Pool::Tuned), Make::InvocationHeap) => "#2c8f4e",
            (Self::Instance(Pool::Tuned), _) => "#8fcf9f",
            (Self::Rewind, _) => "#7b3fb5",
            (Self::SelfRewind, _) => "#b892dc",
            (Self::Arena, _) => "#c98a1b",
            (Self::Reuse, _) => "#444444",
        }
    }
}
