//! Programs: from bytes to operations.
//!
//! The decoder is total. Bytes that are missing at the end are zeros, so a
//! shorter program is the start of a longer one, and taking bytes out of one
//! leaves a program: both matter to whoever makes a failing one smaller.

use lavandula::{Reset, Scrub};

use crate::PAGE;

/// Room of a block of one page.
const ROOM: usize = PAGE - 32;

/// One operation. `which` picks among those that there are at the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    // Allocations.
    Layout {
        size: usize,
        align: usize,
    },
    Zeroed {
        size: usize,
        align: usize,
    },
    Calloc {
        count: usize,
        size: usize,
    },
    Copy {
        len: usize,
    },
    Strdup {
        len: usize,
    },
    Strndup {
        len: usize,
        max: usize,
    },
    Value(Value),
    Fill {
        len: usize,
        wide: bool,
    },
    /// The closure allocates in the same arena.
    FillNested {
        len: usize,
    },
    Format {
        len: usize,
        number: u32,
    },
    /// What is formatted allocates in the same arena.
    FormatNested {
        pieces: usize,
        len: usize,
    },
    /// What is formatted refuses halfway.
    FormatRefused {
        len: usize,
    },
    /// A size that nothing has.
    Huge(Huge),

    // Through `Allocator`, on any allocation.
    Allocate {
        size: usize,
        align: usize,
        zeroed: bool,
    },
    Grow {
        which: u8,
        more: usize,
        align: Option<usize>,
        zeroed: bool,
    },
    Shrink {
        which: u8,
        to: u8,
        align: Option<usize>,
    },
    Free {
        which: u8,
    },

    // Buffers.
    BufferOpen,
    BufferWrite {
        which: u8,
        len: usize,
        times: u8,
    },
    BufferFormat {
        which: u8,
        number: u32,
    },
    BufferReserve {
        which: u8,
        more: usize,
    },
    BufferFinish {
        which: u8,
    },

    // Values with `Drop`.
    Own,
    Disown {
        which: u8,
    },
    IntoInner {
        which: u8,
    },
    Defer,

    // Scopes.
    Open,
    Close,
    OpenBeside,
    CloseBeside {
        which: u8,
    },
    ForgetBeside {
        which: u8,
    },

    Foreign,
    OpenReserve,

    // What takes the arena by `&mut`: ends every scope.
    Reset,
    Scrub,
    Prepare,
    SetBudget(Option<Budget>),
    SetReserve(usize),
    SetReset(Reset),
    SetScrub(Scrub),
    /// Drops the arena and makes another.
    Renew,
    /// Goes on with the other arena on the same source.
    Switch,
}

/// A type that is allocated as a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Unit,
    Words,
    Aligned,
    LargerThanAPage,
}

/// A size beyond all memory, by its distance from the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Huge {
    Layout { below: usize },
    Calloc { below: usize },
    Product,
    Slice,
    Reserve,
}

/// How a budget is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    Bytes(usize),
    /// So many bytes more than what is used.
    More(usize),
}

impl Op {
    /// Whether it takes the arena by `&mut`.
    pub fn is_exclusive(&self) -> bool {
        matches!(
            self,
            Self::Reset
                | Self::Scrub
                | Self::Prepare
                | Self::SetBudget(_)
                | Self::SetReserve(_)
                | Self::SetReset(_)
                | Self::SetScrub(_)
                | Self::Renew
                | Self::Switch
        )
    }

    /// Whether one call of the arena does it, which changes nothing where it
    /// fails. The others are made of several, and what the first of them took
    /// stays when a later one fails.
    pub fn is_one_call(&self) -> bool {
        !matches!(
            self,
            Self::Format { .. }
                | Self::FormatNested { .. }
                | Self::FormatRefused { .. }
                | Self::FillNested { .. }
                | Self::BufferWrite { .. }
                | Self::BufferFormat { .. }
        )
    }
}

/// The rest of a program.
pub struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// A size: small ones, those around a block's, and some large ones.
    fn size(&mut self) -> usize {
        let byte = self.byte();
        let low = usize::from(byte & 31);
        match byte >> 5 {
            0 => low,
            1 => low * 8,
            2 => low * 64 + self.below(64),
            3 => low * 512,
            4 => low * 2_048 + self.below(8),
            5 => ROOM + 40 - low * 8,
            6 => PAGE + low * 2_048 + self.below(16),
            _ => low * 16 * 1_024,
        }
    }

    /// A size that is mostly small, of what is made piece by piece: for Miri, of
    /// fewer pieces.
    fn small(&mut self) -> usize {
        let size = match self.byte() {
            byte @ 0..=223 => usize::from(byte),
            byte => usize::from(byte - 223) * 256,
        };
        if cfg!(miri) { size / 32 } else { size }
    }

    /// From 1 to 4,096, mostly small; and now and then more than a page.
    fn align(&mut self) -> usize {
        match self.byte() {
            byte @ 0..=127 => 1 << (byte & 3),
            byte @ 128..=251 => 1 << (byte % 13),
            252 => PAGE,
            _ => 2 * PAGE,
        }
    }

    fn new_align(&mut self) -> Option<usize> {
        match self.byte() {
            0..=191 => None,
            byte => Some(1 << (byte % 13)),
        }
    }

    /// The next operation, and a byte that says where. `None` at the end.
    pub fn next(&mut self) -> Option<(u8, Op)> {
        if self.0.is_empty() {
            return None;
        }
        let kind = self.byte();
        let place = self.byte();
        Some((place, self.decode(kind)))
    }

    fn decode(&mut self, kind: u8) -> Op {
        match kind % 96 {
            0..=9 => Op::Layout {
                size: self.size(),
                align: self.align(),
            },
            10..=13 => Op::Zeroed {
                size: self.size(),
                align: self.align(),
            },
            14..=15 => Op::Calloc {
                count: self.below(8),
                size: self.size(),
            },
            16 => Op::Copy { len: self.size() },
            17 => Op::Strdup { len: self.small() },
            18 => Op::Strndup {
                len: self.small(),
                max: self.small(),
            },
            19..=20 => Op::Value(match self.below(16) {
                0 => Value::Unit,
                1..=8 => Value::Words,
                9..=14 => Value::Aligned,
                _ => Value::LargerThanAPage,
            }),
            21 => Op::Fill {
                len: self.small(),
                wide: self.byte() & 1 == 1,
            },
            22 => Op::FillNested { len: self.small() },
            23 => Op::Format {
                len: self.small(),
                number: self.byte().into(),
            },
            24 => Op::FormatNested {
                pieces: self.below(6),
                len: self.small(),
            },
            25 => Op::FormatRefused { len: self.small() },
            26 => Op::Huge(match self.below(5) {
                0 => Huge::Layout {
                    below: self.below(64),
                },
                1 => Huge::Calloc {
                    below: self.below(64),
                },
                2 => Huge::Product,
                3 => Huge::Slice,
                _ => Huge::Reserve,
            }),
            27..=30 => Op::Allocate {
                size: self.size(),
                align: self.align(),
                zeroed: self.byte() & 1 == 1,
            },
            31..=38 => Op::Grow {
                which: self.byte(),
                more: self.size(),
                align: self.new_align(),
                zeroed: self.byte() & 1 == 1,
            },
            39..=42 => Op::Shrink {
                which: self.byte(),
                to: self.byte(),
                align: self.new_align(),
            },
            43..=48 => Op::Free { which: self.byte() },
            49..=50 => Op::BufferOpen,
            51..=54 => Op::BufferWrite {
                which: self.byte(),
                len: self.small(),
                times: self.byte() % 8,
            },
            55 => Op::BufferFormat {
                which: self.byte(),
                number: self.byte().into(),
            },
            56 => Op::BufferReserve {
                which: self.byte(),
                more: self.size(),
            },
            57 => Op::BufferFinish { which: self.byte() },
            58 => Op::Own,
            59 => Op::Disown { which: self.byte() },
            60 => Op::IntoInner { which: self.byte() },
            61..=62 => Op::Defer,
            63..=67 => Op::Open,
            68..=71 => Op::Close,
            72..=73 => Op::OpenBeside,
            74..=75 => Op::CloseBeside { which: self.byte() },
            76 => Op::ForgetBeside { which: self.byte() },
            77..=78 => Op::Foreign,
            79 => Op::OpenReserve,
            80..=84 => Op::Reset,
            85..=86 => Op::Scrub,
            87 => Op::Prepare,
            88..=89 => Op::SetBudget(match self.byte() {
                0..=63 => None,
                64..=127 => Some(Budget::More(self.size())),
                128..=250 => Some(Budget::Bytes(self.size())),
                _ => Some(Budget::Bytes(usize::MAX - self.below(16))),
            }),
            90 => Op::SetReserve(match self.byte() {
                0..=99 => 0,
                100..=250 => self.size(),
                _ => usize::MAX - self.below(16),
            }),
            91..=92 => Op::SetReset(match self.byte() {
                0..=99 => Reset::RetainAll,
                byte => Reset::Retain {
                    limit: usize::from(byte - 100) * PAGE / 8,
                },
            }),
            93 => Op::SetScrub([Scrub::None, Scrub::Zero, Scrub::Poison][self.below(3)]),
            94 => Op::Renew,
            _ => Op::Switch,
        }
    }
}
