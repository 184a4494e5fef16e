//! Words of strangers, fit to be shown.
//!
//! Names in a component, and what a guest gives as its reasons, may be of any
//! length and hold what a terminal acts on. An error is read by people, in a
//! terminal or a log: there such words are short and plain.

use std::error::Error;
use std::fmt::{self, Write};

/// Bytes that a name or a reason is shown with, before it is cut.
const NAME: usize = 160;

/// The same of all that caused an error together, which wasmtime says in
/// sentences.
const CAUSE: usize = 1024;

/// A name or a reason, on one line.
pub(crate) struct Told<'a>(pub(crate) &'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(self.0, NAME))
    }
}

/// The first of many names, and how many more there are.
pub(crate) fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    let mut more = 0_usize;
    for (i, name) in names.enumerate() {
        if i >= SHOWN {
            more += 1;
            continue;
        }
        let comma = if i == 0 { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}`{}`", Told(name));
    }
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// An error of wasmtime about a component. It is the one that it was, unless it
/// repeats more of the component's own words than people could read.
pub(crate) fn cause(error: wasmtime::Error) -> wasmtime::Error {
    let whole: Vec<String> = error.chain().map(<dyn Error>::to_string).collect();
    let lines: Vec<String> = whole
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| plain(line, CAUSE))
        .collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    let is_plain = whole.iter().flat_map(|text| text.lines()).eq(&lines);
    if is_plain && bytes <= CAUSE {
        return error;
    }
    wasmtime::Error::msg(plain(&lines.join(": "), CAUSE))
}

/// `text` with what is not to be printed escaped, cut after `limit` bytes or a few
/// more.
fn plain(text: &str, limit: usize) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if plain.len() >= limit {
            // Writing to a string does not fail.
            let _ = write!(plain, "... ({} bytes in all)", text.len());
            break;
        }
        match c {
            // Escaped in source code only.
            '\\' | '"' | '\'' => plain.push(c),
            _ => plain.extend(c.escape_debug()),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_and_plain_is_shown_as_it_is() {
        for text in ["", "wasi:http/types@0.2.0", "it's \"größer\" than C:\\"] {
            assert_eq!(Told(text).to_string(), text);
        }
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        let shown = Told("\x1b[31mred\n\0\u{202e}back").to_string();
        assert_eq!(shown, "\\u{1b}[31mred\\n\\0\\u{202e}back");
    }

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let shown = Told(&"\x1b".repeat(1 << 20)).to_string();
        assert!(shown.len() < 2 * NAME, "{} bytes", shown.len());
        assert!(shown.ends_with("... (1048576 bytes in all)"), "{shown}");
    }

    #[test]
    fn of_many_names_a_few_are_shown() {
        let many = vec!["a"; 1_000];
        assert_eq!(
            some(many.into_iter()),
            "`a`, `a`, `a`, `a`, `a` and 995 more"
        );
        assert_eq!(some(["a", "b"].into_iter()), "`a`, `b`");
    }

    #[test]
    fn a_cause_stays_what_it_was_unless_it_cannot_be_read() {
        let trap = cause(wasmtime::Trap::StackOverflow.into());
        assert!(trap.is::<wasmtime::Trap>(), "{trap:?}");
        let long = wasmtime::Error::msg("x".repeat(1 << 20)).context("around it");
        let told = cause(long);
        let text = format!("{told:#}");
        assert!(text.starts_with("around it: xxx"), "{text}");
        assert!(text.len() < 2 * CAUSE, "{} bytes", text.len());
        let odd = format!("{:#}", cause(wasmtime::Error::msg("a\x1bb\nc")));
        assert_eq!(odd, "a\\u{1b}b: c");
    }
}
