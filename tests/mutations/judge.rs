//! Checks a component with a mistake in it, and says where that is not as written.

use std::fmt::Write;
use std::path::Path;

use lavandula_host::check::{Kind, Plan, Report, Shape};
use lavandula_host::{Door, Host, Isolation};

use crate::workspace::{Heap, Replacement, Workspace};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// All of them, each of which holds where there is no mistake.
pub const SETUPS: [Setup; 5] = [IMAGE, IMAGE_WASI, NO_IMAGE, NO_IMAGE_WASI, DROPPED];

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

/// Requests of a check: seven of each shape, the first three to warm up.
const REQUESTS: u32 = 42;

/// What the guest is asked for, one of each with bodies from little to more than a
/// block.
const PATHS: [(&str, usize); 6] = [
    ("/blocks", 10),
    ("/large", 100),
    ("/zeroed", 4_000),
    ("/resized", 30),
    ("/outside", 1),
    ("/shrunk", 1),
];

fn plan(setup: Setup) -> Plan {
    let shape = |(path, markers): (&str, usize)| {
        let body = "{{marker}}, ".repeat(markers).into_bytes();
        let path = format!("{path}?q={{{{marker}}}}");
        Shape::new("POST", &path, Vec::new(), body).expect("a valid shape")
    };
    let plan = Plan::new().requests(REQUESTS).given_only();
    let plan = PATHS.into_iter().fold(plan, |plan, it| plan.shape(shape(it)));
    plan.isolation(match setup.isolation {
        Kept::Rewound => Isolation::Rewind(Default::default()),
        Kept::Dropped => Isolation::Instance,
    })
}

/// Checks a component.
pub async fn check(component: &Path, setup: Setup) -> Report {
    let loaded = Host::builder().door(setup.door).load(component);
    let host = loaded.unwrap_or_else(|error| panic!("it does not load: {error}"));
    let report = host.check(&plan(setup)).await;
    report.unwrap_or_else(|error| panic!("it cannot be checked: {error}"))
}

/// Makes the mutant and checks it. What is not as it says, if anything is.
pub async fn judge(workspace: &Workspace, mutant: &Mutant) -> Result<(), String> {
    let mut wrong = String::new();
    let mut made = None;
    for &Caught { setup, by } in mutant.caught {
        let component = match made.take() {
            Some((heap, component)) if heap == setup.heap => component,
            _ => workspace
                .make(Some(mutant.replacement), setup.heap)
                .map_err(|error| format!("{}: {error}", mutant.name))?,
        };
        let report = check(&component, setup).await;
        made = Some((setup.heap, component));
        if !report.broken().eq(by.iter().copied()) {
            let broken: Vec<_> = report.broken().collect();
            let _ = write!(
                wrong,
                "{} ({}), {setup:?}: {by:?} should break, and {broken:?} does: {}\n{report}",
                mutant.name,
                mutant.what,
                match broken.is_empty() {
                    true => "the mutant survives",
                    false => "write in tests/mutations/mutants what catches it now",
                }
            );
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}
