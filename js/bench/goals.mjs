// What the package promises of its speed, as ratios of one run.

import { ALLOC, NUMBER, allocate } from './groups/allocate.mjs';
import { VIEWED, use } from './groups/spans.mjs';
import { PLAIN, STRDUP, strdup } from './groups/strings.mjs';
import { measure, quartiles } from './measure.mjs';

/** @typedef {{ what: string, group(given?: object): Promise<object>, of: string, to: string, least?: number, most?: number }} Goal */

/** @type {Goal[]} */
export const GOALS = [
  {
    what: 'wasm-bindgen takes five times as long for a text of 1 KiB',
    group: async (given) => (await strdup(given)).find(({ name }) => name === 'strdup 1 KiB, ASCII'),
    of: PLAIN,
    to: STRDUP,
    least: 5,
  },
  {
    what: 'bytes by a span take at most 30 % more than by a number, unchecked',
    group: use,
    of: VIEWED,
    to: NUMBER,
    most: 1.3,
  },
  {
    what: 'a span alone takes at most three times as long as a number',
    group: allocate,
    of: ALLOC,
    to: NUMBER,
    most: 3,
  },
];

/** The ratio of a goal in a run of its own, with nothing in it but the two. */
export async function ratio(goal, rounds, given) {
  const group = await goal.group(given);
  const subjects = group.subjects.filter(({ name }) => name === goal.of || name === goal.to);
  const rows = await measure({ ...group, reference: goal.to, subjects }, rounds);
  return ratioOf(goal, rows);
}

/** The ratio of a goal in the rows of a group. */
export function ratioOf(goal, rows) {
  const [of, to] = [goal.of, goal.to].map((name) => rows.find((row) => row.name === name).samples);
  return quartiles(of.map((ns, round) => ns / to[round]))[1];
}

export const holds = ({ least = 0, most = Infinity }, value) => value >= least && value <= most;
