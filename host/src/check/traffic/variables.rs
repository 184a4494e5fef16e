//! The variables of a `.http` file.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use super::error::TrafficProblem;
use super::shape::PLACEHOLDER;

/// What `{{marker}}` has between its braces.
const MARKER: &str = "marker";

/// What has been defined so far.
#[derive(Default)]
pub(super) struct Variables(HashMap<String, String>);

impl Variables {
    /// Takes a line `@name = value`. The value may have variables too, which are
    /// those of now.
    pub(super) fn define(&mut self, line: &str) -> Result<(), TrafficProblem> {
        let wrong = || TrafficProblem::Definition(line.to_owned());
        let text = line.strip_prefix('@').ok_or_else(wrong)?;
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let name = name.trim();
        if !is_name(name) || name == MARKER {
            return Err(wrong());
        }
        let value = self.fill(value.trim())?;
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// `text` with its variables' values. `{{marker}}` stays, and so do braces
    /// that hold no name: texts have them for other reasons as well.
    pub(super) fn fill(&self, text: &str) -> Result<String, TrafficProblem> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let (before, braces) = rest.split_at(at);
            filled.push_str(before);
            let name = braces[2..].split_once("}}");
            let name = name.map(|(name, after)| (name.trim(), after));
            match name {
                Some((MARKER, after)) => {
                    filled.push_str(PLACEHOLDER);
                    rest = after;
                }
                Some((name, _)) if is_dynamic(name) => {
                    return Err(TrafficProblem::Dynamic(name.to_owned()));
                }
                Some((name, after)) if is_name(name) => {
                    let value = self.0.get(name);
                    filled.push_str(value.ok_or_else(|| TrafficProblem::Unknown(name.to_owned()))?);
                    rest = after;
                }
                // The second of these may be the first of two.
                _ => {
                    filled.push('{');
                    rest = &braces[1..];
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// Also `login.response.body.$.token` is a name, of something that is not there.
fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_alphabetic() || matches!(c, '_' | '%');
    let other = |c: char| c.is_alphanumeric() || "_-.$[]*@%".contains(c);
    text.starts_with(first) && text.chars().all(other)
}

/// `$guid`, `$randomInt 1 10`, `$random.uuid`, `$processEnv HOME`.
fn is_dynamic(text: &str) -> bool {
    let name = text.strip_prefix('$').unwrap_or("");
    name.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(lines: &[&str]) -> Variables {
        let mut variables = Variables::default();
        for line in lines {
            variables.define(line).expect("a definition");
        }
        variables
    }

    #[test]
    fn variables_are_filled_in_and_other_braces_stay() {
        let variables = variables(&["@host=a.example", "@ url = http://{{host}}/x", "@open = {{"]);
        for (text, expected) in [
            (
                "GET {{url}}?q={{ marker }}",
                "GET http://a.example/x?q={{marker}}",
            ),
            ("{{open}}name}}", "{{name}}"),
            ("{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":{}}}"),
            (
                "{{#each items}} {{ a + b }} {{",
                "{{#each items}} {{ a + b }} {{",
            ),
            ("{{{host}}}", "{a.example}"),
        ] {
            assert_eq!(variables.fill(text).expect("filled"), expected, "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_not_there_or_not_the_same_is_refused_with_advice() {
        let variables = Variables::default();
        for (text, advice) in [
            ("{{token}}", "`@token = ...`"),
            ("{{login.response.body.$.token}}", "another answer"),
            ("{{$guid}}", "`{{marker}}`"),
            ("{{$randomInt 1 10}}", "a value that stays"),
            ("{{$processEnv HOME}}", "a value that stays"),
        ] {
            let error = variables.fill(text).expect_err(text).to_string();
            assert!(error.contains(advice), "{error}");
            assert!(error.contains(text), "{error}");
        }
        for line in ["@", "@a b", "@ = 1", "@a b = 1", "@marker = 1"] {
            assert!(Variables::default().define(line).is_err(), "{line}");
        }
    }
}
