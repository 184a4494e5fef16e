// The arena: allocations that are taken back all at once.

import { size, text as checkedText } from './argument.js';
import { arenasAreMadeBy, enter, hold, mayWarn, release, runtimeOf } from './runtime.js';
import { Span, key as spanKey } from './span.js';
import { Lifetime } from './stale.js';
import { encodeShort, putShort, writeText, written } from './text.js';
import { blocksAt, usageAt } from './usage.js';

/** What `arena_new` returns for a block size that the arena refuses. */
const BLOCK_SIZE_REFUSED = 1;

/** Stands for the default where an address or a size is expected. */
const DEFAULT_BLOCK = 0;

/** Marks a block size that `withBlockSize` has checked. */
const sized = Symbol('Arena.withBlockSize');

/**
 * For arenas that are collected without having been freed. A net, and no more:
 * it comes late or never, and a loop without an await never lets it run.
 */
const net = typeof FinalizationRegistry === 'function' ? new FinalizationRegistry(freeCollected) : null;

export class Arena {
  #runtime;
  #lifetime;
  #pointer;
  #generation = 0;

  /** An arena with blocks of 64 KiB, in the shared runtime or in the given one. */
  constructor(runtime, mark, blockSize) {
    this.#runtime = runtimeOf(runtime, 'runtime');
    const instance = enter(this.#runtime);
    let pointer;
    try {
      pointer = instance.wasm.arena_new(mark === sized ? blockSize : DEFAULT_BLOCK) >>> 0;
    } catch (error) {
      throw instance.trapped(error);
    }
    if (pointer === BLOCK_SIZE_REFUSED) {
      throw new RangeError(`bytes must be a multiple of 8 up to 1 GiB, not ${blockSize}`);
    }
    if (pointer === 0) {
      throw new RangeError('no memory for another arena; free() some, or recycle() the runtime');
    }
    this.#pointer = pointer;
    this.#lifetime = new Lifetime(this, instance);
    hold(this.#runtime);
    net?.register(this, { runtime: this.#runtime, instance, pointer }, this);
  }

  /** An arena with blocks of `bytes`, rounded up to whole pages of 64 KiB. */
  static withBlockSize(bytes, runtime) {
    return new Arena(runtime, sized, size(bytes, 'bytes', 1));
  }

  /** `bytes` bytes at a multiple of 8, whatever they hold; null without memory. */
  alloc(bytes) {
    return this.#take(size(bytes, 'bytes'));
  }

  #take(bytes) {
    const lifetime = this.#lifetime;
    const instance = lifetime.enter('arena');
    let at;
    try {
      at = instance.wasm.arena_alloc(this.#pointer, bytes) >>> 0;
    } catch (error) {
      throw instance.trapped(error);
    }
    return at === 0 ? null : new Span(spanKey, lifetime, at, bytes);
  }

  /** `count` times `bytes` bytes, all zero; null without memory. */
  calloc(count, bytes) {
    size(count, 'count');
    size(bytes, 'bytes');
    const lifetime = this.#lifetime;
    const instance = lifetime.enter('arena');
    let at;
    try {
      at = instance.wasm.arena_calloc(this.#pointer, count, bytes) >>> 0;
    } catch (error) {
      throw instance.trapped(error);
    }
    return at === 0 ? null : new Span(spanKey, lifetime, at, count * bytes);
  }

  /** `text` as UTF-8; null without memory. */
  strdup(text) {
    const length = encodeShort(checkedText(text, 'text'));
    if (length < 0) return this.#copy(text, Infinity);
    const span = this.#take(length);
    if (span !== null) putShort(this.#lifetime.instance.bytes, span.byteOffset, length);
    return span;
  }

  /** At most `maxBytes` bytes of `text`, never part of a character. */
  strndup(text, maxBytes) {
    return this.#copy(checkedText(text, 'text'), size(maxBytes, 'maxBytes'));
  }

  #copy(text, most) {
    const lifetime = this.#lifetime;
    const instance = lifetime.enter('arena');
    let at;
    try {
      at = writeText(instance, this.#pointer, text, most);
    } catch (error) {
      throw instance.trapped(error);
    }
    return at === 0 ? null : new Span(spanKey, lifetime, at, written);
  }

  /** Takes everything back. The blocks stay, to be used again. */
  reset() {
    const instance = this.#lifetime.enter('arena');
    // Before the call: should it trap, it is the instance that has ended.
    this.#lifetime.ended = 'reset';
    this.#lifetime = new Lifetime(this, instance);
    this.#generation += 1;
    try {
      instance.wasm.arena_reset(this.#pointer);
    } catch (error) {
      throw instance.trapped(error);
    }
  }

  /** Bytes handed out since the last reset. */
  get used() {
    return this.#figure('arena_used');
  }

  /** What all blocks can hold together. */
  get totalAllocated() {
    return this.#figure('arena_total_allocated');
  }

  /** How many resets there were. */
  get generation() {
    return this.#generation;
  }

  /** All figures at once. */
  usage() {
    const at = this.#figure('arena_usage');
    return usageAt(this.#lifetime.instance.buffer, at);
  }

  /** Where the blocks are: for tools that draw memory, or check what is in it. */
  blocks() {
    const at = this.#figure('arena_blocks');
    return blocksAt(this.#lifetime.instance.buffer, at);
  }

  #figure(name) {
    const instance = this.#lifetime.enter('arena');
    try {
      return instance.wasm[name](this.#pointer) >>> 0;
    } catch (error) {
      throw instance.trapped(error);
    }
  }

  /**
   * Gives the blocks back to the runtime. Nothing to do where that has happened,
   * or where the instance is gone: another one may have another arena at the same
   * address.
   */
  free() {
    const lifetime = this.#lifetime;
    if (lifetime.ended !== null) return;
    lifetime.ended = 'freed';
    net?.unregister(this);
    freeIn(this.#runtime, lifetime.instance, this.#pointer);
  }
}

// Where engines and polyfills have it: `using` calls it.
if (Symbol.dispose) {
  Object.defineProperty(Arena.prototype, Symbol.dispose, {
    value: Arena.prototype.free,
    configurable: true,
    writable: true,
  });
}

arenasAreMadeBy((runtime) => new Arena(runtime));

function freeIn(runtime, instance, pointer) {
  if (instance.ended !== null) return;
  try {
    instance.wasm.arena_free(pointer);
  } catch (error) {
    throw instance.trapped(error);
  }
  // An instance that has not ended is the current one of its runtime.
  release(runtime);
}

function freeCollected({ runtime, instance, pointer }) {
  if (instance.ended !== null) return;
  if (mayWarn(runtime) && !isProduction()) {
    console.warn(
      'lavandula: an Arena was collected that nobody freed, and until now its memory was not used again; ' +
        'call free(), declare it with `using`, or use Runtime.withArena()',
    );
  }
  freeIn(runtime, instance, pointer);
}

function isProduction() {
  try {
    // Bundlers replace these very words; elsewhere there may be no `process`.
    return process.env.NODE_ENV === 'production';
  } catch {
    return false;
  }
}
