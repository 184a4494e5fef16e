// A program as the tools of a platform bundle it: by esbuild, with what they do with
// an import of a .wasm file.

import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { build } from 'esbuild';

/**
 * As wrangler does it for workerd: the .wasm files are modules beside the worker.
 *
 * @param contents the text of the main module, which lies in `folder`
 * @returns the modules, `path` and `contents`; the first one is the worker
 */
export async function bundleWorker(folder, contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: folder, sourcefile: 'worker.js' },
    outfile: join(folder, 'worker.js'),
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    loader: { '.wasm': 'copy' },
    logLevel: 'error',
  });
  return outputFiles.sort((one, other) => Number(one.path.endsWith('.wasm')) - Number(other.path.endsWith('.wasm')));
}

/**
 * As Next.js does it for edge functions: an import of a .wasm file with `?module`
 * becomes a global, whose module is compiled outside, in another realm.
 *
 * @returns the script, and the globals that it needs
 */
export async function bundleEdge(entryPoint) {
  const globals = {};
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    write: false,
    bundle: true,
    format: 'iife',
    target: 'es2022',
    conditions: ['edge-light', 'browser'],
    plugins: [globalsFor(globals)],
    logLevel: 'error',
  });
  return { code: outputFiles[0].text, globals };
}

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
