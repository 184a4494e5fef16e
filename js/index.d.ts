// Types of the package `lavandula`.

// `Disposable`, which programs with an older `lib` lack. Then `using` compiles for them too.
/// <reference lib="esnext.disposable" />

/** The figures of an arena, in bytes unless said otherwise. After every operation
 * `committed === used + tailWaste + free + overhead` and
 * `totalAllocated === committed - overhead`. */
export interface Usage {
  /** Handed out since the last reset, padding for alignment included. */
  readonly used: number;
  /** What all blocks can hold together, their headers not counted. */
  readonly totalAllocated: number;
  /** The largest `used` between the last two resets, or since the last one where that is larger. */
  readonly peakUsed: number;
  /** Linear memory that the blocks occupy. */
  readonly committed: number;
  /** Unused ends of blocks that are full. */
  readonly tailWaste: number;
  /** What can still be handed out without another page. */
  readonly free: number;
  /** Headers of blocks. */
  readonly overhead: number;
  /** How many blocks there are. */
  readonly blocks: number;
  /** How many resets there were. */
  readonly resets: number;
  /** How many times pages were asked for and got. */
  readonly grows: number;
  /** The most that may be handed out between two resets, where there is a bound. */
  readonly budget: number | null;
}

/** Where a block of an arena is in linear memory, its header of 32 bytes included. */
export interface Block {
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Options of {@link Runtime.create}. */
export interface RuntimeOptions {
  /** Another module than that of the entry: of `lavandula/slim` without `init`, or another build. */
  module?: WebAssembly.Module;
  /** When the last arena is freed and the memory is larger than this, it is given back.
   * Default: 64 MiB. `Infinity`: never. */
  recycleAboveBytes?: number;
}

/** One WebAssembly instance at a time, with a memory of its own. A trap harms its own runtime
 * alone: everything of the instance is stale, and the next call begins with a fresh one. */
export class Runtime {
  private constructor();

  /** A runtime. Its instance is made when it is first needed.
   * @throws {TypeError} `options.module` is no module, or a number no number
   * @throws {RangeError} `options.recycleAboveBytes` is negative or NaN */
  static create(options?: RuntimeOptions): Runtime;

  /** The runtime of arenas that are not given another one. */
  static readonly shared: Runtime;

  /** Calls `use` with a new arena, which is freed when `use` returns or throws.
   * @throws {TypeError} `use` is an async function or returned a promise: its arena would be
   * gone at its first `await` */
  withArena<T>(use: (arena: Arena) => T): T;

  /** Bytes of linear memory; 0 where there is no instance. It grows and never shrinks, until
   * the instance is recycled. */
  readonly memoryBytes: number;

  /** Whether the instance trapped and no call has made a fresh one yet. */
  readonly poisoned: boolean;

  /** See {@link RuntimeOptions.recycleAboveBytes}. */
  readonly recycleAboveBytes: number;

  /** Drops the instance and its memory: the one way to give memory back. Arenas and spans are
   * stale; the next call begins with a fresh instance. */
  recycle(): void;
}

/** Allocations that are taken back all at once. Every method but `free` throws a
 * {@link StaleError} after the arena was freed, and after a recycle or a trap of its runtime. */
export class Arena implements Disposable {
  /** An arena with blocks of 64 KiB.
   * @param runtime default: {@link Runtime.shared}
   * @throws {RangeError} there is no memory for another one */
  constructor(runtime?: Runtime);

  /** An arena with blocks of `bytes`, rounded up to whole pages of 64 KiB.
   * @throws {RangeError} `bytes` is not a multiple of 8 from 8 to 1 GiB */
  static withBlockSize(bytes: number, runtime?: Runtime): Arena;

  /** `bytes` bytes at a multiple of 8. What they hold is not specified. `null` where there is no
   * memory; then nothing has changed. Zero bytes succeed.
   * @throws {TypeError} `bytes` is no number
   * @throws {RangeError} `bytes` is no integer from 0 to 2 ** 31 - 1 */
  alloc(bytes: number): Span | null;

  /** `count` times `bytes` bytes, all zero. `null` where there is no memory. */
  calloc(count: number, bytes: number): Span | null;

  /** A copy of `text` in UTF-8. `null` where there is no memory.
   * @throws {TypeError} `text` is no string, or has a lone surrogate, which UTF-8 cannot hold */
  strdup(text: string): Span | null;

  /** A copy of at most `maxBytes` bytes of `text`, cut between characters. */
  strndup(text: string, maxBytes: number): Span | null;

  /** Takes everything back at once. The blocks stay and are used again; spans are stale. */
  reset(): void;

  /** Bytes handed out since the last reset. */
  readonly used: number;

  /** What all blocks can hold together. */
  readonly totalAllocated: number;

  /** How many resets there were: spans of an earlier generation are stale. */
  readonly generation: number;

  /** All figures at once. */
  usage(): Usage;

  /** Where the blocks are, for tools that draw memory or check what is in it: first those that
   * allocations share, in the order of their use, then those of one large allocation each. A
   * snapshot of the first 256; `usage().blocks` is how many there are. */
  blocks(): Block[];

  /** Gives the blocks back to the runtime, for its other arenas. Does nothing the second time,
   * nor after a recycle or a trap. */
  free(): void;

  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

/** Bytes that an arena handed out. It is stale, and throws a {@link StaleError}, once the arena
 * was reset or freed, and after a recycle or a trap of its runtime. */
export class Span {
  private constructor();

  /** Where the bytes are in linear memory. */
  readonly byteOffset: number;

  /** How many they are. */
  readonly byteLength: number;

  /** The bytes themselves, to be read and written. Good until the next call that may take memory
   * (the memory is then another `ArrayBuffer`) or reset it, and until the next `await`: ask for
   * it again then. */
  view(): Uint8Array;

  /** A copy of the bytes, to keep. */
  copy(): Uint8Array;

  /** The bytes read as UTF-8. */
  text(): string;
}

/** Something is used that is no longer there. */
export class StaleError extends TypeError {
  private constructor();

  /** What ended it. */
  readonly reason: 'reset' | 'freed' | 'recycled' | 'trap';
}

/** What {@link init} takes. */
export type ModuleSource = WebAssembly.Module | BufferSource | Response | URL | string;

/** Makes the package ready. Needed in browsers, where without an argument it fetches
 * `core_bg.wasm` from beside the package's files, and for `lavandula/slim`, where it is to be
 * given the module. Elsewhere, and after the first success, it has nothing to do. */
export function init(input?: ModuleSource | PromiseLike<ModuleSource>): Promise<void>;

/** The same without waiting. */
export function initSync(module: WebAssembly.Module | BufferSource): void;
