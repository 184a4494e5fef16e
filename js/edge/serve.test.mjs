// Each runtime as `serve.mjs` starts it, with examples/everywhere: what is missing here
// is told as not run, and fails where `LAVANDULA_REQUIRE` names it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { isRequired } from '../runtimes/support/required.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const SERVE = here('serve.mjs');

/** Where the tests in Rust put what they make, and where the commands do. */
const MADE = process.env.LAVANDULA_PACKAGES ?? here('../../target/lavandula');
const GIVEN = {
  npm: { option: '--package', path: `${MADE}/everywhere-npm`, command: 'cargo run -- npm examples/everywhere' },
  'jco-0.3': { option: '--component', path: `${MADE}/everywhere-0.3.wasm`, command: 'cargo run -- build examples/everywhere --features wasi-0-3 --output target/lavandula/everywhere-0.3.wasm' },
  jco: { option: '--component', path: `${MADE}/everywhere.wasm`, command: 'cargo run -- build examples/everywhere' },
};

/** What a runtime needs that may be missing, by the names of js/runtimes. */
const needs = ({ name, door }) => [name.replace(/-?jco.*/, '') || 'node', ...(door === 'npm' ? [] : ['jco'])];

/** More than the largest that one read brings, by far. */
const LARGE = Uint8Array.from({ length: 4 * 1024 * 1024 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);

/** Those that a trap ends. */
const MORTAL = ['jco-serve', 'jco-serve-instance'];

function start(...args) {
  const child = spawn(process.execPath, [SERVE, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  return { child, said: text(child.stderr), ended: once(child, 'exit').then(([code]) => code) };
}

const { child, ended } = start('--list');
const runtimes = JSON.parse(await text(child.stdout));
assert.equal(await ended, 0);

for (const runtime of runtimes) {
  test(runtime.name, { timeout: 180_000 }, async (context) => {
    if (runtime.version === null) {
      if (needs(runtime).some(isRequired)) throw new Error(`LAVANDULA_REQUIRE names ${runtime.name}, and it is not installed: run \`${runtime.install}\``);
      process.stderr.write(`\nNOT RUN: ${runtime.name}, of which nothing is known: run \`${runtime.install}\`\n`);
      return context.skip('it is not installed');
    }
    const { option, path, command } = GIVEN[runtime.door];
    assert.ok(existsSync(path), `there is no ${path}; run \`${command}\``);
    const { child, said, ended } = start(runtime.name, option, path);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    try {
      const { value: line } = await lines.next();
      const origin = line?.match(/^Serving HTTP on (http:\/\/127\.0\.0\.1:\d+)\/$/)?.[1];
      assert.ok(origin, `${line}\n${origin ?? child.kill()}${await Promise.race([said, pause(1000)])}`);
      const send = (path, init) => fetch(origin + path, { signal: AbortSignal.timeout(60_000), ...init });
      for (const [what, ask] of Object.entries(ASKED)) await context.test(what, () => ask(send));
      if (MORTAL.includes(runtime.name)) {
        await assert.rejects(send('/trap'));
        assert.equal(await ended, 1, 'a trap ends it');
      } else {
        await context.test('a trap, and the request after it', () => trap(send));
        child.stdin.end();
        assert.equal(await ended, 0, 'it ends when its stdin closes');
      }
      assert.equal((await lines.next()).done, true, 'it says one line');
      await assert.rejects(fetch(origin), 'what it has started ends too');
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
  });
}

const ASKED = {
  async 'GET and HEAD'(send) {
    const got = await send('/');
    assert.equal(got.status, 200);
    assert.equal(got.headers.get('content-type'), 'text/plain; charset=utf-8');
    const text = await got.text();
    assert.match(text, /^GET \/state {9}requests/);
    const head = await send('/', { method: 'HEAD' });
    assert.equal(head.status, 200);
    // It may be left out, as Vercel's edge runtime does, but not be another.
    assert.equal(head.headers.get('content-length') ?? String(text.length), String(text.length));
    assert.equal(await head.text(), '');
    assert.equal((await send('/nowhere?at=all')).status, 404);
  },

  async 'headers'(send) {
    const got = await send('/headers', { headers: { 'x-scent': 'lavender', 'x-colour': 'blue' } });
    assert.equal(got.status, 200);
    assert.equal(got.headers.get('x-scent'), 'lavender');
    const lines = (await got.text()).trim().split('\n').sort();
    assert.ok(lines.includes('x-colour: blue') && lines.includes('x-scent: lavender'), lines.join('\n'));
  },

  async 'POST, large, and in pieces'(send) {
    await echoes(send, new TextEncoder().encode('Zwölf Boxkämpfer'));
    await echoes(send, LARGE);
    const pieces = new ReadableStream({
      async start(controller) {
        for (let at = 0; at < 5; at += 1) {
          controller.enqueue(LARGE.slice(at * 1000, at * 1000 + 1000));
          await pause(20);
        }
        controller.close();
      },
    });
    const got = await send('/echo', { method: 'POST', body: pieces, duplex: 'half' });
    assert.equal(got.status, 200);
    assert.ok(Buffer.from(await got.arrayBuffer()).equals(LARGE.subarray(0, 5000)));
  },

  async '16 at a time'(send) {
    const marker = (at) => `mark-${at.toString(16).padStart(16, '0')}`;
    for (let round = 0; round < 4; round += 1) {
      const asked = Array.from({ length: 16 }, (_, at) => marker(round * 16 + at));
      const told = await Promise.all(asked.map(async (of) => (await send(`/marker?of=${of}`)).json()));
      for (const [at, { marker, others }] of told.entries()) {
        assert.equal(marker, asked[at]);
        assert.equal(others, 0, 'markers of other requests lie in memory');
      }
    }
  },
};

async function trap(send) {
  const trapped = await send('/trap');
  assert.ok(trapped.status === 500 || trapped.status === 502, `${trapped.status}`);
  await ASKED['GET and HEAD'](send);
  await echoes(send, LARGE);
}

async function echoes(send, body) {
  const got = await send('/echo', { method: 'POST', body });
  assert.equal(got.status, 200);
  assert.ok(Buffer.from(await got.arrayBuffer()).equals(body), 'the bytes are not those that were sent');
}

for (const [args, wrong] of [
  [[], /NAME is one of node/],
  [['netscape', '--package', '.'], /there is no runtime netscape; there are node/],
  [['node'], /behind the door npm: say --package/],
  [['node', '--package', here('support')], /there is no package in .*`lavandula npm PATH/],
  [['node', '--port', '1'], /Unknown option '--port'/],
  [['node-jco', '--component', SERVE], /is no component: make one by `lavandula build/],
  [['jco-serve', '--component', 'nothing.wasm'], /there is no file nothing\.wasm: make one/],
]) {
  test(`refused: ${args.join(' ')}`, async (context) => {
    if (/jco/.test(args[0]) && runtimes.find(({ name }) => name === args[0]).version === null) return context.skip('jco is not installed');
    const { said, ended, child } = start(...args);
    assert.equal(await ended, 2);
    assert.match(await said, wrong);
    assert.equal(await text(child.stdout), '');
  });
}
