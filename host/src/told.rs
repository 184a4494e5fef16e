//! Words of strangers, fit to be shown.
//!
//! Names in a component, and what a guest gives as its reasons, may be of any
//! length and hold what a terminal acts on. An error is read by people, in a
//! terminal or a log: there such words are short and plain.

use std::error::Error;
use std::fmt::{self, Write};

use wasmtime::{Trap, WasmCoreDump};
use wasmtime_wasi::I32Exit;

/// Bytes that a name or a reason is shown with, before it is cut.
const NAME: usize = 160;

/// The same of all that caused an error together, which wasmtime says in
/// sentences.
const CAUSE: usize = 1024;

/// Bytes of a line of what a guest died of: a function on its stack, most of all.
const FRAME: usize = 200;

/// The same of all those lines together. In Rust the first ten functions are those
/// that every panic goes through, so that this is more than for other causes.
const FRAMES: usize = 4 * 1024;

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

/// What caused an error, as far as its own text does not say it: the first cause
/// first, since a stack may be around it. None where there is no more to say.
pub(crate) fn causes(error: &dyn Error) -> Option<String> {
    let text = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.retain(|cause| !text.contains(cause.as_str()));
    causes.reverse();
    (!causes.is_empty()).then(|| causes.join("\n"))
}

/// What a guest died of. wasmtime says where, and calls the functions on the stack
/// what the guest calls them: each on a line, the innermost first. It is the error
/// that it was, unless people could not read that: then it has the same lines as far
/// as they go, and is of the same kind.
pub(crate) fn death(error: wasmtime::Error) -> wasmtime::Error {
    // For the check, which reads it and shows it to nobody.
    if error.is::<WasmCoreDump>() {
        return error;
    }
    let whole: Vec<String> = error.chain().map(<dyn Error>::to_string).collect();
    let mut told: Vec<String> = whole.iter().map(|text| lines(text)).collect();
    if told == whole {
        return error;
    }
    let root = error.chain().last();
    let last = told.pop().unwrap_or_default();
    let mut death = match root {
        Some(root) if let Some(trap) = root.downcast_ref::<Trap>() => (*trap).into(),
        Some(root) if let Some(exit) = root.downcast_ref::<I32Exit>() => I32Exit(exit.0).into(),
        _ => wasmtime::Error::msg(last),
    };
    while let Some(around) = told.pop() {
        death = death.context(around);
    }
    death
}

/// The lines of `text`, fit to be shown, and how many more there are.
fn lines(text: &str) -> String {
    let mut shown = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !shown.is_empty() {
            shown.push('\n');
        }
        if shown.len() >= FRAMES {
            // Writing to a string does not fail.
            let _ = write!(shown, "... ({} more lines)", 1 + lines.count());
            break;
        }
        shown.push_str(&plain(line, FRAME));
    }
    shown
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
    use crate::failure::{BadResponse, Failure};

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

    #[test]
    fn the_first_cause_comes_first_and_nothing_is_said_twice() {
        let trap = wasmtime::Error::from(Trap::StackOverflow).context("at\n  0: f");
        let told = causes(&Failure::Trap(trap));
        assert_eq!(
            told.as_deref(),
            Some("wasm trap: call stack exhausted\nat\n  0: f")
        );
        assert_eq!(causes(&Failure::from(BadResponse::Missing)), None);
        assert_eq!(causes(&Failure::Overload), None);
    }

    #[test]
    fn a_death_stays_what_it_was_where_it_can_be_read() {
        let short = wasmtime::Error::from(Trap::StackOverflow).context("at\n  0: f\n  1: g");
        let text = format!("{short:?}");
        assert_eq!(format!("{:?}", death(short)), text);
    }

    #[test]
    fn a_death_keeps_its_kind_and_the_functions_where_it_happened() {
        let stack: String = (0..1_000).map(|i| format!("  {i}: f{i}\x1b\n")).collect();
        let long = format!("  1000: {}", "x".repeat(1 << 20));
        for stack in [stack, long] {
            let error = wasmtime::Error::from(Trap::StackOverflow).context(stack.clone());
            let told = death(error);
            assert_eq!(told.downcast_ref::<Trap>(), Some(&Trap::StackOverflow));
            let text = format!("{told:#}");
            let begin = |text: &str| text.split_at(7).0.to_owned();
            assert_eq!(begin(&text), begin(&stack));
            assert!(text.contains(" more lines)") || text.contains(" bytes in all)"));
            assert!(text.ends_with("call stack exhausted"), "{text}");
            assert!(text.len() < 2 * FRAMES && !text.contains('\x1b'), "{text}");
        }
        let exit = wasmtime::Error::from(I32Exit(3)).context("\x1b");
        assert_eq!(
            death(exit).downcast_ref::<I32Exit>().map(|it| it.0),
            Some(3)
        );
    }
}
