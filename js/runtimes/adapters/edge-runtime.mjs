// Vercel's edge runtime, over a bundle as Next.js makes it.

import { manifestOf } from '../support/required.mjs';

export default [
  {
    name: 'Edge runtime (Vercel)',
    required: 'edge-runtime',
    loaded: '`import` of the .wasm file with `?module` by the entry `edge-light`',
    note: 'bundled as Next.js does it; the module is of another realm',
    version: () => manifestOf('edge-runtime')?.version ?? null,
    async start(project) {
      const { EdgeRuntime, runServer } = await import('edge-runtime');
      const { bundleEdge } = await import('../support/bundle.mjs');
      const { code, globals } = await bundleEdge(project.path('app/serve-edge.js'));
      const runtime = new EdgeRuntime({
        initialCode: code,
        // What handlers say of their panics.
        extend: (context) => Object.assign(context, globals, { console: { ...console, error() {} } }),
      });
      const server = await runServer({ runtime, host: '127.0.0.1', port: 0 });
      const { origin } = new URL(server.url);
      return { origin, send: (path, init) => fetch(origin + path, init), stop: () => server.close() };
    },
  },
];
