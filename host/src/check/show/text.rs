//! Text that came from anywhere, made fit for a terminal: wrapped, and without
//! anything that a terminal would take for a command.
#![forbid(unsafe_code)]

use std::borrow::Cow;

/// `text` with what could move the cursor, change colours or turn the direction of
/// writing as `\u{1b}`. Names of statics and the texts of traps are a component's own.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(moves) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if moves(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    Cow::Owned(clean)
}

fn moves(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns
}

/// The words of `text` in lines of `width` columns at most. A word that is longer has
/// a line of its own and stays in one piece, so that it can be copied.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut columns = 0;
    for word in text.split_whitespace() {
        let word = printable(word);
        let len = word.chars().count();
        if columns > 0 && columns + 1 + len > width {
            lines.push(std::mem::take(&mut line));
            columns = 0;
        }
        if columns > 0 {
            line.push(' ');
            columns += 1;
        }
        line.push_str(&word);
        columns += len;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_they_may_be_and_no_longer() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 6), ["one", "two", "three"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn a_word_that_is_too_long_stays_in_one_piece() {
        let name = "a".repeat(50);
        assert_eq!(wrap(&format!("in {name} it"), 10), ["in", &name, "it"]);
    }

    #[test]
    fn columns_are_characters_and_not_bytes() {
        assert_eq!(wrap("öäü öäü", 7), ["öäü öäü"]);
    }

    #[test]
    fn what_a_terminal_obeys_is_spelled_out() {
        assert_eq!(printable("\u{1b}[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(printable("abc\u{202e}def"), "abc\\u{202e}def");
        assert_eq!(printable("ordinary, größer"), "ordinary, größer");
    }
}
