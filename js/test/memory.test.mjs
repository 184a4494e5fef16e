// What becomes of memory over thousands of runtimes and a million requests, and
// of arenas that nobody frees. LAVANDULA_TEST_SCALE shortens or lengthens it: the
// counts are multiplied by it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { Arena, Runtime } from '../dist/index.node.js';

const SCALE = Number(process.env.LAVANDULA_TEST_SCALE ?? 1);
const RUNTIMES = Math.ceil(20_000 * SCALE);
const REQUESTS = Math.ceil(1_000_000 * SCALE);

const MiB = 1024 * 1024;

const { gc } = globalThis;
assert.ok(gc, 'run with --expose-gc, as `npm test` does');

async function collect() {
  for (let round = 0; round < 5; round += 1) {
    gc();
    await turn();
  }
}

/** Warnings while `act` runs. */
async function warnings(act) {
  const { warn } = console;
  const said = [];
  // Not those about arenas of the test before.
  console.warn = () => {};
  await collect();
  console.warn = (...words) => said.push(words.join(' '));
  try {
    await act();
  } finally {
    console.warn = warn;
  }
  return said;
}

test(`${RUNTIMES} runtimes one after the other leave nothing behind`, { timeout: 300_000 }, async () => {
  const one = (index) => {
    const runtime = Runtime.create();
    const arena = new Arena(runtime);
    assert.equal(arena.strdup(`runtime ${index}`).text(), `runtime ${index}`);
    arena.alloc(100_000).view().fill(1);
    arena.free();
    runtime.recycle();
  };
  let warm;
  for (let index = 0; index < RUNTIMES; index += 1) {
    one(index);
    // Without a turn of the loop no memory of an instance is ever released.
    if (index % 500 === 0) {
      await collect();
      if (index === Math.floor(RUNTIMES / 4 / 500) * 500) warm = process.memoryUsage.rss();
    }
  }
  await collect();
  const grown = process.memoryUsage.rss() - warm;
  assert.ok(grown < 40 * MiB, `${(grown / MiB).toFixed(1)} MiB more after ${RUNTIMES} than after a quarter of them`);
});

test(`${REQUESTS} requests in one runtime take no more memory than the first ones`, { timeout: 300_000 }, () => {
  const runtime = Runtime.create();
  const request = (index) =>
    runtime.withArena((arena) => {
      const path = arena.strdup(`/items/${index % 1000}?q=é`);
      const body = arena.alloc(200 + (index % 700));
      body.view()[0] = index;
      if (index % 1000 === 0) arena.calloc(100, 1000);
      return path.byteLength + body.byteLength;
    });
  for (let index = 0; index < 2000; index += 1) request(index);
  const before = runtime.memoryBytes;
  for (let index = 0; index < REQUESTS; index += 1) request(index);
  assert.equal(runtime.memoryBytes, before);
});

test('arenas that are collected without free are freed then, with one warning per runtime', async () => {
  const runtime = Runtime.create({ recycleAboveBytes: Infinity });
  const leak = () => {
    for (let index = 0; index < 500; index += 1) new Arena(runtime).alloc(60_000);
  };
  const said = await warnings(async () => {
    leak();
    await collect();
    const most = runtime.memoryBytes;
    for (let round = 0; round < 5; round += 1) {
      leak();
      await collect();
    }
    assert.equal(runtime.memoryBytes, most, 'what was freed is used again');
  });
  assert.equal(said.length, 1, said.join('\n'));
  assert.match(said[0], /nobody freed.*call free\(\), declare it with `using`, or use Runtime\.withArena\(\)/);
});

test('arenas that were freed, and those of an instance that is gone, are no reason to warn', async () => {
  const said = await warnings(async () => {
    const runtime = Runtime.create();
    for (let index = 0; index < 100; index += 1) new Arena(runtime).free();
    runtime.withArena((arena) => arena.alloc(8));
    const other = Runtime.create();
    for (let index = 0; index < 100; index += 1) new Arena(other).alloc(8);
    other.recycle();
    await collect();
  });
  assert.deepEqual(said, []);
});

test('in production the net is silent', () => {
  const source = `
    import { Arena } from ${JSON.stringify(new URL('../dist/index.node.js', import.meta.url).href)};
    for (let index = 0; index < 100; index += 1) new Arena().alloc(8);
    for (let round = 0; round < 5; round += 1) { gc(); await new Promise((done) => setImmediate(done)); }`;
  for (const [NODE_ENV, warns] of [['production', false], ['development', true]]) {
    const { stderr, status } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-'], {
      input: source,
      encoding: 'utf8',
      env: { ...process.env, NODE_ENV },
    });
    assert.equal(status, 0, stderr);
    assert.equal(stderr.includes('nobody freed'), warns, stderr);
  }
});

test('an arena is not collected while a span of it is held', async () => {
  const runtime = Runtime.create();
  const make = () => new Arena(runtime).strdup('held by its span alone');
  const span = make();
  const said = await warnings(async () => {
    await collect();
    for (let index = 0; index < 50; index += 1) {
      const arena = new Arena(runtime);
      arena.alloc(60_000).view().fill(0x21);
      arena.free();
    }
    assert.equal(span.text(), 'held by its span alone');
  });
  assert.deepEqual(said, []);
});

test('an arena that is collected counts as freed for recycleAboveBytes', async () => {
  const runtime = Runtime.create({ recycleAboveBytes: 2 * MiB });
  await warnings(async () => {
    const leak = () => new Arena(runtime).alloc(4 * MiB);
    leak();
    assert.ok(runtime.memoryBytes > 4 * MiB);
    await collect();
  });
  assert.equal(runtime.memoryBytes, 0);
});
