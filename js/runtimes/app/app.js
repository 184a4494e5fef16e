// The program that runs in every runtime: handlers of three packages and an arena,
// behind one `fetch`. It knows nothing of where it runs.

import { roundTrip } from './arena.js';

/** Paths of the handler that works with JavaScript. */
const OF_JAVASCRIPT = ['/max', '/format', '/hold', '/throw'];

/**
 * @param lavandula what the package `lavandula` exports
 * @param worker `fetch` of the package of examples/worker
 * @param javascript `fetch` of the package of tests/guests/javascript
 * @param faulty `fetch` of the package of tests/guests/faulty
 */
export function app({ lavandula, worker, javascript, faulty }) {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/arena') return Response.json(await roundTrip(lavandula));
    // As it came: what a handler is given is what the runtime was sent.
    if (pathname === '/' || (pathname === '/count' && request.method === 'POST')) return worker(request);
    return OF_JAVASCRIPT.includes(pathname) ? javascript(request) : faulty(request);
  };
}
