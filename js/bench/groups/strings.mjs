// Text into memory: what wasm-bindgen makes of `&str`, and what the package does.

import { keep } from '../keep.mjs';
import { lavandula, plainCore } from '../modules.mjs';
import { shapes } from '../texts.mjs';

export const STRDUP = 'lavandula: Arena.strdup, a Span';
export const PLAIN = 'wasm-bindgen: `&str`, number';

/** Lengths in characters, with the number of texts after which everything is taken back. */
const LENGTHS = [
  { length: 16, label: '16 B', batch: 1024 },
  { length: 1024, label: '1 KiB', batch: 64 },
  { length: 65536, label: '64 KiB', batch: 4 },
];

export async function strdup({ Arena } = {}) {
  Arena ??= (await lavandula()).Arena;
  const { PlainArena } = (await plainCore()).instantiate().bindings;
  const all = [];
  for (const length of LENGTHS) {
    for (const shape of shapes(length.length)) all.push(group(length, shape, new Arena(), new PlainArena()));
  }
  return all;
}

function group({ length, label, batch }, { shape, text }, arena, plain) {
  const end = batch - 1;
  const encoder = new TextEncoder();
  return {
    name: `strdup ${label}, ${shape}`,
    what: `a text of ${length} characters as UTF-8; everything is taken back after each ${batch}`,
    reference: STRDUP,
    subjects: [
      {
        name: STRDUP,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = arena.strdup(text(i));
            if ((i & end) === end) arena.reset();
          }
          arena.reset();
          keep(last);
        },
      },
      {
        name: PLAIN,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = plain.strdup(text(i));
            if ((i & end) === end) plain.reset();
          }
          plain.reset();
          keep(last);
        },
      },
      {
        name: 'JavaScript: TextEncoder.encode',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = encoder.encode(text(i));
          keep(last);
        },
      },
      {
        name: 'JavaScript: Buffer.from',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = Buffer.from(text(i), 'utf8');
          keep(last);
        },
      },
    ],
  };
}
