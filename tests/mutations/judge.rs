//! Checks a component with a mistake in it, and says where that is not as written.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use lavandula_host::check::{Kind, Plan, Report, Shape};
use lavandula_host::{Door, Host, Isolation};

use crate::workspace::{Heap, Made, Replacement};

/// A mistake, and what catches it.
pub struct Mutant {
    pub name: &'static str,
    /// What is wrong, in words.
    pub what: &'static str,
    pub replacement: Replacement,
    pub caught: &'static [Caught],
}

/// What breaks in one way of checking.
#[derive(Clone, Copy)]
pub struct Caught {
    pub setup: Setup,
    /// All of it, in the order of the report.
    pub by: &'static [Kind],
}

/// A way of checking.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub heap: Heap,
    pub door: Door,
    pub isolation: Kept,
}

/// What becomes of an instance after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Rewound,
    Dropped,
    /// It has several requests at a time, and goes on.
    Shared,
}

/// All of them, each of which holds where there is no mistake.
pub const SETUPS: [Setup; 6] = [IMAGE, IMAGE_WASI, NO_IMAGE, NO_IMAGE_WASI, DROPPED, OVERLAP];

pub const IMAGE: Setup = Setup {
    heap: Heap::Invocation,
    door: Door::Fast,
    isolation: Kept::Rewound,
};
pub const IMAGE_WASI: Setup = Setup {
    door: Door::WasiHttp,
    ..IMAGE
};
pub const NO_IMAGE: Setup = Setup {
    heap: Heap::Other,
    ..IMAGE
};
pub const NO_IMAGE_WASI: Setup = Setup {
    door: Door::WasiHttp,
    ..NO_IMAGE
};
pub const DROPPED: Setup = Setup {
    isolation: Kept::Dropped,
    ..IMAGE
};
pub const OVERLAP: Setup = Setup {
    heap: Heap::Leases,
    door: Door::Service,
    isolation: Kept::Shared,
};

impl Setup {
    /// Whether all of memory is compared after each request.
    pub fn has_identity(self) -> bool {
        self.heap == Heap::Invocation && self.isolation == Kept::Rewound
    }

    /// In the docs. The first of all goes without saying.
    pub fn words(self) -> &'static str {
        match (self.heap, self.door, self.isolation) {
            (_, _, Kept::Dropped) => "an instance for each",
            // They have a table of their own.
            (Heap::Leases, ..) => "",
            (Heap::Invocation, Door::Fast, _) => "",
            (Heap::Invocation, ..) => "by `wasi-http`",
            (Heap::Other, Door::Fast, _) => "no image",
            (Heap::Other, ..) => "no image, by `wasi-http`",
        }
    }
}

/// For a request, which takes milliseconds: some mutants never come to an end.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests of a check: six of each shape, the first three to warm up.
const REQUESTS: u32 = 42;

/// Where they overlap, so many at a time: one of each shape.
const AT_A_TIME: u32 = 4;

/// What the guest is asked for, one of each with bodies from little to more than a
/// block.
const PATHS: [(&str, usize); 7] = [
    ("/echo", 2_000),
    ("/blocks", 10),
    ("/large", 100),
    ("/zeroed", 4_000),
    ("/resized", 30),
    ("/outside", 1),
    ("/shrunk", 1),
];

/// The same for requests that overlap.
const OVERLAPPING: [(&str, usize); 4] = [
    ("/echo", 30),
    ("/echo", 6_000),
    ("/gathered", 30),
    ("/gathered", 6_000),
];

fn plan(setup: Setup) -> Plan {
    let shape = |&(path, markers): &(&str, usize)| {
        let body = "{{marker}}, ".repeat(markers).into_bytes();
        let path = format!("{path}?q={{{{marker}}}}");
        let headers = vec![("x-marker".to_owned(), "{{marker}}".to_owned())];
        Shape::new("POST", &path, headers, body).expect("a valid shape")
    };
    let with = |plan: Plan, paths: &[(&str, usize)]| {
        let shapes: Vec<_> = paths.iter().map(shape).collect();
        plan.given_only().shapes(&shapes)
    };
    let plan = Plan::new();
    match setup.isolation {
        Kept::Rewound => with(plan, &PATHS)
            .requests(REQUESTS)
            .isolation(Isolation::Rewind(Default::default())),
        Kept::Dropped => with(plan, &PATHS)
            .requests(REQUESTS)
            .isolation(Isolation::Instance),
        Kept::Shared => {
            let plan = with(plan, &OVERLAPPING).overlap(AT_A_TIME);
            let requests = plan.least_requests();
            plan.requests(requests)
        }
    }
}

/// Checks a component.
pub async fn check(component: &Path, setup: Setup) -> Report {
    let builder = Host::builder().door(setup.door).timeout(TIMEOUT);
    let host = builder
        .load(component)
        .unwrap_or_else(|error| panic!("it does not load: {error}"));
    let report = host.check(&plan(setup)).await;
    report.unwrap_or_else(|error| panic!("it cannot be checked: {error}"))
}

/// Checks a mutant. What is not as it says, if anything is.
pub async fn judge(made: &Made) -> Result<(), String> {
    let Mutant {
        name, what, caught, ..
    } = *made.mutant;
    let mutant = format!("{name} ({what})");
    let components = made.components.as_ref();
    let components = components.map_err(|error| format!("{mutant}: {error}"))?;
    let mut wrong = String::new();
    for (&Caught { setup, by }, component) in caught.iter().zip(components) {
        let report = check(component, setup).await;
        if report.broken().eq(by.iter().copied()) {
            continue;
        }
        let broken: Vec<_> = report.broken().collect();
        let came = match broken.is_empty() {
            true => "nothing does: the mutant survives".to_owned(),
            false => format!("{} does: write what catches it now", listed(&broken)),
        };
        let _ = writeln!(
            wrong,
            "{mutant}, {setup:?}: {} should break, and {came}\n{report}",
            listed(by)
        );
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

fn listed(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().map(Kind::to_string).collect();
    format!("[{}]", names.join(", "))
}
