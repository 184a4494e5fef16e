// Allocations of small sizes, and zeroed ones: what an address costs, and what a span.

import { MemPool } from '@thi.ng/malloc';

import { keep } from '../keep.mjs';
import { arenaCore, lavandula, plainCore } from '../modules.mjs';

/** What the module's exports give. */
export const NUMBER = 'wasm-bindgen, number';
export const ALLOC = 'lavandula: Arena.alloc, a Span';

/** After so many operations everything is taken back. */
const BATCH = 1024;
const LAST = BATCH - 1;

/** 8 to 264 bytes, from a fixed seed: were it one size, the compiler would know it. */
const SIZES = sizes();

function sizes() {
  let state = 0x2545f491;
  return Array.from({ length: BATCH }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 8 + (state >>> 24);
  });
}

/** Everything of a batch with room to spare. */
const POOL_BYTES = 1 << 20;
const pool = () => new MemPool({ buf: new ArrayBuffer(POOL_BYTES), size: POOL_BYTES });

export async function allocate({ Arena } = {}) {
  Arena ??= (await lavandula()).Arena;
  const { wasm, bindings } = (await arenaCore()).instantiate();
  const { PlainArena } = (await plainCore()).instantiate().bindings;
  const plain = new PlainArena();
  const arena = new Arena();
  const raw = wasm.arena_new(0);
  const glue = bindings.arena_new(0);
  const thing = pool();
  const bump = { cursor: 0, limit: POOL_BYTES };
  return {
    name: 'alloc',
    what: `8 to 263 bytes; everything is taken back after each ${BATCH}`,
    reference: NUMBER,
    subjects: [
      {
        name: ALLOC,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = arena.alloc(SIZES[i & LAST]);
            if ((i & LAST) === LAST) arena.reset();
          }
          arena.reset();
          keep(last);
        },
      },
      {
        name: 'the raw export, number',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = wasm.arena_alloc(raw, SIZES[i & LAST]) >>> 0;
            if ((i & LAST) === LAST) wasm.arena_reset(raw);
          }
          wasm.arena_reset(raw);
          keep(last);
        },
      },
      {
        name: NUMBER,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = bindings.arena_alloc(glue, SIZES[i & LAST]);
            if ((i & LAST) === LAST) bindings.arena_reset(glue);
          }
          bindings.arena_reset(glue);
          keep(last);
        },
      },
      {
        name: 'wasm-bindgen, struct',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = plain.alloc(SIZES[i & LAST]);
            if ((i & LAST) === LAST) plain.reset();
          }
          plain.reset();
          keep(last);
        },
      },
      {
        name: '@thi.ng/malloc, freeAll',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = thing.malloc(SIZES[i & LAST]);
            if ((i & LAST) === LAST) thing.freeAll();
          }
          thing.freeAll();
          keep(last);
        },
      },
      {
        name: 'JavaScript: a cursor',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const at = bump.cursor;
            const end = at + ((SIZES[i & LAST] + 7) & ~7);
            if (end > bump.limit) throw new Error('full');
            bump.cursor = end;
            last = at;
            if ((i & LAST) === LAST) bump.cursor = 0;
          }
          bump.cursor = 0;
          keep(last);
        },
      },
      {
        name: 'JavaScript: new Uint8Array',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = new Uint8Array(SIZES[i & LAST]);
          keep(last);
        },
      },
      {
        name: 'JavaScript: Buffer.allocUnsafe',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = Buffer.allocUnsafe(SIZES[i & LAST]);
          keep(last);
        },
      },
    ],
  };
}

const ZEROED = 1024;
const FEW = 63;

export async function calloc() {
  const { Arena } = await lavandula();
  const { bindings } = (await arenaCore()).instantiate();
  const arena = new Arena();
  const glue = bindings.arena_new(0);
  const thing = pool();
  return {
    name: 'calloc',
    what: `${ZEROED} bytes of zeros in memory that was used before; everything is taken back after each ${FEW + 1}`,
    reference: NUMBER,
    subjects: [
      {
        name: 'lavandula: Arena.calloc, a Span',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = arena.calloc(ZEROED / 8, 8);
            if ((i & FEW) === FEW) arena.reset();
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
            last = bindings.arena_calloc(glue, ZEROED / 8, 8);
            if ((i & FEW) === FEW) bindings.arena_reset(glue);
          }
          bindings.arena_reset(glue);
          keep(last);
        },
      },
      {
        name: '@thi.ng/malloc, freeAll',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            last = thing.calloc(ZEROED);
            if ((i & FEW) === FEW) thing.freeAll();
          }
          thing.freeAll();
          keep(last);
        },
      },
      {
        name: 'JavaScript: new Uint8Array',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = new Uint8Array(ZEROED);
          keep(last);
        },
      },
      {
        name: 'JavaScript: Buffer.alloc',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = Buffer.alloc(ZEROED);
          keep(last);
        },
      },
    ],
  };
}
