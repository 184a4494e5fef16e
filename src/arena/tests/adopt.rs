//! A first block that was given to the arena, and an arena that becomes as it was
//! when it got it.

use core::mem::ManuallyDrop;

use super::*;

/// Room for an answer that says that there is no room.
const RESERVE: usize = 1024;

/// The arena of an instance: its first block is memory of its own, which begins
/// anywhere and not at a page, and the others are linear memory.
struct Instance<'a> {
    /// Never dropped, as its contract has it: the block did not come from its
    /// source.
    arena: ManuallyDrop<Arena<&'a Strip>>,
    /// What the first block is a part of.
    module: Option<Pages>,
    memory: &'a Strip,
}

/// Where the block begins in it.
const OFFSET: usize = 64;

impl<'a> Instance<'a> {
    fn new(memory: &'a Strip) -> Self {
        let module = HeapPages.take(2 * PAGE, 2 * PAGE).unwrap();
        let arena = Arena::with_source(memory).with_reserve(RESERVE);
        let instance = Self {
            arena: ManuallyDrop::new(arena),
            module: Some(module),
            memory,
        };
        // SAFETY: zero, a page long, aligned to 64, nobody else's, and there as
        // long as the arena, which is never dropped.
        unsafe { instance.arena.adopt(instance.first_block()) };
        instance
    }

    fn first_block(&self) -> Pages {
        let module = self.module.as_ref().unwrap();
        Pages {
            // SAFETY: within its two pages.
            start: unsafe { module.start.add(OFFSET) },
            len: PAGE,
            zeroed: true,
        }
    }

    /// What an instance does between two requests. All that the forgotten blocks
    /// had looks as if it had never been taken.
    fn rewind(&mut self) {
        self.arena.reset();
        self.arena.scrub();
        self.arena.start_over();
        assert!(self.memory.pool.take(PAGE, PAGE).is_none());
        self.memory.grown.set(0);
    }

    /// Every byte of the first block, its header included, and whatever lies
    /// beside it.
    fn module(&self) -> Vec<u8> {
        let module = self.module.as_ref().unwrap();
        // SAFETY: allocated and zeroed; nothing writes to it meanwhile.
        unsafe { left_at(module.start, module.len) }
    }

    /// The figures that say what is there, without those that count what was.
    fn figures(&self) -> Usage {
        Usage {
            peak_used: 0,
            resets: 0,
            grows: 0,
            ..self.arena.usage()
        }
    }
}

impl Drop for Instance<'_> {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: taken there, whole; the arena is not used any more.
            unsafe { HeapPages.give_back(module) }
        }
    }
}

/// A request that fills several blocks and needs some of its own. Somebody else
/// takes memory too, so that blocks cannot always grow in place.
fn request(instance: &Instance<'_>) -> Vec<usize> {
    let allocate = |size| {
        instance.memory.disturb();
        filled(&instance.arena, size, 0xEE).as_ptr().addr()
    };
    [100, 40_000, 60_000, 200_000, 8, 65_000, 3 * PAGE, 30_000]
        .map(allocate)
        .to_vec()
}

#[test]
fn an_adopted_block_is_used_before_anything_is_taken() {
    let memory = Strip::new(8);
    let instance = Instance::new(&memory);
    let first = instance.first_block().start.addr().get() + HEADER;
    assert_eq!(bytes(&instance.arena, 8).addr().get(), first);
    bytes(&instance.arena, ROOM - RESERVE - 8);
    assert_eq!(memory.pages(), 0);
    assert_eq!(instance.arena.usage().grows, 0);
    bytes(&instance.arena, 8);
    assert_eq!(memory.pages(), 1);
    assert_identities(&instance.arena);
}

#[test]
fn an_arena_that_has_a_block_adopts_none() {
    let memory = Strip::new(8);
    let instance = Instance::new(&memory);
    let at = bytes(&instance.arena, 8);
    let before = instance.arena.usage();
    // SAFETY: not used, which is what this is about.
    unsafe { instance.arena.adopt(instance.first_block()) };
    assert_eq!(instance.arena.usage(), before);
    assert_eq!(bytes(&instance.arena, 8).addr().get(), at.addr().get() + 8);
}

#[test]
fn an_arena_that_starts_over_is_as_if_it_had_just_adopted_its_block() {
    let memory = Strip::new(40);
    let mut instance = Instance::new(&memory);
    let (figures, module) = (instance.figures(), instance.module());
    let mut first = None;
    for _ in 0..3 {
        let places = request(&instance);
        assert!(instance.arena.usage().blocks > 3);
        assert_identities(&instance.arena);
        assert_eq!(*first.get_or_insert_with(|| places.clone()), places);
        let taken = memory.grown.get();

        instance.rewind();
        assert_eq!(instance.figures(), figures);
        assert_identities(&instance.arena);
        assert!(
            instance.module() == module,
            "its block is bit for bit as new"
        );
        let whole = memory.whole.as_ref().unwrap();
        // SAFETY: allocated and zeroed, and nobody's any more.
        let forgotten = unsafe { left_at(whole.start, taken) };
        assert!(all_are(&forgotten, 0), "also where the headers were");
    }
}

#[test]
fn zeroed_memory_is_zero_after_the_arena_started_over() {
    let memory = Strip::new(40);
    let mut instance = Instance::new(&memory);
    for _ in 0..2 {
        for size in [50_000, 100_000, 60_000] {
            let zeroed = instance.arena.calloc(1, size).unwrap();
            assert!(all_are(zeroed, 0));
            zeroed.fill(0xEE);
        }
        instance.rewind();
    }
}

#[test]
fn a_reserve_that_was_opened_is_held_back_again() {
    let memory = Strip::new(1);
    let mut instance = Instance::new(&memory);
    for _ in 0..2 {
        bytes(&instance.arena, ROOM - RESERVE);
        assert!(instance.arena.bump(layout(8, 8)).is_none());
        instance.arena.open_reserve();
        assert!(instance.arena.bump(layout(RESERVE, 8)).is_some());
        instance.rewind();
    }
}

#[test]
fn the_runs_are_where_the_blocks_lie_and_nothing_else_is_contained() {
    let memory = Strip::new(40);
    let mut instance = Instance::new(&memory);
    let own = instance.first_block().start.addr().get();
    let spans = |instance: &Instance<'_>| -> Vec<_> {
        let runs = instance.arena.runs();
        runs.map(|run| (run.start, run.end)).collect()
    };
    assert_eq!(spans(&instance), [(own, own + PAGE)]);

    let places = request(&instance);
    let runs = spans(&instance);
    assert_eq!(runs.len(), instance.arena.usage().blocks);
    let bytes: usize = runs.iter().map(|(start, end)| end - start).sum();
    assert_eq!(bytes, instance.arena.usage().committed);
    for at in places {
        assert!(runs.iter().any(|&(start, end)| (start..end).contains(&at)));
        assert!(instance.arena.contains(at));
    }
    for (start, end) in runs.iter().copied() {
        let within = |at| runs.iter().any(|&(start, end)| (start..end).contains(&at));
        for at in [start - 1, start, end - 1, end] {
            assert_eq!(instance.arena.contains(at), within(at));
        }
    }

    instance.rewind();
    assert_eq!(spans(&instance), [(own, own + PAGE)]);
    assert!(!instance.arena.contains(own - 1) && !instance.arena.contains(own + PAGE));
}

#[test]
fn an_arena_without_a_block_starts_over_as_it_is() {
    let memory = Strip::new(1);
    let mut arena = Arena::with_source(&memory);
    arena.start_over();
    assert_eq!(arena.usage(), Arena::with_source(&memory).usage());
    assert!(!arena.has_block() && arena.runs().next().is_none());
    assert!(!arena.contains(0));
}
