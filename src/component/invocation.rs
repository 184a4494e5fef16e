//! `lavandula:arena/invocation`: what a host calls around requests.
//!
//! `seal` and `rewind` are by hand: what they answer must not lie among what they put
//! back, and no frame of theirs may stay on the stack.

use alloc::vec::Vec;

use crate::handler::Handler;
use crate::image::zero_stack;
use crate::instance::{self, Form};
use crate::span::Span;

use super::service::Service;

/// Bindings, with their `export!` macro.
///
/// Without `seal` and `rewind`: what is generated for a function keeps its result
/// among the statics.
#[allow(missing_docs, reason = "generated from the WIT, which has the docs")]
#[allow(clippy::undocumented_unsafe_blocks, reason = "generated")]
pub mod invocations {
    wit_bindgen::generate!({
        path: "wit",
        world: "invocations",
        pub_export_macro: true,
        generate_all,
        runtime_path: "crate::component::rt",
        skip: ["seal", "rewind"],
    });
}

use invocations::exports::lavandula::arena::invocation;
use invocations::exports::lavandula::arena::types;

super::wit_usage!(super::invocations::exports::lavandula::arena::types);

/// What stands for a [`Service`] where its invocations are concerned.
pub struct Overlapping;

impl invocation::Guest for Overlapping {
    fn usage() -> types::Usage {
        usage()
    }

    fn image_store() -> Vec<invocation::Region> {
        image_store()
    }

    fn blocks() -> Vec<invocation::Region> {
        blocks()
    }
}

impl<T: Handler> invocation::Guest for T {
    fn usage() -> types::Usage {
        usage()
    }

    fn image_store() -> Vec<invocation::Region> {
        image_store()
    }

    fn blocks() -> Vec<invocation::Region> {
        blocks()
    }
}

fn usage() -> types::Usage {
    instance::usage().into()
}

fn image_store() -> Vec<invocation::Region> {
    let regions = instance::image_store();
    regions.map(invocation::Region::from).collect()
}

fn blocks() -> Vec<invocation::Region> {
    instance::blocks().map(invocation::Region::from).collect()
}

impl From<Span> for invocation::Region {
    fn from(span: Span) -> Self {
        // Memory of 32 bits: it fits.
        Self {
            at: span.start as u32,
            len: span.len() as u32,
        }
    }
}

/// `seal`.
#[inline(always)]
pub fn seal<T: Handler>() -> *const u8 {
    super::rt::run_ctors_once();
    initialise_and_seal(T::initialise, Form::OneArena);
    end()
}

/// `seal` of a component whose invocations may overlap.
#[inline(always)]
pub fn seal_service<T: Service>() -> *const u8 {
    super::rt::run_ctors_once();
    initialise_and_seal(T::initialise, Form::Leases);
    end()
}

/// `rewind`.
#[inline(always)]
pub fn rewind() -> *const u8 {
    put_back();
    end()
}

#[inline(never)]
fn initialise_and_seal(initialise: fn(), form: Form) {
    instance::reply(instance::seal_for(form, initialise));
}

#[inline(never)]
fn put_back() {
    instance::reply(instance::rewind());
}

#[inline(always)]
fn end() -> *const u8 {
    // SAFETY: only the host is above this and what it is inlined into, which has
    // nothing in memory: what follows is a constant.
    unsafe { zero_stack() };
    instance::reply_place().cast()
}
