// The packed packages in every runtime: one scenario, one small adapter each. What
// is missing here is told as not run, and fails where `LAVANDULA_REQUIRE` names it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import bun from './adapters/bun.mjs';
import bundlers from './adapters/bundlers.mjs';
import chromium from './adapters/chromium.mjs';
import deno from './adapters/deno.mjs';
import edgeRuntime from './adapters/edge-runtime.mjs';
import miniflare, { serveWorker } from './adapters/miniflare.mjs';
import node from './adapters/node.mjs';
import workerd from './adapters/workerd.mjs';
import { STEPS } from './scenario.mjs';
import { closeBrowser } from './support/browser.mjs';
import { createProject } from './support/project.mjs';
import { isRequired } from './support/required.mjs';
import { compare, row } from './support/table.mjs';

const RUNTIMES = [node, deno, bun, workerd, miniflare, edgeRuntime, chromium, bundlers].flat();

const INSTALL = 'run `npm ci` in js/runtimes, and install Chromium by `apt-get install chromium`';

const project = createProject();
after(async () => {
  await closeBrowser();
  project.remove();
});

const rows = [];

/** The version of a runtime. Null where it is missing, which is said, or fails. */
async function versionOf(runtime, context) {
  const version = await runtime.version();
  if (version !== null) return version;
  const names = [runtime.required, ...(runtime.needs ?? [])];
  const why = `${names.join(' or ')} is not installed`;
  if (names.some(isRequired)) throw new Error(`LAVANDULA_REQUIRE names what ${runtime.name} needs, and ${why}; ${INSTALL}`);
  process.stderr.write(`\nNOT RUN: ${runtime.name}, of which nothing is known: ${why}; ${INSTALL}\n`);
  context.skip(why);
  return null;
}

for (const runtime of RUNTIMES) {
  test(runtime.name, async (context) => {
    const index = rows.push(null) - 1;
    const version = await versionOf(runtime, context);
    if (version === null) return;
    context.diagnostic(`${runtime.name} ${version}`);
    const { send, stop } = await runtime.start(project);
    const passed = new Set();
    try {
      for (const step of STEPS) {
        await context.test(step.name, async () => {
          await step.run(send);
          passed.add(step.name);
        });
      }
    } finally {
      await stop();
    }
    rows[index] = row({ ...runtime, version, passed });
  });
}

test('one line is a whole worker', async (context) => {
  if ((await versionOf(miniflare[0], context)) === null) return;
  const { send, stop } = await serveWorker(project, "export { default } from 'worker';");
  try {
    const counted = await send('/count', { method: 'POST', body: 'one two' });
    assert.deepEqual(await counted.json(), { lines: 1, words: 2, characters: 7 });
  } finally {
    await stop();
  }
});

test('the table in the README is what was seen', () => compare(rows));
