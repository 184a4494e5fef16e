//! Pages of docs/ that are made by tests: from the rows that they run.

use std::fs;

use super::root;

/// Holds `docs/NAME.md` against what the test of the same name renders, or writes it
/// where `LAVANDULA_BLESS` says so. Tests have `_` where pages have `-`.
///
/// # Panics
/// Where they differ.
#[track_caller]
pub fn is_what_is_tested(name: &str, rendered: &str) {
    let page = format!("docs/{name}.md");
    let file = root().join(&page);
    if std::env::var_os("LAVANDULA_BLESS").is_some() {
        fs::write(&file, rendered).expect("docs can be written");
        return;
    }
    let written = fs::read_to_string(&file);
    let written = written.unwrap_or_else(|error| panic!("{page} is in the tree: {error}"));
    let test = name.replace('-', "_");
    assert!(
        written == rendered,
        "{page} is not what is tested; \
         run `LAVANDULA_BLESS=1 cargo test --test {test} docs` and look at what it changes"
    );
}
