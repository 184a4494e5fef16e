//! The world `arena-guest`: the arena itself as a component without imports.

#[cfg(not(target_os = "unknown"))]
compile_error!(
    "the arena guest is built for wasm32-unknown-unknown, where nothing but what it uses is \
     linked in: `lavandula build` does that"
);

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use core::slice;

use crate::image::zero_stack_below;
use crate::{AllocError, Arena, StateError, Usage, instance};

#[allow(clippy::undocumented_unsafe_blocks, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "arena-guest",
        generate_all,
    });
}

use bindings::exports::lavandula::arena::types::{self, Address, Error};
use bindings::exports::lavandula::arena::{arenas, invocation};

super::wit_usage!(bindings::exports::lavandula::arena::types);

impl From<AllocError> for Error {
    fn from(error: AllocError) -> Self {
        match error {
            AllocError::OutOfMemory { requested } => Self::OutOfMemory(requested as u64),
            AllocError::Budget {
                requested,
                remaining,
            } => Self::Budget(types::BudgetExceeded {
                requested: requested as u64,
                remaining: remaining as u64,
            }),
            AllocError::Layout => Self::Layout,
            AllocError::BlockSize => Self::BlockSize,
            // Nothing behind these interfaces formats.
            AllocError::Format => Self::State(error.to_string()),
        }
    }
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Memory(error) => error.into(),
            other => Self::State(other.to_string()),
        }
    }
}

struct Guest;

bindings::export!(Guest with_types_in bindings);

#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The arenas that hosts hold a resource of.
struct Live(RefCell<Vec<Rc<RefCell<Arena>>>>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on
// one thread.
unsafe impl Sync for Live {}

static LIVE: Live = Live(RefCell::new(Vec::new()));

/// One arena, as a resource. Calls on it never overlap, since a component is
/// not entered while it runs, so no borrow here fails.
struct Handle(Rc<RefCell<Arena>>);

impl Handle {
    fn new(arena: Arena) -> Self {
        let arena = Rc::new(RefCell::new(arena));
        LIVE.0.borrow_mut().push(Rc::clone(&arena));
        Self(arena)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        LIVE.0
            .borrow_mut()
            .retain(|arena| !Rc::ptr_eq(arena, &self.0));
        // The pages go to the pool: clean.
        clear(&mut self.0.borrow_mut());
    }
}

fn clear(arena: &mut Arena) {
    arena.reset();
    arena.scrub();
}

/// An address that WIT can carry.
fn address<T: ?Sized>(place: *const T) -> Address {
    // Exposed, since it comes back as a number. Memory of 32 bits: it fits.
    place.cast::<u8>().expose_provenance() as Address
}

impl arenas::GuestArena for Handle {
    fn new() -> Self {
        Self::new(Arena::new())
    }

    fn with_block_size(size: u32) -> Result<arenas::Arena, Error> {
        let arena = Arena::with_block_size(size as usize)?;
        Ok(arenas::Arena::new(Self::new(arena)))
    }

    fn alloc(&self, size: u32) -> Result<Address, Error> {
        let layout = Layout::from_size_align(size as usize, 8).map_err(|_| AllocError::Layout)?;
        Ok(address(self.0.borrow().alloc_layout(layout)?.as_ptr()))
    }

    fn calloc(&self, count: u32, size: u32) -> Result<Address, Error> {
        Ok(address(
            self.0.borrow().calloc(count as usize, size as usize)?,
        ))
    }

    fn strdup(&self, text: String) -> Result<Address, Error> {
        Ok(address(&raw const *self.0.borrow().strdup(&text)?))
    }

    fn strndup(&self, text: String, max: u32) -> Result<(Address, u32), Error> {
        let arena = self.0.borrow();
        let copy = arena.strndup(&text, max as usize)?;
        let len = copy.len() as u32;
        Ok((address(&raw const *copy), len))
    }

    fn read(&self, at: Address, len: u32) -> Result<Vec<u8>, Error> {
        let arena = self.0.borrow();
        let start = arena
            .handed_out(at as usize, len as usize)
            .ok_or(Error::StaleAddress)?;
        // SAFETY: the arena handed these bytes out. They are initialised: pages
        // of linear memory come zeroed, and only bytes are written through WIT.
        // The reference ends with this expression.
        Ok(unsafe { slice::from_raw_parts(start.as_ptr(), len as usize) }.to_vec())
    }

    fn write(&self, at: Address, bytes: Vec<u8>) -> Result<(), Error> {
        let arena = self.0.borrow();
        let start = arena
            .handed_out(at as usize, bytes.len())
            .ok_or(Error::StaleAddress)?;
        // SAFETY: the arena handed these bytes out, and `bytes` is apart from
        // every arena.
        unsafe {
            start.copy_from_nonoverlapping(core::ptr::NonNull::from(&*bytes).cast(), bytes.len())
        };
        Ok(())
    }

    fn reset(&self) {
        self.0.borrow_mut().reset();
    }

    fn used(&self) -> u64 {
        self.0.borrow().used() as u64
    }

    fn total_allocated(&self) -> u64 {
        self.0.borrow().total_allocated() as u64
    }

    fn usage(&self) -> types::Usage {
        self.0.borrow().usage().into()
    }
}

impl arenas::Guest for Guest {
    type Arena = Handle;
}

/// Around a request, a host that works with arenas of this component can clear
/// them all at once.
impl invocation::Guest for Guest {
    fn seal() -> Result<(), Error> {
        Ok(instance::seal(|| {})?)
    }

    fn rewind() -> Result<(), Error> {
        instance::rewind()?;
        for arena in LIVE.0.borrow().iter() {
            clear(&mut arena.borrow_mut());
        }
        zero_stack_below();
        Ok(())
    }

    fn image_store() -> Vec<invocation::Region> {
        // Which arenas there are is the host's affair, and stays.
        Vec::new()
    }

    fn blocks() -> Vec<invocation::Region> {
        let region = |span: crate::span::Span| invocation::Region {
            at: span.start as u32,
            len: span.len() as u32,
        };
        let mut blocks = Vec::new();
        for arena in LIVE.0.borrow().iter() {
            blocks.extend(arena.borrow().runs().map(region));
        }
        blocks
    }

    fn usage() -> types::Usage {
        // The sums over all arenas keep the identities that each one has.
        let mut sum = Usage::default();
        for arena in LIVE.0.borrow().iter() {
            let usage = arena.borrow().usage();
            sum.count_in(&usage);
        }
        sum.into()
    }
}
