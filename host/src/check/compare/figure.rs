//! The figures that two reports are compared by, one by one.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::super::report::Figures;

/// One figure of [`Figures`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Figure {
    /// [`Figures::component`]
    Component,
    /// [`Figures::memory_initial`]
    MemoryInitial,
    /// [`Figures::memory_peak`]
    MemoryPeak,
    /// [`Figures::memory_grown`]
    MemoryGrown,
    /// [`Figures::arena_peak`]
    ArenaPeak,
    /// [`Figures::arena_committed`]
    ArenaCommitted,
    /// [`Figures::pages_of_a_request`]
    PagesOfARequest,
    /// [`Figures::pages_of_all`]
    PagesOfAll,
    /// [`Figures::bytes_left`]
    BytesLeft,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Pages of 4 KiB.
    Pages,
}

impl Figure {
    /// Every figure, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Component,
        Self::MemoryInitial,
        Self::MemoryPeak,
        Self::MemoryGrown,
        Self::ArenaPeak,
        Self::ArenaCommitted,
        Self::PagesOfARequest,
        Self::PagesOfAll,
        Self::BytesLeft,
    ];

    /// The word for it, in a table, in JSON and in `--allow`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::MemoryInitial => "memory-initial",
            Self::MemoryPeak => "memory-peak",
            Self::MemoryGrown => "memory-grown",
            Self::ArenaPeak => "arena-peak",
            Self::ArenaCommitted => "arena-committed",
            Self::PagesOfARequest => "pages-of-a-request",
            Self::PagesOfAll => "pages-of-all",
            Self::BytesLeft => "bytes-left",
        }
    }

    /// What it counts.
    pub fn unit(self) -> Unit {
        match self {
            Self::PagesOfARequest | Self::PagesOfAll => Unit::Pages,
            _ => Unit::Bytes,
        }
    }

    /// What it is in these, where it is known.
    pub fn of(self, figures: &Figures) -> Option<u64> {
        match self {
            Self::Component => Some(figures.component),
            Self::MemoryInitial => Some(figures.memory_initial),
            Self::MemoryPeak => Some(figures.memory_peak),
            Self::MemoryGrown => Some(figures.memory_grown),
            Self::ArenaPeak => figures.arena_peak,
            Self::ArenaCommitted => figures.arena_committed,
            Self::PagesOfARequest => Some(figures.pages_of_a_request),
            Self::PagesOfAll => Some(figures.pages_of_all),
            Self::BytesLeft => Some(figures.bytes_left),
        }
    }

    /// The names of all, for those who looked for one.
    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no figure's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no figure: there are {names}", names = Figure::names())]
pub struct UnknownFigure(pub String);

impl FromStr for Figure {
    type Err = UnknownFigure;

    fn from_str(name: &str) -> Result<Self, UnknownFigure> {
        Self::ALL
            .into_iter()
            .find(|figure| figure.name() == name)
            .ok_or_else(|| UnknownFigure(name.to_owned()))
    }
}

impl Unit {
    /// An amount for people: `24 bytes`, `1152 KiB`, `11.7 KiB`, `3 pages`.
    pub fn tell(self, amount: u64) -> String {
        match self {
            Self::Bytes if amount >= 1024 && amount.is_multiple_of(1024) => {
                format!("{} KiB", amount / 1024)
            }
            Self::Bytes if amount >= 1024 => {
                // Tenths, rounded, without the detour through a float.
                let tenths = (u128::from(amount) * 10 + 512) / 1024;
                format!("{}.{} KiB", tenths / 10, tenths % 10)
            }
            Self::Bytes if amount == 1 => "1 byte".to_owned(),
            Self::Bytes => format!("{amount} bytes"),
            Self::Pages if amount == 1 => "1 page".to_owned(),
            Self::Pages => format!("{amount} pages"),
        }
    }
}
