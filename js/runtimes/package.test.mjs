// The packed packages as npm, bundlers and TypeScript read them, and what they weigh.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

import { NAMES, createProject } from './support/project.mjs';
import { installed } from './support/required.mjs';

/** What the arena may weigh on the way to a browser. */
const BUDGET = 16 * 1024;

const project = createProject();
after(project.remove);

/** Runs a program of node_modules/.bin; its end and what it said. */
async function tool(name, args) {
  const program = installed(`.bin/${name}`);
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd: project.folder });
    return { code: 0, said: stdout };
  } catch (error) {
    if (typeof error.code !== 'number') throw error;
    return { code: error.code, said: error.stdout + error.stderr };
  }
}

const attw = (name, ...args) => tool('attw', [project.tarballs[name], '--no-color', '--no-emoji', ...args]);

for (const name of NAMES) {
  test(`publint has nothing to say of ${name}`, async () => {
    const { buffer } = Uint8Array.from(readFileSync(project.tarballs[name]));
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
    const advice = messages.map((message) => formatMessage(message, pkg, { color: false }));
    // Where a package comes from is for those who publish handlers to say.
    assert.deepEqual(advice, []);
  });

  test(`the types of ${name} are right wherever it may be imported`, async () => {
    // ESM only: `require` is left to Node.js, which can since 20.19. The module itself
    // has no types.
    const { code, said } = await attw(name, '--profile', 'esm-only', '--exclude-entrypoints', './core_bg.wasm');
    assert.equal(code, 0, said);
  });
}

test('the check of types finds what is wrong', async () => {
  // The same without the profile: then something is missing.
  const { code, said } = await attw('lavandula', '--exclude-entrypoints', './core_bg.wasm');
  assert.equal(code, 1, said);
  assert.match(said, /ESM \(dynamic import only\)|Resolution failed/);
});

/** With `Disposable` and `using` in the language's own types, and without. */
const LIBRARIES = { 'ES2022 without Disposable': ['ES2022', 'DOM'], 'ESNext and DOM': ['ESNext', 'DOM'] };

for (const [title, lib] of Object.entries(LIBRARIES)) {
  for (const moduleResolution of ['nodenext', 'bundler']) {
    test(`types compile with ${title}, resolved as ${moduleResolution}`, async () => {
      const { code, said } = await compile(lib, moduleResolution);
      assert.equal(code, 0, said);
    });
  }
}

test('an error in types is found', async () => {
  const { code, said } = await compile(['ESNext', 'DOM'], 'nodenext', (text) => text.replaceAll(/^ *\/\/ @ts-expect-error .*\n/gm, ''));
  assert.notEqual(code, 0);
  const lines = said.match(/error TS\d+/g) ?? [];
  assert.equal(lines.length, 9, said);
});

async function compile(lib, moduleResolution, change = (text) => text) {
  for (const name of ['arena.ts', 'handler.ts']) {
    writeFileSync(project.path(name), change(readFileSync(new URL(`types/${name}`, import.meta.url), 'utf8')));
  }
  const compilerOptions = {
    lib,
    module: moduleResolution === 'bundler' ? 'esnext' : 'nodenext',
    moduleResolution,
    target: 'es2022',
    types: [],
    strict: true,
    noEmit: true,
    // The packages' own declarations are looked at as well.
    skipLibCheck: false,
  };
  writeFileSync(project.path('tsconfig.json'), JSON.stringify({ compilerOptions, files: ['arena.ts', 'handler.ts'] }));
  return tool('tsc', ['-p', 'tsconfig.json', '--pretty', 'false']);
}

test('the arena weighs at most 16 KB', async (context) => {
  const { outputFiles } = await build({
    stdin: { contents: "export * from 'lavandula';", resolveDir: project.folder },
    bundle: true,
    minify: true,
    format: 'esm',
    conditions: ['browser'],
    write: false,
  });
  const parts = {
    'core_bg.wasm': readFileSync(project.path('node_modules/lavandula/dist/core_bg.wasm')),
    'index.web.js, bundled and minified': outputFiles[0].contents,
  };
  let total = 0;
  for (const [name, content] of Object.entries(parts)) {
    const { length } = gzipSync(content, { level: 9 });
    total += length;
    context.diagnostic(`${name}: ${content.length} bytes, ${length} gzipped`);
  }
  context.diagnostic(`together ${total} of ${BUDGET} bytes`);
  assert.ok(total <= BUDGET, `${total} bytes are more than ${BUDGET}`);
});
