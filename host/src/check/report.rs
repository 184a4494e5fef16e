//! What a check found: for people as a table, for machines as JSON.

use std::fmt;

use serde::Serialize;

use crate::config::Isolation;
use crate::program::Door;

/// What follows from the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every piece of evidence holds.
    Holds,
    /// At least one does not.
    Broken,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
        })
    }
}

/// One thing that was measured, and whether it is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// `answers`, `size`, `addresses`, `content`, `identity`, `pointers`, `claims` or
    /// `freshness`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub holds: bool,
    /// What was measured, and where to look if it does not hold.
    pub detail: String,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Whether memory was reused, and nothing left.
    pub verdict: Verdict,
    /// How many requests were served.
    pub requests: u32,
    /// The seed of the traffic: the same one gives the same requests.
    pub seed: u64,
    /// The door by which the requests came.
    #[serde(serialize_with = "door_name")]
    pub door: Door,
    /// What kept the requests apart.
    #[serde(serialize_with = "isolation_name")]
    pub isolation: Isolation,
    /// Linear memory of the last instance at the end, in bytes.
    pub memory: u64,
    /// What was measured.
    pub evidence: Vec<Evidence>,
}

fn door_name<S: serde::Serializer>(door: &Door, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(door)
}

fn isolation_name<S: serde::Serializer>(
    isolation: &Isolation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name_of(*isolation))
}

/// As `--isolation` has it.
fn name_of(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Instance => "instance",
        Isolation::Rewind(_) => "rewind",
    }
}

impl Report {
    /// Whether the verdict holds.
    pub fn holds(&self) -> bool {
        self.verdict == Verdict::Holds
    }

    /// The evidence of this name.
    pub fn evidence(&self, name: &str) -> Option<&Evidence> {
        self.evidence.iter().find(|evidence| evidence.name == name)
    }

    /// Fails a test with the whole table where the verdict does not hold.
    ///
    /// # Panics
    /// Where it does not hold, which is what it is for.
    #[track_caller]
    pub fn assert_holds(&self) {
        assert!(self.holds(), "the memory check is broken\n{self}");
    }
}

/// The table for people. Long details are wrapped at 100 columns.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INDENT: usize = 21;
        for evidence in &self.evidence {
            let holds = if evidence.holds { "holds" } else { "BROKEN" };
            write!(f, "{:<12} {holds:<7}", evidence.name)?;
            let mut column = INDENT;
            for word in evidence.detail.split(' ') {
                let len = word.chars().count() + 1;
                if column + len > 100 && column > INDENT {
                    write!(f, "\n{:1$}", "", INDENT - 1)?;
                    column = INDENT;
                }
                write!(f, " {word}")?;
                column += len;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "\nverdict: {} ({} requests by the {} door, isolation {}, seed {}, {} KiB of memory)",
            self.verdict,
            self.requests,
            self.door,
            name_of(self.isolation),
            self.seed,
            self.memory / 1024
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            verdict: Verdict::Broken,
            requests: 10,
            seed: 1,
            door: Door::Fast,
            isolation: Isolation::Instance,
            memory: 65_536,
            evidence: vec![Evidence {
                name: "size",
                holds: false,
                detail: "memory grew ".repeat(20).trim_end().to_owned(),
            }],
        }
    }

    #[test]
    fn json_has_the_published_fields() {
        let json = serde_json::to_value(report()).expect("plain data");
        assert_eq!(json["verdict"], "broken");
        assert_eq!(json["requests"], 10);
        assert_eq!(json["seed"], 1);
        assert_eq!(json["isolation"], "instance");
        assert_eq!(json["evidence"][0]["name"], "size");
        assert_eq!(json["evidence"][0]["holds"], false);
        assert!(json["evidence"][0]["detail"].is_string());
    }

    #[test]
    fn the_table_is_no_wider_than_a_terminal() {
        let table = report().to_string();
        assert!(
            table
                .lines()
                .all(|line| line.len() <= 100 && line.trim_end() == line),
            "{table}"
        );
        assert!(table.contains("BROKEN") && table.contains("verdict: broken"));
    }

    #[test]
    #[should_panic(expected = "verdict: broken")]
    fn a_broken_report_fails_a_test_with_its_table() {
        report().assert_holds();
    }
}
