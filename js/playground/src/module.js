// The module of the package with a maximum of memory, so that running out of it
// takes a moment instead of 4 GiB.

import bytes from 'lavandula/core_bg.wasm';
import { Arena, Runtime } from 'lavandula/slim';

export const PAGE = 65_536;

const MEMORY = 5;

/** The module as it is. */
export let plain = null;

/** Where the first block of an arena is: behind all that a fresh instance has. */
export let ground = 0;

/** Has to be done before anything else. */
export async function prepare() {
  plain = await WebAssembly.compile(bytes);
  ground = groundOf(plain);
}

/** The module, with room for `room` bytes of blocks. */
export function withRoom(room) {
  return WebAssembly.compile(withMaximum((ground + room) / PAGE));
}

function groundOf(module) {
  const runtime = Runtime.create({ module });
  const arena = new Arena(runtime);
  const { memoryBytes } = runtime;
  arena.free();
  runtime.recycle();
  return memoryBytes;
}

/** The bytes of the module whose memory has at most `pages`: all sections but that
 *  of the memory are left as they are. */
function withMaximum(pages) {
  // Behind the magic number and the version.
  for (let at = 8; at < bytes.length; ) {
    const { value: length, next: start } = number(at + 1);
    if (bytes[at] === MEMORY) {
      // One memory, flags, least.
      const { value: least } = number(start + 2);
      const section = [1, 1, ...leb(least), ...leb(pages)];
      return Uint8Array.of(...bytes.subarray(0, at), MEMORY, ...leb(section.length), ...section, ...bytes.subarray(start + length));
    }
    at = start + length;
  }
  throw new Error('the module has no memory of its own; build it anew with `npm run core`');
}

/** An unsigned number in LEB128. */
function number(at) {
  let value = 0;
  for (let shift = 0, next = at; ; shift += 7, next += 1) {
    value += (bytes[next] & 0x7f) * 2 ** shift;
    if (bytes[next] < 0x80) return { value, next: next + 1 };
  }
}

function leb(value) {
  const made = [];
  do {
    made.push((value % 128) + (value >= 128 ? 128 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return made;
}
