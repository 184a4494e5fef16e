//! Linear memories that tell which of their pages were written.
//!
//! A memory here is a private mapping of a file. A page that is only read, or not
//! touched at all, is the file's; a page that is written becomes a copy of the
//! process's own, whatever is written to it, and the kernel tells one from the
//! other in `/proc/self/pagemap`. To begin anew the content goes into the file and
//! the copies are given up, by which not a byte changes.
//!
//! So the count is exact, the same in every run, and needs no permission. It is
//! that of writes, and not of changes: a page that a rewind put back counts.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// The memories of one instance.
#[derive(Default)]
pub struct Watch(Mutex<Vec<Arc<Region>>>);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Region>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the memories of the last instance.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// From here on pages count. To be called while no guest runs.
    ///
    /// # Errors
    /// Where the content of the memories cannot be put into their files.
    pub fn begin(&self) -> io::Result<()> {
        self.lock().iter().try_for_each(|region| region.begin())
    }

    /// How many pages were written since. Nothing where the system does not tell.
    pub fn written(&self) -> Option<usize> {
        self.lock().iter().map(|region| region.written()).sum()
    }
}

/// Makes memories that are watched.
pub struct Creator {
    pub watch: Arc<Watch>,
    pub largest: usize,
}

// SAFETY: each memory is a mapping of its own. The engine is configured without
// reservation and without guard pages, so compiled code checks each access against
// the size and relies on nothing behind it.
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
            return Err("memories that are watched have no guard pages".to_owned());
        }
        let capacity = maximum.unwrap_or(self.largest).min(self.largest);
        let region = Region::new(capacity.max(minimum), minimum);
        let region = Arc::new(region.map_err(|error| error.to_string())?);
        self.watch.lock().push(Arc::clone(&region));
        Ok(Box::new(Guest(region)))
    }
}

/// One linear memory, of which the first `len` bytes are the guest's.
struct Region {
    map: memmap2::MmapRaw,
    file: File,
    len: AtomicUsize,
}

impl Region {
    fn new(capacity: usize, len: usize) -> io::Result<Self> {
        let file = tempfile::tempfile()?;
        // A mapping of nothing is an error, and a memory may have no pages yet.
        let capacity = capacity.max(1);
        file.set_len(capacity as u64)?;
        // SAFETY: the file has no name, so nobody else can change it; this process
        // does only where `begin` says why it may.
        let map = unsafe { memmap2::MmapOptions::new().len(capacity).map_copy(&file)? };
        Ok(Self {
            map: map.into(),
            file,
            len: AtomicUsize::new(len),
        })
    }

    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}

#[cfg(target_os = "linux")]
impl Region {
    fn begin(&self) -> io::Result<()> {
        use std::os::unix::fs::FileExt;

        // SAFETY: the first `len` bytes of the mapping are readable, and no guest
        // runs that could write to them.
        let bytes = unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.len()) };
        self.file.write_all_at(bytes, 0)?;
        // SAFETY: without its copies the mapping shows the file, which has the same
        // bytes: those above, and behind them the zeros that it always had there.
        unsafe {
            self.map
                .unchecked_advise(memmap2::UncheckedAdvice::DontNeed)
        }
    }

    fn written(&self) -> Option<usize> {
        use std::os::unix::fs::FileExt;

        /// Of a page's entry: it is there, or swapped out.
        const THERE: u64 = 0b11 << 62;
        /// It is a page of the file.
        const FILE: u64 = 1 << 61;

        let page = page_bytes()?;
        let pages = self.len().div_ceil(page);
        let mut entries = vec![0; pages * size_of::<u64>()];
        let first = self.map.as_ptr().addr() / page * size_of::<u64>();
        let pagemap = File::open("/proc/self/pagemap").ok()?;
        pagemap.read_exact_at(&mut entries, first as u64).ok()?;
        let (entries, _) = entries.as_chunks();
        let own = |entry: &&[u8; 8]| {
            let entry = u64::from_ne_bytes(**entry);
            entry & THERE != 0 && entry & FILE == 0
        };
        Some(entries.iter().filter(own).count())
    }
}

#[cfg(not(target_os = "linux"))]
impl Region {
    fn begin(&self) -> io::Result<()> {
        Ok(())
    }

    fn written(&self) -> Option<usize> {
        None
    }
}

/// Bytes of a page of this machine, where it says so.
pub fn page_bytes() -> Option<usize> {
    /// The entry of the auxiliary vector that has it.
    const AT_PAGESZ: usize = 6;

    let vector = std::fs::read("/proc/self/auxv").ok()?;
    let (words, _) = vector.as_chunks::<{ size_of::<usize>() }>();
    let words: Vec<_> = words
        .iter()
        .map(|word| usize::from_ne_bytes(*word))
        .collect();
    let entry = words.chunks_exact(2).find(|entry| entry[0] == AT_PAGESZ)?;
    Some(entry[1])
}

/// The guest's side of a region.
struct Guest(Arc<Region>);

// SAFETY: the mapping is zero at first, readable and writable for all of
// `byte_capacity`, and never moves; `byte_size` is what `grow_to` last allowed, and
// never more.
unsafe impl LinearMemory for Guest {
    fn byte_size(&self) -> usize {
        self.0.len()
    }

    fn byte_capacity(&self) -> usize {
        self.0.map.len()
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        if new_size > self.0.map.len() {
            return Err(wasmtime::Error::msg("the memory would exceed its limit"));
        }
        self.0.len.store(new_size, Ordering::Release);
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.map.as_mut_ptr()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn write(region: &Region, at: usize, value: u8) {
        // SAFETY: within the mapping, which only this thread uses.
        unsafe { region.map.as_mut_ptr().add(at).write_volatile(value) };
    }

    fn read(region: &Region, at: usize) -> u8 {
        // SAFETY: as above.
        unsafe { region.map.as_ptr().add(at).read_volatile() }
    }

    #[test]
    fn a_page_counts_once_it_is_written_whatever_is_written() {
        let page = page_bytes().expect("Linux tells");
        let region = Region::new(64 * page, 16 * page).expect("a file");
        write(&region, 5 * page, 7);
        write(&region, 6 * page, 7);
        region.begin().expect("room for the content");
        assert_eq!(region.written(), Some(0));
        assert_eq!((read(&region, 5 * page), read(&region, 9 * page)), (7, 0));
        assert_eq!(region.written(), Some(0));

        // The value that it has, another one, and twice in one page.
        write(&region, 5 * page + 3, 0);
        write(&region, 6 * page, 8);
        write(&region, 9 * page, 1);
        write(&region, 9 * page + 1, 1);
        assert_eq!(region.written(), Some(3));
        region.begin().expect("room for the content");
        assert_eq!(region.written(), Some(0));
        assert_eq!((read(&region, 5 * page), read(&region, 6 * page)), (7, 8));
    }

    #[test]
    fn what_memory_grows_by_is_zero_and_counts_as_well() {
        let page = page_bytes().expect("Linux tells");
        let region = Arc::new(Region::new(64 * page, page).expect("a file"));
        region.begin().expect("room for the content");
        let mut guest = Guest(Arc::clone(&region));
        guest.grow_to(3 * page).expect("room");
        assert!(guest.grow_to(65 * page).is_err());
        assert_eq!(read(&region, 2 * page), 0);
        write(&region, 2 * page, 1);
        assert_eq!(region.written(), Some(1));
    }
}
