// Where there are no files and no network: the module is in the JavaScript. It
// is a third larger so, and runtimes that forbid compiling cannot use it.

import { bytes } from '../core_inline.js';

import { openWith } from '../source.js';

openWith(() => new WebAssembly.Module(bytes));

export * from '../api.js';
