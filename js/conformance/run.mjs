// Runs the cases of the arena behind one of its doors in Node.js.
//
//   node run.mjs --door npm|jco [--cases FILE] [--component FOLDER] [--json]
//
// What it runs on is made by `cargo test --test arena_cases`: the bundles in
// ../dist, and the transpiled component. Ends with 1 where a case fails, but with
// --json only where it cannot run them: then whoever reads the rows decides.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { outcomeOf } from './program.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values: options } = parseArgs({
  options: {
    door: { type: 'string' },
    cases: { type: 'string', default: here('../../tests/arena_cases/cases.json') },
    component: { type: 'string', default: here('../../target/tmp/arena_cases/jco') },
    json: { type: 'boolean', default: false },
  },
});

const DOORS = {
  npm: async () => (await import('./npm.mjs')).doors(),
  jco: async () => (await import('./jco.mjs')).doors(options.component),
};

if (!Object.hasOwn(DOORS, options.door ?? '')) {
  console.error(`--door must be one of ${Object.keys(DOORS).join(', ')}, not ${options.door}`);
  process.exit(2);
}
const open = await DOORS[options.door]().catch((error) => {
  console.error(`${error.message}\nrun \`cargo test --test arena_cases\` first, which makes what this runs on`);
  process.exit(2);
});

const { cases } = JSON.parse(readFileSync(options.cases, 'utf8'));
const rows = cases.map((one) => ({ name: one.name, ...outcomeOf(one, options.door, open(one)) }));

if (options.json) {
  console.log(JSON.stringify(rows));
} else {
  const failed = rows.filter(({ outcome }) => outcome === 'failed');
  for (const { name, step, why } of failed) console.log(`${name}, step ${step}: ${why}`);
  const excepted = rows.filter(({ outcome }) => outcome === 'excepted').length;
  console.log(`${options.door}: ${rows.length} cases, ${excepted} of them excepted, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
