// The program over `/slim`, for bundlers that bring a .wasm file along where it is
// imported, and leave `new URL(...)` as it is.

import faultyUrl from 'faulty-guest/core_bg.wasm';
import { Handler as Faulty } from 'faulty-guest/slim';
import javascriptUrl from 'javascript-guest/core_bg.wasm';
import { Handler as Javascript } from 'javascript-guest/slim';
import lavandulaUrl from 'lavandula/core_bg.wasm';
import * as lavandula from 'lavandula/slim';
import workerUrl from 'worker/core_bg.wasm';
import { Handler as Worker } from 'worker/slim';

import { app } from './app.js';

const compiled = (url) => () => WebAssembly.compileStreaming(fetch(url));

export default {
  fetch: app({
    lavandula: { ...lavandula, init: () => lavandula.init(lavandulaUrl) },
    worker: new Worker({ module: compiled(workerUrl) }).fetch,
    javascript: new Javascript({ module: compiled(javascriptUrl) }).fetch,
    faulty: new Faulty({ module: compiled(faultyUrl) }).fetch,
  }),
};
