// Arenas: what is handed out, what is refused, and what is stale.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { Arena, Runtime, Span, StaleError } from '../dist/index.node.js';
import { bytes, limited, trapping } from './support/module.mjs';

const PAGE = 65_536;

const stale = (reason) => (error) => {
  assert.ok(error instanceof StaleError && error instanceof TypeError, String(error));
  assert.equal(error.name, 'StaleError');
  assert.equal(error.reason, reason);
  return true;
};

/** Every call of an arena but `free`. */
const CALLS = {
  alloc: (arena) => arena.alloc(8),
  calloc: (arena) => arena.calloc(2, 8),
  strdup: (arena) => arena.strdup('x'),
  strndup: (arena) => arena.strndup('x', 1),
  reset: (arena) => arena.reset(),
  used: (arena) => arena.used,
  totalAllocated: (arena) => arena.totalAllocated,
  usage: (arena) => arena.usage(),
};

/** What of a span needs memory. */
const READS = {
  byteOffset: (span) => span.byteOffset,
  view: (span) => span.view(),
  copy: (span) => span.copy(),
  text: (span) => span.text(),
};

const throwsFromAll = (calls, of, reason) => {
  for (const [name, call] of Object.entries(calls)) assert.throws(() => call(of), stale(reason), name);
};

test('every call after free is a StaleError, and so is every span', () => {
  const arena = new Arena(Runtime.create());
  const span = arena.strdup('lavender');
  arena.free();
  throwsFromAll(CALLS, arena, 'freed');
  throwsFromAll(READS, span, 'freed');
  assert.equal(span.byteLength, 8);
});

test('free twice is free once: another arena at the same address lives on', () => {
  const runtime = Runtime.create();
  const first = new Arena(runtime);
  first.alloc(100);
  first.free();
  const second = new Arena(runtime);
  const span = second.strdup('still here');
  first.free();
  first[Symbol.dispose]();
  assert.equal(span.text(), 'still here');
  assert.equal(second.used, 16);
});

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
  for (const wrong of [null, {}, 5, 'runtime', Object.create({ ...Runtime.prototype }), new Arena()]) {
    assert.throws(() => new Arena(wrong), /^TypeError: runtime must be a Runtime/);
    assert.throws(() => Arena.withBlockSize(PAGE, wrong), /^TypeError: runtime must be a Runtime/);
  }
  // It inherits, but has nothing of its own.
  assert.throws(() => new Arena(Object.create(Runtime.prototype)), TypeError);
});

test('a view made before the memory grew is empty; one that is asked for again is not', () => {
  const arena = new Arena(Runtime.create());
  const span = arena.strdup('before');
  const old = span.view();
  arena.alloc(4 * 1024 * 1024);
  assert.equal(old.length, 0);
  assert.equal(span.view().length, 6);
  assert.equal(span.text(), 'before');
});

test('a span from before a reset is stale, also where new data lie at its address', () => {
  const arena = new Arena(Runtime.create());
  const old = arena.strdup('old secret');
  const at = old.byteOffset;
  const kept = old.copy();
  arena.reset();
  const fresh = arena.strdup('new secret');
  assert.equal(fresh.byteOffset, at);
  throwsFromAll(READS, old, 'reset');
  assert.equal(Buffer.from(kept).toString(), 'old secret');
  assert.equal(fresh.text(), 'new secret');
  assert.equal(arena.generation, 1);
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

test('a trap harms its own runtime alone, and the next call begins afresh', () => {
  const other = new Arena(Runtime.create());
  const untouched = other.strdup('untouched');
  const runtime = Runtime.create({ module: trapping('arena_calloc') });
  const [arena, sibling] = [new Arena(runtime), new Arena(runtime)];
  const span = sibling.strdup('gone');
  assert.throws(() => arena.calloc(1, 1), WebAssembly.RuntimeError);
  assert.equal(runtime.poisoned, true);
  assert.equal(runtime.memoryBytes, 0);
  for (const each of [arena, sibling]) throwsFromAll(CALLS, each, 'trap');
  throwsFromAll(READS, span, 'trap');
  const fresh = new Arena(runtime);
  assert.equal(runtime.poisoned, false);
  assert.equal(fresh.strdup('afresh').text(), 'afresh');
  arena.free();
  sibling.free();
  throwsFromAll(CALLS, sibling, 'freed');
  assert.equal(fresh.alloc(8).view().length, 8);
  assert.equal(untouched.text(), 'untouched');
});

test('a trap in any function is told from a failure', () => {
  const calls = { ...CALLS, new: () => new Arena(runtime), free: (arena) => arena.free() };
  const names = {
    alloc: 'arena_alloc',
    calloc: 'arena_calloc',
    strdup: 'arena_alloc',
    strndup: 'arena_alloc',
    reset: 'arena_reset',
    used: 'arena_used',
    totalAllocated: 'arena_total_allocated',
    usage: 'arena_usage',
    free: 'arena_free',
  };
  let runtime;
  for (const [name, broken] of Object.entries(names)) {
    runtime = Runtime.create({ module: trapping(broken) });
    const arena = new Arena(runtime);
    assert.throws(() => calls[name](arena), WebAssembly.RuntimeError, name);
    assert.equal(runtime.poisoned, true, name);
  }
  for (const broken of ['arena_grow', 'arena_shrink']) {
    runtime = Runtime.create({ module: trapping(broken) });
    const arena = new Arena(runtime);
    assert.throws(() => arena.strdup('\u4e00\u4e00 x'), WebAssembly.RuntimeError, broken);
    assert.equal(runtime.poisoned, true, broken);
  }
  runtime = Runtime.create({ module: trapping('arena_new') });
  assert.throws(() => new Arena(runtime), WebAssembly.RuntimeError);
  assert.equal(runtime.poisoned, true);
});

test('memory that was overwritten through a view traps politely, and recovers', () => {
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  new Uint8Array(arena.alloc(8).view().buffer).fill(0xff);
  assert.throws(() => arena.alloc(100_000), WebAssembly.RuntimeError);
  assert.equal(runtime.poisoned, true);
  assert.equal(new Arena(runtime).strdup('whole').text(), 'whole');
});

test('free of a stale arena never touches the new instance, also at the same address', () => {
  for (const end of ['recycle', 'trap']) {
    const runtime = Runtime.create(end === 'trap' ? { module: trapping('arena_calloc') } : {});
    const old = Array.from({ length: 20 }, () => new Arena(runtime));
    // Every instance begins alike, so the arenas get the same addresses again.
    if (end === 'trap') assert.throws(() => old[0].calloc(1, 1), WebAssembly.RuntimeError);
    else runtime.recycle();
    const fresh = Array.from({ length: 20 }, () => new Arena(runtime));
    const spans = fresh.map((arena, index) => arena.strdup(`arena ${index}`));
    for (const arena of old) {
      arena.free();
      arena[Symbol.dispose]();
    }
    assert.deepEqual(spans.map((span) => span.text()), fresh.map((_, index) => `arena ${index}`));
    const committed = fresh.map((arena) => arena.usage().committed);
    assert.ok(committed.every((bytes) => bytes === PAGE));
    fresh.forEach((arena) => arena.free());
    assert.equal(runtime.poisoned, false);
  }
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
