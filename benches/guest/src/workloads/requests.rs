//! The work of a real request, with the allocator under test as the global one.

use core::hint::black_box;

use pulldown_cmark::{Options, Parser, html};
use serde_json::Value;

use crate::checked::fail;
use crate::clock::Meter;
use crate::global::{Selectable, during};

/// What `examples/json-api` filters.
static JSON: &[u8] = include_bytes!("../../../../examples/json-api/data/http-compat.json");
/// What `examples/markdown` renders.
pub static MARKDOWN: &str = include_str!("../../../../examples/markdown/data/tokio-changelog.md");

/// What one request takes of the floor, which takes nothing back before the end.
const ROOM: usize = 64 << 20;

/// An operation is to parse a document of 432 KB into a `serde_json::Value` and to
/// drop that; a reset follows.
pub fn json<S: Selectable>(meter: &Meter, repeats: usize) {
    let mut subject = S::create_for(ROOM);
    let parse = || serde_json::from_slice::<Value>(black_box(JSON));

    let expected = parse();
    let same = during(&subject, || match (&parse(), &expected) {
        (Ok(value), Ok(expected)) => value == expected,
        _ => false,
    });
    if !same {
        fail("the parsed document differs from the one on the guest's own heap");
    }
    subject.reset();

    run(&mut subject, meter, repeats, || {
        black_box(parse().is_ok());
    });
}

/// An operation is to render a document of 195 KB as HTML; a reset follows.
pub fn markdown<S: Selectable>(meter: &Meter, repeats: usize) {
    let mut subject = S::create_for(ROOM);
    let render = || {
        let mut page = String::new();
        html::push_html(
            &mut page,
            Parser::new_ext(black_box(MARKDOWN), Options::all()),
        );
        page
    };

    let expected = render();
    if during(&subject, || render() != expected) {
        fail("the rendered page differs from the one on the guest's own heap");
    }
    subject.reset();

    run(&mut subject, meter, repeats, || {
        black_box(render().len());
    });
}

/// The work has been done once by now, so that little is left to warm up.
fn run<S: Selectable>(subject: &mut S, meter: &Meter, repeats: usize, work: impl Fn()) {
    let mut request = || {
        during(subject, &work);
        subject.reset();
    };
    request();
    meter.time(repeats, || {
        for _ in 0..repeats {
            request();
        }
    });
}
