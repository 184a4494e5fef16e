// The benchmark of the package: `npm run bench`. stdout is the report; where there is
// none, a line on stderr says what to do, and the exit code is 2.

import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import { GOALS, holds, ratioOf } from './goals.mjs';
import { against } from './groups/against.mjs';
import { allocate, calloc } from './groups/allocate.mjs';
import { requests } from './groups/handlers.mjs';
import { arenas, runtimes } from './groups/lives.mjs';
import { copy, text, use, view } from './groups/spans.mjs';
import { strdup } from './groups/strings.mjs';
import { measure } from './measure.mjs';
import { Missing, arenaCore, coreAt, plainCore } from './modules.mjs';
import { print } from './table.mjs';

const USAGE = `usage: npm run bench -- [--json] [--rounds N] [--group WORD]... [--against FOLDER]

  --json            the report as JSON
  --rounds N        how often each subject is timed (default: 21)
  --group WORD      only groups that have the word in their names
  --against FOLDER  also another build of the module, made by \`lavandula npm --core --output FOLDER\``;

/** A mistake in the command line. */
class Misuse extends Error {}

const GROUPS = [allocate, use, calloc, strdup, view, copy, text, arenas, runtimes, requests];

const OPTIONS = {
  json: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '21' },
  group: { type: 'string', multiple: true, default: [] },
  against: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
};

function options() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a number from 1, not ${values.rounds}`);
    return { ...values, rounds };
  } catch (error) {
    throw new Misuse(`${error.message}\n\n${USAGE}`);
  }
}

async function wanted(given) {
  const groups = [];
  for (const make of GROUPS) groups.push(...[await make()].flat());
  if (given.against !== undefined) groups.push(...(await against(given.against)));
  const chosen = groups.filter(({ name }) => given.group.length === 0 || given.group.some((word) => name.includes(word)));
  if (chosen.length !== 0) return chosen;
  throw new Misuse(`no group has ${given.group.join(' or ')} in its name; there are: ${groups.map(({ name }) => name).join('; ')}`);
}

async function modules({ against: folder }) {
  const all = [
    ['the arena (dist/core_bg.wasm)', await arenaCore()],
    ['the arena behind wasm-bindgen (bench/plain)', await plainCore()],
  ];
  if (folder !== undefined) all.push([folder, await coreAt(folder)]);
  return all.map(([name, { bytes, gzip }]) => ({ name, bytes, gzip }));
}

function versions() {
  const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
  const peer = '@thi.ng/malloc';
  return {
    lavandula: read('../package.json').version,
    [peer]: read(`../node_modules/${peer}/package.json`).version,
    'wasm-bindgen': /^wasm-bindgen = "=(.*)"$/m.exec(readFileSync(new URL('plain/Cargo.toml', import.meta.url), 'utf8'))[1],
    'Node.js': process.versions.node,
    V8: process.versions.v8,
  };
}

async function run(given) {
  const groups = await wanted(given);
  const report = {
    versions: versions(),
    machine: { cpu: cpus()[0].model.trim(), threads: cpus().length, load: loadavg() },
    command: ['npm run bench', ...process.argv.slice(2).filter((word) => word !== '--json')].join(' '),
    rounds: given.rounds,
    modules: await modules(given),
    groups: [],
    goals: [],
  };
  for (const [index, group] of groups.entries()) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${index + 1}/${groups.length} ${group.name}`);
    const rows = await measure(group, given.rounds);
    const { name, what, reference } = group;
    report.groups.push({ name, what, reference, rows });
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  for (const goal of GOALS) {
    const { name } = await goal.group();
    const found = report.groups.find((group) => group.name === name);
    if (found === undefined) continue;
    const value = ratioOf(goal, found.rows);
    const { what, of, to, least, most } = goal;
    report.goals.push({ what, of, to, least, most, value, holds: holds(goal, value) });
  }
  return report;
}

try {
  const given = options();
  if (given.help) {
    console.log(USAGE);
  } else {
    const report = await run(given);
    process.stdout.write(given.json ? `${JSON.stringify(report, null, 2)}\n` : print(report));
  }
} catch (error) {
  if (!(error instanceof Misuse) && !(error instanceof Missing)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
