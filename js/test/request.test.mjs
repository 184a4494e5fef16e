// Requests on their way into memory. The module is support/scripted.wat, which does
// what a request tells it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { at, echoed, fails, make, scriptedRequest } from './support/scripted.mjs';

test('the head says what the request says', async () => {
  const { handler, failures } = make();
  const request = at('/echo/a%20b?q=1&r=%C3%A9#fragment', {
    method: 'PUT',
    headers: { 'X-Upper': 'Case', accept: 'text/plain', 'x-empty': '' },
    body: 'the body',
  });
  const head = await echoed(await handler.fetch(request));
  assert.equal(head.method, 'PUT');
  assert.equal(head.path, '/echo/a%20b?q=1&r=%C3%A9');
  assert.equal(head.authority, 'edge.example');
  assert.deepEqual(head.headers, [
    ['accept', 'text/plain'],
    ['content-type', 'text/plain;charset=UTF-8'],
    ['x-empty', ''],
    ['x-upper', 'Case'],
  ]);
  assert.equal(head.body, 'the body');
  assert.deepEqual(failures, []);
});

test('of a URL comes what a request line would hold', async () => {
  const { handler } = make();
  for (const [url, authority, path] of [
    ['https://edge.example/echo', 'edge.example', '/echo'],
    ['https://edge.example:8443/echo?', 'edge.example:8443', '/echo?'],
    ['http://[::1]:80/echo', '[::1]', '/echo'],
    ['http://x/echo?a=/b?c#d?e', 'x', '/echo?a=/b?c'],
    ['http://x/echo//b/../c', 'x', '/echo//c'],
  ]) {
    const head = await echoed(await handler.fetch(new Request(url)));
    assert.deepEqual([head.authority, head.path], [authority, path]);
  }
  // As adapters make them, without the parser of URLs.
  const plain = (url) => ({ url, method: 'GET', headers: new Headers(), body: null });
  assert.equal((await echoed(await handler.fetch(plain('http:///echo')))).authority, null);
  assert.equal((await echoed(await handler.fetch(plain('http://x')))).path, '/');
  assert.equal((await echoed(await handler.fetch(plain('http://x?echo')))).path, '/?echo');
});

test('headers are bytes: Latin-1 goes in and comes out as it is', async () => {
  const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
    .filter((character) => !/[\x00-\x08\x0a-\x1f\x7f]/.test(character))
    .join('')
    .trim();
  const { handler } = make();
  const head = await echoed(await handler.fetch(at('/echo', { headers: { 'x-latin': every } })));
  assert.deepEqual(head.headers, [['x-latin', every]]);
  const answer = await handler.fetch(scriptedRequest({ headers: [['x-latin', every]] }));
  assert.equal(answer.headers.get('x-latin'), every);
});

test('what is no byte is refused, not cut down to a line break', async () => {
  const { handler, failures } = make();
  const forged = { url: 'http://x/echo', method: 'GET', headers: [['x', '\u010a\u010d']], body: null };
  await fails(await handler.fetch(forged), 400, 'malformed');
  assert.equal(failures[0].request, forged);
  await echoed(await handler.fetch(at('/echo')));
});

test('bodies: none, empty, streams in pieces, and of a megabyte', async () => {
  const { handler } = make();
  assert.equal((await echoed(await handler.fetch(at('/echo')))).body, '');
  assert.equal((await echoed(await handler.fetch(at('/echo', { method: 'POST', body: '' })))).body, '');
  const pieces = ['one ', '', 'two ', 'three'];
  const stream = new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
  const streamed = at('/echo', { method: 'POST', body: stream, duplex: 'half' });
  assert.equal((await echoed(await handler.fetch(streamed))).body, 'one two three');
  const large = 'x'.repeat(1024 * 1024);
  assert.equal((await echoed(await handler.fetch(at('/echo', { method: 'POST', body: large })))).body, large);
  // Where requests have no streams.
  const whole = { url: 'http://x/echo', method: 'POST', headers: new Headers(), arrayBuffer: async () => Uint8Array.of(65, 66).buffer };
  assert.equal((await echoed(await handler.fetch(whole))).body, 'AB');
});

test('a body over the limit is 413, at once where its length is told', async () => {
  const { handler, failures } = make({ maxBodyBytes: 10 });
  const post = (body, headers = {}) => at('/echo', { method: 'POST', body, headers, duplex: 'half' });
  await echoed(await handler.fetch(post('0123456789')));
  await fails(await handler.fetch(post('0123456789a')), 413, 'body_too_large');
  let pulled = 0;
  let cancelled = 0;
  const endless = () =>
    new ReadableStream(
      {
        pull(controller) {
          pulled += 1;
          controller.enqueue(new Uint8Array(4));
        },
        cancel() {
          cancelled += 1;
        },
      },
      { highWaterMark: 0 },
    );
  await fails(await handler.fetch(post(endless())), 413, 'body_too_large');
  assert.deepEqual([pulled, cancelled], [3, 1]);
  await fails(await handler.fetch(post(endless(), { 'content-length': '11' })), 413, 'body_too_large');
  assert.deepEqual([pulled, cancelled], [3, 2]);
  const whole = { url: 'http://x/echo', method: 'POST', headers: new Headers(), arrayBuffer: async () => new ArrayBuffer(11) };
  await fails(await handler.fetch(whole), 413, 'body_too_large');
  assert.match(failures[0].failure.message, /exceeds 10 bytes; send less or raise maxBodyBytes/);
});

test('a body that breaks off, was read, or is no bytes is the client\'s fault', async () => {
  const { handler, failures } = make();
  const broken = new ReadableStream({
    pull(controller) {
      controller.error(new Error('connection reset'));
    },
  });
  await fails(await handler.fetch(at('/echo', { method: 'POST', body: broken, duplex: 'half' })), 400, 'client_gone');
  assert.equal(failures[0].failure.cause.message, 'connection reset');
  const read = at('/echo', { method: 'POST', body: 'x' });
  await read.text();
  await fails(await handler.fetch(read), 400, 'malformed');
  assert.match(failures[1].failure.message, /read already; pass request\.clone\(\)/);
  const strings = { url: 'http://x/echo', method: 'POST', headers: new Headers() };
  strings.body = new ReadableStream({
    pull(controller) {
      controller.enqueue('a string');
    },
  });
  await fails(await handler.fetch(strings), 400, 'malformed');
  await echoed(await handler.fetch(at('/echo')));
});

test('whatever it is given, fetch answers', async () => {
  const { handler, failures } = make();
  for (const wrong of [undefined, null, 5, 'http://x/', {}, { url: 5 }, { url: '/path', headers: new Headers(), body: null, method: 'GET' }]) {
    await fails(await handler.fetch(wrong), 400, 'malformed');
  }
  assert.equal(failures.length, 7);
  const { fetch } = handler;
  await echoed(await fetch(at('/echo')));
});
