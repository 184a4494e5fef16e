// Makes playground/dist/index.html: the page with its style, its script and the
// module in it, so that it needs no server and loads nothing.
//
// Before: `npm run core && npm run bundle`, which make the package that it shows.

import { createHash } from 'node:crypto';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const hash = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`;

for (const path of ['../dist/index.slim.js', '../dist/core_bg.wasm']) {
  await access(here(path)).catch(() => {
    console.error(`${path.slice(3)} is missing; run \`npm run core && npm run bundle\` first, which needs Rust`);
    process.exit(1);
  });
}

const { outputFiles } = await build({
  entryPoints: [here('src/page.js')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  loader: { '.wasm': 'binary' },
  legalComments: 'none',
});
const script = outputFiles[0].text;
if (/<\/script/i.test(script)) throw new Error('the script would end its own element; write the tag in two parts');
const style = await readFile(here('src/page.css'), 'utf8');
const parts = { script, style, 'script-hash': hash(script), 'style-hash': hash(style) };

const page = await readFile(here('src/page.html'), 'utf8');
await mkdir(here('dist'), { recursive: true });
const html = page.replace(/\{\{([a-z-]+)\}\}/g, (_, name) => parts[name]);
await writeFile(here('dist/index.html'), html);
console.log(`playground/dist/index.html  ${html.length} characters`);
