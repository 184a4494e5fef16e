//! What the generated bindings call: wit-bindgen's own, but for what has to know
//! about invocations.

use core::ptr;

pub use wit_bindgen::rt::*;

use crate::instance;

/// Runs the static constructors, once. Generated code begins with this.
pub fn run_ctors_once() {
    instance::construct(wit_bindgen::rt::run_ctors_once);
}

/// Nothing: `export!` exports `cabi_realloc`.
pub fn maybe_link_cabi_realloc() {}

/// Asynchronous calls: as they are, but for the beginning and the end of each.
pub mod async_support {
    pub use wit_bindgen::rt::async_support::*;

    use crate::overlap::{self, Pause};

    /// Begins an invocation. `task` ends when it has returned its response.
    pub fn start_task(task: impl Future<Output = ()> + 'static) -> i32 {
        overlap::begin();
        let code = wit_bindgen::rt::async_support::start_task(async move {
            task.await;
            if let Some(rest) = overlap::rest() {
                rest.await;
            }
        });
        overlap::pause(what_comes(code.cast_unsigned()));
        code
    }

    /// Goes on with one, when something that it waits for has happened.
    ///
    /// # Safety
    /// As for wit-bindgen's own.
    pub unsafe fn callback(event: u32, waitable: u32, status: u32) -> u32 {
        // SAFETY: by the contract.
        let code = unsafe { wit_bindgen::rt::async_support::callback(event, waitable, status) };
        overlap::pause(what_comes(code));
        code
    }

    /// Of the canonical ABI's codes, zero is the end.
    fn what_comes(code: u32) -> Pause {
        match code & 0xF {
            0 => Pause::Ended,
            _ => Pause::Waits,
        }
    }
}

/// The canonical ABI's allocation function, by which a host puts values into
/// memory: arguments before a call, results of imports within one.
///
/// # Safety
/// As the canonical ABI has it: `old_len` is zero, or `old` came from here with
/// `old_len` and `align`. `align` is a power of two.
#[inline]
pub unsafe fn cabi_realloc(old: *mut u8, old_len: usize, align: usize, new_len: usize) -> *mut u8 {
    use core::alloc::Layout;

    instance::receive();
    // SAFETY: by the contract; the sizes come from a host that keeps them below
    // the limits of memory.
    let start = unsafe {
        if old_len == 0 {
            if new_len == 0 {
                return ptr::without_provenance_mut(align);
            }
            alloc::alloc::alloc(Layout::from_size_align_unchecked(new_len, align))
        } else {
            let layout = Layout::from_size_align_unchecked(old_len, align);
            alloc::alloc::realloc(old, layout, new_len)
        }
    };
    if start.is_null() {
        // The canonical ABI knows no other way to say so.
        core::arch::wasm32::unreachable();
    }
    start
}

/// The platform's way to grow memory, of which its `malloc` makes use: the pages
/// that a rewind took back come first. Without this it would take new ones in each
/// request, since it forgets with the rewind which ones it had.
///
/// Returns where the pages begin, or all ones where there are none, and for a
/// growth by nothing where they would begin. Memory does not shrink.
#[cfg(target_os = "wasi")]
pub fn sbrk(increment: isize) -> *mut u8 {
    use crate::arena::linear;

    const FAILED: *mut u8 = ptr::without_provenance_mut(usize::MAX);
    match usize::try_from(increment) {
        Ok(0) => ptr::with_exposed_provenance_mut(linear::end_of_memory()),
        Ok(bytes) if bytes.is_multiple_of(crate::DEFAULT_BLOCK_SIZE) => {
            linear::grow_at_the_end(bytes).map_or(FAILED, |start| start.as_ptr())
        }
        _ => FAILED,
    }
}
