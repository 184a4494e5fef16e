//! A component without what its door has no use for.
//!
//! A handler commonly has several doors, and the host enters each component by one. What
//! only the others need is imported all the same, and every import costs in every
//! instance: a trampoline to look up, a function to copy into the module, and for half of
//! them an entry in a table that a module of its own fills. For a handler with the doors
//! of `lavandula:arena` and `wasi:http`, that is more work than all the rest of an
//! instance, and entered by the first it makes use of none of it.
//!
//! ```text
//! exports that are kept ──► functions ──► core instances ──► functions of their modules
//!                                              ▲                        │
//!                                              └──── imports of those ◄─┘
//! ```
//!
//! What is not reached this way is left out: exports, imports, functions (whose bodies
//! become `unreachable`, so that the others keep their numbers), and whole instances,
//! where nothing but a small table of their own would tell that they exist. What
//! remains is the same: code, data, tables, memories, in the same order.
//!
//! Linkers call this garbage collection of sections; `wasm-metadce` of Binaryen does it to
//! core modules, and `wit-component` to the adapters that it links.
//!
//! Whatever is not understood here is left alone, and so is every component that is not
//! valid: it is the compiler that says what is wrong with it. The result is compiled and
//! validated like any other component.

mod items;
mod module;
mod needs;
mod write;

use serde::Serialize;
use wasmparser::{Validator, WasmFeatures};

use items::Items;
use needs::Needs;

/// The interfaces that the host calls where it enters by `lavandula:arena/handler`.
const FAST: [&str; 2] = ["lavandula:arena/handler", "lavandula:arena/invocation"];

/// What is made anew for each instance of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parts {
    /// Instances of core modules.
    pub modules: usize,
    /// What those import, from each other and from the host.
    pub imports: usize,
}

impl Parts {
    /// Of all of a component. None where it has something that is not known here.
    pub(crate) fn of(component: &[u8]) -> Option<Self> {
        Items::read(component, |_| true)?.parts()
    }
}

/// A component without what only its other doors need.
#[derive(Debug)]
pub(crate) struct Lean {
    pub(crate) component: Vec<u8>,
    /// What is left.
    pub(crate) parts: Parts,
}

/// The component without what only its other doors need, for a host that enters it by
/// `lavandula:arena/handler`. None where that is nothing, or where it cannot be told.
pub(crate) fn to_fast_door(component: &[u8]) -> Option<Lean> {
    let kept = |export: &str| {
        let interface = export.split('@').next().unwrap_or(export);
        FAST.contains(&interface)
    };
    let items = Items::read(component, kept)?;
    if !items.exports(FAST[0]) {
        return None;
    }
    let needs = Needs::of(&items)?;
    let parts = needs.parts()?;
    if parts == items.parts()? {
        return None;
    }
    // Not for want of trust in what is kept, which is compiled: what is left out would
    // otherwise not be looked at by anybody.
    let features = WasmFeatures::all();
    Validator::new_with_features(features)
        .validate_all(component)
        .ok()?;
    let component = write::component(component, &items, &needs)?;
    Some(Lean { component, parts })
}

#[cfg(test)]
mod tests;
