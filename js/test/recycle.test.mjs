// What recycle gives back of arenas that nobody frees. In a file, and so in a
// process, of its own: what other tests leave would move the numbers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { Arena, Runtime } from '../dist/index.node.js';

const MiB = 1024 * 1024;

const { gc } = globalThis;
assert.ok(gc, 'run with --expose-gc, as `npm test` does');

async function collect() {
  for (let round = 0; round < 5; round += 1) {
    gc();
    await turn();
  }
}

test('1,500 arenas that nobody frees hold their memory, and recycle gives all of it back', async () => {
  const runtime = Runtime.create({ recycleAboveBytes: Infinity });
  const held = [];
  // What earlier tests left would be collected in the middle of this.
  await collect();
  const rss = process.memoryUsage.rss();
  for (let index = 0; index < 1500; index += 1) {
    const arena = new Arena(runtime);
    arena.alloc(60_000).view().fill(1);
    held.push(arena);
  }
  const most = runtime.memoryBytes;
  assert.ok(most > 90 * MiB, String(most));
  const full = process.memoryUsage.rss() - rss;
  assert.ok(full > 60 * MiB, String(full));
  runtime.recycle();
  assert.equal(runtime.memoryBytes, 0);
  await collect();
  // The stale arenas are still held: they must not hold the memory.
  const left = process.memoryUsage.rss() - rss;
  assert.ok(left < full / 4, `${left} of ${full} bytes are still there`);
  for (const arena of held) arena.free();
  assert.equal(new Arena(runtime).strdup('anew').text(), 'anew');
});
