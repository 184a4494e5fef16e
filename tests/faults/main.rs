//! Every fault that was tried on the server, and what came of it: the real
//! command, plain sockets.
//!
//! The rows of docs/faults.md are the data that these tests run from; the last test
//! holds the two against each other. `LAVANDULA_BLESS=1` writes the file.

#[path = "../support/mod.rs"]
mod support;

#[macro_use]
mod table;

mod answers;
mod connections;
mod drive;
#[path = "../hostile/encode.rs"]
mod encode;
mod handlers;
mod leaving;
mod overload;
mod requests;
mod servers;
mod shutdown;
mod streaming;

use std::fs;

use support::root;

const INTRODUCTION: &str = include_str!("introduction.md");

#[test]
fn the_table_in_the_docs_is_the_one_that_is_tested() {
    let rendered = table::render(
        INTRODUCTION,
        &[
            handlers::SECTION,
            answers::SECTION,
            streaming::SECTION,
            requests::SECTION,
            leaving::SECTION,
            connections::SECTION,
            overload::SECTION,
            shutdown::SECTION,
        ],
    );
    let file = root().join("docs/faults.md");
    if std::env::var_os("LAVANDULA_BLESS").is_some() {
        fs::write(&file, rendered).expect("docs can be written");
        return;
    }
    let written = fs::read_to_string(&file).expect("docs/faults.md is in the tree");
    assert!(
        written == rendered,
        "docs/faults.md is not what is tested; \
         run `LAVANDULA_BLESS=1 cargo test --test faults docs` and look at what it changes"
    );
}
