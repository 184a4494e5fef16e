//! The table of cases as data: what a case may say, and that it says nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The doors of the arena, as the table calls them.
pub const DOORS: [&str; 4] = ["rust", "wit", "npm", "jco"];

/// A short program of operations, and what comes of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    pub name: String,
    /// What holds, in a sentence.
    pub means: String,
    /// The fault of the original that must not come back.
    pub fault: Option<String>,
    /// Pages by which memory may grow, for all arenas together. No bound without it.
    pub pages: Option<usize>,
    /// Doors behind which it cannot hold, each with the reason.
    #[serde(default)]
    pub except: BTreeMap<String, String>,
    #[serde(rename = "do", deserialize_with = "steps")]
    pub steps: Vec<Step>,
}

/// One operation, and what is expected of it. Without `fails` it has to succeed.
#[derive(Debug, Clone)]
pub enum Step {
    Create(Create),
    Alloc(Alloc),
    Calloc(Calloc),
    Strdup(Strdup),
    Strndup(Strndup),
    Read(Read),
    Write(Write),
    Reset(Reset),
    Free(Free),
    Figure(Figure),
    Exhaust(Exhaust),
    Budget(Budget),
    Repeat(Repeat),
}

/// Why an operation is refused. Each door has its own way to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    OutOfMemory,
    Budget,
    /// No address space holds it.
    Layout,
    BlockSize,
    /// A reset has taken it back.
    Stale,
    /// More than was handed out.
    Outside,
    /// The arena is no more.
    Freed,
}

/// A size: a number, or a sum with `max`, the largest size that the door has.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Size {
    Number(u64),
    Sum(String),
}

/// What a figure has to be: a number, `none`, or a sum with what was noted.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    Number(u64),
    Words(String),
}

/// Bytes, or text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Texts(Texts),
    Bytes(Bytes),
    Counting(Counting),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    text: String,
    times: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    byte: u8,
    times: usize,
}

/// 0, 1, 2 and so on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counting {
    counting: u8,
}

/// A kind of step: its first field is the operation, with the arena or the place.
macro_rules! step {
    ($name:ident { $($fields:tt)* }) => {
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name { $($fields)* }
    };
}

step!(Create {
    pub create: String,
    pub block_size: Option<Size>,
    pub fails: Option<Fault>,
});
step!(Alloc {
    pub alloc: String,
    pub size: Size,
    pub align: Option<u64>,
    #[serde(rename = "as")]
    pub name: Option<String>,
    pub at: Option<String>,
    pub fails: Option<Fault>,
    pub remaining: Option<u64>,
});
step!(Calloc {
    pub calloc: String,
    pub count: Size,
    pub size: Size,
    #[serde(rename = "as")]
    pub name: Option<String>,
    pub at: Option<String>,
    pub fails: Option<Fault>,
    pub remaining: Option<u64>,
});
step!(Strdup {
    pub strdup: String,
    pub text: Content,
    #[serde(rename = "as")]
    pub name: Option<String>,
    pub at: Option<String>,
    pub length: Option<u64>,
    pub fails: Option<Fault>,
    pub remaining: Option<u64>,
});
step!(Strndup {
    pub strndup: String,
    pub text: Content,
    pub max: Size,
    #[serde(rename = "as")]
    pub name: Option<String>,
    pub at: Option<String>,
    pub length: Option<u64>,
    pub fails: Option<Fault>,
    pub remaining: Option<u64>,
});
step!(Read {
    pub read: String,
    #[serde(default)]
    pub from: u64,
    pub length: Option<u64>,
    pub is: Option<Content>,
    pub fails: Option<Fault>,
});
step!(Write {
    pub write: String,
    #[serde(default)]
    pub from: u64,
    pub bytes: Content,
    pub fails: Option<Fault>,
});
step!(Reset {
    pub reset: String,
    pub fails: Option<Fault>,
});
step!(Free {
    pub free: String,
    pub fails: Option<Fault>,
});
step!(Figure {
    pub figure: String,
    pub of: String,
    #[serde(rename = "as")]
    pub name: Option<String>,
    pub is: Option<Expected>,
    pub fails: Option<Fault>,
});
// Allocates until it fails. What is noted and compared is how often it did not.
step!(Exhaust {
    pub exhaust: String,
    pub size: Size,
    pub fails: Fault,
    #[serde(rename = "as")]
    pub name: Option<String>,
    pub is: Option<Expected>,
    pub at_least: Option<u64>,
});
step!(Budget {
    pub budget: String,
    pub bytes: Option<u64>,
    pub fails: Option<Fault>,
});
step!(Repeat {
    pub repeat: u64,
    #[serde(rename = "do", deserialize_with = "steps")]
    pub steps: Vec<Step>,
});

impl Step {
    fn of(value: Value) -> Result<Self, String> {
        fn as_<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
            T::deserialize(value).map_err(|error| format!("{error} in {value}"))
        }
        let has = |key: &str| value.get(key).is_some();
        // `figure` has no other one's key; the others are told apart by theirs.
        match () {
            () if has("create") => as_(&value).map(Self::Create),
            () if has("alloc") => as_(&value).map(Self::Alloc),
            () if has("calloc") => as_(&value).map(Self::Calloc),
            () if has("strdup") => as_(&value).map(Self::Strdup),
            () if has("strndup") => as_(&value).map(Self::Strndup),
            () if has("read") => as_(&value).map(Self::Read),
            () if has("write") => as_(&value).map(Self::Write),
            () if has("reset") => as_(&value).map(Self::Reset),
            () if has("free") => as_(&value).map(Self::Free),
            () if has("figure") => as_(&value).map(Self::Figure),
            () if has("exhaust") => as_(&value).map(Self::Exhaust),
            () if has("budget") => as_(&value).map(Self::Budget),
            () if has("repeat") => as_(&value).map(Self::Repeat),
            () => Err(format!("no operation that there is: {value}")),
        }
    }
}

fn steps<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    let values = Vec::<Value>::deserialize(deserializer)?;
    let steps = values.into_iter().map(Step::of);
    steps
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}

impl Size {
    /// Its value where `max` is the largest one.
    pub fn value(&self, max: u64) -> Result<u64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Sum(words) => {
                let wrong = || format!("{words:?} is no size: say `max / 8 + 2`");
                let rest = words.strip_prefix("max").ok_or_else(wrong)?;
                let (max, rest) = match rest.strip_prefix(" / ") {
                    Some(rest) => {
                        let (by, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                        let by: u64 = by.parse().map_err(|_| wrong())?;
                        (max.checked_div(by).ok_or_else(wrong)?, rest)
                    }
                    None => (max, rest),
                };
                add(max, rest).ok_or_else(wrong)
            }
        }
    }
}

/// The value of a sum such as `name + 8`, with what the name stands for.
pub fn sum(words: &str, value_of: impl Fn(&str) -> Option<u64>) -> Result<u64, String> {
    let (name, rest) = words.split_at(words.find(' ').unwrap_or(words.len()));
    let value = value_of(name).ok_or_else(|| format!("nothing was noted as {name:?}"))?;
    add(value, rest).ok_or_else(|| format!("{words:?} is no sum: say `{name} + 8`"))
}

/// `value` with ` + 8` or ` - 8` or nothing behind it.
fn add(value: u64, rest: &str) -> Option<u64> {
    if let Some(more) = rest.strip_prefix(" + ") {
        return value.checked_add(more.parse().ok()?);
    }
    if let Some(less) = rest.strip_prefix(" - ") {
        return value.checked_sub(less.parse().ok()?);
    }
    rest.is_empty().then_some(value)
}

impl Content {
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Texts(Texts { text, times }) => text.repeat(*times).into_bytes(),
            Self::Bytes(Bytes { byte, times }) => vec![*byte; *times],
            Self::Counting(Counting { counting }) => (0..*counting).collect(),
        }
    }

    pub fn text(&self) -> Result<String, String> {
        String::from_utf8(self.bytes()).map_err(|_| format!("{self:?} is no text"))
    }
}

/// The cases in this JSON.
pub fn parse(json: &str) -> Result<Vec<Case>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        cases: Vec<Case>,
    }
    let Table { cases } = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut names = BTreeSet::new();
    for case in &cases {
        let wrong = |what: &str| Err(format!("{}: {what}", case.name));
        if !names.insert(&case.name) {
            return wrong("there are two of this name");
        }
        if case.means.is_empty() || case.steps.is_empty() {
            return wrong("it means nothing or does nothing");
        }
        for (door, reason) in &case.except {
            if !DOORS.contains(&door.as_str()) {
                return wrong(&format!("{door:?} is no door; there are {DOORS:?}"));
            }
            if reason.is_empty() {
                return wrong(&format!("no reason why not {door}"));
            }
        }
        if case.except.len() == DOORS.len() {
            return wrong("it holds behind no door");
        }
    }
    Ok(cases)
}
