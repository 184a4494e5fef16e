// What every runtime is asked, and what is right. `send(path, init)` gives a
// Response, whatever is behind it.

import assert from 'node:assert/strict';

import { TEXT } from './app/arena.js';

/** Every byte there is, and more of them than one read brings. */
const BYTES = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff);

/** The steps in their order: a column of the table each. */
export const STEPS = [
  { name: 'GET', run: get },
  { name: 'POST', run: post },
  { name: 'panic', run: panic },
  { name: 'next request', run: next },
  { name: 'arena', run: arena },
];

async function get(send) {
  const usage = await send('/');
  assert.equal(usage.status, 200);
  assert.equal(usage.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.match(await usage.text(), /^POST \/count {2}a text; /);

  const described = await send('/describe?colour=blue%20violet', { headers: { 'x-scent': 'lavender' } });
  assert.equal(described.status, 200);
  assert.equal(described.headers.get('x-path'), '/describe');
  const lines = (await described.text()).split('\n');
  assert.equal(lines[0], 'GET /describe?colour=blue%20violet');
  assert.match(lines[1], /^authority: [a-z0-9.-]+(:\d+)?$/);
  assert.ok(lines.includes('x-scent: lavender'), lines.join('\n'));
  assert.equal(lines.at(-1), 'body: 0 bytes');

  // What it asks JavaScript for.
  assert.equal(await (await send('/max')).text(), '4');

  const invalid = await send('/header');
  assert.equal(invalid.status, 502);
  assert.equal(invalid.headers.get('x-lavandula-error'), 'bad_response');
}

async function post(send) {
  const counted = await send('/count', { method: 'POST', body: 'Zwölf Boxkämpfer\njagen' });
  assert.equal(counted.status, 200);
  assert.equal(counted.headers.get('content-type'), 'application/json');
  assert.deepEqual(await counted.json(), { lines: 2, words: 3, characters: 22 });

  const formatted = await send('/format', { method: 'POST', body: '{ "scent": [ "lavender", 1.5 ] }' });
  assert.equal(await formatted.text(), '{"scent":["lavender",1.5]}');

  const echoed = await send('/echo', { method: 'POST', body: BYTES });
  assert.equal(echoed.status, 200);
  assert.ok(Buffer.from(await echoed.arrayBuffer()).equals(BYTES), 'the bytes are not those that were sent');
}

async function panic(send) {
  for (const path of ['/trap', '/overflow', '/throw']) {
    const response = await send(path);
    assert.equal(response.status, 500, path);
    assert.equal(response.headers.get('x-lavandula-error'), 'trap', path);
    assert.equal(await response.text(), 'The handler failed.\n', path);
  }
}

async function next(send) {
  // A static that counts requests: each finds it as it was when the instance began.
  for (const _ of [1, 2]) assert.equal(await (await send('/count')).text(), '1');
  // A handler that keeps values of JavaScript, which is then another instance.
  assert.equal(await (await send('/hold?n=200')).text(), 'held\n');
  await get(send);
  await post(send);
}

async function arena(send) {
  const response = await send('/arena');
  assert.equal(response.status, 200);
  const told = await response.json();
  assert.equal(told.text, TEXT);
  assert.deepEqual(told.bytes, [...Buffer.from(TEXT)]);
  // With the padding to a multiple of 8.
  assert.equal(told.used, Math.ceil(told.bytes.length / 8) * 8);
  assert.equal(told.usedAfterReset, 0);
  assert.deepEqual(told.stale, { name: 'StaleError', reason: 'reset', isTypeError: true });
  assert.equal(told.secondAt, told.firstAt);
  assert.deepEqual(told.freed, { name: 'StaleError', reason: 'freed', isTypeError: true });
  assert.ok(told.memoryBytes >= 65536);
  assert.equal(told.memoryBytesAfterRecycle, 0);
}
