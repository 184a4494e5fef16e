// Workers: nothing may be compiled at run time, and an import of a .wasm file is
// the module.

import module from './core_bg.wasm';

import { openWith } from '../source.js';

openWith(() => module);

export * from '../api.js';
