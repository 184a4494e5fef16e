// Browsers and whatever else has `fetch`: `await init()` gets the module from
// beside this file. Bundlers see the URL and bring the file along.

import { loadWith } from '../source.js';

loadWith(() => new URL('./core_bg.wasm', import.meta.url));

export * from '../api.js';
