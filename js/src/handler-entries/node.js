// Node, Deno and Bun: the module is read from beside the package's files on first
// use.

import { readFileSync } from 'node:fs';

import { createBindings } from '../core.js';
import { packageOf } from '../handler-package.js';

export const { Handler, handler, fetch, handle, usage } = packageOf(
  createBindings,
  () => new WebAssembly.Module(readFileSync(new URL('../core_bg.wasm', import.meta.url))),
);
export default { fetch };
