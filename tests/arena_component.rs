//! The arena guest through WIT, in a plain wasmtime with nothing to import.

mod support;

use lavandula_host::bindings::arenas::Arenas;
use lavandula_host::bindings::arenas::exports::lavandula::arena::arenas::GuestArena;
use lavandula_host::bindings::invocation::Rewinding;
use lavandula_host::bindings::invocation::lavandula::arena::types::{Error, Usage};
use lavandula_host::inspect::Inspection;
use wasmtime::component::{Component, Instance, Linker, ResourceAny};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};

const PAGE: u64 = 64 * 1024;
const HEADER: u64 = 32;

/// An instance of the arena guest.
struct Guest {
    store: Store<StoreLimits>,
    instance: Instance,
    arenas: Arenas,
}

impl Guest {
    async fn new() -> Self {
        Self::with_memory(64 * 1024 * 1024).await
    }

    async fn with_memory(bytes: usize) -> Self {
        let engine = Engine::default();
        let component = Component::from_file(&engine, support::component(".")).unwrap();
        let limits = StoreLimitsBuilder::new().memory_size(bytes).build();
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        // An empty linker: anything that it imported would be missing.
        let linker = Linker::new(&engine);
        let instance = linker
            .instantiate_async(&mut store, &component)
            .await
            .unwrap();
        let arenas = Arenas::new(&mut store, &instance).unwrap();
        Self {
            store,
            instance,
            arenas,
        }
    }

    fn calls(&mut self) -> (GuestArena<'_>, &mut Store<StoreLimits>) {
        (
            self.arenas.lavandula_arena_arenas().arena(),
            &mut self.store,
        )
    }

    async fn arena(&mut self) -> ResourceAny {
        let (calls, store) = self.calls();
        calls.call_constructor(store).await.unwrap()
    }

    async fn with_block_size(&mut self, size: u32) -> Result<ResourceAny, Error> {
        let (calls, store) = self.calls();
        calls.call_with_block_size(store, size).await.unwrap()
    }

    async fn alloc(&mut self, arena: ResourceAny, size: u32) -> Result<u32, Error> {
        let (calls, store) = self.calls();
        calls.call_alloc(store, arena, size).await.unwrap()
    }

    async fn calloc(&mut self, arena: ResourceAny, count: u32, size: u32) -> Result<u32, Error> {
        let (calls, store) = self.calls();
        calls.call_calloc(store, arena, count, size).await.unwrap()
    }

    async fn strdup(&mut self, arena: ResourceAny, text: &str) -> Result<u32, Error> {
        let (calls, store) = self.calls();
        calls.call_strdup(store, arena, text).await.unwrap()
    }

    async fn strndup(
        &mut self,
        arena: ResourceAny,
        text: &str,
        max: u32,
    ) -> Result<(u32, u32), Error> {
        let (calls, store) = self.calls();
        calls.call_strndup(store, arena, text, max).await.unwrap()
    }

    async fn read(&mut self, arena: ResourceAny, at: u32, len: u32) -> Result<Vec<u8>, Error> {
        let (calls, store) = self.calls();
        calls.call_read(store, arena, at, len).await.unwrap()
    }

    async fn write(&mut self, arena: ResourceAny, at: u32, bytes: &[u8]) -> Result<(), Error> {
        let (calls, store) = self.calls();
        calls.call_write(store, arena, at, bytes).await.unwrap()
    }

    async fn reset(&mut self, arena: ResourceAny) {
        let (calls, store) = self.calls();
        calls.call_reset(store, arena).await.unwrap();
    }

    /// The figures, with every identity between them checked.
    async fn usage(&mut self, arena: ResourceAny) -> Usage {
        let (calls, store) = self.calls();
        let usage = calls.call_usage(&mut *store, arena).await.unwrap();
        let used = calls.call_used(&mut *store, arena).await.unwrap();
        let total = calls
            .call_total_allocated(&mut *store, arena)
            .await
            .unwrap();
        assert_eq!((usage.used, usage.total_allocated), (used, total));
        let sum = usage.used + usage.tail_waste + usage.free + usage.overhead;
        assert_eq!(usage.committed, sum, "{usage:?}");
        assert_eq!(usage.total_allocated, usage.committed - usage.overhead);
        assert_eq!(usage.overhead, u64::from(usage.blocks) * HEADER);
        usage
    }

    async fn drop_arena(&mut self, arena: ResourceAny) {
        arena.resource_drop_async(&mut self.store).await.unwrap();
    }
}

#[test]
fn the_component_imports_nothing() {
    let bytes = std::fs::read(support::component(".")).unwrap();
    let inspection = Inspection::of(&bytes).unwrap();
    assert_eq!(inspection.imports, Vec::<String>::new());
    assert!(inspection.rewinds && inspection.doors.is_empty());
    // The size is in the README; a jump of it would make that a lie.
    assert!(
        (10_000..55_000).contains(&inspection.bytes),
        "{} bytes",
        inspection.bytes
    );
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let mut guest = Guest::new().await;
    let arena = guest.arena().await;
    let at = guest.alloc(arena, 100).await.unwrap();
    assert_eq!(at % 8, 0);
    let bytes: Vec<u8> = (0..100).collect();
    guest.write(arena, at, &bytes).await.unwrap();
    assert_eq!(guest.read(arena, at, 100).await.unwrap(), bytes);
    assert_eq!(guest.read(arena, at + 10, 5).await.unwrap(), bytes[10..15]);
    assert_eq!(guest.usage(arena).await.used, 104);
}

#[tokio::test]
async fn strings_are_copied_and_cut_between_characters() {
    let mut guest = Guest::new().await;
    let arena = guest.arena().await;
    let at = guest.strdup(arena, "lavande €").await.unwrap();
    let bytes = guest.read(arena, at, 11).await.unwrap();
    assert_eq!(bytes, "lavande €".as_bytes());

    let (at, len) = guest.strndup(arena, "lavande €", 10).await.unwrap();
    assert_eq!(len, 8, "the euro sign has three bytes and two fit");
    assert_eq!(guest.read(arena, at, len).await.unwrap(), b"lavande ");
    let (_, len) = guest.strndup(arena, "short", u32::MAX).await.unwrap();
    assert_eq!(len, 5);
}

#[tokio::test]
async fn cleared_memory_is_zero_after_reuse() {
    let mut guest = Guest::new().await;
    let arena = guest.arena().await;
    for _ in 0..3 {
        let at = guest.calloc(arena, 1_000, 8).await.unwrap();
        assert_eq!(guest.read(arena, at, 8_000).await.unwrap(), [0; 8_000]);
        guest.write(arena, at, &[0xFF; 8_000]).await.unwrap();
        guest.reset(arena).await;
    }
}

#[tokio::test]
async fn a_reset_makes_addresses_stale_and_hands_them_out_again() {
    let mut guest = Guest::new().await;
    let arena = guest.arena().await;
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let mut places = Vec::new();
        for size in [40_000, 40_000, 200_000, 16, 30_000] {
            places.push(guest.alloc(arena, size).await.unwrap());
        }
        rounds.push((places.clone(), guest.usage(arena).await.committed));
        guest.reset(arena).await;
        for at in places {
            assert_eq!(
                guest.read(arena, at, 1).await,
                Err(Error::StaleAddress),
                "0x{at:x} is not in use any more"
            );
            assert_eq!(guest.write(arena, at, b"x").await, Err(Error::StaleAddress));
        }
    }
    assert!(rounds.iter().all(|round| *round == rounds[0]), "{rounds:?}");
    assert_eq!(guest.usage(arena).await.resets, 5);
}

#[tokio::test]
async fn no_address_outside_of_what_was_handed_out_is_good() {
    let mut guest = Guest::new().await;
    let arena = guest.arena().await;
    // The block grows in place for the large one, which is the last.
    let large = guest.alloc(arena, 100_000).await.unwrap();
    let at = guest.alloc(arena, 16).await.unwrap();
    for (at, len) in [
        (0, 1),
        (at, 17),
        (at + 16, 1),
        (at, u32::MAX),
        (u32::MAX, 1),
        (u32::MAX, u32::MAX),
        (large, 100_017),
        (large - 1, 1),
    ] {
        assert_eq!(
            guest.read(arena, at, len).await,
            Err(Error::StaleAddress),
            "0x{at:x} + {len}"
        );
    }
    assert!(guest.read(arena, large, 100_000).await.is_ok());
}

#[tokio::test]
async fn sizes_that_no_memory_holds_are_errors_and_never_traps() {
    let mut guest = Guest::with_memory(4 * 1024 * 1024).await;
    let arena = guest.arena().await;
    guest.alloc(arena, 8).await.unwrap();
    let before = guest.usage(arena).await;
    let (count, size) = ((1 << 29) + 1, 8);
    assert_eq!(guest.calloc(arena, count, size).await, Err(Error::Layout));
    assert_eq!(
        guest.calloc(arena, u32::MAX, u32::MAX).await,
        Err(Error::Layout)
    );
    for size in [u32::MAX, u32::MAX - 3, u32::MAX - 7] {
        assert_eq!(guest.alloc(arena, size).await, Err(Error::Layout));
    }
    // A size that a memory could hold, and this one does not.
    for size in [(1 << 31) - 65_536, 8 << 20] {
        assert_eq!(
            guest.alloc(arena, size).await,
            Err(Error::OutOfMemory(size.into()))
        );
    }
    assert_eq!(guest.usage(arena).await, before, "the cursor has not moved");
    assert_eq!(guest.alloc(arena, 0).await.map(|at| at % 8), Ok(0));
}

#[tokio::test]
async fn a_memory_that_is_full_fails_calls_until_a_reset_and_not_longer() {
    let mut guest = Guest::with_memory(2 * 1024 * 1024).await;
    let arena = guest.arena().await;
    let mut first = None;
    for round in 0..3 {
        let mut got = 0;
        let error = loop {
            match guest.alloc(arena, 60_000).await {
                Ok(_) => got += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, Error::OutOfMemory(60_000));
        assert_eq!(*first.get_or_insert(got), got, "round {round}");
        guest.usage(arena).await;
        guest.reset(arena).await;
    }
    assert!(first.is_some_and(|got| got > 10));
}

#[tokio::test]
async fn a_block_size_is_checked_and_rounded_up_to_pages() {
    let mut guest = Guest::new().await;
    for size in [0, 7, 100, (1 << 30) + 8, u32::MAX] {
        let refused = guest.with_block_size(size).await;
        assert_eq!(refused.map(|_| ()), Err(Error::BlockSize), "{size}");
    }
    for (size, committed) in [(8, PAGE), (65_536, PAGE), (65_544, 2 * PAGE)] {
        let arena = guest.with_block_size(size).await.unwrap();
        guest.alloc(arena, 8).await.unwrap();
        assert_eq!(guest.usage(arena).await.committed, committed, "{size}");
    }
}

#[tokio::test]
async fn pages_of_a_dropped_arena_serve_the_next_one() {
    let mut guest = Guest::with_memory(2 * 1024 * 1024).await;
    for _ in 0..200 {
        let arena = guest.arena().await;
        guest.alloc(arena, 300_000).await.unwrap();
        let small = guest.alloc(arena, 40_000).await.unwrap();
        guest.write(arena, small, &[1; 40_000]).await.unwrap();
        guest.drop_arena(arena).await;
    }
    // Several at once share what is there.
    let arenas = [guest.arena().await, guest.arena().await];
    for arena in arenas {
        let at = guest.calloc(arena, 1, 60_000).await.unwrap();
        let zeros = guest.read(arena, at, 60_000).await.unwrap();
        assert!(zeros.iter().all(|&byte| byte == 0));
    }
}

#[tokio::test]
async fn a_rewind_clears_every_arena_and_its_figures_are_their_sum() {
    let mut guest = Guest::new().await;
    let rewinding = Rewinding::new(&mut guest.store, &guest.instance).unwrap();
    let invocation = rewinding.lavandula_arena_invocation();
    let refused = invocation.call_rewind(&mut guest.store).await.unwrap();
    assert!(matches!(refused, Err(Error::State(_))), "not sealed yet");
    let sealed = invocation.call_seal(&mut guest.store).await.unwrap();
    assert_eq!(sealed, Ok(()));

    let (a, b) = (guest.arena().await, guest.arena().await);
    let at = guest.strdup(a, "a secret").await.unwrap();
    guest.strdup(b, "another secret").await.unwrap();
    let sum = invocation.call_usage(&mut guest.store).await.unwrap();
    assert_eq!(sum.used, 8 + 16);
    assert_eq!(sum.committed, 2 * PAGE);

    let rewound = invocation.call_rewind(&mut guest.store).await.unwrap();
    assert_eq!(rewound, Ok(()));
    assert_eq!(guest.read(a, at, 8).await, Err(Error::StaleAddress));
    // Handed out again without being cleared, it shows what was left: nothing.
    assert_eq!(guest.alloc(a, 8).await, Ok(at));
    assert_eq!(guest.read(a, at, 8).await.unwrap(), [0; 8]);
}
