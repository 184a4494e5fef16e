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
mod sharing;
mod shutdown;
mod streaming;

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
            sharing::SECTION,
            shutdown::SECTION,
        ],
    );
    support::docs::is_what_is_tested("faults", &rendered);
}
