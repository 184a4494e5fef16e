// One WebAssembly instance with its memory: made once, and ended once, by a
// recycle or by a trap.

/** One instance. What uses it looks at `ended` first. */
export class Instance {
  /** The raw exports. */
  wasm;
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
    this.wasm = wasm;
    this.bindings = bindings;
  }

  /** What the memory has now. It is another object after each growth. */
  get buffer() {
    return this.wasm.memory.buffer;
  }

  get memoryBytes() {
    return this.ended === null ? this.wasm.memory.buffer.byteLength : 0;
  }

  /**
   * Ends it. Stale arenas and spans may be held for long: they must not hold the
   * memory as well.
   */
  end(reason) {
    if (this.ended !== null) return;
    this.ended = reason;
    this.wasm = null;
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
