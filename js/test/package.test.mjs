// The package as npm packs it: what is in it, and that everything it points to is
// there.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const root = new URL('../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const manifest = JSON.parse(read('package.json'));

const [packed] = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: fileURLToPath(root), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
);
const files = packed.files.map(({ path }) => path);
const entries = readdirSync(new URL('src/entries', root)).map((name) => `dist/index.${name}`);

/** Every path that `exports` names. */
const targets = (node) => (typeof node === 'string' ? [node.slice(2)] : Object.values(node).flatMap(targets));

test('everything that the manifest points to is packed', () => {
  for (const path of targets(manifest.exports)) assert.ok(files.includes(path), path);
  for (const path of entries) assert.ok(targets(manifest.exports).includes(path), `${path} has no condition`);
  for (const path of ['README.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'index.d.ts']) assert.ok(files.includes(path), path);
});

test('conditions come in the order in which they must be tried', () => {
  const order = ['types', 'workerd', 'edge-light', 'deno', 'bun', 'node', 'browser', 'default'];
  assert.deepEqual(Object.keys(manifest.exports['.']), order);
});

test('nothing else is packed, needed or run', () => {
  const known = /^(dist\/(index\.[a-z-]+\.js|shared\.js)(\.map)?|dist\/core_bg\.wasm|index\.d\.ts|package\.json|README\.md|LICENSE-[A-Z]+)$/;
  assert.deepEqual(files.filter((path) => !known.test(path)), []);
  for (const key of ['dependencies', 'peerDependencies', 'optionalDependencies']) assert.equal(manifest[key], undefined);
  for (const key of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(manifest.scripts[key], undefined);
});

test('the entries are known to have side effects: they say where the module is', () => {
  // With `false` bundlers drop that, and nothing is initialised.
  const [pattern] = manifest.sideEffects;
  const matches = new RegExp(`^${pattern.slice(2).replaceAll('.', '\\.').replace('*', '.*')}$`);
  for (const path of entries) assert.match(path, matches);
});

test('each file has a source map with its sources', () => {
  for (const path of files.filter((path) => path.endsWith('.js') && path !== 'dist/index.slim.js')) {
    assert.match(read(path), new RegExp(`//# sourceMappingURL=${path.slice('dist/'.length).replaceAll('.', '\\.')}\\.map\n$`));
    const { sources, sourcesContent } = JSON.parse(read(`${path}.map`));
    assert.ok(sources.length > 0 && sourcesContent.every((source) => source.length > 50), path);
  }
});

test('runtimes that may not compile import the module, and the others do not', () => {
  for (const path of entries) {
    const imported = read(path).match(/from "\.\/core_bg\.wasm(\?module)?"/)?.[0];
    const expected = { 'dist/index.workerd.js': 'from "./core_bg.wasm"', 'dist/index.edge-light.js': 'from "./core_bg.wasm?module"' };
    assert.equal(imported, expected[path], path);
    assert.equal(/from "node:/.test(read(path)), path === 'dist/index.node.js', path);
  }
  // What bundlers look for, to the letter.
  assert.match(read('dist/index.web.js'), /new URL\("\.\/core_bg\.wasm", import\.meta\.url\)/);
});

test('the name of the package finds the entry for this runtime', async () => {
  const { Arena } = await import('lavandula');
  assert.equal(new Arena().strdup('by its name').text(), 'by its name');
  assert.equal((await import('lavandula/slim')).Arena, Arena);
  assert.equal((await import('lavandula/inline')).Arena, Arena);
  assert.match(import.meta.resolve?.('lavandula/core_bg.wasm') ?? 'core_bg.wasm', /core_bg\.wasm$/);
});
