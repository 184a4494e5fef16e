//! How wide a table may be, and whether it has colours. Whoever prints it knows where
//! it goes to, and decides.
#![forbid(unsafe_code)]

use anstyle::{AnsiColor, Style};

use super::super::compare::Comparison;
use super::super::report::Report;

/// How a table for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    width: usize,
    colour: Colour,
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Text alone.
    Off,
    /// With the escape sequences of terminals.
    On,
}

impl Look {
    /// The columns of a table that goes where nobody has said how wide it is.
    pub const WIDTH: usize = 100;
    /// Less leaves no room beside the names of the evidence.
    const NARROWEST: usize = 60;

    /// Text alone, in 100 columns.
    pub const PLAIN: Self = Self {
        width: Self::WIDTH,
        colour: Colour::Off,
    };

    /// In this many columns, or 60 where these are fewer.
    pub fn new(width: usize, colour: Colour) -> Self {
        Self {
            width: width.max(Self::NARROWEST),
            colour,
        }
    }

    pub(super) fn width(self) -> usize {
        self.width
    }

    /// `text` in this style, where there are colours.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        match self.colour {
            Colour::Off => text.to_owned(),
            Colour::On => format!("{style}{text}{style:#}"),
        }
    }
}

/// What is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What is not.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What deserves a look.
pub(super) const NOTED: Style = AnsiColor::Yellow.on_default();

/// A report or a comparison, as a table with a look.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a, T> {
    pub(super) what: &'a T,
    pub(super) look: Look,
}

impl Report {
    /// The table for people, with this look.
    pub fn shown(&self, look: Look) -> Shown<'_, Self> {
        Shown { what: self, look }
    }
}

impl Comparison {
    /// The table for people, with this look.
    pub fn shown(&self, look: Look) -> Shown<'_, Self> {
        Shown { what: self, look }
    }
}
