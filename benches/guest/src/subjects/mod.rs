//! The allocators: one file each, or one for a family.

mod blink;
mod bump_scope;
mod bumpalo;
mod empty;
mod floor;
mod heaps;
mod ours;

pub use self::blink::BlinkAlloc;
pub use self::bump_scope::{All as KeepAll, BumpScope, Min1, Min8};
pub use self::bumpalo::Bumpalo;
pub use self::empty::Empty;
pub use self::floor::Floor;
pub use self::heaps::{Dlmalloc, HOME, Talc};
pub use self::ours::Lavandula;
