// What the page works with: a runtime, an arena in it, and what the arena has
// handed out. Everything here is what a program would do with the package; each
// act returns what was called and what came of it.

import { Arena, Runtime, StaleError } from 'lavandula/slim';

import { PAGE, withRoom } from './module.js';
import { address, count, quoted, several, size } from './words.js';

/** Words that get an allocation each; the rest of a long text is one more. */
const MOST_WORDS = 2000;

/** Allocations that are drawn apart. What lies behind so many is drawn as one. */
const MOST_PIECES = 20_000;

/** Allocations whose spans are kept, to be read later. */
const MOST_KEPT = 6;

/** Bytes of the pieces that memory is filled with. */
const FILLING = 16 * 1024;

/** What a page of an arena can hold beside the header of its block. */
const WHOLE_PAGE = PAGE - 32;

const NOTHING = {
  used: 0,
  totalAllocated: 0,
  peakUsed: 0,
  committed: 0,
  tailWaste: 0,
  free: 0,
  overhead: 0,
  blocks: 0,
  resets: 0,
  grows: 0,
  budget: null,
};

const decoder = new TextDecoder();

export class Stage {
  runtime;
  /** Bytes that blocks may have together. */
  room;
  #arena = null;
  #neighbour = null;
  /** What is handed out: `{ from, to }`, in the order of allocation. */
  #pieces = [];
  /** The last allocations, those that are stale included. */
  #kept = [];
  /** Up to where each block was filled before a reset, by its address. */
  #left = new Map();

  /** A stage whose runtime has room for so many bytes of blocks. */
  static async withRoom(room) {
    const stage = new Stage();
    await stage.setRoom(room);
    return stage;
  }

  async setRoom(room) {
    const module = await withRoom(room);
    this.runtime?.recycle();
    this.runtime = Runtime.create({ module });
    this.room = room;
    this.#forget();
    return done('runtime = Runtime.create({ module })', `a fresh runtime whose blocks may have ${size(room)}`);
  }

  /** The arena. A new one, where there is none or it is stale. */
  get arena() {
    if (!isAlive(this.#arena)) {
      if (this.runtime.memoryBytes === 0) this.#left.clear();
      this.#forget();
      this.#arena = new Arena(this.runtime);
    }
    return this.#arena;
  }

  get kept() {
    return this.#kept;
  }

  alloc(bytes) {
    return this.#one(`alloc(${shown(bytes)})`, () => this.arena.alloc(bytes));
  }

  calloc(bytes) {
    return this.#one(`calloc(1, ${shown(bytes)})`, () => this.arena.calloc(1, bytes));
  }

  /** A text as a request has it: a string for each of its words. */
  write(text, { isReset }) {
    const words = wordsOf(text);
    const code = `${isReset ? 'arena.reset(); ' : ''}${several(words.length, 'word')}.map(arena.strdup)`;
    return this.#act(code, () => {
      if (isReset) this.#reset();
      let bytes = 0;
      let first = null;
      for (const [index, word] of words.entries()) {
        const span = this.arena.strdup(word);
        if (span === null) return this.#none(code, `of ${several(words.length, 'word')} ${count(index)} had room`);
        first ??= span.byteOffset;
        bytes += span.byteLength;
        this.#keep(`strdup(${quoted(word, 16)})`, span);
      }
      if (first === null) return done(code, 'nothing to store');
      return done(code, `${several(bytes, 'byte')} of UTF-8 from ${address(first)} on`, { to: 'cursor', first });
    });
  }

  /** A file, read straight into memory. Whether there is room is known before. */
  async read(file) {
    const code = `arena.alloc(${file.size}) for ${quoted(file.name, 24)}`;
    let span = null;
    const outcome = this.#act(code, () => {
      span = this.arena.alloc(file.size);
      if (span === null) return this.#none(code, `${size(file.size)} were asked for, and nothing was read`);
      this.#keep(`alloc(${file.size}) ${quoted(file.name, 16)}`, span);
      return done(code, `${size(file.size)} at ${address(span.byteOffset)}, read from the file`, { to: span.byteOffset });
    });
    if (span === null) return outcome;
    try {
      let at = 0;
      for (const reader = file.stream().getReader(); ; ) {
        const { value, done: isRead } = await reader.read();
        if (isRead) return outcome;
        // Anything may have happened meanwhile, so the view is asked for again.
        span.view().set(value, at);
        at += value.length;
      }
    } catch (error) {
      if (error instanceof StaleError) return refused('stale', 'span.view()', error);
      return { code: 'file.stream()', result: `${error.message} The span stays until the next reset.`, kind: 'refused' };
    }
  }

  /** Allocates until there is no memory. */
  fill() {
    const code = `while (arena.alloc(${FILLING}) !== null);`;
    return this.#act(code, () => {
      let times = 0;
      for (let span = this.arena.alloc(FILLING); span !== null; span = this.arena.alloc(FILLING)) {
        this.#keep(`alloc(${FILLING})`, span);
        times += 1;
      }
      return this.#none(code, `${several(times, 'allocation')} of ${size(FILLING)} had room`);
    });
  }

  /** Another arena of the runtime takes the next page: ours cannot grow in place. */
  crowd() {
    const code = `neighbour.alloc(${WHOLE_PAGE})`;
    return this.#act(code, () => {
      if (!isAlive(this.#neighbour)) this.#neighbour = new Arena(this.runtime);
      if (this.#neighbour.alloc(WHOLE_PAGE) === null) return this.#none(code, 'the neighbour got no page');
      return done(code, 'another arena of this runtime has the next page: the next growth of ours is another block');
    });
  }

  get isCrowded() {
    return isAlive(this.#neighbour);
  }

  uncrowd() {
    this.#neighbour?.free();
    this.#neighbour = null;
    return done('neighbour.free()', 'its pages are free for any arena of the runtime');
  }

  reset() {
    return this.#act('arena.reset()', () => {
      const { used } = this.arena;
      this.#reset();
      return done('arena.reset()', `${several(used, 'byte')} taken back at once; the blocks stay, and all spans are stale`, { to: 'cursor' });
    });
  }

  free() {
    if (!isAlive(this.#arena)) return done('arena.free()', 'there is no arena: nothing to do');
    this.#arena.free();
    this.#forget();
    return done('arena.free()', 'its blocks are free for other arenas; the memory stays as large as it is');
  }

  recycle() {
    const before = this.runtime.memoryBytes;
    this.runtime.recycle();
    this.#forget();
    return done('runtime.recycle()', `${size(before)} given back: the next call begins with a fresh instance`);
  }

  /** What a program does that writes where it must not: over the arena's own records. */
  stray() {
    const code = 'new Uint8Array(span.view().buffer).fill(0xff); arena.alloc(64)';
    return this.#act(code, () => {
      new Uint8Array(this.arena.alloc(0).view().buffer).fill(0xff);
      const span = this.arena.alloc(64);
      return done(code, `no trap this time: ${span === null ? 'null' : 'a span'}`);
    });
  }

  /** Reads a kept span, as a program would that has kept it. */
  reread(kept) {
    const code = `span.text() of ${kept.code}`;
    try {
      return done(code, quoted(kept.span.text()), { to: kept.from });
    } catch (error) {
      if (!(error instanceof StaleError)) throw error;
      return refused('stale', code, error, this.#bare(kept));
    }
  }

  /** Everything there is to be shown. */
  look() {
    const { runtime, room } = this;
    const seen = {
      room,
      memoryBytes: runtime.memoryBytes,
      isPoisoned: runtime.poisoned,
      usage: NOTHING,
      blocks: [],
      neighbours: this.isCrowded ? this.#neighbour.blocks() : [],
      pieces: [],
      left: this.#left,
      cursor: null,
      memory: null,
    };
    if (!isAlive(this.#arena)) return seen;
    const blocks = this.#arena.blocks();
    // No bytes take nothing, and are where the next ones would be.
    const next = this.#arena.alloc(0);
    const isIn = ({ byteOffset, byteLength }) => next.byteOffset > byteOffset && next.byteOffset <= byteOffset + byteLength;
    return {
      ...seen,
      usage: this.#arena.usage(),
      blocks: blocks.map((block) => this.#filled(block)),
      pieces: this.#pieces,
      cursor: blocks.some(isIn) ? next.byteOffset : null,
      memory: new Uint8Array(next.view().buffer),
    };
  }

  /** A block, and up to where it is handed out. */
  #filled({ byteOffset: from, byteLength }) {
    const to = from + byteLength;
    let filled = from + 32;
    for (const piece of this.#pieces) {
      // The arena hands out multiples of 8.
      if (piece.from >= from && piece.to <= to) filled = Math.max(filled, Math.min(to, Math.ceil(piece.to / 8) * 8));
    }
    return { from, to, filled };
  }

  #one(code, allocate) {
    return this.#act(`arena.${code}`, () => {
      const span = allocate();
      if (span === null) return this.#none(`arena.${code}`);
      this.#keep(code, span);
      return done(`arena.${code}`, `${several(span.byteLength, 'byte')} at ${address(span.byteOffset)}`, { to: span.byteOffset });
    });
  }

  #keep(code, span) {
    const from = span.byteOffset;
    const to = from + span.byteLength;
    this.#kept.unshift({ code, span, from, length: span.byteLength });
    this.#kept.length = Math.min(this.#kept.length, MOST_KEPT);
    if (to === from) return;
    const last = this.#pieces.at(-1);
    const isBehind = this.#pieces.length >= MOST_PIECES && from >= last.to && from < last.to + 8;
    if (isBehind) last.to = to;
    else this.#pieces.push({ from, to });
  }

  #reset() {
    const { arena } = this;
    for (const { from, filled } of arena.blocks().map((block) => this.#filled(block))) {
      this.#left.set(from, Math.max(filled, this.#left.get(from) ?? 0));
    }
    arena.reset();
    this.#pieces = [];
  }

  #none(code, more = '') {
    const { free } = this.arena.usage();
    const left = `null: no memory. ${more ? `${more[0].toUpperCase()}${more.slice(1)}. ` : ''}`;
    return { code, result: `${left}The arena is as it was, ${several(free, 'byte')} are free, and reset() takes everything back.`, kind: 'null' };
  }

  /** Does it, and tells what was thrown instead of it. */
  #act(code, act) {
    try {
      return act();
    } catch (error) {
      if (error instanceof StaleError) return refused('stale', code, error);
      if (this.runtime.poisoned) {
        this.#forget();
        return refused('trap', code, error, 'The instance was dropped with its memory, and everything of it is stale. The next call begins with a fresh one.');
      }
      if (error instanceof TypeError || error instanceof RangeError) return refused('refused', code, error);
      throw error;
    }
  }

  /** What somebody would read who had kept the address alone. */
  #bare({ from, length }) {
    const { memory } = this.look();
    if (memory === null || from + length > memory.length) return 'At its address there is no memory any more.';
    return `A bare address would have shown ${quoted(decoder.decode(memory.subarray(from, from + Math.min(length, 200))))}.`;
  }

  #forget() {
    this.#arena = null;
    if (!isAlive(this.#neighbour)) this.#neighbour = null;
    this.#pieces = [];
    if (this.runtime.memoryBytes === 0) this.#left.clear();
  }
}

function isAlive(arena) {
  try {
    return arena !== null && arena.used >= 0;
  } catch (error) {
    if (error instanceof StaleError) return false;
    throw error;
  }
}

/** Words are parted by what separates words; a long text's rest stays whole. */
function wordsOf(text) {
  const pattern = /\S+/g;
  const words = [];
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    if (words.length === MOST_WORDS) return [...words, text.slice(found.index)];
    words.push(found[0]);
  }
  return words;
}

const done = (code, result, { to = null, first = null } = {}) => ({ code, result, kind: 'done', to, first });

const refused = (kind, code, error, more = '') => ({
  code,
  result: `${error.name}: ${error.message}${more && `${error.message.endsWith('.') ? '' : '.'} ${more}`}`,
  kind,
});

const shown = (value) => (typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value));
