//! What lies where in the memories of a component, whoever built it.
//!
//! The check sees memories by their numbers, in the order in which they came to be,
//! and bytes by their addresses. What these are for, only the component can tell:
//!
//! ```text
//! component ──► structure ──► order: memory 1 is of core module 3
//!                                        │
//!           ┌────────────────────────────┴───┐
//!           ▼                                ▼
//!  layout: stack, statics, heap       names of statics: the build's own file,
//!                                     debug information, names of segments
//! ```
//!
//! All of that is read from a file that may be broken or made to deceive. Where
//! something cannot be told it is not told: a place is in the heap, and has no name.
// A test looks at the memories of an instance.
#![cfg_attr(not(test), forbid(unsafe_code))]

mod debug;
mod layout;
mod module;
mod order;
mod structure;

use std::ops::Range;
use std::sync::OnceLock;

use self::layout::Layout;
use self::module::Module;
use self::order::Origin;
use self::structure::Structure;
use super::audit::Place;
use super::names::Names;
use super::report::Region;
use crate::symbols::Symbols;
use crate::told::Told;

/// What is known of a component's memories.
pub(super) struct Anatomy<'a> {
    modules: Vec<Module<'a>>,
    /// By their numbers.
    memories: Vec<Memory>,
    /// Of memory 0: a component that this project has built has one.
    symbols: Option<&'a Symbols>,
}

struct Memory {
    origin: Origin,
    layout: Layout,
    /// From debug information, which takes its time and is read when it is asked for.
    statics: OnceLock<Symbols>,
}

impl<'a> Anatomy<'a> {
    /// Of this component, beside which its build has left these names.
    pub(super) fn of(component: &'a [u8], symbols: Option<&'a Symbols>) -> Self {
        let (modules, memories) = match Structure::read(component) {
            Ok(structure) => {
                let origins = order::memories(&structure);
                (structure.modules, origins)
            }
            // It is told so where it is loaded.
            Err(_) => (Vec::new(), Vec::new()),
        };
        let memory = |origin: Origin| {
            let module = modules.get(origin.module)?;
            Some(Memory {
                origin,
                layout: Layout::of(module, origin.memory),
                statics: OnceLock::new(),
            })
        };
        Self {
            memories: memories.into_iter().map_while(memory).collect(),
            modules,
            symbols,
        }
    }

    /// The names that the build has left of this memory.
    fn symbols(&self, place: Place) -> Option<&Symbols> {
        self.symbols.filter(|_| place.memory == 0)
    }

    /// The statics that debug information names.
    fn statics<'m>(&self, memory: &'m Memory) -> &'m Symbols {
        memory.statics.get_or_init(|| {
            let Memory { origin, layout, .. } = memory;
            let module = self.modules.get(origin.module);
            // Linkers know of one memory.
            let module = module.filter(|_| origin.memory == 0);
            let mut found = module.map_or_else(Vec::new, |module| module.debug.statics());
            let has_room =
                |span: Range<u64>| layout.room.start <= span.start && span.end <= layout.room.end;
            found.retain(|symbol| {
                let end = symbol.address.checked_add(symbol.size);
                end.is_some_and(|end| has_room(symbol.address..end))
            });
            Symbols::new(found, 0..0)
        })
    }

    /// The data segment that an address lies in, as a piece of a sentence.
    fn segment(&self, origin: Origin, address: u64) -> Option<String> {
        let mut segments = self.modules.get(origin.module)?.segments(origin.memory);
        let segment = segments.find(|segment| {
            let span = segment.span.as_ref();
            span.is_some_and(|span| span.contains(&address))
        });
        let name = segment?.name.filter(|name| !name.is_empty())?;
        Some(format!("in segment {}", Told(name)))
    }
}

impl Names for Anatomy<'_> {
    fn name_of(&self, place: Place) -> Option<String> {
        let address = place.offset as u64;
        let symbols = self.symbols(place);
        if let Some(name) = symbols.and_then(|symbols| symbols.name_of(address)) {
            return Some(name);
        }
        let memory = self.memories.get(place.memory)?;
        let name = self.statics(memory).name_of(address);
        name.or_else(|| self.segment(memory.origin, address))
    }

    fn region_of(&self, place: Place) -> Region {
        let address = place.offset as u64;
        if let Some(symbols) = self.symbols(place)
            && (symbols.changing().contains(&address) || symbols.name_of(address).is_some())
        {
            return Region::Statics;
        }
        let Some(memory) = self.memories.get(place.memory) else {
            return Region::Heap;
        };
        let Layout {
            stack,
            statics,
            room,
        } = &memory.layout;
        if statics.contains(&address) {
            return Region::Statics;
        }
        // What is zero to begin with may be anywhere from there on.
        if room.contains(&address) {
            let named = self.statics(memory);
            if named.name_of(address).is_some()
                || address < named.end() && !stack.contains(&address)
            {
                return Region::Statics;
            }
        }
        if stack.contains(&address) {
            return Region::Stack;
        }
        Region::Heap
    }
}

#[cfg(test)]
mod tests;
