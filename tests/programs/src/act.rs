//! The operations that allocate: each checks what it got before anybody writes
//! to it, and returns where that is.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use core::fmt;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use lavandula::{AllocError, Arena, PageSource};

use crate::pattern::{self, TABLE};
use crate::program::{Huge, Op, Value};
use crate::session::Session;
use crate::transcript::Outcome;

/// What the strings are made of: characters of one to four bytes.
const TEXT: &str =
    "aé√𝄞 lavandula ↟ αβγδε naïve 𝛑≈3.14159 ß — Ünïcödé … 永和九年,歳在癸丑,暮春之初";

/// Bytes at the end of a piece of memory that a closure allocates meanwhile.
const NESTED: Layout = match Layout::from_size_align(24, 8) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

type Made = Result<(NonNull<u8>, Layout), AllocError>;

/// A value that is aligned to more than the arena's least alignment.
#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(align(64))]
struct Aligned([u64; 8]);

/// Performs an operation that allocates in `arena`, whose number is `id`.
pub fn allocate<P: PageSource>(
    arena: &Arena<P>,
    id: u32,
    op: &Op,
    session: &mut Session<'_>,
) -> Outcome {
    let nested = RefCell::new(Vec::new());
    let made = match *op {
        Op::Layout { size, align } => {
            let layout = layout(size, align);
            arena.alloc_layout(layout).map(|at| (at, layout))
        }
        Op::Zeroed { size, align } => {
            let layout = layout(size, align);
            let made = arena.alloc_zeroed(layout).map(|at| (at, layout));
            made.inspect(|&(at, layout)| is_zero(at, layout.size()))
        }
        Op::Allocate {
            size,
            align,
            zeroed,
        } => match through_allocator(arena, layout(size, align), zeroed) {
            Some(made) => Ok(made),
            None => return Outcome::Refused,
        },
        Op::Calloc { count, size } => arena.calloc(count, size).map(|bytes| {
            assert_eq!(bytes.len(), count * size);
            assert!(pattern::all_are(bytes, 0), "calloc is not zero");
            place(bytes)
        }),
        Op::Copy { len } => {
            let from = &TABLE[..len.min(TABLE.len())];
            arena.alloc_slice_copy(from).map(|bytes| {
                assert_eq!(bytes, from);
                place(bytes)
            })
        }
        Op::Strdup { len } => {
            let text = text(len);
            arena.strdup(text).map(|copy| {
                assert_eq!(copy, text);
                place(copy)
            })
        }
        Op::Strndup { len, max } => {
            let text = text(len);
            arena.strndup(text, max).map(|copy| {
                let longest = (0..=max.min(text.len())).rfind(|&end| text.is_char_boundary(end));
                assert_eq!(Some(&*copy), longest.and_then(|end| text.get(..end)));
                place(copy)
            })
        }
        Op::Value(value) => self::value(arena, value),
        Op::Fill { len, wide } => fill(arena, len, wide),
        Op::FillNested { len } => {
            let made = arena.alloc_slice_fill_with(len, |i| {
                if i % 16 == 0 {
                    nested.borrow_mut().extend(arena.alloc_layout(NESTED));
                }
                i as u32
            });
            made.map(|values| {
                assert!(values.iter().copied().eq(0..len as u32));
                place(values)
            })
        }
        Op::Format { len, number } => {
            let text = text(len);
            let made = arena.alloc_fmt(format_args!("{text}/{number:x}+{text}"));
            made.map(|written| {
                assert_eq!(*written, *alloc::format!("{text}/{number:x}+{text}"));
                place(written)
            })
        }
        Op::FormatNested { pieces, len } => {
            let text = text(len);
            let busy = fmt::from_fn(|f| {
                for _ in 0..pieces {
                    f.write_str(text)?;
                    nested.borrow_mut().extend(arena.alloc_layout(NESTED));
                }
                Ok(())
            });
            let made = arena.alloc_fmt(format_args!("[{busy}]"));
            made.map(|written| {
                assert_eq!(*written, *alloc::format!("[{}]", text.repeat(pieces)));
                place(written)
            })
        }
        Op::FormatRefused { len } => {
            let refusing = fmt::from_fn(|f| {
                f.write_str(text(len))?;
                Err(fmt::Error)
            });
            let made = arena.alloc_fmt(format_args!("<{refusing}>"));
            made.map(place)
        }
        Op::Huge(huge) => self::huge(arena, huge),
        _ => return Outcome::Skipped,
    };
    for at in nested.into_inner() {
        session.made(id, at, NESTED);
    }
    match made {
        Ok((at, layout)) => session.made(id, at, layout),
        Err(error) => Outcome::error(error),
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("the decoder's sizes are small")
}

/// About `len` bytes of text.
fn text(len: usize) -> &'static str {
    let end = (0..=len % (TEXT.len() + 1)).rfind(|&end| TEXT.is_char_boundary(end));
    end.and_then(|end| TEXT.get(..end)).unwrap_or_default()
}

/// Where a reference points to, and to how much.
fn place<T: ?Sized>(value: &mut T) -> (NonNull<u8>, Layout) {
    let layout = Layout::for_value(value);
    (NonNull::from(value).cast(), layout)
}

fn is_zero(at: NonNull<u8>, len: usize) {
    // SAFETY: `len` bytes at `at` were just handed out, zeroed.
    let bytes = unsafe { core::slice::from_raw_parts(at.as_ptr(), len) };
    assert!(
        pattern::all_are(bytes, 0),
        "not zero: {len} bytes at {at:?}"
    );
}

fn through_allocator<P: PageSource>(
    allocator: impl Allocator + AsArena<P>,
    layout: Layout,
    zeroed: bool,
) -> Option<(NonNull<u8>, Layout)> {
    let made = if zeroed {
        allocator.allocate_zeroed(layout)
    } else {
        allocator.allocate(layout)
    };
    let made = made.ok()?;
    assert!(made.len() >= layout.size());
    if zeroed {
        is_zero(made.cast(), layout.size());
    }
    Some((made.cast(), layout))
}

/// Says that the allocator meant is the arena, by its reference.
trait AsArena<P> {}

impl<P: PageSource> AsArena<P> for &Arena<P> {}

fn value<P: PageSource>(arena: &Arena<P>, value: Value) -> Made {
    match value {
        Value::Unit => arena.alloc(()).map(place),
        Value::Words => arena.alloc([1_u64, 2, 3]).map(|words| {
            assert_eq!(words, &[1, 2, 3]);
            place(words)
        }),
        Value::Aligned => arena.alloc(Aligned([7; 8])).map(|aligned| {
            assert_eq!(aligned, &Aligned([7; 8]));
            place(aligned)
        }),
        Value::LargerThanAPage => arena.alloc([3_u8; 66_000]).map(|bytes| {
            assert!(pattern::all_are(bytes, 3));
            place(bytes)
        }),
    }
}

fn fill<P: PageSource>(arena: &Arena<P>, len: usize, wide: bool) -> Made {
    if wide {
        let make = |i| Aligned([i as u64; 8]);
        arena.alloc_slice_fill_with(len, make).map(|values| {
            assert!(values.iter().copied().eq((0..len).map(make)));
            place(values)
        })
    } else {
        arena
            .alloc_slice_fill_with(len, |i| i as u16)
            .map(|values| {
                assert!(values.iter().copied().eq((0..len).map(|i| i as u16)));
                place(values)
            })
    }
}

/// Asks for what no memory holds: an error, whatever the arena has.
fn huge<P: PageSource>(arena: &Arena<P>, huge: Huge) -> Made {
    let made = match huge {
        Huge::Layout { below } => {
            let layout = layout(isize::MAX as usize - 7 - below, 8);
            arena.alloc_layout(layout).map(|at| (at, layout))
        }
        Huge::Calloc { below } => arena.calloc(1, usize::MAX - below).map(place),
        Huge::Product => arena.calloc(usize::MAX / 8 + 2, 8).map(place),
        Huge::Slice => arena
            .alloc_slice_fill_with(usize::MAX / 4, |i| i as u64)
            .map(place),
        Huge::Reserve => {
            let mut buffer = arena.buffer();
            let reserved = buffer.reserve(isize::MAX as usize - 100);
            reserved.map(|()| place(buffer.finish()))
        }
    };
    assert!(made.is_err(), "{huge:?} was allocated: {made:?}");
    made
}
