//! The mistakes: what is wrong, what is written in the place of what, and what catches it.

use crate::judge::Mutant;

/// Mistakes in one part of the library.
pub struct Section {
    pub title: &'static str,
    pub mutants: &'static [Mutant],
}

/// Makes a section. The texts are as in the file, line for line; the old one occurs
/// there once.
macro_rules! section {
    ($title:literal $(
        $name:ident: $what:literal,
        in $file:literal: $old:literal => $new:literal,
        $($setup:expr => [$($kind:expr),*]),+;
    )*) => {
        pub const SECTION: $crate::mutants::Section = $crate::mutants::Section {
            title: $title,
            mutants: &[$($crate::judge::Mutant {
                name: stringify!($name),
                what: $what,
                replacement: $crate::workspace::Replacement {
                    file: $file,
                    old: $old,
                    new: $new,
                },
                caught: &[$($crate::judge::Caught {
                    setup: $setup,
                    by: &[$($kind),*],
                }),+],
            }),*],
        };
    };
}

mod image;
mod invocation;
mod overlap;
mod pages;
mod reset;
mod said;
mod scrub;
mod survivors;

pub const SECTIONS: &[Section] = &[
    reset::SECTION,
    scrub::SECTION,
    pages::SECTION,
    image::SECTION,
    invocation::SECTION,
    said::SECTION,
    overlap::SECTION,
    survivors::SECTION,
];

/// Every mutant.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    SECTIONS.iter().flat_map(|section| section.mutants)
}
