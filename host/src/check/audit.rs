//! The audit engine: linear memories that belong to the host.
//!
//! A component gives its host no way to its memory. This engine does not ask:
//! it creates every linear memory itself and keeps a second handle on it, so
//! the check sees each byte of any component, also of one that was not built
//! with this project, and takes no part of the guest's word for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{MmapOptions, MmapRaw};
use wasmtime::{Config, Engine, LinearMemory, MemoryCreator, MemoryType};

use crate::config::Limits;

/// Where something lies: the number of the memory, in the order in which the
/// component's memories were created, and the offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) memory: usize,
    pub(super) offset: usize,
}

/// The memories of the instance of an audit engine.
///
/// Everything here reads them. That is allowed only while no guest code runs:
/// between calls, and in a call hook.
#[derive(Default)]
pub(super) struct Memories {
    regions: Mutex<Vec<Arc<Region>>>,
    /// How many bytes a memory has from the start beyond what it asks for.
    extra: AtomicUsize,
}

impl Memories {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Region>>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all memories together.
    pub(super) fn total(&self) -> usize {
        self.lock().iter().map(|region| region.len()).sum()
    }

    /// Makes way for the memories of another instance, which are as large as it
    /// asks for. The one before is gone, or not looked at any more.
    pub(super) fn clear(&self) {
        self.clear_for_larger(0);
    }

    /// The same, and the other instance's memories are larger by `extra` bytes:
    /// what it grows them by lies elsewhere than it would.
    pub(super) fn clear_for_larger(&self, extra: usize) {
        self.lock().clear();
        self.extra.store(extra, Ordering::Release);
    }

    /// Calls `look` with the bytes of each memory.
    ///
    /// # Safety
    /// No guest code runs on an instance of the engine.
    pub(super) unsafe fn look<R>(&self, look: impl FnOnce(&[&[u8]]) -> R) -> R {
        let regions = self.lock();
        // SAFETY: by the contract nobody writes to the regions meanwhile.
        let bytes = regions.iter().map(|region| unsafe { region.bytes() });
        look(&bytes.collect::<Vec<_>>())
    }

    /// A copy of every memory.
    ///
    /// # Safety
    /// No guest code runs on an instance of the engine.
    pub(super) unsafe fn copy(&self) -> Snapshot {
        let copy = |memories: &[&[u8]]| memories.iter().map(|bytes| bytes.to_vec()).collect();
        // SAFETY: passed on.
        Snapshot(unsafe { self.look(copy) })
    }
}

/// The memories as they were at one moment.
#[derive(Default)]
pub(super) struct Snapshot(Vec<Vec<u8>>);

impl Snapshot {
    /// The bytes of a memory, by its number. None of one that was not there.
    pub(super) fn memory(&self, number: usize) -> &[u8] {
        self.0.get(number).map_or(&[], Vec::as_slice)
    }

    /// The bytes of a memory, made so many.
    pub(super) fn memory_mut(&mut self, number: usize, len: usize) -> &mut [u8] {
        if self.0.len() <= number {
            self.0.resize(number + 1, Vec::new());
        }
        let memory = &mut self.0[number];
        memory.resize(len, 0);
        memory
    }

    /// How many memories there were.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
impl From<Vec<Vec<u8>>> for Snapshot {
    fn from(memories: Vec<Vec<u8>>) -> Self {
        Self(memories)
    }
}

/// One linear memory: address space for as much as it may ever hold, of which
/// the first `len` bytes are accessible to the guest.
struct Region {
    map: MmapRaw,
    len: AtomicUsize,
}

impl Region {
    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// # Safety
    /// Nobody writes to the memory as long as the slice lives.
    unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: `len` never exceeds the mapping, which is readable and lives
        // as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.len()) }
    }
}

/// The guest's side of a region.
struct Guest(Arc<Region>);

// SAFETY: the mapping is zeroed, readable and writable for all of `byte_capacity`
// and never moves; `byte_size` is what `grow_to` last allowed, and never more.
unsafe impl LinearMemory for Guest {
    fn byte_size(&self) -> usize {
        self.0.len()
    }

    fn byte_capacity(&self) -> usize {
        self.0.map.len()
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        if new_size > self.0.map.len() {
            return Err(wasmtime::Error::msg(
                "the memory would exceed the limit of the check",
            ));
        }
        self.0.len.store(new_size, Ordering::Release);
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.map.as_mut_ptr()
    }
}

/// What 32 bits can address.
const ADDRESSABLE: usize = 1 << 32;

/// Makes the memories, and keeps a handle on each.
struct Creator {
    memories: Arc<Memories>,
    largest: usize,
}

// SAFETY: each memory is a mapping of its own. The engine is configured without
// reservation and without guard pages, so compiled code checks each access
// against the size and relies on nothing behind it.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        _: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        if guard != 0 {
            return Err("the audit engine has no guard pages".to_owned());
        }
        let extra = self.memories.extra.load(Ordering::Acquire);
        let fits = minimum + extra <= maximum.unwrap_or(ADDRESSABLE);
        let initial = if fits { minimum + extra } else { minimum };
        let largest = self.largest + extra;
        let capacity = maximum.unwrap_or(largest).min(largest).max(initial);
        // A mapping of nothing is an error, and a memory may have no pages yet.
        let map = MmapOptions::new()
            .len(capacity.max(1))
            .no_reserve_swap()
            .map_anon()
            .map_err(|error| error.to_string())?;
        let region = Arc::new(Region {
            map: map.into(),
            len: AtomicUsize::new(initial),
        });
        self.memories.lock().push(Arc::clone(&region));
        Ok(Box::new(Guest(region)))
    }
}

/// An engine whose memories `Memories` sees. One instance at a time: the memories
/// of several are not told apart.
pub(super) fn engine(limits: &Limits) -> wasmtime::Result<(Engine, Arc<Memories>)> {
    let memories = Arc::new(Memories::default());
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // A copy-on-write image can only be mapped into wasmtime's own memories.
        .memory_init_cow(false)
        .memory_reservation(0)
        .memory_guard_size(0)
        .with_host_memory(Arc::new(Creator {
            memories: Arc::clone(&memories),
            largest: limits.max_memory,
        }));
    Ok((Engine::new(&config)?, memories))
}
