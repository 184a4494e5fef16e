// The program over the packages by their names: what a runtime or a bundler makes
// of `import ... from 'lavandula'` is what is tried.

import faulty from 'faulty-guest';
import javascript from 'javascript-guest';
// By name: of what is not named, bundlers drop what they may.
import { Arena, Runtime, init } from 'lavandula';
import worker from 'worker';

import { app } from './app.js';

export default {
  fetch: app({
    lavandula: { Arena, Runtime, init },
    worker: worker.fetch,
    javascript: javascript.fetch,
    faulty: faulty.fetch,
  }),
};
