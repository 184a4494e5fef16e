//! A report, or two of them compared, as people and other programs want it. Nothing
//! here looks at memory.
#![forbid(unsafe_code)]

mod comparison;
mod html;
mod junit;
mod look;
mod table;
mod text;

pub use self::junit::{junit, junit_of_comparison};
pub use self::look::{Colour, Look, Shown};
