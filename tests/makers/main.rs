//! The memory check on components of other makers, which know nothing of this
//! project: what it says of them is what docs/makers.md says.
//!
//! The rows of that page are the data that these tests run from; the last test holds
//! the two against each other. `LAVANDULA_BLESS=1` writes the file.

#[path = "../support/mod.rs"]
mod support;

mod build;
mod table;

use lavandula_host::check::{Kind, Plan};
use lavandula_host::{Door, Host, Isolation};

use build::Builder;
use table::{Finds, Maker};

const INTRODUCTION: &str = include_str!("introduction.md");
const CONCLUSION: &str = include_str!("conclusion.md");

/// Makes the makers, and a test of each.
macro_rules! makers {
    ($(
        $(#[ignore = $slow:literal])?
        $name:ident: $maker:expr;
    )*) => {
        const MAKERS: &[&Maker] = &[$(&$maker),*];
        $(
            #[tokio::test]
            $(#[ignore = $slow])?
            async fn $name() {
                judge(&$maker).await;
            }
        )*
    };
}

makers! {
    the_bindings_of_wasi_0_2: Maker {
        folder: "wasi",
        package: "crate `wasi` 0.14.7",
        builder: Builder::Cargo,
        door: Door::WasiHttp,
        rewind: Finds(&[Kind::Content]),
        instance: Finds::NOTHING,
        why: "freed memory is not overwritten",
    };
    the_bindings_of_wasi_0_3: Maker {
        folder: "wasip3",
        package: "crate `wasip3` 0.10.0",
        builder: Builder::Cargo,
        door: Door::Service,
        rewind: Finds(&[Kind::Content]),
        instance: Finds::NOTHING,
        why: "freed memory is not overwritten",
    };
    #[ignore = "a minute to compile: cargo test --test makers -- --ignored wstd"]
    wstd: Maker {
        folder: "wstd",
        package: "crate `wstd` 0.6.8",
        builder: Builder::Cargo,
        door: Door::WasiHttp,
        rewind: Finds(&[Kind::Content]),
        instance: Finds::NOTHING,
        why: "freed memory is not overwritten",
    };
    #[ignore = "a minute to compile: cargo test --test makers -- --ignored waki"]
    waki: Maker {
        folder: "waki",
        package: "crate `waki` 0.5.1",
        builder: Builder::Cargo,
        door: Door::WasiHttp,
        rewind: Finds(&[Kind::Content]),
        instance: Finds::NOTHING,
        why: "freed memory is not overwritten; the query is a `HashMap`, whose order is \
              another in each request, and so are the places",
    };
    #[ignore = "a minute to compile: cargo test --test makers -- --ignored spin"]
    spin_for_wasi_0_2: Maker {
        folder: "spin5",
        package: "crate `spin-sdk` 5.2.0",
        builder: Builder::Cargo,
        door: Door::WasiHttp,
        rewind: Finds(&[Kind::Content]),
        instance: Finds::NOTHING,
        why: "as with `waki`, for the headers",
    };
    #[ignore = "a minute to compile: cargo test --test makers -- --ignored spin"]
    spin_for_wasi_0_3: Maker {
        folder: "spin",
        package: "crate `spin-sdk` 7.0.0",
        builder: Builder::Cargo,
        door: Door::Service,
        rewind: Finds(&[Kind::Content]),
        instance: Finds::NOTHING,
        why: "freed memory is not overwritten",
    };
    #[ignore = "minutes, 13 MB of component: cargo test --test makers -- --ignored javascript"]
    javascript: Maker {
        folder: "starling",
        package: "npm `@bytecodealliance/componentize-js` 0.23.0",
        builder: Builder::Node,
        door: Door::WasiHttp,
        rewind: Finds(&[Kind::Answers, Kind::Resources, Kind::Content]),
        instance: Finds::NOTHING,
        why: "an instance answers one request and no second, and six resources of the host \
              stay with it",
    };
    #[ignore = "minutes, 19 MB of component: cargo test --test makers -- --ignored python"]
    python: Maker {
        folder: "python",
        package: "PyPI `componentize-py` 0.25.1",
        builder: Builder::Python,
        door: Door::WasiHttp,
        rewind: Finds(&[
            Kind::Size,
            Kind::Resources,
            Kind::Footprint,
            Kind::Addresses,
            Kind::Content,
        ]),
        instance: Finds::NOTHING,
        why: "memory grows by 90 KiB a request, and resources stay",
    };
}

/// Builds the component and checks it in both ways.
async fn judge(maker: &Maker) {
    let Some(component) = build::component(maker.folder, maker.builder) else {
        return;
    };
    let host = Host::builder().load(&component).expect("it loads");
    for (isolation, finds) in [
        (Isolation::Rewind(Default::default()), &maker.rewind),
        (Isolation::Instance, &maker.instance),
    ] {
        let plan = Plan::new().isolation(isolation);
        let report = host.check(&plan).await.expect("it can be checked");
        assert_eq!(report.door, maker.door);
        // It ends with the first request that is not answered.
        let ends = finds.0.contains(&Kind::Answers);
        assert_eq!(report.requests == 200, !ends, "{report}");
        if let Some(kind) = finds.disagrees_with(&report) {
            panic!("{kind} is not as docs/makers.md says:\n{report}");
        }
        // A row that says something else is noticed.
        let wrong = match finds.0 {
            [] => Finds(&[Kind::Content]),
            _ => Finds::NOTHING,
        };
        assert!(wrong.disagrees_with(&report).is_some(), "{report}");
    }
}

#[test]
fn the_table_in_the_docs_is_the_one_that_is_tested() {
    let rendered = table::render(INTRODUCTION, MAKERS, CONCLUSION);
    support::docs::is_what_is_tested("makers", &rendered);
}
