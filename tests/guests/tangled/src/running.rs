//! The invocations that run, and what is told of them.

use std::cell::RefCell;
use std::rc::Rc;

use guest_support::__private as private;
use private::invocations::exports::lavandula::arena::types;
use private::service::wasi::http::types::Fields;

use crate::arena::{Arena, BLOCK, Part, grown};

type Shared = Rc<RefCell<Arena>>;

#[derive(Default)]
struct Running {
    /// The arenas, one for each invocation.
    arenas: Vec<Shared>,
    ended: u64,
    /// What the one that ended last had used.
    peak: u64,
    /// The marker of the one that came last.
    newest: Vec<u8>,
    held: Vec<Fields>,
}

thread_local! {
    static RUNNING: RefCell<Running> = RefCell::default();
}

/// One invocation. It ends when this is dropped.
pub struct Invocation {
    arena: Shared,
    parts: Vec<Part>,
    answered: bool,
}

impl Invocation {
    pub fn begin() -> Self {
        RUNNING.with_borrow_mut(|running| {
            let other = running.arenas.last().filter(|_| cfg!(feature = "shared"));
            let arena = other.cloned().unwrap_or_default();
            running.arenas.push(Rc::clone(&arena));
            Self {
                arena,
                parts: Vec::new(),
                answered: false,
            }
        })
    }

    /// Its answer is being written.
    pub fn answering(mut self) -> Self {
        self.answered = true;
        self
    }

    pub fn keep(&mut self, bytes: &[u8]) {
        self.arena.borrow_mut().keep(bytes, &mut self.parts);
    }

    /// What was kept, as it is when it is asked for.
    pub fn pieces(&self, most: usize) -> impl Iterator<Item = Vec<u8>> {
        let parts = self.parts.iter().flat_map(move |part| part.split(most));
        parts.map(Part::copy)
    }

    pub fn give_back(&self) {
        RUNNING.with_borrow_mut(|running| {
            running.peak = self.arena.borrow().used() as u64;
            let others = running.arenas.len() > 1;
            let kept = usize::from(cfg!(feature = "lost") && others);
            self.arena.borrow_mut().give_back(kept);
        });
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if cfg!(feature = "deserted") && !self.answered {
            return;
        }
        // Its own and the one in the list: more where another invocation has it too.
        if Rc::strong_count(&self.arena) == 2 && !cfg!(feature = "early") {
            self.give_back();
        }
        RUNNING.with_borrow_mut(|running| {
            let same = |arena: &Shared| Rc::ptr_eq(arena, &self.arena);
            if let Some(at) = running.arenas.iter().position(same) {
                running.arenas.remove(at);
            }
            running.ended += 1;
            if running.arenas.is_empty() {
                running.newest = Vec::new();
            }
        });
    }
}

/// This marker has come.
pub fn note(marker: &[u8]) {
    RUNNING.with_borrow_mut(|running| {
        if cfg!(feature = "crossing") {
            running.newest = marker.to_vec();
        }
    });
}

/// The marker to be answered.
pub fn marker(own: Vec<u8>) -> Vec<u8> {
    match cfg!(feature = "crossing") {
        true => RUNNING.with_borrow(|running| running.newest.clone()),
        false => own,
    }
}

/// Keeps the fields where others run.
pub fn hold(fields: Fields) {
    RUNNING.with_borrow_mut(|running| {
        if running.arenas.len() > 1 {
            running.held.push(fields);
        }
    });
}

/// Where the blocks of all that run are.
pub fn blocks() -> Vec<usize> {
    RUNNING.with_borrow(|running| {
        let told = match cfg!(feature = "unnamed") {
            true => running.arenas.get(..1).unwrap_or_default(),
            false => &running.arenas,
        };
        let mut blocks: Vec<usize> = told
            .iter()
            .flat_map(|arena| arena.borrow().blocks().to_vec())
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    })
}

/// The figures of these blocks.
pub fn usage() -> types::Usage {
    let blocks = blocks();
    RUNNING.with_borrow(|running| {
        let mut used = 0;
        let mut free = 0;
        let mut counted: Vec<&Shared> = Vec::new();
        for arena in &running.arenas {
            let told = arena.borrow().blocks().iter().all(|at| blocks.contains(at));
            if told && !counted.iter().any(|other| Rc::ptr_eq(other, arena)) {
                counted.push(arena);
                let arena = arena.borrow();
                used += arena.used() as u64;
                free += (arena.blocks().len() * BLOCK - arena.used()) as u64;
            }
        }
        types::Usage {
            used,
            total_allocated: used + free,
            peak_used: if counted.is_empty() {
                running.peak
            } else {
                used
            },
            committed: used + free,
            tail_waste: 0,
            free,
            overhead: 0,
            blocks: blocks.len() as u32,
            resets: running.ended,
            grows: grown(),
            budget: None,
        }
    })
}
