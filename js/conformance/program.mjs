// Runs a case behind a door, and looks at more than the case says: after every step
// the figures agree, and what was handed out is aligned and apart.
//
// What a table may say is checked in tests/arena_cases/table.rs; this reads one that
// is right. tests/arena_cases/wrong.rs shows that it reads over nothing.

import { bytesOf, sizeOf, sumOf, textOf } from './values.mjs';

/** How a door says no. */
export class Refusal extends Error {
  /**
   * @param text what was said
   * @param faults which of the table's faults that can be
   * @param requested the bytes that it says were asked for, where it does
   */
  constructor(text, faults, requested) {
    super(text);
    this.faults = faults;
    this.requested = requested;
  }
}

/** For what the door has no words. No expectation is met by it. */
export const unsaid = (why) => new Refusal(why, []);

/** Something about a step is not as it should be. */
class Wrong extends Error {}

/**
 * What comes of a case: `passed`, `excepted`, or `failed` with the step and why.
 *
 * @param one the case
 * @param name what the table calls the door
 * @param door an instance of its own for this case
 */
export function outcomeOf(one, name, door) {
  const excepted = one.except?.[name] !== undefined;
  const run = new Run(door);
  try {
    run.steps(one.do, '');
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return excepted ? { outcome: 'excepted' } : { outcome: 'failed', step: run.step, why: error.message };
  } finally {
    door.close();
  }
  if (!excepted) return { outcome: 'passed' };
  return { outcome: 'failed', step: 'except', why: `it holds behind ${name}: take its exception out` };
}

class Run {
  /** The step that is being done: its number, from one; within a repeat behind a point. */
  step = '';
  #door;
  #arenas = new Map();
  #places = new Map();
  #numbers = new Map();
  /** What no reset has taken back, in order of address, without what is empty. */
  #live = [];
  /** Arenas that are not freed, whatever name they had, with what they used after the last step. */
  #standing = new Map();

  constructor(door) {
    this.#door = door;
  }

  steps(steps, outer) {
    for (const [index, step] of steps.entries()) {
      const number = `${outer}${index + 1}`;
      if (step.repeat !== undefined) {
        for (let round = 0; round < step.repeat; round += 1) this.steps(step.do, `${number}.`);
        continue;
      }
      this.step = number;
      const operation = OPERATIONS.find((name) => step[name] !== undefined);
      if (operation === undefined) throw new Wrong(`no operation that there is: ${JSON.stringify(step)}`);
      this[operation](step);
      this.#checkFigures();
    }
  }

  create(step) {
    const size = step['block-size'];
    const given = size === undefined ? undefined : this.#size(size);
    const got = attempt(() => this.#door.create(given));
    if (!met(got, step.fails)) return;
    this.#arenas.set(step.create, got.value);
    this.#standing.set(got.value, 0);
  }

  alloc(step) {
    const [arena, size] = [this.#arena(step.alloc), this.#size(step.size)];
    const before = this.#standing.get(arena);
    const got = attempt(() => this.#door.alloc(arena, size, step.align));
    this.#taken(step, { arena, got, before, length: size, asked: size });
  }

  calloc(step) {
    const [arena, count, size] = [this.#arena(step.calloc), this.#size(step.count), this.#size(step.size)];
    const before = this.#standing.get(arena);
    const got = attempt(() => this.#door.calloc(arena, count, size));
    this.#taken(step, { arena, got, before, length: count * size, asked: count * size });
  }

  strdup(step) {
    const [arena, text] = [this.#arena(step.strdup), textOf(step.text)];
    const before = this.#standing.get(arena);
    const got = attempt(() => this.#door.strdup(arena, text));
    this.#taken(step, { arena, got, before, length: step.length, asked: Buffer.byteLength(text) });
  }

  strndup(step) {
    const [arena, text, max] = [this.#arena(step.strndup), textOf(step.text), this.#size(step.max)];
    const before = this.#standing.get(arena);
    const got = attempt(() => this.#door.strndup(arena, text, max));
    this.#taken(step, { arena, got, before, length: step.length });
  }

  read(step) {
    const place = this.#place(step.read);
    const from = step.from ?? 0;
    const length = step.length ?? Math.max(place.length - from, 0);
    const got = attempt(() => this.#door.read(place, from, length));
    if (!met(got, step.fails) || step.is === undefined) return;
    const [bytes, expected] = [Buffer.from(got.value), bytesOf(step.is)];
    if (bytes.equals(expected)) return;
    if (bytes.length !== expected.length) throw new Wrong(`${bytes.length} bytes and not ${expected.length}`);
    const at = bytes.findIndex((byte, index) => byte !== expected[index]);
    throw new Wrong(`byte ${at} is ${bytes[at]} and not ${expected[at]}`);
  }

  write(step) {
    const place = this.#place(step.write);
    met(
      attempt(() => this.#door.write(place, step.from ?? 0, bytesOf(step.bytes))),
      step.fails,
    );
  }

  reset(step) {
    const arena = this.#arena(step.reset);
    if (met(attempt(() => this.#door.reset(arena)), step.fails)) this.#forget(arena);
  }

  free(step) {
    const arena = this.#arena(step.free);
    if (!met(attempt(() => this.#door.free(arena)), step.fails)) return;
    this.#forget(arena);
    this.#standing.delete(arena);
  }

  figure(step) {
    const arena = this.#arena(step.of);
    const got = attempt(() => this.#door.figures(arena));
    if (!met(got, step.fails)) return;
    const figure = got.value[step.figure];
    if (figure === undefined) throw new Wrong(`${step.figure} is no figure`);
    this.#compare(figure, step);
  }

  /** Allocates until it fails. What is noted and compared is how often it did not. */
  exhaust(step) {
    const [arena, size] = [this.#arena(step.exhaust), this.#size(step.size)];
    for (let count = 0; ; count += 1) {
      const before = this.#used(arena);
      const got = attempt(() => this.#door.alloc(arena, size));
      const fails = got.refusal === undefined ? undefined : step.fails;
      this.#taken({ fails }, { arena, got, before, length: size, asked: size });
      if (fails === undefined) continue;
      if (count < (step['at-least'] ?? 0)) throw new Wrong(`${count} allocations, and no more`);
      return this.#compare(count, step);
    }
  }

  budget(step) {
    const arena = this.#arena(step.budget);
    met(
      attempt(() => this.#door.setBudget(arena, step.bytes)),
      step.fails,
    );
  }

  #taken(step, { arena, got, before, length, asked }) {
    if (got.refusal !== undefined) {
      const { requested } = got.refusal;
      if (requested !== undefined && asked !== undefined && requested !== asked) {
        throw new Wrong(`${got.refusal.message}: ${asked} were asked for`);
      }
      if (this.#used(arena) !== before) throw new Wrong(`${got.refusal.message}, and yet it used something`);
    }
    if (!met(got, step.fails)) return;
    const place = { ...got.value, arena };
    if (place.at % 8 !== 0) throw new Wrong(`${place.at} is not aligned to 8`);
    if (step.at !== undefined) {
      const expected = sumOf(step.at, (name) => this.#places.get(name)?.at);
      if (place.at !== expected) throw new Wrong(`at ${place.at} and not ${expected}`);
    }
    if (length !== undefined && place.length !== length) throw new Wrong(`it has ${place.length} bytes`);
    this.#keep(place);
    if (step.as !== undefined) this.#places.set(step.as, place);
  }

  /** Adds a place to those that nothing may lie upon. */
  #keep(place) {
    if (place.length === 0) return;
    const found = this.#live.findIndex((other) => other.at >= place.at);
    const index = found === -1 ? this.#live.length : found;
    const [before, behind] = [this.#live[index - 1], this.#live[index]];
    if (before && before.at + before.length > place.at) throw new Wrong(`${place.at} lies in what is at ${before.at}`);
    if (behind && place.at + place.length > behind.at) throw new Wrong(`${place.at} reaches to ${behind.at}`);
    this.#live.splice(index, 0, place);
  }

  #forget(arena) {
    this.#live = this.#live.filter((place) => place.arena !== arena);
  }

  #checkFigures() {
    for (const arena of this.#standing.keys()) {
      const got = attempt(() => this.#door.figures(arena));
      if (got.refusal !== undefined) throw new Wrong(got.refusal.message);
      const { told, ...figures } = got.value;
      const { used, committed, overhead, blocks } = figures;
      const holds =
        told.used === used &&
        told.totalAllocated === figures['total-allocated'] &&
        committed === used + figures['tail-waste'] + figures.free + overhead &&
        figures['total-allocated'] === committed - overhead &&
        overhead === blocks * 32 &&
        committed % 65_536 === 0 &&
        figures['peak-used'] >= used &&
        figures.grows >= blocks;
      if (!holds) throw new Wrong(`the figures contradict each other: ${JSON.stringify(got.value)}`);
      this.#standing.set(arena, used);
    }
  }

  #compare(got, step) {
    if (step.as !== undefined) this.#numbers.set(step.as, got);
    if (step.is === undefined) return;
    const sum = () => sumOf(step.is, (name) => this.#numbers.get(name));
    const expected = typeof step.is === 'number' || step.is === 'none' ? step.is : sum();
    if (got !== expected) throw new Wrong(`${got} and not ${expected}`);
  }

  #used(arena) {
    return attempt(() => this.#door.figures(arena)).value?.used;
  }

  #size(size) {
    return sizeOf(size, this.#door.largestSize);
  }

  #arena(name) {
    if (!this.#arenas.has(name)) throw new Wrong(`no arena was created as ${name}`);
    return this.#arenas.get(name);
  }

  #place(name) {
    if (!this.#places.has(name)) throw new Wrong(`nothing was allocated as ${name}`);
    return this.#places.get(name);
  }
}

/** The steps that there are: each a method of `Run`, and a key of the table. */
const OPERATIONS = [
  'create',
  'alloc',
  'calloc',
  'strdup',
  'strndup',
  'read',
  'write',
  'reset',
  'free',
  'figure',
  'exhaust',
  'budget',
];

/** What the door gives, or how it says no. */
function attempt(call) {
  try {
    return { value: call() };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refusal: error };
  }
}

/** Whether it succeeded, as it was to; false where it failed as it was to. */
function met({ refusal }, fails) {
  if (refusal === undefined && fails === undefined) return true;
  if (refusal === undefined) throw new Wrong(`it succeeds, and does not fail with ${fails}`);
  if (fails === undefined) throw new Wrong(`it fails: ${refusal.message}`);
  if (!refusal.faults.includes(fails)) throw new Wrong(`it fails, but not with ${fails}: ${refusal.message}`);
  return false;
}
