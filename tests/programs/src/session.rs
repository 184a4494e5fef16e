//! A run in progress: what is known of it, and the comparison with what is seen.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use lavandula::{Scrub, Usage};

use crate::counted::{Counted, Log};
use crate::ground::{HEADER, Runs};
use crate::oracle::{self, Content, Extent, Live};
use crate::pattern;
use crate::program::{Op, Program};
use crate::transcript::{Outcome, Transcript};

/// What is known of an arena or a scope.
pub struct Model {
    pub id: u32,
    /// The arena whose pages it has: itself, unless it is a scope.
    pub root: u32,
    /// What it is a scope of.
    outer: Option<u32>,
    /// Whether it can still be reached. A scope that was forgotten cannot, and
    /// what is in it stays until the reset.
    pub open: bool,
    pub scrub: Scrub,
    /// The values to be dropped at its end, in the order of their making.
    pub deferred: Vec<u32>,
    pub budget: Option<usize>,
    pub reserve: usize,
    pub held_back: usize,
    /// The most seen since the last reset.
    pub peak: usize,
    /// Whatever was handed out since the last reset, and in the request before.
    pub ever: Vec<Extent>,
    pub before: Vec<Extent>,
}

/// What all arenas that can be reached say of themselves.
#[derive(Default)]
pub struct Survey {
    pub usages: Vec<(u32, Usage)>,
    /// What buffers hold, which is in use as well.
    pub extents: Vec<Extent>,
}

impl Survey {
    pub fn of(&self, arena: u32) -> Usage {
        let found = self.usages.iter().find(|(id, _)| *id == arena);
        found.map(|(_, usage)| *usage).unwrap_or_default()
    }
}

/// A run in progress.
pub struct Session<'s> {
    pub program: Program<'s>,
    pub runs: Option<&'s Runs>,
    pub disturb: &'s dyn Fn(),
    pub lives: Vec<Live>,
    pub models: Vec<Model>,
    pub log: Log,
    /// What the log has to be.
    pub expected: Vec<u32>,
    pub transcript: Transcript,
    pub last: Survey,
    /// How many values were deferred in scopes that were forgotten.
    never_dropped: usize,
    next: u32,
}

impl<'s> Session<'s> {
    pub fn new(program: &'s [u8], runs: Option<&'s Runs>, disturb: &'s dyn Fn()) -> Self {
        Self {
            program: Program::new(program),
            runs,
            disturb,
            lives: Vec::new(),
            models: Vec::new(),
            log: Log::default(),
            expected: Vec::new(),
            transcript: Transcript::default(),
            last: Survey::default(),
            never_dropped: 0,
            next: 0,
        }
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// A new value that notes its drop.
    pub fn counted(&mut self) -> Counted {
        let number = self.number();
        Counted::new(number, &self.log)
    }

    /// Notes a new arena, or a scope in one.
    pub fn begin(&mut self, outer: Option<u32>, scrub: Scrub) -> u32 {
        let id = self.number();
        let root = match outer {
            Some(outer) => self.model(outer).root,
            None => id,
        };
        self.models.push(Model {
            id,
            root,
            outer,
            open: true,
            scrub,
            deferred: Vec::new(),
            budget: None,
            reserve: 0,
            held_back: 0,
            peak: 0,
            ever: Vec::new(),
            before: Vec::new(),
        });
        id
    }

    pub fn model(&mut self, id: u32) -> &mut Model {
        let found = self.models.iter_mut().find(|model| model.id == id);
        found.expect("an arena is known until its end")
    }

    /// Notes that the reserve was opened, of an arena or from within its scopes.
    pub fn open_reserve(&mut self, arena: u32) {
        let root = self.model(arena).root;
        self.model(root).held_back = 0;
    }

    /// Notes an allocation, and fills it.
    pub fn made(&mut self, arena: u32, at: NonNull<u8>, layout: Layout) -> Outcome {
        let seed = self.number() as u8;
        // SAFETY: the memory was just handed out, for as much as this.
        unsafe { pattern::write(at, 0, layout.size(), seed) };
        self.keep(arena, at, layout, Content::Pattern(seed))
    }

    /// Notes an allocation with what is in it.
    pub fn keep(
        &mut self,
        arena: u32,
        at: NonNull<u8>,
        layout: Layout,
        content: Content,
    ) -> Outcome {
        let root = self.model(arena).root;
        self.lives.push(Live {
            arena,
            root,
            at,
            layout,
            content,
        });
        self.handed_out(root, at.addr().get(), layout.size());
        Outcome::at(at.addr().get())
    }

    /// Notes that bytes were handed out, whatever became of them.
    pub fn handed_out(&mut self, root: u32, start: usize, len: usize) {
        if len > 0 {
            let extent = Extent { start, len, root };
            self.model(root).ever.push(extent);
        }
    }

    /// The `which`th of the live allocations that may be resized and freed.
    pub fn pick(&self, which: u8) -> Option<usize> {
        let may = |(_, live): &(usize, &Live)| {
            let open = |model: &Model| model.id == live.arena && model.open;
            live.is_plain() && self.models.iter().any(open)
        };
        let count = self.lives.iter().enumerate().filter(may).count();
        let nth = usize::from(which).checked_rem(count)?;
        let found = self.lives.iter().enumerate().filter(may).nth(nth);
        found.map(|(index, _)| index)
    }

    /// Takes the allocations of an arena or a scope out of the books, and with
    /// them the scopes in it that were forgotten: they had no end, but what they
    /// were lent has one now, and nobody drops what was deferred in them.
    /// Returns what is given up.
    pub fn empty(&mut self, arena: u32) -> Vec<Extent> {
        let forgotten = |model: &Model| model.outer == Some(arena);
        let mut gone = Vec::new();
        while let Some(index) = self.models.iter().position(forgotten) {
            let model = self.models.swap_remove(index);
            self.never_dropped += model.deferred.len();
            gone.extend(self.empty(model.id));
        }
        self.lives.retain(|live| {
            if live.arena == arena {
                gone.push(live.extent());
            }
            live.arena != arena
        });
        gone
    }

    /// Ends an arena or a scope in the books: its values are dropped, last
    /// first, and its allocations are gone. Returns what it gave up.
    pub fn end(&mut self, arena: u32) -> Vec<Extent> {
        let gone = self.empty(arena);
        let index = self.models.iter().position(|model| model.id == arena);
        let model = self.models.remove(index.expect("a scope that is open"));
        self.expected.extend(model.deferred.iter().rev());
        gone
    }

    /// Checks that bytes which were just given up are as the policy says.
    pub fn given_up(&self, scrub: Scrub, extents: &[Extent]) {
        let byte = match scrub {
            Scrub::Zero => 0,
            Scrub::Poison => Scrub::POISON,
            _ => return,
        };
        let Some(runs) = self.runs else { return };
        for &Extent { start, len, root } in extents {
            // SAFETY: the bytes were given up, with whatever referred to them.
            let overwritten = unsafe { runs.all_are(root, start, len, byte) };
            assert!(
                overwritten,
                "{len} bytes at {start:#x} are not scrubbed ({scrub:?})"
            );
        }
    }

    /// The end of a run, of which no arena is left.
    pub fn finish(self) -> Transcript {
        assert_eq!(*self.log.borrow(), self.expected, "what was dropped");
        assert_eq!(Rc::strong_count(&self.log), 1 + self.never_dropped);
        for _ in 0..self.never_dropped {
            // SAFETY: a value that holds the log was forgotten with its scope, and
            // its memory is gone: it has not dropped its share, as was just
            // counted, and nobody can. Else each would be a leak to whoever looks
            // for leaks.
            unsafe { Rc::decrement_strong_count(Rc::as_ptr(&self.log)) };
        }
        self.transcript
    }

    /// Compares what is seen after an operation with what is known.
    pub fn judge(&mut self, arena: u32, op: &Op, outcome: Outcome, now: Survey) {
        if outcome.failed() && op.is_one_call() {
            for ((_, before), (_, after)) in self.last.usages.iter().zip(&now.usages) {
                assert!(
                    only_unused_blocks_went(before, after),
                    "{op:?} failed and changed the arena: from {before:?} to {after:?}"
                );
            }
        }
        for (id, usage) in &now.usages {
            self.compare(*id, usage);
        }
        // To read all that is live takes Miri a second.
        let content = !cfg!(miri) || self.transcript.steps.len().is_multiple_of(8);
        oracle::check(&self.lives, &now.extents, self.runs, content);
        assert_eq!(
            *self.log.borrow(),
            self.expected,
            "what was dropped, in order"
        );
        self.transcript.note(arena, outcome, &now.of(arena));
        self.last = now;
    }

    /// The identities, and what is known of this arena alone.
    fn compare(&mut self, id: u32, usage: &Usage) {
        assert_eq!(
            usage.committed,
            usage.used + usage.tail_waste + usage.free + usage.overhead,
            "{usage:?}"
        );
        assert_eq!(usage.total_allocated, usage.committed - usage.overhead);
        assert_eq!(usage.overhead, usage.blocks * HEADER);
        assert!(usage.peak_used >= usage.used, "{usage:?}");
        let live = self.lives.iter().filter(|live| live.arena == id);
        let live: usize = live.map(Live::size).sum();
        assert!(usage.used >= live, "{live} bytes are live: {usage:?}");

        let before = self.last.of(id).used;
        let runs = self.runs;
        let model = self.model(id);
        assert_eq!(usage.budget, model.budget);
        if usage.used > before
            && let Some(budget) = model.budget
        {
            let allowed = budget.saturating_sub(model.held_back);
            assert!(usage.used <= allowed, "over {allowed}: {usage:?}");
        }
        model.peak = model.peak.max(usage.used);
        if let Some(runs) = runs
            && model.root == id
        {
            assert_eq!(
                usage.committed,
                runs.bytes_of(id),
                "pages taken and not given back"
            );
        }
    }
}

/// Whether nothing lies between the two but that blocks which were not in use
/// have gone back to the source: it is all that a failed operation may do.
fn only_unused_blocks_went(before: &Usage, after: &Usage) -> bool {
    let rest = |usage: &Usage| {
        let Usage {
            used, peak_used, ..
        } = *usage;
        (
            used,
            peak_used,
            usage.tail_waste,
            usage.resets,
            usage.grows,
            usage.budget,
        )
    };
    rest(before) == rest(after) && after.blocks <= before.blocks && after.free <= before.free
}
