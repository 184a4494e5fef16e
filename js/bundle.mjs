// Bundles each entry of src/entries into dist/index.*.js. What they share is in
// one file, so that a program that comes by two of them has one class `Arena`.
//
// Before: `npm run core`, which makes dist/core.js and what belongs to it.

import { access, copyFile, readdir, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const dist = here('dist');
const GENERATED = ['core.js', 'core_inline.js', 'core_bg.wasm'];

/** Generated code is in dist; the .wasm file stays a file beside the entries. */
const core = {
  name: 'core',
  setup({ onResolve }) {
    onResolve({ filter: /\/core(_inline)?\.js$/ }, ({ path }) => ({ path: `${dist}/${basename(path)}` }));
    onResolve({ filter: /core_bg\.wasm(\?module)?$/ }, ({ path }) => ({ path, external: true }));
  },
};

for (const name of GENERATED) {
  await access(`${dist}/${name}`).catch(() => {
    console.error(`dist/${name} is missing; run \`npm run core\` first, which needs Rust`);
    process.exit(1);
  });
}
for (const name of await readdir(dist)) {
  if (/^(index\..*|shared)\.js(\.map)?$/.test(name)) await rm(`${dist}/${name}`);
}

// npm packs no file from outside of the package.
for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) await copyFile(here(`../${name}`), here(name));

const entries = await readdir(here('src/entries'));
const { metafile } = await build({
  entryPoints: entries.map((name) => ({ in: here(`src/entries/${name}`), out: `index.${basename(name, '.js')}` })),
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: 'shared',
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  // Else errors and inspectors speak of `_Arena`.
  keepNames: true,
  external: ['node:*'],
  sourcemap: true,
  sourcesContent: true,
  metafile: true,
  plugins: [core],
});
for (const [path, { bytes }] of Object.entries(metafile.outputs)) {
  if (!path.endsWith('.map')) console.log(`${basename(path).padEnd(24)}${bytes} bytes`);
}
