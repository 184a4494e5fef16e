// Times subjects against each other: in rounds, in which each of them runs once, so
// that what the machine does meanwhile happens to all of them.

/** Nanoseconds that a sample should take: enough for what makes garbage to have it collected. */
const SAMPLE = 10e6;

/** Nanoseconds for which a subject runs before it counts, for the optimising compiler. */
const WARM_UP = 60e6;

/**
 * Time of the processor, not of the clock on the wall: other work on the machine would
 * count there. That of V8's own threads, which collect garbage, does count.
 */
function now() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

const { gc } = globalThis;

/**
 * A subject: `run(count)` does `count` operations, and may return a promise.
 * A group: subjects that do the same, one of which the others are compared with.
 *
 * @typedef {{ name: string, run(count: number): unknown }} Subject
 * @typedef {{ name: string, what: string, reference: string, subjects: Subject[] }} Group
 * @typedef {{ name: string, ns: number, spread: number, ratio: number, samples: number[] }} Row
 */

/**
 * Rows of a group, in the order of its subjects: the median time of an operation, half
 * the distance of the quartiles, and the median of what each round's time is to the
 * time of the reference in the same round.
 *
 * @param {Group} group
 * @returns {Promise<Row[]>}
 */
export async function measure(group, rounds) {
  if (gc === undefined) throw new Error('run node with --expose-gc, as `npm run bench` does');
  const { subjects } = group;
  const reference = subjects.findIndex(({ name }) => name === group.reference);
  if (reference < 0) throw new Error(`${group.name} has no subject ${group.reference}`);
  const counts = [];
  for (const subject of subjects) counts.push(await warmUp(subject));
  const samples = subjects.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < subjects.length; turn += 1) {
      // Nobody always runs behind the same one.
      const index = (turn + round) % subjects.length;
      samples[index].push(await time(subjects[index], counts[index]));
    }
  }
  return subjects.map(({ name }, index) => {
    const ratios = samples[index].map((ns, round) => ns / samples[reference][round]);
    const [quarter, ns, rest] = quartiles(samples[index]);
    return { name, ns, spread: (rest - quarter) / 2, ratio: quartiles(ratios)[1], samples: samples[index] };
  });
}

/** Runs it until it is compiled, and returns how many operations make a sample. */
async function warmUp(subject) {
  let count = 1;
  for (const end = now() + WARM_UP; ; ) {
    const ns = await time(subject, count);
    // The clock moves in microseconds: at first it may not have moved at all.
    const fitting = Math.max(1, Math.round(SAMPLE / Math.max(ns, 1)));
    if (now() >= end) return fitting;
    // Not at once: the first calls, which are interpreted, tell little.
    count = Math.min(fitting, count * 8);
  }
}

/** Nanoseconds of an operation. */
async function time(subject, count) {
  // What the last one has left is not to be collected by this one.
  gc({ type: 'minor' });
  const start = now();
  const promise = subject.run(count);
  // To wait where there is nothing to wait for takes time too.
  if (promise !== undefined) await promise;
  return (now() - start) / count;
}

/** The quartiles, of which the second is the median. */
export function quartiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return [0.25, 0.5, 0.75].map((part) => {
    const at = part * (sorted.length - 1);
    const low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  });
}
