//! What lies at a place, for people.

use super::audit::Place;
use super::report::Region;
#[cfg(test)]
use crate::symbols::Symbols;

/// Who knows names of places.
pub(super) trait Names {
    /// The name of what lies there, where it has one.
    fn name_of(&self, place: Place) -> Option<String>;

    /// What kind of thing lies there.
    fn region_of(&self, _: Place) -> Region {
        Region::Heap
    }

    /// The place as a detail of evidence shows it.
    fn describe(&self, place: Place) -> String {
        match self.name_of(place) {
            Some(name) => format!("{place} ({name})"),
            None => place.to_string(),
        }
    }
}

/// The names that a build has left beside the component, and no more than those: what
/// tests of the judges have in the place of [`Anatomy`](super::anatomy::Anatomy).
#[cfg(test)]
impl Names for Option<&Symbols> {
    fn name_of(&self, place: Place) -> Option<String> {
        let symbols = self.filter(|_| place.memory == 0)?;
        symbols.name_of(place.offset as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_name_where_it_has_one() {
        struct One;
        impl Names for One {
            fn name_of(&self, place: Place) -> Option<String> {
                (place.offset == 16).then(|| "HEAP".to_owned())
            }
        }
        let place = |memory, offset| Place { memory, offset };
        assert_eq!(One.describe(place(0, 16)), "0x10 (HEAP)");
        assert_eq!(One.describe(place(1, 32)), "0x20 of memory 1");
        assert_eq!(None.describe(place(0, 16)), "0x10");
    }
}
