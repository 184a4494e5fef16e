// Runtimes: their memory, what `withArena` promises, and how the package gets
// its module.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { createBindings } from '../dist/core.js';
import * as node from '../dist/index.node.js';
import { limited, plain, trapping } from './support/module.mjs';

const { Arena, Runtime, Span, StaleError } = node;

const MiB = 1024 * 1024;

test('there is no instance and no memory before the first arena', () => {
  const runtime = Runtime.create();
  assert.equal(runtime.memoryBytes, 0);
  assert.equal(runtime.poisoned, false);
  new Arena(runtime);
  assert.ok(runtime.memoryBytes > 0);
});

test('runtimes have memories of their own', () => {
  const [one, other] = [Runtime.create(), Runtime.create()];
  const [here, there] = [new Arena(one).strdup('here'), new Arena(other).strdup('there')];
  assert.notEqual(here.view().buffer, there.view().buffer);
  one.recycle();
  assert.equal(there.text(), 'there');
  assert.throws(() => here.text(), StaleError);
});

test('an arena without a runtime is in the shared one', () => {
  const arena = new Arena();
  assert.equal(Runtime.shared, Runtime.shared);
  assert.equal(arena.alloc(8).view().buffer.byteLength, Runtime.shared.memoryBytes);
  const before = Runtime.shared.memoryBytes;
  arena.alloc(MiB);
  assert.ok(Runtime.shared.memoryBytes > before);
  arena.free();
});

test('recycle gives the memory back and makes everything stale', () => {
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  const span = arena.alloc(MiB);
  runtime.recycle();
  assert.equal(runtime.memoryBytes, 0);
  assert.equal(runtime.poisoned, false);
  for (const use of [() => arena.used, () => arena.reset(), () => span.view(), () => arena.alloc(1)]) {
    assert.throws(use, (error) => error instanceof StaleError && error.reason === 'recycled');
  }
  runtime.recycle();
  assert.equal(new Arena(runtime).strdup('anew').text(), 'anew');
  arena.free();
  assert.throws(() => arena.used, (error) => error.reason === 'freed');
});

test('options that are none are refused by name', () => {
  assert.throws(() => Runtime.create(null), /^TypeError: options must be an object/);
  assert.throws(() => Runtime.create(5), /^TypeError: options must be an object/);
  for (const module of [null, {}, 'core_bg.wasm', new Uint8Array(8), createBindings(plain()).wasm]) {
    assert.throws(() => Runtime.create({ module }), /^TypeError: options\.module must be a WebAssembly\.Module/);
  }
  assert.throws(() => Runtime.create({ recycleAboveBytes: '5' }), /^TypeError: options\.recycleAboveBytes/);
  assert.throws(() => Runtime.create({ recycleAboveBytes: 5n }), /^TypeError: options\.recycleAboveBytes/);
  assert.throws(() => Runtime.create({ recycleAboveBytes: -1 }), /^RangeError: options\.recycleAboveBytes/);
  assert.throws(() => Runtime.create({ recycleAboveBytes: NaN }), /^RangeError: options\.recycleAboveBytes/);
  assert.equal(Runtime.create().recycleAboveBytes, 64 * MiB);
});

test('a module of something else is told so when it is first used', () => {
  // An empty module.
  const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const runtime = Runtime.create({ module });
  assert.throws(() => new Arena(runtime), /module does not export memory; pass the core_bg\.wasm/);
  assert.equal(runtime.memoryBytes, 0);
});

test('the instance is recycled when its last arena is freed and it is above the limit', () => {
  const runtime = Runtime.create({ recycleAboveBytes: 4 * MiB });
  const [one, two] = [new Arena(runtime), new Arena(runtime)];
  one.alloc(8 * MiB);
  one.free();
  assert.ok(runtime.memoryBytes > 8 * MiB, 'another arena is alive');
  assert.equal(two.strdup('alive').text(), 'alive');
  two.free();
  assert.equal(runtime.memoryBytes, 0);
  const small = new Arena(runtime);
  small.free();
  assert.ok(runtime.memoryBytes > 0, 'below the limit it stays');
  // Those of the instance that is gone do not count any more.
  one.free();
  two.free();
  assert.ok(runtime.memoryBytes > 0);
  for (const recycleAboveBytes of [0, Infinity]) {
    const other = Runtime.create({ recycleAboveBytes });
    other.withArena((arena) => arena.alloc(MiB));
    assert.equal(other.memoryBytes > 0, recycleAboveBytes === Infinity);
  }
});

test('arenas of an instance that is gone do not keep the next one', () => {
  const runtime = Runtime.create({ module: trapping('arena_calloc'), recycleAboveBytes: 4 * MiB });
  const ends = [() => runtime.recycle(), (arena) => assert.throws(() => arena.calloc(1, 1), WebAssembly.RuntimeError)];
  for (const end of ends) {
    const held = [new Arena(runtime), new Arena(runtime)];
    end(held[0]);
    runtime.withArena((arena) => arena.alloc(8 * MiB));
    assert.equal(runtime.memoryBytes, 0);
    held.forEach((arena) => arena.free());
  }
});

test('withArena returns what `use` returns, and its arena is freed', () => {
  const runtime = Runtime.create();
  let leaked;
  const text = runtime.withArena((arena) => {
    leaked = arena;
    return arena.strdup('inside').text();
  });
  assert.equal(text, 'inside');
  assert.throws(() => leaked.used, StaleError);
  const span = runtime.withArena((arena) => arena.strdup('inside'));
  assert.ok(span instanceof Span);
  assert.throws(() => span.text(), StaleError);
});

test('withArena frees when `use` throws, and throws the same', () => {
  const runtime = Runtime.create();
  const error = new Error('of the user');
  for (let round = 0; round < 1000; round += 1) {
    assert.throws(
      () =>
        runtime.withArena((arena) => {
          arena.alloc(60_000);
          throw error;
        }),
      (thrown) => thrown === error,
    );
  }
  assert.ok(runtime.memoryBytes < 2 * MiB, String(runtime.memoryBytes));
  assert.equal(runtime.poisoned, false);
  assert.throws(() => runtime.withArena(), /^TypeError: use must be a function/);
  assert.throws(() => runtime.withArena({}), /^TypeError: use must be a function/);
});

test('withArena nests, and an inner one may recycle or trap under the outer', () => {
  const runtime = Runtime.create();
  runtime.withArena((outer) => {
    const kept = outer.strdup('outer');
    runtime.withArena((inner) => assert.equal(inner.strdup('inner').text(), 'inner'));
    assert.equal(kept.text(), 'outer');
    runtime.withArena(() => runtime.recycle());
    assert.throws(() => kept.text(), StaleError);
    assert.equal(runtime.withArena((inner) => inner.strdup('anew').text()), 'anew');
  });
  assert.equal(runtime.withArena((arena) => arena.strdup('still').text()), 'still');
});

test('withArena refuses async functions before they run, and promises after', async () => {
  const runtime = Runtime.create();
  const unhandled = [];
  const listen = (error) => unhandled.push(error);
  process.on('unhandledRejection', listen);
  let ran = false;
  assert.throws(
    () =>
      runtime.withArena(async () => {
        ran = true;
      }),
    /^TypeError: withArena frees its arena/,
  );
  assert.equal(ran, false);
  let later;
  assert.throws(
    () =>
      runtime.withArena((arena) => {
        later = arena;
        return Promise.resolve().then(() => arena.alloc(8));
      }),
    TypeError,
  );
  assert.throws(() => later.used, StaleError);
  assert.throws(() => runtime.withArena(() => ({ then: (done) => done() })), TypeError);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(unhandled, []);
  process.off('unhandledRejection', listen);
  assert.equal(runtime.withArena((arena) => arena.used), 0);
});

test('using is free', () => {
  if (Symbol.dispose === undefined) throw new Error('this engine has no Symbol.dispose; Node 20 and later do');
  const arena = new Arena(Runtime.create());
  arena[Symbol.dispose]();
  arena[Symbol.dispose]();
  assert.throws(() => arena.used, StaleError);
  assert.equal(Arena.prototype[Symbol.dispose], Arena.prototype.free);
});

/** Runs a program with the entry `name` in a process of its own. */
function program(name, source, flags = []) {
  const entry = new URL(`../dist/index.${name}.js`, import.meta.url);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-'], {
    input: `
      import { readFileSync } from 'node:fs';
      import assert from 'node:assert/strict';
      import { Arena, Runtime, Span, StaleError, init, initSync } from ${JSON.stringify(entry.href)};
      const bytes = readFileSync(${JSON.stringify(fileURLToPath(new URL('../dist/core_bg.wasm', import.meta.url)))});
      const works = () => assert.equal(new Arena().strdup('works').text(), 'works');
      ${source}`,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

test('entries that have the module at hand need no init, and take one', () => {
  for (const name of ['node', 'inline']) {
    program(name, `works(); await init(); initSync(bytes); works();`);
    program(name, `await init(); works();`);
  }
});

test('without a module an arena is an Error that says to init, and a runtime is not', () => {
  for (const name of ['slim', 'web']) {
    program(
      name,
      `const runtime = Runtime.create();
       assert.throws(() => new Arena(), /await init\\(\\)/);
       assert.throws(() => runtime.withArena(() => 1), /await init\\(\\)/);
       initSync(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
       works();
       assert.equal(runtime.withArena(() => 1), 1);`,
    );
  }
});

test('init takes whatever there is of a module', () => {
  const type = `{ headers: { 'content-type': 'application/wasm' } }`;
  for (const input of [
    'new WebAssembly.Module(bytes)',
    'bytes',
    'bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)',
    'new DataView(bytes.buffer, bytes.byteOffset, bytes.length)',
    'Promise.resolve(bytes)',
    `new Response(bytes, ${type})`,
    'new Response(bytes)',
    `Promise.resolve(new Response(bytes, ${type}))`,
    '`data:application/wasm;base64,${bytes.toString("base64")}`',
    'new URL(`data:application/wasm;base64,${bytes.toString("base64")}`)',
  ]) {
    program('slim', `await init(${input}); works(); await init(); works();`);
  }
});

test('init that fails says why, and may be called again', () => {
  program(
    'slim',
    `await assert.rejects(init(), /^TypeError: there is no module in undefined; pass a WebAssembly\\.Module/);
     await assert.rejects(init(5), /there is no module in 5/);
     await assert.rejects(init({}), /there is no module in an object/);
     await assert.rejects(init(new Response('not here', { status: 404 })), /answered with 404; make the server serve/);
     await assert.rejects(init(Promise.reject(new Error('offline'))), /offline/);
     await assert.rejects(init(new Uint8Array(8)), WebAssembly.CompileError);
     assert.throws(() => initSync('x'), /^TypeError: module must be a WebAssembly\\.Module or its bytes/);
     assert.throws(() => new Arena(), /await init\\(\\)/);
     const both = [init(bytes), init(bytes)];
     await Promise.all(both);
     works();`,
  );
});

test('in the web entry init fetches the file beside it', () => {
  program(
    'web',
    `const asked = [];
     globalThis.fetch = async (url) => {
       asked.push(String(url));
       if (asked.length === 1) throw new TypeError('offline');
       return new Response(bytes, { headers: { 'content-type': 'application/wasm' } });
     };
     await assert.rejects(init(), /offline/);
     await Promise.all([init(), init()]);
     await init();
     works();
     assert.equal(asked.length, 2);
     assert.match(asked[1], /\\/dist\\/core_bg\\.wasm$/);`,
  );
});

test('two entries in one program share their classes', async () => {
  const slim = await import('../dist/index.slim.js');
  for (const name of Object.keys(node)) assert.equal(slim[name], node[name], name);
  assert.deepEqual(Object.keys(node).sort(), ['Arena', 'Runtime', 'Span', 'StaleError', 'init', 'initSync']);
  for (const name of ['Arena', 'Runtime', 'Span', 'StaleError']) assert.equal(node[name].name, name);
});

test('a limited memory is a limit', () => {
  const runtime = Runtime.create({ module: limited(10) });
  const arena = new Arena(runtime);
  arena.alloc(8);
  const before = runtime.memoryBytes;
  while (arena.alloc(10_000) !== null);
  assert.ok(runtime.memoryBytes > before && runtime.memoryBytes - before <= 10 * 65_536);
});
