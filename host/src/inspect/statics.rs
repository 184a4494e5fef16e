//! The statics of a component that may change: what a rewind copies, and what of
//! it is worth an author's attention.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::symbols::{Symbol, Symbols};

/// How many are shown.
const SHOWN: usize = 10;

/// What a guest with an image of its memory leaves out of it, by the names of
/// `lavandula`: the place for the image, and what a rewind works with.
const IMAGE_STORE: &str = "lavandula::image::STATIC_STORE";
const BOOKKEEPING: [&str; 2] = [
    "lavandula::instance::INSTANCE",
    "lavandula::arena::linear::FREE",
];

/// An `InvocationHeap` is the arena's first block, whatever its author calls it:
/// whole pages, aligned to 64 bytes.
const BLOCK: u64 = 64 * 1024;
const BLOCK_ALIGN: u64 = 64;

/// The statics of a component that may change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Statics {
    /// Bytes of them all, with what lies between them.
    pub changing: u64,
    /// How many of these belong to the image that a rewind copies. What
    /// initialisation allocates belongs to it too and is not counted here. `None`
    /// where there is no image, because the allocator is not `InvocationHeap`: then
    /// statics stay as requests leave them.
    pub image: Option<u64>,
    /// The largest, at most ten: of those in the image where there is one.
    pub largest: Vec<Static>,
}

/// A static, or several of the same name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Static {
    /// As in the source.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its part of the image, or else of all statics that may change, from 0 to 1.
    pub share: f64,
}

impl Statics {
    pub(crate) fn of(symbols: &Symbols) -> Self {
        let range = symbols.changing();
        let changing = range.end - range.start;
        let excluded = excluded(symbols);
        let copied = |symbol: &&Symbol| !excluded.contains(symbol);
        let bytes = |symbol: &&Symbol| symbol.size;
        let image = (!excluded.is_empty())
            .then(|| changing.saturating_sub(excluded.iter().map(bytes).sum::<u64>()));

        let mut by_name: HashMap<&str, u64> = HashMap::new();
        for symbol in symbols.that_change().filter(copied) {
            *by_name.entry(&symbol.name).or_default() += symbol.size;
        }
        let mut largest: Vec<_> = by_name.into_iter().collect();
        largest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        largest.truncate(SHOWN);
        let whole = image.unwrap_or(changing).max(1) as f64;
        let largest = largest.into_iter().map(|(name, bytes)| Static {
            name: name.to_owned(),
            bytes,
            share: (bytes as f64 / whole * 1000.0).round() / 1000.0,
        });
        Self {
            changing,
            image,
            largest: largest.collect(),
        }
    }
}

/// What is not in the image. Nothing where there is none.
fn excluded(symbols: &Symbols) -> Vec<&Symbol> {
    let is_block = |symbol: &&Symbol| {
        symbol.size.is_multiple_of(BLOCK)
            && symbol.address.is_multiple_of(BLOCK_ALIGN)
            && symbol.name != IMAGE_STORE
    };
    let blocks: Vec<_> = symbols.that_change().filter(is_block).collect();
    let seals = symbols
        .that_change()
        .any(|symbol| symbol.name == IMAGE_STORE);
    if !seals || blocks.is_empty() {
        return Vec::new();
    }
    let is_kept = |symbol: &&Symbol| {
        // Which of several it is cannot be told, so that all of them are counted.
        symbol.name == IMAGE_STORE
            || BOOKKEEPING.contains(&&*symbol.name)
            || blocks.len() == 1 && blocks.contains(symbol)
    };
    symbols.that_change().filter(is_kept).collect()
}

impl fmt::Display for Statics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statics   {} bytes may change; ", self.changing)?;
        match self.image {
            Some(image) => writeln!(
                f,
                "a rewind copies {image} of them, and what initialisation allocates"
            )?,
            None => writeln!(f, "they stay as requests leave them")?,
        }
        for Static { name, bytes, share } in &self.largest {
            writeln!(f, "  {bytes:>9} {:>5.1}%  {name}", share * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(address: u64, size: u64, name: &str) -> Symbol {
        Symbol {
            address,
            size,
            name: name.to_owned(),
        }
    }

    /// What a handler with `InvocationHeap` has, besides `others`.
    fn handler(others: impl IntoIterator<Item = Symbol>) -> Symbols {
        let own = [
            symbol(0x1000, 0x40, "unnamed constants"),
            symbol(0x2000, 0x200, "lavandula::instance::INSTANCE"),
            symbol(0x2200, 0xc0, "lavandula::instance::PERSISTENT"),
            symbol(0x2300, 0x60, "lavandula::arena::linear::FREE"),
            symbol(0x10000, 0x10000, "app::HEAP"),
            symbol(0x20000, 0x10000, IMAGE_STORE),
        ];
        Symbols::new(own.into_iter().chain(others).collect(), 0x2000..0x60000)
    }

    const FIXED: u64 = 0x10000 + 0x10000 + 0x200 + 0x60;

    #[test]
    fn the_image_is_all_that_changes_but_for_store_and_first_block() {
        let statics = Statics::of(&handler([symbol(0x30000, 0x3000, "app::CACHE")]));
        assert_eq!(statics.changing, 0x5e000);
        assert_eq!(statics.image, Some(0x5e000 - FIXED));
        let names: Vec<_> = statics.largest.iter().map(|s| &*s.name).collect();
        assert_eq!(names, ["app::CACHE", "lavandula::instance::PERSISTENT"]);
        let share = 0x3000 as f64 / (0x5e000 - FIXED) as f64;
        assert!((statics.largest[0].share - share).abs() < 0.001);
    }

    #[test]
    fn a_larger_first_block_is_known_too() {
        let mut symbols: Vec<_> = handler([]).that_change().cloned().collect();
        symbols.retain(|symbol| symbol.name != "app::HEAP");
        symbols.push(symbol(0x30000, 0x20000, "app::LARGE"));
        let statics = Statics::of(&Symbols::new(symbols, 0x2000..0x60000));
        assert_eq!(statics.image, Some(0x5e000 - FIXED - 0x10000));
    }

    #[test]
    fn where_the_first_block_cannot_be_told_both_are_counted() {
        let statics = Statics::of(&handler([symbol(0x30000, 0x10000, "app::BUFFER")]));
        assert_eq!(statics.image, Some(0x5e000 - FIXED + 0x10000));
        let names: Vec<_> = statics.largest.iter().map(|s| &*s.name).collect();
        assert_eq!(names[..2], ["app::BUFFER", "app::HEAP"]);
    }

    #[test]
    fn without_a_first_block_or_without_a_store_there_is_no_image() {
        for missing in ["app::HEAP", IMAGE_STORE] {
            let mut symbols: Vec<_> = handler([]).that_change().cloned().collect();
            symbols.retain(|symbol| symbol.name != missing);
            let statics = Statics::of(&Symbols::new(symbols, 0x2000..0x60000));
            assert_eq!(statics.image, None, "{missing}");
            assert_eq!(statics.largest[0].bytes, 0x10000, "{missing}");
        }
    }

    #[test]
    fn the_ten_largest_are_shown_with_namesakes_taken_together() {
        let many = (0..20).map(|i| symbol(0x30000 + i * 0x100, i + 1, &format!("app::S{i:02}")));
        let twice = [
            symbol(0x40000, 0x70, "app::generic::CACHE"),
            symbol(0x40100, 0x70, "app::generic::CACHE"),
        ];
        let statics = Statics::of(&handler(many.chain(twice)));
        assert_eq!(statics.largest.len(), 10);
        let first = &statics.largest[0];
        assert_eq!((&*first.name, first.bytes), ("app::generic::CACHE", 0xe0));
        let last = &statics.largest[9];
        assert_eq!((&*last.name, last.bytes), ("app::S12", 13));
    }

    #[test]
    fn nothing_that_changes_is_nothing() {
        let statics = Statics::of(&Symbols::new(Vec::new(), 0..0));
        assert_eq!((statics.changing, statics.image), (0, None));
        assert!(statics.largest.is_empty());
    }
}
