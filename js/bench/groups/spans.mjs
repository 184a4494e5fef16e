// What is done with a span: its bytes, a copy of them, and its text.

import { MemPool } from '@thi.ng/malloc';

import { keep } from '../keep.mjs';
import { arenaCore, lavandula } from '../modules.mjs';
import { shapes } from '../texts.mjs';
import { NUMBER } from './allocate.mjs';

export const VIEWED = 'lavandula: Arena.alloc, view';

const LENGTH = 1024;

/** An allocation of which JavaScript has the bytes: an address alone is none to it. */
export async function use({ Arena } = {}) {
  Arena ??= (await lavandula()).Arena;
  const { wasm, bindings } = (await arenaCore()).instantiate();
  const arena = new Arena();
  const glue = bindings.arena_new(0);
  const pool = new MemPool({ buf: new ArrayBuffer(1 << 20), size: 1 << 20 });
  const end = 1023;
  return {
    name: 'alloc and write',
    what: '16 bytes, of which the first is written; everything is taken back after each 1024',
    reference: NUMBER,
    subjects: [
      {
        name: VIEWED,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const bytes = arena.alloc(16).view();
            bytes[0] = i;
            last = bytes;
            if ((i & end) === end) arena.reset();
          }
          arena.reset();
          keep(last);
        },
      },
      {
        name: NUMBER,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const at = bindings.arena_alloc(glue, 16);
            const bytes = new Uint8Array(wasm.memory.buffer, at, 16);
            bytes[0] = i;
            last = bytes;
            if ((i & end) === end) bindings.arena_reset(glue);
          }
          bindings.arena_reset(glue);
          keep(last);
        },
      },
      {
        name: '@thi.ng/malloc, mallocAs',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const bytes = pool.mallocAs('u8', 16);
            bytes[0] = i;
            last = bytes;
            if ((i & end) === end) pool.freeAll();
          }
          pool.freeAll();
          keep(last);
        },
      },
      {
        name: 'JavaScript: new Uint8Array',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const bytes = new Uint8Array(16);
            bytes[0] = i;
            last = bytes;
          }
          keep(last);
        },
      },
      {
        name: 'JavaScript: Buffer.allocUnsafe',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const bytes = Buffer.allocUnsafe(16);
            bytes[0] = i;
            last = bytes;
          }
          keep(last);
        },
      },
    ],
  };
}

/** A span of text, and the same place by its numbers. */
async function place() {
  const { Arena } = await lavandula();
  const { wasm, bindings } = (await arenaCore()).instantiate();
  const text = shapes(LENGTH)[0].text(0);
  const at = bindings.arena_alloc(bindings.arena_new(0), LENGTH);
  new TextEncoder().encodeInto(text, new Uint8Array(wasm.memory.buffer, at, LENGTH));
  return { span: new Arena().strdup(text), memory: wasm.memory, at, text };
}

export async function view() {
  const { span, memory, at } = await place();
  return {
    name: 'view',
    what: 'the bytes of 1 KiB, not copied',
    reference: 'by hand, unchecked',
    subjects: [
      {
        name: 'lavandula: span.view()',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = span.view();
          keep(last);
        },
      },
      {
        name: 'by hand, unchecked',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = new Uint8Array(memory.buffer, at, LENGTH);
          keep(last);
        },
      },
    ],
  };
}

export async function copy() {
  const { span, memory, at } = await place();
  return {
    name: 'copy',
    what: 'a copy of 1 KiB',
    reference: 'by hand, unchecked',
    subjects: [
      {
        name: 'lavandula: span.copy()',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = span.copy();
          keep(last);
        },
      },
      {
        name: 'by hand, unchecked',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = new Uint8Array(memory.buffer, at, LENGTH).slice();
          keep(last);
        },
      },
      {
        name: 'JavaScript: Buffer.from, a pool',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = Buffer.from(new Uint8Array(memory.buffer, at, LENGTH));
          keep(last);
        },
      },
    ],
  };
}

export async function text() {
  const { span, memory, at } = await place();
  const decoder = new TextDecoder();
  return {
    name: 'text',
    what: '1 KiB of ASCII as a string',
    reference: 'by hand, unchecked',
    subjects: [
      {
        name: 'lavandula: span.text()',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = span.text();
          keep(last);
        },
      },
      {
        name: 'by hand, unchecked',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = decoder.decode(new Uint8Array(memory.buffer, at, LENGTH));
          keep(last);
        },
      },
      {
        name: 'Node.js: Buffer, toString',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = Buffer.from(memory.buffer, at, LENGTH).toString('utf8');
          keep(last);
        },
      },
    ],
  };
}
