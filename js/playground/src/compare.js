// The arena and plain JavaScript at the same work, measured in this very browser.

import { Arena, Runtime } from 'lavandula/slim';

import { plain } from './module.js';
import { byId, element } from './words.js';

/** How long a batch should take: clocks of browsers are coarse on purpose. */
const BATCH_MS = 8;

/** Batches of each side, in turn. */
const BATCHES = 9;

/** Ratios below this are no difference. */
const ALIKE = 1.15;

const TIMES = 1000;

const encoder = new TextEncoder();
const text = 'lavender, sage and thyme; '.repeat(40).slice(0, 1024);

/** Takes something of each result, so that no engine may leave the work out. */
let taken = 0;

/** Holds the last of what was made, as a program would that uses it. */
const held = new Array(64).fill(null);

/** The same work twice. One call makes `per` of what it is about, and lets go of them. */
const WORK = [
  {
    what: 'A buffer of 16 bytes',
    arena: ['alloc(16), then one reset()', (arena) => {
      for (let time = 0; time < TIMES; time += 1) held[time & 63] = arena.alloc(16);
      arena.reset();
    }],
    plain: ['new Uint8Array(16), then the collector', () => {
      for (let time = 0; time < TIMES; time += 1) held[time & 63] = new Uint8Array(16);
    }],
    per: TIMES,
  },
  {
    what: 'The same, and written to',
    arena: ['alloc(16).view()[0] = 7', (arena) => {
      for (let time = 0; time < TIMES; time += 1) {
        const span = arena.alloc(16);
        span.view()[0] = time;
        held[time & 63] = span;
      }
      arena.reset();
    }],
    plain: ['new Uint8Array(16)[0] = 7', () => {
      for (let time = 0; time < TIMES; time += 1) {
        const bytes = new Uint8Array(16);
        bytes[0] = time;
        held[time & 63] = bytes;
      }
    }],
    per: TIMES,
  },
  {
    what: 'A place for 16 bytes, as an offset',
    arena: ['alloc(16).byteOffset', (arena) => {
      for (let time = 0; time < TIMES; time += 1) taken ^= arena.alloc(16).byteOffset;
      arena.reset();
    }],
    plain: ['a cursor in one ArrayBuffer, without checks', () => {
      cursor = 0;
      for (let time = 0; time < TIMES; time += 1) taken ^= bump(16);
    }],
    per: TIMES,
  },
  {
    what: 'A point: two numbers',
    arena: ['alloc(16) and a Float64Array', (arena) => {
      for (let time = 0; time < TIMES; time += 1) {
        const { buffer, byteOffset } = arena.alloc(16).view();
        const point = new Float64Array(buffer, byteOffset, 2);
        point[0] = time;
        point[1] = -time;
        held[time & 63] = point;
      }
      arena.reset();
    }],
    plain: ['{ x, y }', () => {
      for (let time = 0; time < TIMES; time += 1) {
        held[time & 63] = { x: time, y: -time };
      }
    }],
    per: TIMES,
  },
  {
    what: '1 KiB of text as UTF-8',
    arena: ['strdup(text)', (arena) => {
      for (let time = 0; time < 50; time += 1) held[time] = arena.strdup(text);
      arena.reset();
    }],
    plain: ['new TextEncoder().encode(text)', () => {
      for (let time = 0; time < 50; time += 1) held[time] = encoder.encode(text);
    }],
    per: 50,
  },
  {
    what: '64 KiB of zeros, half of it used',
    arena: ['calloc(1, 65536)', (arena) => {
      taken ^= arena.calloc(1, 65_536).view().fill(7, 0, 32_768)[1];
      arena.reset();
    }],
    plain: ['new Uint8Array(65536)', () => {
      taken ^= new Uint8Array(65_536).fill(7, 0, 32_768)[1];
    }],
    per: 1,
  },
  {
    what: 'The same, where JavaScript keeps one buffer for it',
    arena: ['calloc(1, 65536)', (arena) => {
      taken ^= arena.calloc(1, 65_536).view().fill(7, 0, 32_768)[1];
      arena.reset();
    }],
    plain: ['buffer.fill(0)', () => {
      taken ^= buffer.fill(0).fill(7, 0, 32_768)[1];
    }],
    per: 1,
  },
];

const buffer = new Uint8Array(65_536);

/** An arena in JavaScript, in as few words as possible: nothing is checked, and it cannot grow. */
const place = new ArrayBuffer(TIMES * 16);
let cursor = 0;
function bump(bytes) {
  const at = cursor;
  const end = at + ((bytes + 7) & ~7);
  if (end > place.byteLength) return -1;
  cursor = end;
  return at;
}

/** Measures all of it, and calls `tell` with each row as it is known. */
export async function compare(tell) {
  const runtime = Runtime.create({ module: plain });
  const arena = new Arena(runtime);
  try {
    for (const work of WORK) tell(work, await measure(work, arena));
  } finally {
    arena.free();
    runtime.recycle();
  }
}

/** Nanoseconds of each side for one of what it makes: medians of batches in turn. */
async function measure({ arena: [, ours], plain: [, theirs], per }, arena) {
  const sides = [() => ours(arena), theirs];
  const calls = sides.map(callsPerBatch);
  const times = sides.map(() => []);
  for (let batch = 0; batch < BATCHES; batch += 1) {
    // The page answers between two batches.
    await new Promise((go) => setTimeout(go));
    sides.forEach((side, which) => times[which].push(timeOf(side, calls[which]) / calls[which] / per));
  }
  return times.map((all) => all.sort((a, b) => a - b)[BATCHES >> 1] * 1e6);
}

/** How many calls take about as long as a batch should. The engine has compiled them
 *  then, and the best of three is long enough: one alone may have been interrupted. */
function callsPerBatch(side) {
  for (let calls = 1; ; calls *= 2) {
    const best = Math.min(timeOf(side, calls), timeOf(side, calls), timeOf(side, calls));
    if (best >= BATCH_MS) return calls;
  }
}

function timeOf(side, calls) {
  const start = performance.now();
  for (let call = 0; call < calls; call += 1) side();
  return performance.now() - start;
}

/** Which is faster, and by how much. */
export function verdict(ours, theirs) {
  const ratio = Math.max(ours, theirs) / Math.min(ours, theirs);
  if (ratio < ALIKE) return { winner: 'alike', words: 'about the same' };
  const times = ratio < 10 ? ratio.toFixed(1) : String(Math.round(ratio));
  return ours < theirs ? { winner: 'arena', words: `the arena, ${times} times` } : { winner: 'plain', words: `plain JavaScript, ${times} times` };
}

/** A row of the table. */
export function drawRow({ what, arena: [ourCode], plain: [theirCode] }, [ours, theirs]) {
  const { winner, words } = verdict(ours, theirs);
  const side = (name, nanoseconds, code) => element('td', { 'data-label': name }, element('strong', {}, time(nanoseconds)), element('code', {}, code));
  byId('compared').append(
    element('tr', { class: winner, 'data-ours': ours, 'data-theirs': theirs }, element('th', { scope: 'row' }, what), side('Arena', ours, ourCode), side('Plain JavaScript', theirs, theirCode), element('td', { 'data-label': 'Faster' }, words)),
  );
}

function time(nanoseconds) {
  if (nanoseconds >= 1000) return `${(nanoseconds / 1000).toFixed(1)} µs`;
  return `${nanoseconds.toFixed(nanoseconds < 10 ? 1 : 0)} ns`;
}
