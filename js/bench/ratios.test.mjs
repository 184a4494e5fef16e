// That the package is as fast as it says, in ratios to what was measured in the same
// rounds; and that an arena which has been made slow is found out.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isRequired } from '../runtimes/support/required.mjs';
import { GOALS, holds, ratio } from './goals.mjs';
import { Missing, lavandula, plainCore } from './modules.mjs';

const ROUNDS = 9;

/** A run that is disturbed in most of its rounds is no evidence: so many are made at most. */
const RUNS = 3;

async function firstThatHolds(goal) {
  const values = [];
  while (values.length < RUNS) {
    values.push(await ratio(goal, ROUNDS));
    if (holds(goal, values.at(-1))) return values;
  }
  return values;
}

const missing = await plainCore().then(
  () => null,
  (error) => error,
);
if (missing !== null && !(missing instanceof Missing)) throw missing;
if (missing !== null && isRequired('js-bench')) throw missing;
if (missing !== null) console.error(`SKIPPED: ${missing.message}`);
const skip = missing?.message ?? false;

for (const goal of GOALS) {
  test(goal.what, { skip }, async () => {
    const values = await firstThatHolds(goal);
    assert.ok(holds(goal, values.at(-1)), `${goal.of} / ${goal.to}: ${values.join(', ')}`);
  });
}

test('an arena that was made slow meets none of it', { skip }, async () => {
  const { Arena } = await lavandula();
  class Slow extends Arena {
    alloc(bytes) {
      this.usage();
      return super.alloc(bytes);
    }
    strdup(text) {
      for (const character of text) assert.ok(character <= '\u{10ffff}');
      return super.strdup(text);
    }
  }
  for (const goal of GOALS) {
    const value = await ratio(goal, ROUNDS, { Arena: Slow });
    assert.ok(!holds(goal, value), `${goal.what}: ${value}`);
  }
});
