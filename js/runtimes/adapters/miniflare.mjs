// miniflare, which is what `wrangler dev` runs, over a bundle as wrangler makes it.

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
  const { bundleWorker } = await import('../support/bundle.mjs');
  const modules = await bundleWorker(project.folder, contents);
  const miniflare = new Miniflare({
    log: new Log(LogLevel.NONE),
    // What handlers say of their panics.
    handleRuntimeStdio: (...streams) => streams.forEach((stream) => stream.resume()),
    host: '127.0.0.1',
    port: 0,
    cf: false,
    compatibilityDate: COMPATIBILITY_DATE,
    modulesRoot: project.folder,
    modules: modules.map(({ path, contents }) => ({
      type: path.endsWith('.wasm') ? 'CompiledWasm' : 'ESModule',
      path,
      contents,
    })),
  });
  const { origin } = await miniflare.ready;
  return { origin, send: (path, init) => fetch(origin + path, init), stop: () => miniflare.dispose() };
}
