//! The memory of an instance over the requests: what the page of a report draws.
//!
//! A run may have a hundred thousand requests and a memory a thousand pages, and
//! most requests look like the ones before them. So what is alike is kept once: a
//! column of the map for each state of memory that occurs, a row of figures for each
//! set of them, and for each request two numbers.
#![forbid(unsafe_code)]

use serde::Serialize;

/// What a page of memory is, at the end of a request. Of several that are true of it
/// the last one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Nothing but zeros, and nobody wrote there.
    Untouched,
    /// A block of the arena, of which the request used nothing here.
    ArenaFree,
    /// The heap of an allocator, with something in it.
    Heap,
    /// Statics.
    Statics,
    /// The store of the image that a rewind puts back.
    Image,
    /// The shadow stack.
    Stack,
    /// A block of the arena that the request used.
    ArenaUsed,
    /// It is not as it was before the request, although the request is over and was
    /// taken back.
    Dirty,
    /// A marker of a request is there, although it is over and was taken back.
    Marker,
}

impl Cell {
    /// The letter for it in a column.
    pub fn letter(self) -> char {
        match self {
            Self::Untouched => '.',
            Self::ArenaFree => 'f',
            Self::Heap => 'h',
            Self::Statics => 's',
            Self::Image => 'i',
            Self::Stack => 'k',
            Self::ArenaUsed => 'u',
            Self::Dirty => 'd',
            Self::Marker => 'm',
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// With an answer.
    Answer,
    /// The guest trapped.
    Trap,
    /// Its time was up.
    Deadline,
    /// It was denied memory.
    Denied,
    /// The client went away.
    Gone,
    /// In another way, which is none that it should end in.
    Failed,
}

/// The memory of one linear memory of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Rows of the map that are of it.
    pub rows: u32,
    /// Bytes that it had in the end.
    pub bytes: u64,
}

/// What is told of each request, as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Row {
    /// Number of its shape, from 0.
    pub shape: u32,
    /// How it ended.
    pub ended: Ended,
    /// The status that the client got, where there was an answer.
    pub status: Option<u16>,
    /// What it used of the arena, in bytes, where the guest tells.
    pub used: Option<u64>,
    /// What the arena had, in bytes, where the guest tells.
    pub committed: Option<u64>,
    /// All memories of the instance, in bytes.
    pub memory: u64,
    /// Pages of 4 KiB that it wrote.
    pub written: u32,
    /// Bytes that were not as before it when it was over and taken back.
    pub left: u64,
    /// Number of its column of the map.
    pub column: u32,
}

/// The memory over the requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Timeline {
    /// Bytes of memory that a row of the map stands for.
    pub page: u64,
    /// The memories, in the order of the rows.
    pub memories: Vec<Memory>,
    /// The kinds of requests, for people.
    pub shapes: Vec<String>,
    /// How many requests are the warm-up.
    pub warm_up: u32,
    /// Columns of the map, from the first page down, as letters of [`Cell`] with how
    /// often each comes: `s3f12.200`.
    pub columns: Vec<String>,
    /// What requests were like.
    pub rows: Vec<Row>,
    /// For each request that is shown, its number and the number of its row, in order.
    pub requests: Vec<(u32, u32)>,
}
