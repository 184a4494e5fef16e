//! Regular expressions: a library that keeps a cache of its own between uses. The
//! cache is made in a request, and is found through a static.

use std::sync::{LazyLock, OnceLock};

use regex::Regex;

/// Needs more than a search for a literal: two groups and a choice.
const EXPRESSION: &str = "(?:([a-z]+)-([0-9]{2,4})|([0-9]+)x)";

static COMPILED: OnceLock<Regex> = OnceLock::new();

pub fn initialise() {
    COMPILED.get_or_init(compile);
}

fn compile() -> Regex {
    Regex::new(EXPRESSION).unwrap_or_else(|error| panic!("{EXPRESSION}: {error}"))
}

/// The matches of the one that initialisation compiled.
pub fn compiled_before(text: &str) -> String {
    COMPILED
        .get()
        .map_or_else(String::new, |expression| matches(expression, text))
}

/// The matches of the one that the first request compiles.
pub fn compiled_here(text: &str) -> String {
    static LAZY: LazyLock<Regex> = LazyLock::new(compile);
    matches(&LAZY, text)
}

fn matches(expression: &Regex, text: &str) -> String {
    let mut found = String::new();
    for captures in expression.captures_iter(text) {
        for (number, group) in captures.iter().enumerate() {
            if let Some(group) = group {
                let (start, end) = (group.start(), group.end());
                found.push_str(&format!("{number}={}@{start}..{end} ", group.as_str()));
            }
        }
    }
    found
}
