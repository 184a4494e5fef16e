// What is no longer there: after a free, a reset, a recycle or a trap, use throws,
// and nothing reaches what has come in its place.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Arena, Runtime, StaleError } from '../dist/index.node.js';
import { trapping } from './support/module.mjs';

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
  blocks: (arena) => arena.blocks(),
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
    assert.throws(() => arena.strdup('\u4e00\u4e00 x'.repeat(100)), WebAssembly.RuntimeError, broken);
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
