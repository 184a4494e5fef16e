// What is measured, loaded: the package as it is bundled, the raw exports of its module,
// the same arena behind ordinary wasm-bindgen, and a package of a handler.

import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const at = (path) => new URL(path, import.meta.url);

// As it is deployed: groups make arenas that nobody frees, and a warning is not measured.
process.env.NODE_ENV ??= 'production';

const PACKAGE = at('../dist/index.node.js');
const CORE = at('../dist/');
const PLAIN = at('dist/plain/');
const WORKER = at('dist/worker/dist/handler-entries/node.js');

const BUILD = 'run `npm run build` in js/, which needs Rust';
const BUILD_PEERS = 'run `npm run bench:build` in js/, which needs Rust';

/** Something is to be built first. */
export class Missing extends Error {}

async function load(url, otherwise) {
  try {
    return await import(url);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Missing(`${fileURLToPath(url)} is missing; ${otherwise}`);
  }
}

/** What `lavandula npm --core` makes: a function that makes an instance, and the sizes. */
async function core(folder, otherwise) {
  const { createBindings } = await load(new URL('core.js', folder), otherwise);
  const bytes = readFileSync(new URL('core_bg.wasm', folder));
  const module = new WebAssembly.Module(bytes);
  return {
    bytes: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    instantiate: () => createBindings(module),
  };
}

export const lavandula = () => load(PACKAGE, BUILD);
export const arenaCore = () => core(CORE, BUILD);
export const plainCore = () => core(PLAIN, BUILD_PEERS);
export const worker = () => load(WORKER, BUILD_PEERS);
export const coreAt = (folder) =>
  core(pathToFileURL(`${folder}/`), 'give a folder that `lavandula npm --core --output FOLDER` has made');
