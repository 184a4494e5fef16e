// Anywhere: without a module of its own. `init(...)` or `initSync(...)` is given
// one, for instance from `lavandula/core_bg.wasm`.

export * from '../api.js';
