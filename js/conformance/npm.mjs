// The door `npm`: the package `lavandula`, as it is bundled for Node.js.

import { Arena, Runtime, StaleError } from '../dist/index.node.js';
import { limited } from '../test/support/module.mjs';
import { Refusal, unsaid } from './program.mjs';

/** The largest size that the package takes. */
const LARGEST = 2 ** 31 - 1;

/** Makes a door for a case, with as much memory as it has. */
export function doors() {
  return ({ pages }) => new Npm(Runtime.create(pages === undefined ? {} : { module: limited(pages) }));
}

class Npm {
  /** That of the memory. The package itself takes less, and says so. */
  largestSize = 2 ** 32 - 1;
  #runtime;

  constructor(runtime) {
    this.#runtime = runtime;
  }

  create(blockSize) {
    if (blockSize === undefined) return new Arena(this.#runtime);
    return said(() => Arena.withBlockSize(blockSize, this.#runtime), { RangeError: ['block-size'] });
  }

  alloc(arena, size, align) {
    if (align !== undefined) throw unsaid('it takes no alignment');
    return took([size], () => arena.alloc(size));
  }

  calloc(arena, count, size) {
    return took([count, size], () => arena.calloc(count, size));
  }

  strdup(arena, text) {
    return took([], () => arena.strdup(text));
  }

  strndup(arena, text, max) {
    return took([max], () => arena.strndup(text, max));
  }

  read({ span }, from, length) {
    const view = said(() => span.view());
    if (Buffer.compare(view, said(() => span.copy())) !== 0) throw unsaid('a copy has other bytes than the view');
    // A view ends where its span does, and a part of it is no longer.
    const part = view.subarray(from, from + length);
    if (part.length !== length) throw new Refusal(`the view has ${view.length} bytes`, ['outside']);
    return part;
  }

  write({ span }, from, bytes) {
    const view = said(() => span.view());
    said(() => view.set(bytes, from), { RangeError: ['outside'] });
  }

  reset(arena) {
    said(() => arena.reset());
  }

  free(arena) {
    said(() => arena.free());
  }

  setBudget() {
    throw unsaid('budgets are set in Rust');
  }

  /** Cases leave arenas behind that nobody frees: their memory goes with the instance. */
  close() {
    this.#runtime.recycle();
  }

  figures(arena) {
    return said(() => {
      const usage = arena.usage();
      return {
        told: { used: arena.used, totalAllocated: arena.totalAllocated },
        used: usage.used,
        'total-allocated': usage.totalAllocated,
        'peak-used': usage.peakUsed,
        committed: usage.committed,
        'tail-waste': usage.tailWaste,
        free: usage.free,
        overhead: usage.overhead,
        blocks: usage.blocks,
        resets: usage.resets,
        grows: usage.grows,
        budget: usage.budget ?? 'none',
      };
    });
  }
}

/** A span, or that there is no memory for it. */
function took(sizes, call) {
  // What no size can be it says at once, and nothing else.
  const layout = sizes.some((size) => size > LARGEST);
  const span = said(call, layout ? { RangeError: ['layout'] } : {});
  // With null it does not tell whether memory or the address space is too small.
  if (span === null) throw new Refusal('null', ['out-of-memory', 'layout']);
  return { at: span.byteOffset, length: span.byteLength, span };
}

const STALE = { reset: ['stale'], freed: ['freed'] };

/** What a call of the package returns. `faults` is which faults an error stands for, by its name. */
function said(call, faults = {}) {
  try {
    return call();
  } catch (error) {
    const meant = error instanceof StaleError ? STALE[error.reason] : faults[error.name];
    if (meant === undefined) throw unsaid(`${error.name}: ${error.message}`);
    throw new Refusal(`${error.name}: ${error.message}`, meant);
  }
}
