// miniflare, which is what `wrangler dev` runs, over a bundle as wrangler makes it:
// by esbuild, with the .wasm files beside it as modules.

import { build } from 'esbuild';

import { manifestOf } from '../support/required.mjs';

/** Not later than the workerd that this miniflare brings along. */
const COMPATIBILITY_DATE = '2026-04-01';

export default [
  {
    name: 'miniflare',
    required: 'miniflare',
    loaded: 'as workerd, after bundling as wrangler does it',
    note: 'the newest that runs on Node.js 20',
    version: () => manifestOf('miniflare')?.version ?? null,
    start: (project) => serveWorker(project, "export { default } from './app/main.js';"),
  },
];

/** Serves a worker whose main module has this text. */
export async function serveWorker(project, contents) {
  const { Log, LogLevel, Miniflare } = await import('miniflare');
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project.folder, sourcefile: 'worker.js' },
    outfile: project.path('worker.js'),
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    loader: { '.wasm': 'copy' },
    logLevel: 'error',
  });
  // The first module is the worker.
  outputFiles.sort((one, other) => Number(one.path.endsWith('.wasm')) - Number(other.path.endsWith('.wasm')));
  const miniflare = new Miniflare({
    log: new Log(LogLevel.NONE),
    // What handlers say of their panics.
    handleRuntimeStdio: (...streams) => streams.forEach((stream) => stream.resume()),
    host: '127.0.0.1',
    port: 0,
    cf: false,
    compatibilityDate: COMPATIBILITY_DATE,
    modulesRoot: project.folder,
    modules: outputFiles.map(({ path, contents }) => ({
      type: path.endsWith('.wasm') ? 'CompiledWasm' : 'ESModule',
      path,
      contents,
    })),
  });
  const { origin } = await miniflare.ready;
  return { send: (path, init) => fetch(origin + path, init), stop: () => miniflare.dispose() };
}
