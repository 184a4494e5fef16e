// Node, Deno and Bun: the module is read from beside this file on first use.

import { readFileSync } from 'node:fs';

import { openWith } from '../source.js';

openWith(() => new WebAssembly.Module(readFileSync(new URL('./core_bg.wasm', import.meta.url))));

export * from '../api.js';
