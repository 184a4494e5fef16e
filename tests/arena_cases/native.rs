//! The door `rust`: the crate itself, natively, on pages of the heap.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use lavandula::{AllocError, Arena, HeapPages, PageSource, Pages};

use crate::door::{self, Door, Figures, Place, Refusal};
use crate::table::Case;

const PAGE: usize = 64 * 1024;

/// What the compiler refuses, so that no program can come to it.
const DOES_NOT_COMPILE: Refusal = Refusal::Unsaid("it does not compile");

/// The door for a case, with as much memory as it has.
pub fn open(case: &Case) -> Box<dyn Door> {
    match case.pages {
        None => Box::new(Native {
            make: Box::new(|size| match size {
                None => Ok(Arena::new()),
                Some(size) => Arena::with_block_size(size).map_err(Refusal::from),
            }),
            arenas: Vec::new(),
        }),
        Some(pages) => {
            let left = Rc::new(Cell::new(pages * PAGE));
            let make = move |size: Option<usize>| match size {
                None => Ok(Arena::with_source(Bounded(Rc::clone(&left)))),
                Some(_) => Err(Refusal::Unsaid(
                    "a source of one's own has the default block",
                )),
            };
            Box::new(Native {
                make: Box::new(make),
                arenas: Vec::new(),
            })
        }
    }
}

/// Pages of the heap, of which all arenas of a case together get no more than so
/// many bytes.
struct Bounded(Rc<Cell<usize>>);

// SAFETY: what it returns is what `HeapPages` returns, or nothing.
unsafe impl PageSource for Bounded {
    fn take(&self, needed: usize, wanted: usize) -> Option<Pages> {
        let left = self.0.get();
        let bytes = [wanted, needed].into_iter().find(|bytes| *bytes <= left)?;
        let pages = HeapPages.take(bytes, bytes)?;
        self.0.set(left - pages.len);
        Some(pages)
    }

    unsafe fn give_back(&self, pages: Pages) {
        self.0.set(self.0.get() + pages.len);
        // SAFETY: it came from `HeapPages`, and the caller gives it up.
        unsafe { HeapPages.give_back(pages) }
    }
}

type Make<P> = dyn Fn(Option<usize>) -> Result<Arena<P>, Refusal>;

struct Native<P: PageSource> {
    make: Box<Make<P>>,
    /// `None` where one was freed.
    arenas: Vec<Option<(Arena<P>, u64)>>,
}

impl<P: PageSource> Native<P> {
    fn arena(&mut self, arena: door::Arena) -> Result<&mut (Arena<P>, u64), Refusal> {
        self.arenas[arena].as_mut().ok_or(DOES_NOT_COMPILE)
    }

    fn place(&mut self, arena: door::Arena, bytes: NonNull<[u8]>) -> Result<Place, Refusal> {
        let resets = self.arena(arena)?.1;
        Ok(Place {
            arena,
            at: bytes.as_ptr().cast::<u8>().expose_provenance() as u64,
            length: bytes.len() as u64,
            resets,
        })
    }

    /// The bytes of a place that the borrow checker would let a program have.
    fn bytes(&mut self, place: Place) -> Result<&mut [u8], Refusal> {
        if self.arena(place.arena)?.1 != place.resets {
            return Err(DOES_NOT_COMPILE);
        }
        let start = ptr::with_exposed_provenance_mut(place.at as usize);
        // SAFETY: handed out for so many bytes by an arena that was neither reset
        // nor dropped since, and `place` wrote all of them. There is no other
        // reference, and this one ends before the next call.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, place.length as usize) })
    }
}

impl<P: PageSource> Door for Native<P> {
    fn largest_size(&self) -> u64 {
        usize::MAX as u64
    }

    fn create(&mut self, block_size: Option<u64>) -> Result<door::Arena, Refusal> {
        let arena = (self.make)(block_size.map(|size| size as usize))?;
        self.arenas.push(Some((arena, 0)));
        Ok(self.arenas.len() - 1)
    }

    fn alloc(
        &mut self,
        arena: door::Arena,
        size: u64,
        align: Option<u64>,
    ) -> Result<Place, Refusal> {
        let (size, align) = (size as usize, align.unwrap_or(8) as usize);
        let layout = Layout::from_size_align(size, align).map_err(|_| Refusal::Layout)?;
        let start = self.arena(arena)?.0.alloc_layout(layout)?;
        // What `alloc_layout` returns may be uninitialised, and is read as bytes.
        // SAFETY: just handed out for so many bytes.
        unsafe { start.write_bytes(0xA5, size) };
        self.place(arena, NonNull::slice_from_raw_parts(start, size))
    }

    fn calloc(&mut self, arena: door::Arena, count: u64, size: u64) -> Result<Place, Refusal> {
        let made = self.arena(arena)?.0.calloc(count as usize, size as usize)?;
        let made = NonNull::from(made);
        self.place(arena, made)
    }

    fn strdup(&mut self, arena: door::Arena, text: &str) -> Result<Place, Refusal> {
        // SAFETY: what is written into the bytes is read back as bytes alone.
        let made = NonNull::from(unsafe { self.arena(arena)?.0.strdup(text)?.as_bytes_mut() });
        self.place(arena, made)
    }

    fn strndup(&mut self, arena: door::Arena, text: &str, max: u64) -> Result<Place, Refusal> {
        let made = self.arena(arena)?.0.strndup(text, max as usize)?;
        // SAFETY: as in `strdup`.
        let made = NonNull::from(unsafe { made.as_bytes_mut() });
        self.place(arena, made)
    }

    fn read(&mut self, place: Place, from: u64, length: u64) -> Result<Vec<u8>, Refusal> {
        let range = from as usize..(from + length) as usize;
        let bytes = self.bytes(place)?.get(range);
        bytes.map(<[u8]>::to_vec).ok_or(Refusal::Outside)
    }

    fn write(&mut self, place: Place, from: u64, bytes: &[u8]) -> Result<(), Refusal> {
        let range = from as usize..from as usize + bytes.len();
        let there = self.bytes(place)?.get_mut(range);
        there.ok_or(Refusal::Outside)?.copy_from_slice(bytes);
        Ok(())
    }

    fn reset(&mut self, arena: door::Arena) -> Result<(), Refusal> {
        let (arena, resets) = self.arena(arena)?;
        arena.reset();
        *resets += 1;
        Ok(())
    }

    fn free(&mut self, arena: door::Arena) -> Result<(), Refusal> {
        self.arenas[arena].take().map(drop).ok_or(DOES_NOT_COMPILE)
    }

    fn set_budget(&mut self, arena: door::Arena, bytes: Option<u64>) -> Result<(), Refusal> {
        let (arena, _) = self.arena(arena)?;
        arena.set_budget(bytes.map(|bytes| bytes as usize));
        Ok(())
    }

    fn figures(&mut self, arena: door::Arena) -> Result<Figures, Refusal> {
        let (arena, _) = self.arena(arena)?;
        let usage = arena.usage();
        Ok(Figures {
            told: [arena.used() as u64, arena.total_allocated() as u64],
            used: usage.used as u64,
            total_allocated: usage.total_allocated as u64,
            peak_used: usage.peak_used as u64,
            committed: usage.committed as u64,
            tail_waste: usage.tail_waste as u64,
            free: usage.free as u64,
            overhead: usage.overhead as u64,
            blocks: usage.blocks as u64,
            resets: usage.resets as u64,
            grows: usage.grows as u64,
            budget: usage.budget.map(|budget| budget as u64),
        })
    }
}

impl From<AllocError> for Refusal {
    fn from(error: AllocError) -> Self {
        match error {
            AllocError::OutOfMemory { requested } => Self::OutOfMemory {
                requested: requested as u64,
            },
            AllocError::Budget {
                requested,
                remaining,
            } => Self::Budget {
                requested: requested as u64,
                remaining: remaining as u64,
            },
            AllocError::Layout => Self::Layout,
            AllocError::BlockSize => Self::BlockSize,
            other => Self::Other(other.to_string()),
        }
    }
}
