//! The page of a report as its readers meet it: in a browser, and from all the kinds
//! of runs that there are. What the browser does is told in `tests/page/`.
//!
//! It needs Node.js and Chromium. Where one is missing it says so and looks at the
//! pages from outside only, unless `LAVANDULA_REQUIRE` names it. `CHROMIUM` is where
//! the browser is, if not in its usual place.

#[path = "support/optional.rs"]
mod optional;
#[path = "page/reports.rs"]
mod reports;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What is looked at in the browser. By name: of a file that is gone Node.js says so,
/// while of no files at all it says that all went well.
const TOLD: [&str; 6] = [
    "keys.test.mjs",
    "looks.test.mjs",
    "map.test.mjs",
    "safety.test.mjs",
    "speed.test.mjs",
    "words.test.mjs",
];

/// The numbers of a row in the order in which `page/data.js` reads them.
const FIELDS: [&str; 9] = [
    "shape",
    "ended",
    "status",
    "used",
    "committed",
    "memory",
    "written",
    "left",
    "column",
];

/// What the page of a run with ten thousand requests may have.
const LARGEST: usize = 2_000_000;

/// What is said where something is missing.
const UNTESTED: &str = "no page was opened in a browser";

/// Whether it can be started. Where not, it says so, or fails.
fn has(name: &str, command: &Path) -> bool {
    let has = optional::starts(command);
    if !has {
        let why = format!("there is no {name} ({}): install it", command.display());
        optional::missing(name, &why, UNTESTED);
    }
    has
}

/// Whether what drives the browser is there, or could be fetched.
fn has_driver(tests: &Path) -> bool {
    let has = optional::installed(tests);
    if !has {
        let tests = tests.display();
        let why = format!("`npm ci` failed in {tests}: it needs npm and its registry");
        optional::missing("chromium", &why, UNTESTED);
    }
    has
}

fn chromium() -> PathBuf {
    std::env::var_os("CHROMIUM").map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from)
}

/// What is between the tags of the data.
fn data_of(page: &str) -> &str {
    let start = "<script type=\"application/json\" id=\"data\">";
    let from = page.find(start).expect("the data") + start.len();
    let rest = &page[from..];
    &rest[..rest.find("</script>").expect("its end")]
}

#[test]
fn a_page_has_its_report_and_no_more_than_two_megabytes() {
    for (name, report) in reports::all() {
        let page = report.html();
        assert!(page.len() < LARGEST, "{name} has {} bytes", page.len());
        let data: Value = serde_json::from_str(data_of(&page)).expect("JSON");
        let expected = serde_json::to_value(&report).expect("JSON");
        assert_eq!(data["report"], expected, "{name}");
        let rows = data["timeline"]["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), report.timeline.rows.len(), "{name}");
        for (row, told) in rows.iter().zip(&report.timeline.rows) {
            let told = serde_json::to_value(told).expect("JSON");
            let told: Vec<_> = FIELDS.iter().map(|field| told[field].clone()).collect();
            assert_eq!(row.as_array(), Some(&told), "{name}");
        }
        println!("{name}: {} bytes", page.len());
    }
}

#[test]
fn a_page_works_in_a_browser() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).expect("a folder for the pages");
    for (name, report) in reports::all() {
        fs::write(folder.join(format!("{name}.html")), report.html()).expect("a page");
    }
    let chromium = chromium();
    if !has("node", Path::new("node")) || !has("chromium", &chromium) {
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    if !has_driver(&tests) {
        return;
    }
    let done = Command::new("node")
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(TOLD)
        .current_dir(&tests)
        .env("PAGES", &folder)
        .env("CHROMIUM", &chromium)
        .status()
        .expect("node");
    assert!(
        done.success(),
        "see above; the pages are in {}",
        folder.display()
    );
}
