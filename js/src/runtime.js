// A runtime: one WebAssembly instance at a time, and the memory that goes with
// it. It makes the instance when one is needed, drops it after a trap, and gives
// its memory back when there is too much of it.

// Generated, and beside this file in what is published.
import { createBindings } from './core.js';

import { callable, limit, options, shown, wasmModule } from './argument.js';
import { Instance } from './instance.js';
import { packageModule } from './source.js';

/** Workers have 128 MiB for everything: half of it leaves room for the rest. */
const RECYCLE_ABOVE = 64 * 1024 * 1024;

const NEEDED = ['arena_new', 'arena_alloc', 'arena_free'];

/** Known to this file only: nobody else can call the constructor. */
const key = Symbol('Runtime.create');

// What the rest of the package may do with a runtime and its users may not.
/** The instance to work with. A new one where there is none. */
export let enter;
/** Counts an arena of the current instance. */
export let hold;
/** An arena of the current instance was freed. */
export let release;
/** Whether the warning about arenas that nobody freed is still to be given. */
export let mayWarn;
/** Whether it is one: a prototype alone does not make it so. */
let isRuntime;

let shared = null;
let newArena;

/** How `withArena` makes one. Arenas know runtimes, not the other way round. */
export function arenasAreMadeBy(maker) {
  newArena = maker;
}

export class Runtime {
  #instance = null;
  #module;
  #recycleAboveBytes;
  /** Arenas of the current instance that are not freed. */
  #arenas = 0;
  #warned = false;

  /** Own instance and memory, made when they are first needed. */
  static create(given) {
    const { module, recycleAboveBytes } = options(given);
    return new Runtime(
      key,
      module === undefined ? null : wasmModule(module, 'options.module'),
      limit(recycleAboveBytes, 'options.recycleAboveBytes', RECYCLE_ABOVE),
    );
  }

  /** The runtime of arenas that are not given another one. */
  static get shared() {
    shared ??= Runtime.create();
    return shared;
  }

  constructor(mark, module, recycleAboveBytes) {
    if (mark !== key) throw new TypeError('a Runtime is made by Runtime.create()');
    this.#module = module;
    this.#recycleAboveBytes = recycleAboveBytes;
  }

  /** Calls `use` with an arena that is freed when it returns or throws. */
  withArena(use) {
    callable(use, 'use');
    // Before it runs: its first await would leave it with a freed arena.
    if (Object.prototype.toString.call(use) === '[object AsyncFunction]') throw notAsync();
    const arena = newArena(this);
    try {
      const result = use(arena);
      if (typeof result?.then === 'function') {
        // It will fail when it comes back to its arena. The error is thrown
        // here; a rejection that nobody handles would end the process.
        Promise.resolve(result).catch(() => {});
        throw notAsync();
      }
      return result;
    } finally {
      arena.free();
    }
  }

  /** Bytes of linear memory; 0 where there is no instance. */
  get memoryBytes() {
    return this.#instance?.memoryBytes ?? 0;
  }

  /** Whether the last instance trapped and no call has made a new one yet. */
  get poisoned() {
    return this.#instance?.ended === 'trap';
  }

  get recycleAboveBytes() {
    return this.#recycleAboveBytes;
  }

  /** Gives all memory back. Arenas and spans are stale; the next call begins anew. */
  recycle() {
    this.#instance?.end('recycled');
    this.#instance = null;
  }

  static {
    isRuntime = (value) => typeof value === 'object' && value !== null && #instance in value;
    enter = (runtime) => {
      const instance = runtime.#instance;
      if (instance !== null && instance.ended === null) return instance;
      runtime.#arenas = 0;
      runtime.#instance = new Instance(createBindings, runtime.#module ?? packageModule(), NEEDED);
      return runtime.#instance;
    };
    hold = (runtime) => {
      runtime.#arenas += 1;
    };
    release = (runtime) => {
      runtime.#arenas -= 1;
      if (runtime.#arenas === 0 && runtime.memoryBytes > runtime.#recycleAboveBytes) runtime.recycle();
    };
    mayWarn = (runtime) => {
      const may = !runtime.#warned;
      runtime.#warned = true;
      return may;
    };
  }
}

/** A runtime from an argument: the shared one where it is left out. */
export function runtimeOf(value, name) {
  if (value === undefined) return Runtime.shared;
  if (!isRuntime(value)) {
    throw new TypeError(`${name} must be a Runtime, as Runtime.create() makes it, not ${shown(value)}`);
  }
  return value;
}

function notAsync() {
  return new TypeError(
    'withArena frees its arena when `use` returns, so `use` must not be async nor return a promise; ' +
      'make an Arena and free() it, or await first and use the arena afterwards',
  );
}
