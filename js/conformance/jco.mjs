// The door `jco`: the component of the arena, as jco transpiles it.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { limited } from '../test/support/module.mjs';
import { Refusal, unsaid } from './program.mjs';

/** The one of its modules that has the memory. */
const WITH_MEMORY = 'arena.core.wasm';

/** Makes a door for a case, with as much memory as it has. */
export async function doors(folder) {
  const { instantiate } = await import(pathToFileURL(resolve(folder, 'arena.js')));
  // Compiled once; each case has an instance of its own.
  const compiled = new Map();
  const module = (name, pages) => {
    const key = `${name} ${pages}`;
    if (!compiled.has(key)) {
      const bytes = readFileSync(join(folder, name));
      const bounded = pages !== undefined && name === WITH_MEMORY;
      compiled.set(key, bounded ? limited(pages, bytes) : new WebAssembly.Module(bytes));
    }
    return compiled.get(key);
  };
  return ({ pages }) => new Jco(instantiate((name) => module(name, pages), {}).arenas.Arena);
}

class Jco {
  largestSize = 2 ** 32 - 1;
  #Arena;

  constructor(ofInstance) {
    this.#Arena = ofInstance;
  }

  create(blockSize) {
    return said(() => (blockSize === undefined ? new this.#Arena() : this.#Arena.withBlockSize(blockSize)));
  }

  alloc(arena, size, align) {
    if (align !== undefined) throw unsaid('it takes no alignment');
    return { at: said(() => arena.alloc(size)), length: size };
  }

  calloc(arena, count, size) {
    return { at: said(() => arena.calloc(count, size)), length: count * size };
  }

  strdup(arena, text) {
    return { at: said(() => arena.strdup(text)), length: Buffer.byteLength(text) };
  }

  strndup(arena, text, max) {
    const [at, length] = said(() => arena.strndup(text, max));
    return { at, length };
  }

  read({ arena, at }, from, length) {
    return said(() => arena.read(at + from, length));
  }

  write({ arena, at }, from, bytes) {
    said(() => arena.write(at + from, bytes));
  }

  reset(arena) {
    said(() => arena.reset());
  }

  free(arena) {
    said(() => arena[Symbol.dispose]());
  }

  setBudget() {
    throw unsaid('budgets are set in Rust');
  }

  /** There is nothing to end: the instance goes with the door. */
  close() {}

  figures(arena) {
    return said(() => {
      const usage = arena.usage();
      return {
        told: { used: Number(arena.used()), totalAllocated: Number(arena.totalAllocated()) },
        used: Number(usage.used),
        'total-allocated': Number(usage.totalAllocated),
        'peak-used': Number(usage.peakUsed),
        committed: Number(usage.committed),
        'tail-waste': Number(usage.tailWaste),
        free: Number(usage.free),
        overhead: Number(usage.overhead),
        blocks: usage.blocks,
        resets: Number(usage.resets),
        grows: Number(usage.grows),
        budget: usage.budget === undefined ? 'none' : Number(usage.budget),
      };
    });
  }
}

const FAULTS = {
  'out-of-memory': ['out-of-memory'],
  budget: ['budget'],
  layout: ['layout'],
  'block-size': ['block-size'],
  // It does not tell what a reset took back from what never was.
  'stale-address': ['stale', 'outside'],
};

/** What a call of the component returns. */
function said(call) {
  try {
    return call();
  } catch (error) {
    const { tag, val } = error.payload ?? {};
    if (FAULTS[tag] !== undefined) {
      throw new Refusal(`${tag} ${val ?? ''}`, FAULTS[tag], tag === 'out-of-memory' ? Number(val) : undefined);
    }
    // jco's own word for a handle that was given back.
    if (error instanceof TypeError && /Not a valid "Arena" resource/.test(error.message)) {
      throw new Refusal(error.message, ['freed']);
    }
    throw unsaid(`${error.name}: ${error.message}`);
  }
}
