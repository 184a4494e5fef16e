// One WebAssembly instance with its memory: made once, and ended once, by a
// recycle or by a trap.

const NOTHING = new Uint8Array(0);

/** One instance. What uses it looks at `ended` first. */
export class Instance {
  /** The raw exports. */
  wasm;
  /** What the memory had when it was last looked at. */
  #bytes = NOTHING;
  #buffer = NOTHING.buffer;
  /** What wasm-bindgen made of the author's own exports. */
  bindings;
  /** Null, or why this instance is no more: `'recycled'` or `'trap'`. */
  ended = null;

  /**
   * @param createBindings the factory of the package: each call makes an instance
   * @param module the WebAssembly.Module, of whatever realm
   * @param needed exports without which nothing works
   */
  constructor(createBindings, module, needed) {
    const { wasm, bindings } = createBindings(module);
    for (const name of ['memory', ...needed]) {
      if (wasm[name] === undefined) {
        throw new TypeError(
          `module does not export ${name}; pass the core_bg.wasm that belongs to this version of the package`,
        );
      }
    }
    // A copy: engines look up the exports themselves by name, with each call.
    this.wasm = { ...wasm };
    this.bindings = bindings;
  }

  /**
   * All bytes of the memory. It is another object after each growth, which leaves the
   * one before without any. To ask the memory itself costs as much as to make a view.
   */
  get bytes() {
    if (this.#bytes.length === 0) this.#look();
    return this.#bytes;
  }

  /** What is below the bytes: another object as they are. */
  get buffer() {
    if (this.#bytes.length === 0) this.#look();
    return this.#buffer;
  }

  #look() {
    this.#buffer = this.wasm.memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
  }

  get memoryBytes() {
    return this.ended === null ? this.bytes.length : 0;
  }

  /**
   * Ends it. Stale arenas and spans may be held for long: they must not hold the
   * memory as well.
   */
  end(reason) {
    if (this.ended !== null) return;
    this.ended = reason;
    this.wasm = null;
    this.#bytes = NOTHING;
    this.#buffer = NOTHING.buffer;
    this.bindings = null;
  }

  /**
   * For whatever was thrown out of a call into WebAssembly: a trap, a stack
   * overflow, an exception of an import. Rust did not unwind in any of these,
   * so what it was about to write is half written. Returns the error, to be
   * thrown again.
   */
  trapped(error) {
    this.end('trap');
    return error;
  }
}
