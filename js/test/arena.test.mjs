// Arenas: what is handed out, what is refused, and what there is where there is no
// memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { Arena, Runtime, Span } from '../dist/index.node.js';
import { bytes, limited } from './support/module.mjs';

const PAGE = 65_536;

test('nothing can be forged: neither arenas nor spans nor runtimes', () => {
  assert.throws(() => new Runtime(), /Runtime\.create\(\)/);
  assert.throws(() => new Runtime(Symbol('Runtime.create')), TypeError);
  assert.throws(() => new Span(undefined, {}, 0, 100), /made by an Arena/);
  assert.throws(() => Arena.prototype.alloc.call({ __wbg_ptr: 1024 }, 8), TypeError);
  assert.throws(() => Arena.prototype.free.call(Object.create(Arena.prototype)), TypeError);
  const arena = new Arena(Runtime.create());
  arena.__wbg_ptr = 12_345;
  assert.equal(arena.alloc(8).view().length, 8);
  assert.deepEqual(Object.keys(arena.alloc(8)), []);
  // Both hidden arguments of the constructor are as good as none.
  const usual = new Arena(Runtime.create(), 'sized', 1 << 20);
  usual.alloc(1);
  assert.equal(usual.usage().committed, PAGE);
});

test('a runtime that is none is a TypeError that names the argument', () => {
  for (const wrong of [null, {}, 5, 'runtime', Object.create(Runtime.prototype), new Arena()]) {
    assert.throws(() => new Arena(wrong), /^TypeError: runtime must be a Runtime/);
    assert.throws(() => Arena.withBlockSize(PAGE, wrong), /^TypeError: runtime must be a Runtime/);
  }
});

const SIZES = [
  [NaN, RangeError],
  [1.9, RangeError],
  [-1, RangeError],
  [2 ** 32 + 8, RangeError],
  [2 ** 31, RangeError],
  [Infinity, RangeError],
  ['12', TypeError],
  [8n, TypeError],
  [null, TypeError],
  [undefined, TypeError],
  [{}, TypeError],
  [{ valueOf: () => 8 }, TypeError],
  [[8], TypeError],
  [true, TypeError],
  [Symbol('8'), TypeError],
  [() => 8, TypeError],
];

test('a size that is none is refused by name and value, and nothing is allocated', () => {
  const arena = new Arena(Runtime.create());
  arena.alloc(8);
  const places = {
    bytes: [(size) => arena.alloc(size), (size) => arena.calloc(1, size), (size) => Arena.withBlockSize(size)],
    count: [(size) => arena.calloc(size, 1)],
    maxBytes: [(size) => arena.strndup('x', size)],
  };
  for (const [name, calls] of Object.entries(places)) {
    for (const call of calls) {
      for (const [size, kind] of SIZES) {
        assert.throws(
          () => call(size),
          (error) => error instanceof kind && error.message.startsWith(`${name} must be `),
          `${name} ${typeof size}`,
        );
      }
    }
  }
  assert.equal(arena.used, 8);
});

test('an error shows the value, cut where it is long', () => {
  const arena = new Arena(Runtime.create());
  assert.throws(() => arena.alloc('12'), /bytes must be a number, not "12"/);
  assert.throws(() => arena.alloc(8n), /not 8n/);
  assert.throws(() => arena.alloc(NaN), /an integer from 0 to 2147483647, not NaN/);
  assert.throws(() => arena.alloc('x'.repeat(1_000_000)), ({ message }) => message.length < 100);
  assert.throws(() => arena.alloc(10n ** 100_000n), ({ message }) => message.length < 100);
});

test('a text that is none is a TypeError', () => {
  const arena = new Arena(Runtime.create());
  for (const wrong of [5, null, undefined, {}, new String('x'), ['x'], 1n]) {
    assert.throws(() => arena.strdup(wrong), /^TypeError: text must be a string/);
    assert.throws(() => arena.strndup(wrong, 5), /^TypeError: text must be a string/);
  }
  assert.equal(arena.used, 0);
});

test('a lone surrogate is a TypeError that says where it is and what to do', () => {
  const arena = new Arena(Runtime.create());
  for (const [text, index] of [
    ['\ud83d', 0],
    ['ab\udc00', 2],
    ['😀\ud83d x', 2],
    ['\udc00\ud83d', 0],
  ]) {
    assert.throws(() => arena.strdup(text), {
      name: 'TypeError',
      message: `text has a lone surrogate at index ${index}; pass text.toWellFormed() to have U+FFFD in its place`,
    });
    assert.throws(() => arena.strndup(text, 100), TypeError);
    assert.equal(arena.strdup(text.toWellFormed()).text(), text.toWellFormed());
  }
});

test('block sizes: what the arena refuses is a RangeError', () => {
  const runtime = Runtime.create();
  for (const wrong of [0, 1, 12, 65_537, 2 ** 30 + 8, 2 ** 31 - 8]) {
    assert.throws(() => Arena.withBlockSize(wrong, runtime), RangeError, String(wrong));
  }
  const arena = Arena.withBlockSize(1024 * 1024, runtime);
  arena.alloc(1);
  assert.equal(arena.usage().committed, 1024 * 1024);
});

test('allocations are aligned to 8, apart from each other, and zero where they should be', () => {
  const arena = new Arena(Runtime.create());
  for (let round = 0; round < 3; round += 1) {
    let end = 0;
    for (const size of [1, 7, 8, 9, 1000, 3]) {
      const span = arena.alloc(size);
      assert.equal(span.byteOffset % 8, 0);
      assert.ok(span.byteOffset >= end || round > 0);
      end = span.byteOffset + size;
      span.view().fill(0xaa);
    }
    assert.ok(arena.calloc(100, 10).view().every((byte) => byte === 0));
    arena.reset();
  }
});

test('zero bytes succeed and take nothing', () => {
  const arena = new Arena(Runtime.create());
  for (const span of [arena.alloc(0), arena.calloc(0, 8), arena.calloc(8, 0), arena.strdup(''), arena.strndup('x', 0)]) {
    assert.equal(span.byteLength, 0);
    assert.equal(span.view().length, 0);
    assert.equal(span.text(), '');
  }
  assert.equal(arena.used, 0);
});

test('a product that no memory can hold is null, not a wrap-around', () => {
  const arena = new Arena(Runtime.create());
  assert.equal(arena.calloc(2 ** 31 - 1, 2 ** 31 - 1), null);
  assert.equal(arena.calloc(2 ** 16 + 1, 2 ** 16), null);
  assert.equal(arena.used, 0);
});

test('the identities of usage hold after every step', () => {
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  // Takes the pages behind the arena, which then needs further blocks.
  const neighbour = new Arena(runtime);
  let step = 0;
  const steps = [
    () => arena.alloc((step * 7919) % 3000),
    () => arena.strdup('é'.repeat((step * 31) % 500)),
    () => arena.strndup('😀 text '.repeat(50), (step * 13) % 300),
    () => arena.calloc(step % 17, 24),
    () => arena.alloc(step % 50 === 0 ? 200_000 : 1),
    () => step % 41 === 0 && arena.reset(),
    () => neighbour.alloc(1000),
  ];
  for (; step < 2000; step += 1) {
    steps[step % steps.length]();
    const usage = arena.usage();
    assert.equal(usage.committed, usage.used + usage.tailWaste + usage.free + usage.overhead);
    assert.equal(usage.totalAllocated, usage.committed - usage.overhead);
    assert.equal(usage.used, arena.used);
    assert.equal(usage.totalAllocated, arena.totalAllocated);
    assert.equal(usage.resets, arena.generation);
    assert.ok(usage.peakUsed >= usage.used);
    assert.equal(usage.budget, null);
  }
  assert.ok(arena.usage().blocks > 2 && arena.usage().tailWaste + arena.usage().free > 0);
  assert.ok(arena.generation > 5);
});

test('the same work after a reset gets the same addresses and no memory', () => {
  const arena = new Arena(Runtime.create());
  const work = () => Array.from({ length: 500 }, (_, index) => arena.alloc(index * 3 + 1).byteOffset);
  const first = work();
  const { committed, grows } = arena.usage();
  for (let round = 0; round < 20; round += 1) {
    arena.reset();
    assert.deepEqual(work(), first);
  }
  assert.equal(arena.usage().committed, committed);
  assert.equal(arena.usage().grows, grows);
});

test('blocks are where spans are, apart from each other, and as many and as large as usage says', () => {
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  const neighbour = new Arena(runtime);
  assert.deepEqual(arena.blocks(), []);
  const spans = [];
  for (let round = 0; round < 40; round += 1) {
    for (const size of [20_000, 100, round % 10 === 0 ? 200_000 : 1]) spans.push(arena.alloc(size));
    // Takes the page behind: the next block has to be another one.
    neighbour.alloc(PAGE - 32);
    const blocks = arena.blocks();
    const usage = arena.usage();
    assert.equal(blocks.length, usage.blocks);
    assert.equal(blocks.reduce((sum, { byteLength }) => sum + byteLength, 0), usage.committed);
    const inOrder = [...blocks, ...neighbour.blocks()].sort((a, b) => a.byteOffset - b.byteOffset);
    inOrder.slice(1).forEach(({ byteOffset }, index) => {
      assert.ok(byteOffset >= inOrder[index].byteOffset + inOrder[index].byteLength);
    });
    for (const { byteOffset, byteLength } of spans) {
      const around = blocks.filter((block) => byteOffset >= block.byteOffset + 32 && byteOffset + byteLength <= block.byteOffset + block.byteLength);
      assert.equal(around.length, 1);
    }
  }
  assert.ok(arena.usage().blocks > 5);
  const before = arena.blocks();
  arena.reset();
  assert.deepEqual(arena.blocks(), before);
  arena.free();
  assert.throws(() => arena.blocks(), { name: 'StaleError', reason: 'freed' });
});

test('of more than 256 blocks the first 256 are told', () => {
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  // Large ones, each in a block of its own, since there is none before them to grow.
  for (let count = 0; count < 300; count += 1) arena.alloc(PAGE);
  assert.equal(arena.usage().blocks, 300);
  const blocks = arena.blocks();
  assert.equal(blocks.length, 256);
  assert.ok(blocks.every(({ byteOffset, byteLength }) => byteOffset > 0 && byteLength === 2 * PAGE));
});

test('out of memory: null in every function, the arena is as before, and usable after a reset', () => {
  const runtime = Runtime.create({ module: limited(3) });
  const arena = new Arena(runtime);
  arena.alloc(1000);
  const asks = {
    alloc: () => arena.alloc(PAGE * 4),
    calloc: () => arena.calloc(4, PAGE),
    strdup: () => arena.strdup('x'.repeat(PAGE * 4)),
    'strdup that has to grow': () => arena.strdup('\u4e00'.repeat(30_000 * 3)),
    strndup: () => arena.strndup('é'.repeat(PAGE * 4), PAGE * 5),
  };
  const before = arena.used;
  for (const [name, ask] of Object.entries(asks)) {
    assert.equal(ask(), null, name);
    assert.equal(arena.used, before, name);
  }
  let pieces = 0;
  while (arena.alloc(1024) !== null) pieces += 1;
  assert.ok(pieces > 60, `${pieces}`);
  assert.equal(arena.strdup('x'.repeat(2000)), null);
  assert.equal(runtime.poisoned, false);
  arena.reset();
  assert.equal(arena.strdup('here again').text(), 'here again');
  assert.ok(arena.alloc(PAGE - 1000) !== null);
});

test('out of memory: another arena is a RangeError that says what to do, and free helps', () => {
  const runtime = Runtime.create({ module: limited(2) });
  const arenas = [];
  assert.throws(
    () => {
      for (;;) arenas.push(new Arena(runtime));
    },
    (error) => error instanceof RangeError && /free\(\) some, or recycle\(\)/.test(error.message),
  );
  assert.ok(arenas.length > 10);
  assert.equal(runtime.poisoned, false);
  arenas.forEach((arena) => arena.free());
  const another = new Arena(runtime);
  // What the arenas themselves took is no room for blocks.
  assert.equal(another.alloc(8), null);
  runtime.recycle();
  assert.ok(new Arena(runtime).alloc(8) !== null);
});

test('addresses above 2 GiB are addresses', { timeout: 120_000 }, () => {
  const runtime = Runtime.create({ recycleAboveBytes: Infinity });
  const arena = new Arena(runtime);
  assert.ok(arena.alloc(2 ** 31 - 8) !== null, 'this machine has no 2 GiB of address space');
  const span = arena.alloc(100);
  assert.ok(span.byteOffset >= 2 ** 31, String(span.byteOffset));
  span.view().set(Buffer.from('above'));
  assert.equal(span.text().slice(0, 5), 'above');
  const text = arena.strdup('é above 2 GiB'.repeat(10_000));
  assert.ok(text.byteOffset >= 2 ** 31);
  assert.equal(text.text(), 'é above 2 GiB'.repeat(10_000));
  assert.ok(arena.calloc(10, 10).view().every((byte) => byte === 0));
  assert.ok(arena.usage().committed > 2 ** 31);
  assert.equal(arena.usage().committed, arena.totalAllocated + arena.usage().overhead);
  runtime.recycle();
});

test('values of another realm are as good as ours', () => {
  const realm = vm.createContext({});
  const arena = new Arena(Runtime.create());
  assert.equal(arena.strdup(vm.runInContext('"from there"', realm)).text(), 'from there');
  assert.equal(arena.alloc(vm.runInContext('4 + 4', realm)).byteLength, 8);
  assert.throws(() => arena.alloc(vm.runInContext('[8]', realm)), TypeError);
  const options = vm.runInContext('({ recycleAboveBytes: 123 })', realm);
  assert.equal(Runtime.create(options).recycleAboveBytes, 123);
  const use = vm.runInContext('(arena) => arena.strdup("theirs").text()', realm);
  assert.equal(Runtime.create().withArena(use), 'theirs');
  const asynchronous = vm.runInContext('async () => 5', realm);
  assert.throws(() => Runtime.create().withArena(asynchronous), TypeError);
  const module = vm.runInContext('(bytes) => new WebAssembly.Module(bytes)', realm)(bytes);
  assert.equal(module instanceof WebAssembly.Module, false);
  const there = Runtime.create({ module });
  assert.equal(new Arena(there).strdup('their module').text(), 'their module');
});
