// Answers on their way out of memory: what the handler said, or 502. The module is
// support/scripted.wat, which does what a request tells it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { at, echoed, fails, make, script, scriptedRequest } from './support/scripted.mjs';

test('status, headers and body are what the handler said', async () => {
  const { handler, failures } = make();
  const response = await handler.fetch(
    scriptedRequest({ status: 418, headers: [['content-type', 'text/plain'], ['X-Tea', 'pot']], body: 'short and stout' }),
  );
  assert.equal(response.status, 418);
  assert.deepEqual([...response.headers], [['content-type', 'text/plain'], ['x-tea', 'pot']]);
  assert.equal(await response.text(), 'short and stout');
  assert.deepEqual(failures, []);
});

test('set-cookie twice is twice', async () => {
  const { handler } = make();
  const response = await handler.fetch(
    scriptedRequest({ headers: [['set-cookie', 'a=1; path=/'], ['set-cookie', 'b=2'], ['x', '1'], ['x', '2']] }),
  );
  assert.deepEqual(response.headers.getSetCookie(), ['a=1; path=/', 'b=2']);
  assert.equal(response.headers.get('x'), '1, 2');
});

test('statuses without a body have none, and HEAD neither', async () => {
  const { handler, failures } = make();
  for (const status of [204, 205, 304]) {
    for (const body of ['', 'ignored']) {
      const response = await handler.fetch(scriptedRequest({ status, body }));
      assert.equal(response.status, status);
      assert.equal(response.body, null);
    }
  }
  const about = { headers: [['content-length', '9']] };
  const unmodified = await handler.fetch(scriptedRequest({ status: 304, ...about }));
  assert.equal(unmodified.headers.get('content-length'), '9');
  // A Request for HEAD cannot have the body that says what to answer.
  const head = (answer) => ({
    url: 'http://x/script',
    method: 'HEAD',
    headers: new Headers(),
    arrayBuffer: async () => Uint8Array.from(script(answer)).buffer,
  });
  const bodiless = await handler.fetch(head(about));
  assert.equal(bodiless.headers.get('content-length'), '9');
  assert.equal(bodiless.body, null);
  const cut = await handler.fetch(head({ ...about, body: 'nine byte' }));
  assert.equal(cut.body, null);
  // What GET would have, where the handler does not say it.
  const untold = await handler.fetch(head({ body: 'nine byte' }));
  assert.equal(untold.headers.get('content-length'), '9');
  assert.equal(untold.body, null);
  const nothing = await handler.fetch(head({ status: 204, body: 'ignored' }));
  assert.equal(nothing.headers.get('content-length'), null);
  assert.deepEqual(failures, []);
});

test('a response that cannot be sent is 502, and the handler goes on', async () => {
  const { handler, failures } = make();
  const cases = {
    'status 0': [{ status: 0 }, /its status is 0; use one from 200 to 599/],
    'status 101': [{ status: 101 }, /status is 101/],
    'status 199': [{ status: 199 }, /status is 199/],
    'status 600': [{ status: 600 }, /status is 600/],
    'status 2 ** 32 - 1': [{ status: 2 ** 32 - 1 }, /status is 4294967295/],
    'empty name': [{ headers: [['', 'x']] }, /header "" is not valid/],
    'space in a name': [{ headers: [['a b', 'x']] }, /header "a b" is not valid/],
    'line break in a name': [{ headers: [['a\r\nb', 'x']] }, /is not valid/],
    'name of Latin-1': [{ headers: [['é', 'x']] }, /is not valid/],
    'line break in a value': [{ headers: [['a', 'x\r\nset-cookie: evil=1']] }, /header "a" is not valid/],
    'NUL in a value': [{ headers: [['a', 'x\0']] }, /is not valid/],
    'control in a value': [{ headers: [['a', 'x\x1b']] }, /is not valid/],
    'too much': [{ headers: [['a', 'x'.repeat(65_536)]] }, /headers exceed 65536 bytes/],
    'too many': [{ headers: Array.from({ length: 40_000 }, () => ['a', '']) }, /headers exceed/],
    'length too small': [{ headers: [['content-length', '1']], body: 'two' }, /content-length is 1, its body has 3 bytes/],
    'length with a sign': [{ headers: [['content-length', '+3']], body: 'two' }, /content-length is \+3/],
    'two lengths': [{ headers: [['content-length', '3'], ['content-length', '4']], body: 'two' }, /content-length is 3, 4/],
  };
  let count = 0;
  for (const [name, [answer, message]] of Object.entries(cases)) {
    await fails(await handler.fetch(scriptedRequest(answer)), 502, 'bad_response');
    assert.match(failures[count].failure.message, message, name);
    count += 1;
    await echoed(await handler.fetch(at('/echo')));
  }
  assert.equal(handler.poisoned, false);
  const right = await handler.fetch(scriptedRequest({ headers: [['content-length', '3'], ['content-length', '3']], body: 'two' }));
  assert.equal(right.headers.get('content-length'), '3');
});

test('headers about the connection are not the handler\'s', async () => {
  const { handler } = make();
  const names = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'proxy-connection', 'host'];
  const headers = names.map((name) => [name, name === 'connection' ? 'close, X-Mine' : 'x']);
  const response = await handler.fetch(scriptedRequest({ headers: [...headers, ['x-mine', 'x'], ['x-kept', 'x']] }));
  assert.deepEqual([...response.headers], [['x-kept', 'x']]);
});

test('addresses that lie are 502, and the instance is dropped', async () => {
  const { handler, failures } = make();
  const lies = [
    (words) => (words[1] = 0xf000_0000),
    (words) => (words[2] = 0xffff_ffff),
    (words) => (words[3] = 0xf000_0000),
    (words) => (words[4] = 0xffff_ffff),
    (words) => (words[5] = 0xf000_0000),
    (words) => (words[6] = 0x7fff_ffff) && (words[1] = 20),
  ];
  for (const change of lies) {
    const response = await handler.fetch(scriptedRequest({ headers: [['a', 'b']], body: 'x', change }));
    // Too much of a header is found before it is looked at; the guest's own
    // table with so many rows is no longer within its memory, and traps.
    assert.ok(['bad_response', 'trap'].includes(response.headers.get('x-lavandula-error')), String(change));
    assert.ok(response.status >= 500);
    assert.equal(handler.memoryBytes, 0, String(change));
    await echoed(await handler.fetch(at('/echo')));
  }
  await fails(await handler.fetch(at('/far')), 502, 'bad_response');
  assert.match(failures.at(-1).failure.message, /address outside of its memory/);
  await echoed(await handler.fetch(at('/echo')));
});

test('an answer is a copy: a rewind does not change it', async () => {
  const { handler } = make();
  const first = await handler.fetch(at('/echo/first'));
  await handler.fetch(at('/echo/second'));
  assert.equal((await echoed(first)).path, '/echo/first');
});
