// The module of the package as the tests want it: with a maximum of memory, or
// with a function that traps. Only the bytes are changed that say so.

import { readFileSync } from 'node:fs';

const MEMORY = 5;
const EXPORT = 7;
const CODE = 10;
const FUNCTION = 0;

export const bytes = readFileSync(new URL('../../dist/core_bg.wasm', import.meta.url));

export const plain = () => new WebAssembly.Module(bytes);

/** The module whose memory ends `pages` pages behind what it begins with. Another one by its bytes. */
export function limited(pages, of = bytes) {
  return compile(of, MEMORY, (section) => {
    // One memory, flags, least.
    const { value: least } = number(section, 2);
    return [1, 1, ...leb(least), ...leb(least + pages)];
  });
}

/** The module whose export `name` is `unreachable`. */
export function trapping(name) {
  const module = plain();
  const functions = WebAssembly.Module.imports(module).filter(({ kind }) => kind === 'function').length;
  const index = functionIndex(name) - functions;
  return compile(bytes, CODE, (section) => {
    let { value: count, next } = number(section, 0);
    const bodies = [...leb(count)];
    for (let at = 0; at < count; at += 1) {
      const { value: size, next: start } = number(section, next);
      next = start + size;
      // No locals, `unreachable`, `end`.
      if (at === index) bodies.push(3, 0, 0, 0x0b);
      else bodies.push(...leb(size), ...section.subarray(start, next));
    }
    return bodies;
  });
}

function functionIndex(name) {
  for (const { id, content } of sections(bytes)) {
    if (id !== EXPORT) continue;
    let { value: count, next } = number(content, 0);
    for (; count > 0; count -= 1) {
      const { value: length, next: start } = number(content, next);
      const found = Buffer.from(content.subarray(start, start + length)).toString();
      const kind = content[start + length];
      const { value: index, next: end } = number(content, start + length + 1);
      next = end;
      if (found === name && kind === FUNCTION) return index;
    }
  }
  throw new Error(`core_bg.wasm does not export ${name}`);
}

/** The module with another content of one section. */
function compile(of, which, change) {
  const parts = [of.subarray(0, 8)];
  let changed = false;
  for (const { id, content } of sections(of)) {
    const made = id === which ? Uint8Array.from(change(content)) : content;
    changed ||= id === which;
    parts.push(Uint8Array.of(id, ...leb(made.length)), made);
  }
  if (!changed) throw new Error(`the module has no section ${which}`);
  return new WebAssembly.Module(Buffer.concat(parts));
}

function* sections(bytes) {
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at];
    const { value: size, next } = number(bytes, at + 1);
    yield { id, content: bytes.subarray(next, next + size) };
    at = next + size;
  }
}

/** An unsigned number in LEB128. */
function number(from, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7, at += 1) {
    value += (from[at] & 0x7f) * 2 ** shift;
    if (from[at] < 0x80) return { value, next: at + 1 };
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
