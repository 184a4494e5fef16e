//! A door of one's own: a program that waits for requests within itself is put back after
//! each, to the byte, and what it had before the first one stays.
//!
//! The runtime is the test: it runs the core module with an ABI of three functions, and
//! looks at all of linear memory each time when the program asks for its next request.

mod support;

use support::component_with;
use wasmtime::{Caller, Engine, Extern, Linker, Module, Store, Trap};

const GUEST: &str = "tests/guests/door";

/// What every request contains, so that it is found in memory.
const MARKER: &str = "a marker of this test, of request";

/// What the runtime has seen.
#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    answers: Vec<String>,
    output: String,
    /// All of memory when the program asked for another request, for each time.
    memories: Vec<Vec<u8>>,
    asked: usize,
}

/// Runs the program until it ends.
fn run(features: &[&'static str], requests: Vec<String>) -> (Seen, wasmtime::Result<()>) {
    let engine = Engine::default();
    let module = component_with(GUEST, None, features);
    let module = Module::from_file(&engine, module).expect("a core module");
    let mut linker = Linker::<Seen>::new(&engine);
    runtime(&mut linker).expect("each is defined once");
    platform(&mut linker).expect("each is defined once");
    let seen = Seen {
        requests,
        ..Seen::default()
    };
    let mut store = Store::new(&engine, seen);
    let instance = linker.instantiate(&mut store, &module);
    let instance = instance.expect("it needs nothing else");
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
    let ended = start.expect("a program").call(&mut store, ());
    (store.into_data(), ended)
}

fn requests(count: usize) -> Vec<String> {
    // Alike in length, so that memory may be alike.
    (0..count).map(|n| format!("{MARKER} {n:04}")).collect()
}

fn memory<'a>(caller: &'a mut Caller<'_, Seen>) -> (&'a mut [u8], &'a mut Seen) {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        panic!("it has a memory");
    };
    memory.data_and_store_mut(caller)
}

fn text(memory: &[u8], at: u32, len: u32) -> String {
    let (at, len) = (at as usize, len as usize);
    String::from_utf8_lossy(&memory[at..at + len]).into_owned()
}

fn runtime(linker: &mut Linker<Seen>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "runtime",
        "next",
        |mut caller: Caller<'_, Seen>, answered: u32| {
            let (memory, seen) = memory(&mut caller);
            let copy = memory.to_vec();
            assert_eq!(
                answered as usize, seen.asked,
                "it counts what no static could"
            );
            seen.memories.push(copy);
            seen.asked += 1;
            let request = seen.requests.get(answered as usize);
            request.map_or(u32::MAX, |request| request.len() as u32)
        },
    )?;
    linker.func_wrap(
        "runtime",
        "read",
        |mut caller: Caller<'_, Seen>, to: u32| {
            let (memory, seen) = memory(&mut caller);
            let request = seen.requests[seen.asked - 1].as_bytes();
            memory[to as usize..][..request.len()].copy_from_slice(request);
        },
    )?;
    linker.func_wrap(
        "runtime",
        "answer",
        |mut caller: Caller<'_, Seen>, at: u32, len: u32| {
            let (memory, seen) = memory(&mut caller);
            let answer = text(memory, at, len);
            seen.answers.push(answer);
        },
    )?;
    Ok(())
}

/// What of WASI 0.1 the program makes use of, or might.
fn platform(linker: &mut Linker<Seen>) -> wasmtime::Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, Seen>, fd: u32, pieces: u32, count: u32, written: u32| {
            let (memory, seen) = memory(&mut caller);
            let word = |at: u32| {
                let bytes = memory[at as usize..].first_chunk().expect("in memory");
                u32::from_le_bytes(*bytes)
            };
            let mut all = 0;
            let mut said = String::new();
            for n in 0..count {
                let (at, len) = (word(pieces + 8 * n), word(pieces + 8 * n + 4));
                said.push_str(&text(memory, at, len));
                all += len;
            }
            assert!(fd == 1 || fd == 2);
            seen.output.push_str(&said);
            memory[written as usize..][..4].copy_from_slice(&all.to_le_bytes());
            0_u32
        },
    )?;
    linker.func_wrap(WASI, "fd_close", |fd: u32| -> u32 {
        panic!("{fd} was open before the program began, and would be closed for good")
    })?;
    linker.func_wrap(
        WASI,
        "environ_sizes_get",
        |mut caller: Caller<'_, Seen>, count: u32, bytes: u32| {
            let (memory, _) = memory(&mut caller);
            for at in [count, bytes] {
                memory[at as usize..][..4].fill(0);
            }
            0_u32
        },
    )?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| 0_u32)?;
    linker.func_wrap(
        WASI,
        "random_get",
        |mut caller: Caller<'_, Seen>, at: u32, len: u32| {
            memory(&mut caller).0[at as usize..][..len as usize].fill(4);
            0_u32
        },
    )?;
    linker.func_wrap(WASI, "proc_exit", |status: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("it ended with {status}")))
    })?;
    Ok(())
}

/// How often a marker lies in memory.
fn finds(memory: &[u8]) -> usize {
    let text = MARKER.as_bytes();
    memory
        .windows(text.len())
        .filter(|window| *window == text)
        .count()
}

#[test]
fn each_request_finds_the_program_as_the_first_one_did() {
    let (seen, ended) = run(&[], requests(50));
    ended.expect("it ends when there are no more");
    assert_eq!(seen.answers.len(), 50);
    assert!(
        seen.answers[0].starts_with("served=0 first=10 all=200 last=0 prepared=3 malloc="),
        "{}",
        seen.answers[0]
    );
    for answer in &seen.answers {
        assert_eq!(*answer, seen.answers[0]);
    }
    // What it says arrives, in the last request too.
    assert_eq!(seen.output.matches("said of").count(), 50);
}

#[test]
fn nothing_of_a_request_is_in_memory_while_the_program_waits_for_the_next() {
    let (seen, ended) = run(&[], requests(50));
    ended.expect("it ends when there are no more");
    assert_eq!(seen.memories.len(), 51);
    for (n, memory) in seen.memories.iter().enumerate() {
        assert_eq!(finds(memory), 0, "after {n} requests");
    }
    // What comes is as long as what came, so that counters are all that may differ.
    let second = &seen.memories[1];
    for (n, memory) in seen.memories.iter().enumerate().skip(2) {
        assert_eq!(memory.len(), second.len(), "it grew after {n} requests");
        let differ = memory.iter().zip(second).filter(|(a, b)| a != b).count();
        assert!(differ <= 8, "{differ} bytes differ after {n} requests");
    }
}

#[test]
fn with_the_platforms_allocator_requests_find_each_other() {
    let (seen, ended) = run(&["platform-heap"], requests(5));
    ended.expect("it ends when there are no more");
    assert!(seen.answers[4].starts_with("served=4 first=10 all=1000 last=38 prepared=3"));
    assert!(seen.memories.iter().skip(1).all(|memory| finds(memory) > 0));
}

#[test]
fn a_trap_ends_the_program() {
    let mut several = requests(3);
    several[1] = "trap".to_owned();
    let (seen, ended) = run(&[], several);
    let error = ended.expect_err("it traps");
    assert_eq!(
        error.downcast_ref::<Trap>(),
        Some(&Trap::UnreachableCodeReached)
    );
    assert_eq!((seen.asked, seen.answers.len()), (2, 1));
}

#[test]
fn the_program_cannot_start_itself_again() {
    let (seen, ended) = run(&[], vec!["again".to_owned(), format!("{MARKER} 0000")]);
    ended.expect("it ends when there are no more");
    assert_eq!(seen.answers[0], "1");
    assert!(
        seen.answers[1].starts_with("served=0 "),
        "{}",
        seen.answers[1]
    );
    assert!(
        seen.output.contains("an invocation is running"),
        "{}",
        seen.output
    );
}
