//! The page of a report: one file that needs nothing else, neither network nor fonts.
//!
//! Here the data is put into it, and no more: what is drawn, and how, is the matter of
//! `page/`. The data has texts that guests made, so nothing in it may end the element
//! that it lies in.
//!
//! The page's policy allows one script and one style, by their hashes, and those stand
//! in `page/page.html`. Where either was changed `cargo test --test page` fails, and
//! `npm run hashes` in `tests/page` then writes them anew.
#![forbid(unsafe_code)]

use serde::{Serialize, Serializer};

use crate::check::report::Report;
use crate::check::timeline::{Ended, Memory, Row, Timeline};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");

/// One script, since a page from a disk may load no other. Its parts stand in the
/// order in which they use each other.
const SCRIPT: &str = concat!(
    include_str!("page/text.js"),
    include_str!("page/data.js"),
    include_str!("page/map.js"),
    include_str!("page/curves.js"),
    include_str!("page/head.js"),
    include_str!("page/panel.js"),
    include_str!("page/pointer.js"),
    include_str!("page/explorer.js"),
    include_str!("page/page.js"),
);

impl Report {
    /// One page with everything that is in the report, and the map of linear memory
    /// over the requests: to be written to a file and opened in a browser. It loads
    /// nothing, and runs no script but its own.
    pub fn html(&self) -> String {
        // The data comes last: what is in it is not looked at for the other places.
        PAGE.replace("{{style}}", STYLE)
            .replace("{{script}}", SCRIPT)
            .replace("{{data}}", &data(self))
    }
}

/// The report and its timeline as JSON that can lie in a `<script>`.
fn data(report: &Report) -> String {
    let timeline = &report.timeline;
    let data = Data {
        report,
        timeline: Lean {
            page: timeline.page,
            memories: &timeline.memories,
            shapes: &timeline.shapes,
            warm_up: timeline.warm_up,
            columns: &timeline.columns,
            rows: Rows(timeline),
            requests: &timeline.requests,
        },
    };
    // Nothing here has a map with keys other than strings, or fails by itself: those
    // are the ways in which JSON can fail. The page says so if it has no data.
    let json = serde_json::to_string(&data).unwrap_or_else(|_| "null".into());
    escaped(&json)
}

/// Without what would end the element, open a comment in it, or end a line in
/// JavaScript: in JSON these characters are in strings only, and can be written as
/// their codes.
fn escaped(json: &str) -> String {
    let mut safe = String::with_capacity(json.len() + json.len() / 64);
    for character in json.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe
}

#[derive(Serialize)]
struct Data<'a> {
    report: &'a Report,
    timeline: Lean<'a>,
}

/// A timeline whose rows have no names for their numbers: with ten thousand of them
/// the names would be most of the page.
#[derive(Serialize)]
struct Lean<'a> {
    page: u64,
    memories: &'a [Memory],
    shapes: &'a [String],
    warm_up: u32,
    columns: &'a [String],
    rows: Rows<'a>,
    requests: &'a [(u32, u32)],
}

struct Rows<'a>(&'a Timeline);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.rows.iter().map(numbers))
    }
}

/// A row, in the order of `FIELDS` in `page/data.js`.
type Numbers = (
    u32,
    Ended,
    Option<u16>,
    Option<u64>,
    Option<u64>,
    u64,
    u32,
    u64,
    u32,
);

fn numbers(row: &Row) -> Numbers {
    (
        row.shape,
        row.ended,
        row.status,
        row.used,
        row.committed,
        row.memory,
        row.written,
        row.left,
        row.column,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_the_element_that_it_lies_in() {
        let hostile = "</script><!-- <script> \u{2028}\u{2029} {{script}} \u{1f600}";
        let json = serde_json::to_string(hostile).unwrap();
        let safe = escaped(&json);
        assert!(!safe.contains(['<', '\u{2028}', '\u{2029}']), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), hostile);
    }

    #[test]
    fn the_parts_of_the_page_do_not_end_their_elements_either() {
        assert!(!STYLE.to_lowercase().contains("</style"));
        assert!(!SCRIPT.to_lowercase().contains("</script"));
        assert!(!SCRIPT.contains("<!--"));
        for place in ["{{style}}", "{{script}}", "{{data}}"] {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
            assert!(!STYLE.contains(place) && !SCRIPT.contains(place), "{place}");
        }
    }
}
