//! A handler for JavaScript: what [`export!`](crate::export) exports with the feature
//! `js`.
//!
//! A request comes in two pieces that JavaScript writes into the arena of the request:
//! its head, which is words and then bytes (see [`Head`]), and its body. The answer
//! lies in memory until JavaScript has copied it and calls again.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::{ptr, slice};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{NONE, tell};
use crate::handler::Handler;
use crate::image::zero_stack;
use crate::instance::Place;
use crate::{AllocError, Arena, Body, Header, IntoResponse, Request, Response, instance};

/// What is aligned to that can be read as any number.
const ALIGN: usize = 8;

/// The body of an answer that a library has allocated, where the global allocator
/// knows nothing of requests: kept until it was copied.
struct Kept(UnsafeCell<Vec<u8>>);

// SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
// thread.
unsafe impl Sync for Kept {}

static KEPT: Kept = Kept(UnsafeCell::new(Vec::new()));

/// Frees what the last answer has kept. JavaScript is done with it.
fn forget_answer() {
    // SAFETY: one thread, and nobody has a reference.
    unsafe { *KEPT.0.get() = Vec::new() };
}

/// Ends initialisation. Zero if it could.
#[inline(always)]
pub fn seal<T: Handler>() -> u32 {
    initialise_and_seal(T::initialise);
    end()
}

#[inline(never)]
fn initialise_and_seal(initialise: fn()) {
    instance::allocating_from(Place::Persistent, || {
        #[cfg(feature = "std")]
        last_words::keep();
        make_room_for_references();
    });
    instance::construct(wit_bindgen::rt::run_ctors_once);
    instance::reply(instance::seal(initialise));
}

/// Has wasm-bindgen's table of references to values of JavaScript grow now. It grows by
/// 128 of them, and never back: an instance in which a request did that cannot be
/// rewound.
fn make_room_for_references() {
    drop(wasm_bindgen::JsValue::from_f64(0.0));
}

/// How many values of JavaScript the handler holds on to. They are no bytes, so that a
/// rewind does not let go of them: what a request keeps, the instance keeps.
#[wasm_bindgen]
pub fn lavandula_references() -> u32 {
    wasm_bindgen::externref_heap_live_count()
}

/// Takes back what requests have left. Zero if it could.
#[inline(always)]
pub fn rewind() -> u32 {
    put_back();
    end()
}

#[inline(never)]
fn put_back() {
    forget_answer();
    instance::reply(instance::rewind());
}

#[inline(always)]
fn end() -> u32 {
    // SAFETY: only JavaScript is above this and what it is inlined into, which has
    // nothing in memory: what follows reads a static and returns a number.
    unsafe { zero_stack() };
    instance::was_refused().into()
}

/// Where the message of the panic is that has ended the instance, and how long it is.
/// Null where there is none. It may be asked after a trap.
#[wasm_bindgen]
pub fn lavandula_last_words() -> *const u32 {
    #[cfg(feature = "std")]
    return last_words::place();
    #[cfg(not(feature = "std"))]
    ptr::null()
}

/// A place for so many bytes of a request, the next of which begins here. Null where
/// there is no memory.
#[wasm_bindgen]
pub fn lavandula_receive(len: usize) -> *mut u8 {
    forget_answer();
    instance::receive();
    let Ok(layout) = Layout::from_size_align(len, ALIGN) else {
        return ptr::null_mut();
    };
    match instance::arena().alloc_layout(layout) {
        Ok(place) => place.as_ptr(),
        Err(_) => ptr::null_mut(),
    }
}

/// Where the figures of the arena are. The answer is gone after this.
#[wasm_bindgen]
pub fn lavandula_usage() -> *const u32 {
    tell(instance::usage())
}

/// Answers the request. Null where there is no memory to say even that there is none.
///
/// # Safety
/// Both pieces came from `lavandula_receive`, for this request, and were written.
pub unsafe fn handle<T: Handler>(
    head: *const u8,
    head_len: usize,
    body: *const u8,
    body_len: usize,
) -> *const u32 {
    let answer = instance::run(T::initialise, |cx| {
        // SAFETY: by the contract. They lie in the arena of this invocation, as long
        // as its context does.
        let (head, body) = unsafe { (piece(head, head_len), piece(body, body_len)) };
        let response = match Head::read(head).request(cx.arena()) {
            Ok(Some(request)) => T::handle(cx, request.with_body(body)),
            Ok(None) => Response::bad_request("the request is malformed\n", "text/plain"),
            Err(error) => error.into_response(),
        };
        lower(cx.arena(), response)
    });
    match answer {
        Ok(answer) => answer,
        // It is running or trapped: JavaScript has called where it must not.
        Err(_) => ptr::null(),
    }
}

/// # Safety
/// There are so many bytes, which stay. Where there are none, the address is any.
unsafe fn piece<'a>(at: *const u8, len: usize) -> &'a [u8] {
    if at.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: by the contract.
    unsafe { slice::from_raw_parts(at, len) }
}

/// The head of a request as JavaScript writes it: the lengths of the method, of the
/// path with the query, and of the authority (all ones where there is none), the
/// number of headers, and the lengths of each header's name and value; all of 32 bits,
/// the lowest byte first. Then all these bytes, one after the other.
struct Head<'a> {
    words: &'a [u8],
    bytes: &'a [u8],
    headers: usize,
}

/// Words before those of the headers.
const FIXED: usize = 4;

impl<'a> Head<'a> {
    /// Of what is too short for its own numbers, nothing is left.
    fn read(head: &'a [u8]) -> Self {
        let words = |count: usize| {
            count
                .checked_mul(4)
                .and_then(|len| head.split_at_checked(len))
        };
        let headers = words(FIXED).map_or(0, |(words, _)| word(&words[12..]) as usize);
        let all = headers.checked_mul(2).and_then(|more| words(more + FIXED));
        let (words, bytes) = all.unwrap_or_default();
        Self {
            words,
            bytes,
            headers,
        }
    }

    /// The request without its body. None where the numbers do not fit, or where
    /// text is none.
    fn request(mut self, arena: &'a Arena) -> Result<Option<Request<'a>>, AllocError> {
        let (Some(method), Some(path)) = (self.text(), self.text()) else {
            return Ok(None);
        };
        let authority = match self.words.first_chunk() {
            Some(&len) if u32::from_le_bytes(len) == NONE => {
                self.words = &self.words[4..];
                None
            }
            _ => match self.text() {
                None => return Ok(None),
                authority => authority,
            },
        };
        self.words = self.words.get(4..).unwrap_or_default();
        let headers = arena.alloc_slice_fill_with(self.headers, |_| Header::default())?;
        for header in &mut *headers {
            let (Some(name), Some(value)) = (self.text(), self.piece()) else {
                return Ok(None);
            };
            *header = Header { name, value };
        }
        let request = Request::new(method, path).with_authority(authority);
        Ok(Some(request.with_headers(headers)))
    }

    /// The next piece, by the next word.
    fn piece(&mut self) -> Option<&'a [u8]> {
        let (len, words) = self.words.split_at_checked(4)?;
        let (piece, bytes) = self.bytes.split_at_checked(word(len) as usize)?;
        (self.words, self.bytes) = (words, bytes);
        Some(piece)
    }

    fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.piece()?).ok()
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Puts the answer where JavaScript reads it: its status, where its headers are and
/// how many, where its body is and how long. Of a header: where its name is and how
/// long, and its value.
fn lower(arena: &Arena, response: Response<'_>) -> *const u32 {
    let lowered = try_lower(arena, response).or_else(|error| {
        arena.open_reserve();
        try_lower(arena, error.into_response())
    });
    lowered.unwrap_or(ptr::null())
}

fn try_lower(arena: &Arena, response: Response<'_>) -> Result<*const u32, AllocError> {
    let status = u32::from(response.status());
    let table = arena.alloc_slice_fill_with(response.headers().len(), |_| [0_u32; 4])?;
    for (row, header) in table.iter_mut().zip(response.headers()) {
        let ([name, name_len], [value, value_len]) =
            (place(header.name.as_bytes()), place(header.value));
        *row = [name, name_len, value, value_len];
    }
    let [headers, count] = [address(table.as_ptr()), table.len() as u32];
    let answer = arena.alloc([status, headers, count, 0, 0])?;
    let [body, len] = match response.into_body() {
        Body::Borrowed(bytes) => place(bytes),
        Body::Owned(bytes) => {
            let told = place(&bytes);
            // Freed with the arena, if it lies there, or when the next call comes.
            // SAFETY: one thread, and nobody has a reference.
            unsafe { *KEPT.0.get() = bytes };
            told
        }
    };
    answer[3..].copy_from_slice(&[body, len]);
    Ok((&raw const *answer).cast())
}

/// Memory of 32 bits: both fit.
fn place(bytes: &[u8]) -> [u32; 2] {
    [address(bytes.as_ptr()), bytes.len() as u32]
}

fn address<T>(place: *const T) -> u32 {
    place.expose_provenance() as u32
}

/// What a handler said when it panicked. Without a system below there is nobody whom
/// the standard library could tell.
#[cfg(feature = "std")]
mod last_words {
    use core::cell::UnsafeCell;
    use core::fmt::{self, Write};
    use core::ptr;

    /// Where in the source, and a sentence or two.
    const MOST: usize = 1024;

    /// Of a size that is there from the beginning: a handler that has run out of memory
    /// panics too.
    struct Words {
        place: [u32; 2],
        text: [u8; MOST],
        len: usize,
    }

    struct Kept(UnsafeCell<Words>);

    // SAFETY: without atomics, which `LinearMemory` refuses, an instance runs on one
    // thread.
    unsafe impl Sync for Kept {}

    static WORDS: Kept = Kept(UnsafeCell::new(Words {
        place: [0; 2],
        text: [0; MOST],
        len: 0,
    }));

    impl Write for Words {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let room = &mut self.text[self.len..];
            let len = text.len().min(room.len());
            room[..len].copy_from_slice(&text.as_bytes()[..len]);
            self.len += len;
            Ok(())
        }
    }

    /// Keeps them from now on. A hook of the handler's own takes this one's place.
    pub(super) fn keep() {
        std::panic::set_hook(std::boxed::Box::new(|panic| {
            // SAFETY: one thread, which does not come back from here.
            let words = unsafe { &mut *WORDS.0.get() };
            words.len = 0;
            // It writes to memory of its own, and does not fail.
            let _ = write!(words, "{panic}");
        }));
    }

    pub(super) fn place() -> *const u32 {
        // SAFETY: one thread, and nobody has a reference: JavaScript has called in.
        let words = unsafe { &mut *WORDS.0.get() };
        if words.len == 0 {
            return ptr::null();
        }
        words.place = [super::address(words.text.as_ptr()), words.len as u32];
        words.place.as_ptr()
    }
}
