// The table of runtimes in js/README.md: rendered from what the tests saw, and held
// against what is written there. Versions are those of the day on which it was
// written; everything else has to be the same.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';

import { STEPS } from '../scenario.mjs';

const README = new URL('../../README.md', import.meta.url);
const BEGIN = '<!-- runtimes: written by `LAVANDULA_BLESS=1 npm test` in runtimes/ -->\n';
const END = '<!-- runtimes: end -->';
const VERSION = 1;

const COLUMNS = ['runtime', 'version', 'how the module is loaded', ...STEPS.map(({ name }) => name), 'note'];

const line = (cells) => `| ${cells.join(' | ')} |`;

/** The row of a runtime: `passed` are the steps that went well. */
export function row({ name, version, loaded, note, passed }) {
  const cells = [name, version, loaded, ...STEPS.map((step) => (passed.has(step.name) ? 'yes' : 'no')), note];
  return cells.map((cell) => cell.replaceAll('|', '\\|'));
}

/** Writes the table, or says where it differs. A runtime that was not run has null
 * for a row: nothing is known of it, so what is written stands. */
export function compare(rows) {
  const readme = readFileSync(README, 'utf8');
  const from = readme.indexOf(BEGIN) + BEGIN.length;
  const to = readme.indexOf(END);
  assert.ok(from >= BEGIN.length && to >= from, 'js/README.md has no place for the table of runtimes');
  if (process.env.LAVANDULA_BLESS) {
    assert.ok(rows.every((row) => row !== null), 'the table cannot be written: not all runtimes were run');
    const lines = [COLUMNS, COLUMNS.map(() => '---'), ...rows].map(line);
    writeFileSync(README, `${readme.slice(0, from)}${lines.join('\n')}\n${readme.slice(to)}`);
    return;
  }
  const [head, , ...written] = readme.slice(from, to).trimEnd().split('\n');
  const advice = 'js/README.md does not say what was seen; run `LAVANDULA_BLESS=1 npm test` in js/runtimes and look at what it changes';
  assert.equal(head, line(COLUMNS), advice);
  assert.equal(written.length, rows.length, advice);
  rows.forEach((row, index) => {
    if (row !== null) assert.deepEqual(withoutVersion(cellsOf(written[index])), withoutVersion(row), advice);
  });
}

const cellsOf = (text) => text.slice(2, -2).split(/(?<!\\) \| ?/);

const withoutVersion = (cells) => cells.with(VERSION, 'any');
