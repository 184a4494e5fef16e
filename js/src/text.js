// Strings into memory. `encodeInto` writes straight into the arena, which is
// many times as fast as handing a string to wasm-bindgen and copying it there,
// and has no copy that could trap for want of memory.

const encoder = new TextEncoder();

/** The most bytes of UTF-8 that one unit of UTF-16 needs. */
const BYTES_PER_UNIT = 3;

/** Up to here, half a block, room for the worst case is taken; counting would cost more. */
const RESERVED_AT_ONCE = 32 * 1024;

/** Up to so many units of UTF-16 a text is short. */
const SHORT = 32;

const short = new Uint8Array(SHORT * BYTES_PER_UNIT);

/**
 * Encodes a short text, for `putShort`, and returns how many bytes it has; -1 where it
 * is not short.
 *
 * A view for `encodeInto` takes longer than all the rest then, and this one is there.
 */
export function encodeShort(text) {
  return text.length > SHORT ? -1 : encoder.encodeInto(text, short).written;
}

/** Puts what `encodeShort` has just encoded into memory. */
export function putShort(bytes, at, count) {
  for (let index = 0; index < count; index += 1) bytes[at + index] = short[index];
}

/**
 * Writes at most `most` bytes of `text`, which is well formed, and never part of
 * a character. Returns their address, with their number in `written`; 0 where
 * there is no memory, and then the arena is as it was.
 *
 * @param instance an instance that has not ended
 * @param arena the address of the arena
 */
export function writeText(instance, arena, text, most) {
  const { wasm } = instance;
  // Right for ASCII, and right to begin with for anything else.
  const room = Math.min(text.length, most);
  const at = wasm.arena_alloc(arena, room) >>> 0;
  if (at === 0) return 0;
  const { read, written: first } = encoder.encodeInto(text, bytes(instance, at, room));
  if (read === text.length || room === most) return finish(wasm, arena, at, room, first);
  return writeRest(instance, arena, text, { most, at, room, read, first });
}

/** How many bytes the last `writeText` wrote. */
export let written = 0;

function writeRest(instance, arena, text, { most, at, room, read, first }) {
  const { wasm } = instance;
  const rest = text.slice(read);
  const worst = rest.length * BYTES_PER_UNIT;
  let needed = Math.min(most, first + (worst <= RESERVED_AT_ONCE ? worst : utf8Length(rest)));
  let moved = wasm.arena_grow(arena, at, room, needed) >>> 0;
  if (moved === 0 && worst <= RESERVED_AT_ONCE) {
    // The worst case does not fit; what is really needed may.
    needed = Math.min(most, first + utf8Length(rest));
    moved = wasm.arena_grow(arena, at, room, needed) >>> 0;
  }
  if (moved === 0) {
    wasm.arena_shrink(arena, at, room, 0);
    return 0;
  }
  const more = encoder.encodeInto(rest, bytes(instance, moved + first, needed - first));
  return finish(wasm, arena, moved, needed, first + more.written);
}

/** Gives back what was taken and not needed. */
function finish(wasm, arena, at, room, used) {
  if (used < room) wasm.arena_shrink(arena, at, room, used);
  written = used;
  return at;
}

function bytes(instance, at, length) {
  return new Uint8Array(instance.buffer, at, length);
}

/** How many bytes of UTF-8 a well-formed text has. */
export function utf8Length(text) {
  let count = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    // Each half of a pair counts two: four for the pair.
    count += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return count;
}
