//! What a check found, as data. How it is shown is the matter of `show`.
#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

use super::show::Look;
use super::timeline::Timeline;
use crate::config::{Isolation, Reuse};
use crate::program::Door;

/// The form of the JSON that a report is written as. It changes when a field is
/// removed or comes to mean something else; new fields leave it as it is.
pub const FORMAT: u32 = 1;

/// The JSON Schema (2020-12) of a report as this version writes it.
pub const SCHEMA: &str = include_str!("../../schema/check-report.schema.json");

/// What follows from the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Each request ended as it should.
    Answers,
    /// Memory and tables do not grow after the warm-up.
    Size,
    /// No resource of the host stays with the guest.
    Resources,
    /// The pages that requests write are the same ones again.
    Footprint,
    /// The same request lies at the same addresses.
    Addresses,
    /// No byte of a request is left.
    Content,
    /// A rewind puts all of memory back.
    Identity,
    /// Nothing points to what was taken back.
    Pointers,
    /// What the guest says agrees with what was seen.
    Claims,
    /// No block of memory has two requests that run at the same time. In the report of
    /// a check whose requests overlap, and in no other.
    Overlap,
    /// A new instance shows nothing of the one before.
    Freshness,
}

impl Kind {
    /// Every kind, in the order in which a report has them.
    pub const ALL: [Self; 11] = [
        Self::Answers,
        Self::Size,
        Self::Resources,
        Self::Footprint,
        Self::Addresses,
        Self::Content,
        Self::Identity,
        Self::Pointers,
        Self::Claims,
        Self::Overlap,
        Self::Freshness,
    ];

    /// The word for it, in a table and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Size => "size",
            Self::Resources => "resources",
            Self::Footprint => "footprint",
            Self::Addresses => "addresses",
            Self::Content => "content",
            Self::Identity => "identity",
            Self::Pointers => "pointers",
            Self::Claims => "claims",
            Self::Overlap => "overlap",
            Self::Freshness => "freshness",
        }
    }

    /// What has to be so for it to hold.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Answers => "every request ends as it is meant to, and every rewind is done",
            Self::Size => "no memory and no table grows after the warm-up",
            Self::Resources => {
                "after each request the guest holds no more of the host's resources than before it"
            }
            Self::Footprint => "the pages that requests write are used again, and no others",
            Self::Addresses => "requests of the same shape lie at the same addresses",
            Self::Content => {
                "no byte of a request is in memory afterwards, and none in another's answer"
            }
            Self::Identity => "a rewind puts every byte back to what it was at the seal",
            Self::Pointers => "nothing points to what was taken back",
            Self::Claims => "the guest's own figures agree with each other and with what was seen",
            Self::Overlap => "no block of memory has two requests that run at the same time",
            Self::Freshness => "a new instance shows nothing of the one that had its slot before",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that was measured, and whether it is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// What was looked at.
    #[serde(rename = "name")]
    pub kind: Kind,
    /// Whether it is as it should be.
    pub holds: bool,
    /// What has to be so.
    pub expected: String,
    /// What was measured; where it does not hold, what is wrong.
    pub detail: String,
    /// Where to look, where it does not hold.
    pub culprit: Option<Culprit>,
}

/// The first thing that broke a piece of evidence, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Culprit {
    /// Where in memory.
    pub place: Option<Spot>,
    /// Number of the request that wrote what is there. The first is 1.
    pub written_by: Option<u32>,
    /// Number of the request after which it should have been gone.
    pub owed_by: Option<u32>,
    /// The requests that show it by themselves, in this order: see
    /// [`Plan::only`](super::Plan::only).
    pub requests: Vec<u32>,
    /// The command that sends just those, where the check was a command.
    pub replay: Option<String>,
}

/// A place in linear memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spot {
    /// Number of the memory, in the order in which the component makes them.
    pub memory: usize,
    /// Offset in it.
    pub offset: u64,
    /// What kind of thing lies there.
    pub region: Region,
    /// The static that it lies in, where its name is known.
    pub symbol: Option<String>,
}

/// What a part of memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Region {
    /// The shadow stack.
    Stack,
    /// Statics, read-only ones included.
    Statics,
    /// Blocks of the arena.
    Arena,
    /// Where a guest keeps the image that a rewind puts back.
    Image,
    /// Anything else: the heap of an allocator.
    Heap,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stack => "stack",
            Self::Statics => "statics",
            Self::Arena => "arena",
            Self::Image => "image",
            Self::Heap => "heap",
        })
    }
}

/// The figures of a run: what two builds of a handler are compared by. Each is
/// better when it is smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Figures {
    /// Bytes of the component.
    pub component: u64,
    /// Linear memory of an instance before its first request, in bytes.
    pub memory_initial: u64,
    /// Linear memory of the instance with the most, in bytes.
    pub memory_peak: u64,
    /// By how many bytes memory grew after the warm-up.
    pub memory_grown: u64,
    /// The most that a request used of its arena, in bytes, where the guest tells.
    pub arena_peak: Option<u64>,
    /// Linear memory that the arena had in the end, in bytes, where the guest tells.
    pub arena_committed: Option<u64>,
    /// Pages of 4 KiB that the request wrote that wrote the most.
    pub pages_of_a_request: u64,
    /// Pages of 4 KiB that any request wrote.
    pub pages_of_all: u64,
    /// Bytes that were not as before a request when it was over and taken back, of the
    /// request after the warm-up that left the most. Of an instance for each request
    /// nothing is left.
    pub bytes_left: u64,
}

/// How requests overlapped in one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Overlap {
    /// Requests that were sent to it at a time.
    pub at_a_time: u32,
    /// The most that were seen to be in flight together: begun, not answered, and their
    /// markers in memory.
    pub in_flight: u32,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The form of this report: [`FORMAT`].
    pub format: u32,
    /// The version of lavandula that made it.
    pub lavandula: String,
    /// The component: a path, or what its maker calls it.
    pub component: Option<String>,
    /// Whether memory was reused, and nothing left.
    pub verdict: Verdict,
    /// How many requests were served.
    pub requests: u32,
    /// The seed of the traffic: the same one gives the same requests.
    pub seed: u64,
    /// The door by which the requests came.
    #[serde(serialize_with = "door_name", deserialize_with = "door_of")]
    pub door: Door,
    /// What kept the requests apart.
    #[serde(serialize_with = "isolation_name", deserialize_with = "isolation_of")]
    pub isolation: Isolation,
    /// How the requests overlapped, where they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Linear memory of the last instance at the end, in bytes.
    pub memory: u64,
    /// What was measured.
    pub evidence: Vec<Evidence>,
    /// What two builds are compared by.
    pub figures: Figures,
    /// The memory over the requests.
    #[serde(skip)]
    pub timeline: Timeline,
}

fn door_name<S: serde::Serializer>(door: &Door, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(door)
}

fn door_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Door, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(serde::de::Error::custom)
}

fn isolation_name<S: serde::Serializer>(
    isolation: &Isolation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name_of(*isolation))
}

fn isolation_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Isolation, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "instance" => Ok(Isolation::Instance),
        "rewind" => Ok(Isolation::Rewind(Reuse::default())),
        other => Err(serde::de::Error::custom(format!(
            "`{other}` is no isolation: `instance` and `rewind` are"
        ))),
    }
}

/// As `--isolation` has it.
pub(super) fn name_of(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Instance => "instance",
        Isolation::Rewind(_) => "rewind",
        Isolation::Shared(_) => "shared",
    }
}

impl Report {
    /// Whether the verdict holds.
    pub fn holds(&self) -> bool {
        self.verdict == Verdict::Holds
    }

    /// The evidence of this kind. Every report has all kinds, but for
    /// [`Kind::Overlap`] where requests came one after the other.
    pub fn evidence(&self, kind: Kind) -> Option<&Evidence> {
        self.evidence.iter().find(|evidence| evidence.kind == kind)
    }

    /// The kinds of evidence that do not hold.
    pub fn broken(&self) -> impl Iterator<Item = Kind> {
        let broken = self.evidence.iter().filter(|evidence| !evidence.holds);
        broken.map(|evidence| evidence.kind)
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

/// The table for people, without colours, in 100 columns.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown(Look::PLAIN).fmt(f)
    }
}
