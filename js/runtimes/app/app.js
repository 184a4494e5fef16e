// The program that runs in every runtime: two handlers of packages and an arena,
// behind one `fetch`. It knows nothing of where it runs.

import { roundTrip } from './arena.js';

/**
 * @param lavandula what the package `lavandula` exports
 * @param worker `fetch` of the package of examples/worker
 * @param faulty `fetch` of the package of tests/guests/faulty
 */
export function app({ lavandula, worker, faulty }) {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/arena') return Response.json(await roundTrip(lavandula));
    const counts = pathname === '/count' && request.method === 'POST';
    // As it came: what a handler is given is what the runtime was sent.
    return pathname === '/' || counts ? worker(request) : faulty(request);
  };
}
