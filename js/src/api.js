// What every entry of the package exports, so that one program runs anywhere.

export { Arena } from './arena.js';
export { Runtime } from './runtime.js';
export { init, initSync } from './source.js';
export { Span } from './span.js';
export { StaleError } from './stale.js';
