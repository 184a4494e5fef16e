// What the raw exports of a module take. Imported once for each module: two modules in
// one function would be one call that goes to two places, which is another measurement.

import { keep } from '../keep.mjs';

const FEW = 63;
const MANY = 1023;

/** Operations by name: functions that do so many of them. */
export function operations({ wasm }) {
  const arenas = Array.from({ length: 4 }, () => wasm.arena_new(0));
  const [small, zeroed, moved, filled] = arenas;
  return {
    'alloc of 24 bytes'(count) {
      let last;
      for (let i = 0; i < count; i += 1) {
        last = wasm.arena_alloc(small, 24);
        if ((i & MANY) === MANY) wasm.arena_reset(small);
      }
      wasm.arena_reset(small);
      keep(last);
    },
    'calloc of 1 KiB'(count) {
      let last;
      for (let i = 0; i < count; i += 1) {
        last = wasm.arena_calloc(zeroed, 128, 8);
        if ((i & FEW) === FEW) wasm.arena_reset(zeroed);
      }
      wasm.arena_reset(zeroed);
      keep(last);
    },
    'alloc, grow, shrink'(count) {
      let last;
      for (let i = 0; i < count; i += 1) {
        const at = wasm.arena_alloc(moved, 24);
        last = wasm.arena_grow(moved, at, 24, 72);
        wasm.arena_shrink(moved, last, 72, 40);
        if ((i & FEW) === FEW) wasm.arena_reset(moved);
      }
      wasm.arena_reset(moved);
      keep(last);
    },
    'alloc and reset'(count) {
      let last;
      for (let i = 0; i < count; i += 1) {
        last = wasm.arena_alloc(filled, 24);
        wasm.arena_reset(filled);
      }
      keep(last);
    },
    'an arena: new, alloc, free'(count) {
      let last;
      for (let i = 0; i < count; i += 1) {
        const arena = wasm.arena_new(0);
        last = wasm.arena_alloc(arena, 24);
        wasm.arena_free(arena);
      }
      keep(last);
    },
  };
}
