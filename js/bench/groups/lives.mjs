// The lives of arenas and of runtimes.

import { keep } from '../keep.mjs';
import { arenaCore, lavandula, plainCore } from '../modules.mjs';
import { NUMBER } from './allocate.mjs';

const BYTES = 1000;

export async function arenas() {
  const { Arena, Runtime } = await lavandula();
  const { bindings } = (await arenaCore()).instantiate();
  const { PlainArena } = (await plainCore()).instantiate().bindings;
  const runtime = Runtime.create();
  return {
    name: "an arena's life",
    what: `made, ${BYTES} bytes allocated, freed`,
    reference: 'wasm-bindgen, struct',
    subjects: [
      {
        name: 'lavandula: new Arena, free',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const arena = new Arena(runtime);
            last = arena.alloc(BYTES);
            arena.free();
          }
          keep(last);
        },
      },
      {
        name: 'lavandula: withArena',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) last = runtime.withArena((arena) => arena.alloc(BYTES));
          keep(last);
        },
      },
      {
        name: 'lavandula: reset of an old one',
        run(count) {
          let last;
          const arena = new Arena(runtime);
          for (let i = 0; i < count; i += 1) {
            last = arena.alloc(BYTES);
            arena.reset();
          }
          arena.free();
          keep(last);
        },
      },
      {
        name: 'wasm-bindgen, struct',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const arena = new PlainArena();
            last = arena.alloc(BYTES);
            arena.free();
          }
          keep(last);
        },
      },
      {
        name: NUMBER,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const arena = bindings.arena_new(0);
            last = bindings.arena_alloc(arena, BYTES);
            bindings.arena_free(arena);
          }
          keep(last);
        },
      },
    ],
  };
}

export async function runtimes() {
  const { Arena, Runtime } = await lavandula();
  const core = await arenaCore();
  return {
    name: 'a runtime',
    what: `an instance with its memory, an arena, ${BYTES} bytes; and the instance is let go`,
    reference: NUMBER,
    subjects: [
      {
        name: 'lavandula: Runtime.create, recycle',
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const runtime = Runtime.create();
            last = new Arena(runtime).alloc(BYTES);
            runtime.recycle();
          }
          keep(last);
        },
      },
      {
        name: NUMBER,
        run(count) {
          let last;
          for (let i = 0; i < count; i += 1) {
            const { bindings } = core.instantiate();
            last = bindings.arena_alloc(bindings.arena_new(0), BYTES);
          }
          keep(last);
        },
      },
    ],
  };
}
