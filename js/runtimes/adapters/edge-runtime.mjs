// Vercel's edge runtime, over a bundle as Next.js makes it: an import of a .wasm file
// with `?module` becomes a global, whose module is compiled outside, in another realm.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { build } from 'esbuild';

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
      const modules = {};
      const { outputFiles } = await build({
        entryPoints: [project.path('app/serve-edge.js')],
        write: false,
        bundle: true,
        format: 'iife',
        target: 'es2022',
        conditions: ['edge-light', 'browser'],
        plugins: [globalsFor(modules)],
        logLevel: 'error',
      });
      const runtime = new EdgeRuntime({
        initialCode: outputFiles[0].text,
        // What handlers say of their panics.
        extend: (context) => Object.assign(context, modules, { console: { ...console, error() {} } }),
      });
      const server = await runServer({ runtime, host: '127.0.0.1', port: 0 });
      return { send: (path, init) => fetch(new URL(path, server.url), init), stop: () => server.close() };
    },
  },
];

function globalsFor(modules) {
  return {
    name: 'wasm?module',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /\.wasm\?module$/ }, ({ path, importer }) => ({
        path: resolve(dirname(importer), path.slice(0, -'?module'.length)),
        namespace: 'wasm',
      }));
      onLoad({ filter: /./, namespace: 'wasm' }, ({ path }) => {
        const name = `wasm_${Object.keys(modules).length}`;
        modules[name] = new WebAssembly.Module(readFileSync(path));
        return { contents: `export default globalThis.${name};` };
      });
    },
  };
}
