// The server: one page, on this machine only.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { looking, source } from './browser.mjs';

const SERVE = fileURLToPath(new URL('../serve.mjs', import.meta.url));

/** A server on a port that is free. */
async function serve(port = '0') {
  const server = spawn(process.execPath, [SERVE], { env: { ...process.env, PORT: port }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [said] = await once(server.stdout, 'data');
  return { server, at: /http:\/\/127\.0\.0\.1:\d+\//.exec(String(said))[0] };
}

const { server, at } = await serve();
after(() => server.kill());

test('it serves the page, and nothing else', async () => {
  const page = await fetch(at);
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.equal(await page.text(), source());
  for (const path of ['index.html', 'serve.mjs', '../serve.mjs', '%2e%2e/serve.mjs', '?x']) assert.equal((await fetch(at + path)).status, 404, path);
  assert.equal((await fetch(at, { method: 'POST', body: 'x' })).status, 405);
  assert.equal((await fetch(at, { method: 'HEAD' })).status, 200);
});

test('it listens on this machine only', async () => {
  const others = Object.values(networkInterfaces()).flat().filter(({ family, internal }) => family === 'IPv4' && !internal);
  for (const { address } of others) {
    await assert.rejects(fetch(`http://${address}:${new URL(at).port}/`), { name: 'TypeError' });
  }
});

test('a port that is taken is said to be so', async () => {
  const second = spawn(process.execPath, [SERVE], { env: { ...process.env, PORT: new URL(at).port }, stdio: ['ignore', 'ignore', 'pipe'] });
  const said = [];
  second.stderr.on('data', (part) => said.push(part));
  const [code] = await once(second, 'exit');
  assert.equal(code, 1);
  assert.match(String(said), /port \d+ is taken; say another one: PORT=\d+ npm run playground/);
});

looking('the served page is the same page, and asks for nothing else', { at }, async (page) => {
  await page.fill('#text', 'from the server');
  assert.match(await page.textContent('#told'), /3 words/);
});
