// Edge functions of Vercel: as in Workers, with a mark on the import.

import module from './core_bg.wasm?module';

import { openWith } from '../source.js';

openWith(() => module);

export * from '../api.js';
