//! The handler, and what it has of the platform and of libraries.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use lavandula::{Context, Door};

use crate::runtime;

#[cfg(not(feature = "platform-heap"))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

struct Program;

lavandula::door!(Program);

static SERVED: AtomicUsize = AtomicUsize::new(0);
static PREPARED: OnceLock<Vec<String>> = OnceLock::new();
static FIRST: OnceLock<String> = OnceLock::new();
static ALL: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Door for Program {
    type Request = Vec<u8>;

    fn initialise() {
        PREPARED.get_or_init(|| vec!["prepared".to_owned(); 3]);
    }

    fn next(answered: usize) -> Option<Vec<u8>> {
        runtime::next(answered)
    }

    fn answer(cx: &Context, request: Vec<u8>) {
        let text = String::from_utf8(request).unwrap_or_default();
        if text.starts_with("trap") {
            core::arch::wasm32::unreachable();
        }
        if text.starts_with("again") {
            // What the runtime starts, started by the program itself.
            runtime::answer(&runtime::start_again().to_string());
            return;
        }
        let served = SERVED.fetch_add(1, Ordering::Relaxed);
        let first = FIRST.get_or_init(|| text.repeat(10)).len() / text.len();
        let all = {
            let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend((0..200).map(|_| text.clone()));
            all.len()
        };
        let last = LAST.with_borrow_mut(|last| std::mem::replace(last, text.clone()));
        let prepared = PREPARED.get().map_or(0, Vec::len);
        let malloc = runtime::platform_memory(text.as_bytes());
        // More than the first block of the arena, so that it takes pages.
        let large = text.repeat(200_000 / text.len());
        let copy = cx.arena().strdup(&large).map_or(0, |copy| copy.len());
        println!("said of {text}");
        runtime::answer(&format!(
            "served={served} first={first} all={all} last={} prepared={prepared} malloc={malloc} copy={copy}",
            last.len(),
        ));
    }
}
