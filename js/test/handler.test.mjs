// Handlers behind the Fetch API, over a module that does what the request says:
// see support/scripted.wat.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

import wabt from 'wabt';

import { Handler } from '../src/handler.js';
import { packageOf } from '../src/handler-package.js';

const { parseWat } = await wabt();
const source = readFileSync(new URL('./support/scripted.wat', import.meta.url), 'utf8');

function assemble(text) {
  const { buffer } = parseWat('scripted.wat', text, { reference_types: true, bulk_memory: true }).toBinary({});
  return new WebAssembly.Module(buffer);
}

const scripted = assemble(source);

/** The module with one thing about it changed. */
function changed(from, to) {
  assert.ok(source.includes(from), from);
  return assemble(source.replace(from, to));
}

/** A handler, and what it was told of failures. */
function make(options = {}) {
  const failures = [];
  const onError = (failure, request) => failures.push({ failure, request });
  return { handler: new Handler({ module: scripted, onError, ...options }), failures };
}

const at = (path, init) => new Request(`http://edge.example${path}`, init);

/** An answer as `/script` takes it: addresses count from its start. */
function script({ status = 200, headers = [], body = '', change = () => {} }) {
  const table = 20;
  let end = table + headers.length * 16;
  const fields = headers.flat().map((field) => Buffer.from(field, 'latin1'));
  const rows = fields.flatMap((field) => {
    end += field.length;
    return [end - field.length, field.length];
  });
  const bytes = Buffer.from(body);
  const words = [status, table, headers.length, end, bytes.length].concat(rows);
  change(words);
  const head = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => head.writeUInt32LE(word >>> 0, index * 4));
  return Buffer.concat([head, ...fields, bytes]);
}

const scriptedRequest = (answer, init = {}) => at('/script', { method: 'POST', ...init, body: script(answer) });

async function fails(response, status, label) {
  assert.equal(response.status, status);
  assert.equal(response.headers.get('x-lavandula-error'), label);
  assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
  const text = await response.text();
  assert.match(text, /^[A-Z][a-z' ]+\.\n$/);
  return text;
}

/** What the module was given, read back by the rules of the head. */
async function echoed(response) {
  assert.equal(response.status, 200);
  const bytes = Buffer.from(await response.arrayBuffer());
  const [method, path, authority, count] = [0, 4, 8, 12].map((offset) => bytes.readUInt32LE(offset));
  let next = 16 + count * 8;
  const take = (length) => bytes.subarray(next, (next += length)).toString('latin1');
  const head = { method: take(method), path: take(path), authority: authority === 0xffff_ffff ? null : take(authority) };
  head.headers = Array.from({ length: count }, (_, index) =>
    [0, 4].map((offset) => take(bytes.readUInt32LE(16 + index * 8 + offset))),
  );
  // The body begins at the next multiple of 8.
  return { ...head, body: bytes.subarray(Math.ceil(next / 8) * 8).toString('latin1'), end: next };
}

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

test('a trap is 500, and the next request is answered by a fresh instance', async () => {
  const { handler, failures } = make();
  for (const path of ['/trap', '/spin']) {
    await echoed(await handler.fetch(at('/echo')));
    assert.equal((await handler.fetch(at('/echo'))).headers.get('x-request') > '1', true);
    await fails(await handler.fetch(at(path)), 500, 'trap');
    assert.equal(handler.poisoned, true);
    assert.equal(handler.usage(), null);
    assert.equal(handler.memoryBytes, 0);
    const response = await handler.fetch(at('/echo'));
    assert.equal(response.headers.get('x-request'), '1');
    assert.equal(handler.poisoned, false);
  }
  assert.ok(failures[0].failure.cause instanceof WebAssembly.RuntimeError);
  assert.equal(failures[0].failure.label, 'trap');
  assert.ok(failures[1].failure.cause instanceof Error);
});

test('no word of the handler is in the answer to a failure', async () => {
  const secret = new Error('secret of the guest');
  const { Handler: Packaged } = packageOf(() => {
    throw secret;
  }, scripted);
  const told = [];
  const handler = new Packaged({ onError: (failure) => told.push(failure) });
  const text = await fails(await handler.fetch(at('/echo')), 500, 'instantiate');
  assert.ok(!text.includes('secret'));
  assert.equal(told[0].cause, secret);
});

test('no memory is 500 out_of_memory, and the next request is answered', async () => {
  const { handler } = make({ module: changed('2 1024', '2 4') });
  for (const request of [at('/echo', { method: 'POST', body: 'x'.repeat(300_000) }), at('/null')]) {
    await fails(await handler.fetch(request), 500, 'out_of_memory');
    assert.equal(handler.memoryBytes, 0);
    await echoed(await handler.fetch(at('/echo')));
  }
});

test('one instance serves, rewound in between; with isolation of instances each has its own', async () => {
  const { handler } = make();
  for (let request = 1; request <= 5; request += 1) {
    const response = await handler.fetch(at('/echo'));
    assert.equal(response.headers.get('x-request'), String(request));
    assert.equal(handler.usage().resets, request - 1, 'rewound once each');
    assert.equal(handler.usage().budget, null);
    const { end } = await echoed(response);
    assert.equal(handler.usage().used, Math.ceil(end / 8) * 8);
  }
  const apart = make({ isolation: 'instance' }).handler;
  for (let request = 1; request <= 3; request += 1) {
    assert.equal((await apart.fetch(at('/echo'))).headers.get('x-request'), '1');
    assert.equal(apart.memoryBytes, 0);
  }
});

test('an answer is a copy: a rewind does not change it', async () => {
  const { handler } = make();
  const first = await handler.fetch(at('/echo/first'));
  await handler.fetch(at('/echo/second'));
  assert.equal((await echoed(first)).path, '/echo/first');
});

test('at the first doubt an instance is dropped instead of being rewound', async () => {
  const { handler, failures } = make({ recycleAboveBytes: 2 * 1024 * 1024 });
  for (const path of ['/hold', '/grow', '/refuse', '/burst']) {
    await handler.fetch(at('/echo'));
    assert.ok(handler.memoryBytes > 0);
    assert.equal((await handler.fetch(at(path))).status, 200, path);
    assert.equal(handler.memoryBytes, 0, path);
    assert.equal((await handler.fetch(at('/echo'))).headers.get('x-request'), '1', path);
  }
  // The client had its answer; the log has what went wrong afterwards.
  assert.deepEqual(failures.map(({ failure }) => failure.label), ['invocation', 'trap']);
  assert.match(failures[0].failure.message, /refused to be rewound, with code 7/);
});

test('a module that refuses to be sealed, or is none of ours, is 500', async () => {
  const seal = '(func (export "lavandula_seal") (result i32) (i32.const 0))';
  const refusing = make({ module: changed(seal, seal.replace('const 0', 'const 3')) });
  await fails(await refusing.handler.fetch(at('/echo')), 500, 'invocation');
  assert.match(refusing.failures[0].failure.message, /refused to be sealed, with code 3/);
  const trapping = make({ module: changed(seal, seal.replace('i32.const 0', 'unreachable')) });
  await fails(await trapping.handler.fetch(at('/echo')), 500, 'trap');
  const other = make({ module: changed('"lavandula_handle"', '"lavandula_other"') });
  await fails(await other.handler.fetch(at('/echo')), 500, 'instantiate');
  assert.match(other.failures[0].failure.cause.message, /module does not export lavandula_handle/);
});

test('the module may come later, once for all who wait, and be tried for again', async () => {
  let asked = 0;
  const module = async () => {
    asked += 1;
    if (asked === 1) throw new Error('offline');
    return scripted;
  };
  const { handler, failures } = make({ module });
  await fails(await handler.fetch(at('/echo')), 500, 'instantiate');
  assert.equal(failures[0].failure.cause.message, 'offline');
  const answers = await Promise.all(Array.from({ length: 10 }, () => handler.fetch(at('/echo'))));
  assert.deepEqual(answers.map(({ status }) => status), Array(10).fill(200));
  assert.equal(asked, 2);
  const none = make({ module: () => ({}) });
  await fails(await none.handler.fetch(at('/echo')), 500, 'instantiate');
});

test('requests at the same time do not meet in the instance', async () => {
  const { handler } = make();
  const all = Array.from({ length: 200 }, (_, index) => {
    const body = new ReadableStream({
      async start(controller) {
        await new Promise((done) => setTimeout(done, (index * 7) % 20));
        controller.enqueue(new TextEncoder().encode(`body ${index}`));
        controller.close();
      },
    });
    return handler.fetch(at(`/echo/${index}`, { method: 'POST', body, duplex: 'half' }));
  });
  const heads = await Promise.all((await Promise.all(all)).map(echoed));
  heads.forEach((head, index) => assert.deepEqual([head.path, head.body], [`/echo/${index}`, `body ${index}`]));
});

test('onError that fails is no reason to fail', async () => {
  const { error } = console;
  const said = [];
  console.error = (...words) => said.push(words);
  try {
    const throwing = new Handler({
      module: scripted,
      onError: () => {
        throw new Error('of onError');
      },
    });
    await fails(await throwing.fetch(at('/trap')), 500, 'trap');
    assert.equal(said[0][1].message, 'of onError');
    // By default what is the server's is told, and what is the client's is not.
    const silent = new Handler({ module: scripted, maxBodyBytes: 1 });
    await silent.fetch(at('/echo', { method: 'POST', body: 'xx' }));
    assert.equal(said.length, 1);
    await silent.fetch(at('/trap'));
    assert.equal(said[1][0].label, 'trap');
  } finally {
    console.error = error;
  }
});

test('options that are none are refused by name', () => {
  assert.throws(() => new Handler(), /^TypeError: options\.module must be a WebAssembly\.Module, or a function/);
  assert.throws(() => new Handler({ module: {} }), /^TypeError: options\.module/);
  const module = scripted;
  assert.throws(() => new Handler({ module, isolation: 'none' }), /^TypeError: options\.isolation must be 'rewind' or 'instance', not "none"/);
  assert.throws(() => new Handler({ module, maxBodyBytes: '1' }), /^TypeError: options\.maxBodyBytes/);
  assert.throws(() => new Handler({ module, maxBodyBytes: -1 }), /^RangeError: options\.maxBodyBytes/);
  assert.throws(() => new Handler({ module, recycleAboveBytes: NaN }), /^RangeError: options\.recycleAboveBytes/);
  assert.throws(() => new Handler({ module, onError: 5 }), /^TypeError: options\.onError/);
});

test('a module of another realm is as good as ours', async () => {
  const binary = parseWat('scripted.wat', source, { reference_types: true, bulk_memory: true }).toBinary({}).buffer;
  const module = vm.runInNewContext('(bytes) => new WebAssembly.Module(bytes)')(binary);
  assert.equal(module instanceof WebAssembly.Module, false);
  await echoed(await make({ module }).handler.fetch(at('/echo')));
});

test('recycle gives the memory back between requests', async () => {
  const { handler } = make();
  assert.equal(handler.memoryBytes, 0);
  handler.recycle();
  await handler.fetch(at('/echo'));
  assert.ok(handler.memoryBytes > 0);
  handler.recycle();
  assert.equal(handler.memoryBytes, 0);
  assert.equal((await handler.fetch(at('/echo'))).headers.get('x-request'), '1');
});

test('a package of a handler exports it ready, and the class for other options', async () => {
  const { Handler: Packaged, handler, fetch, handle, usage } = packageOf(
    (module) => ({ wasm: new WebAssembly.Instance(module, {}).exports, bindings: {} }),
    () => scripted,
  );
  await echoed(await fetch(at('/echo')));
  await echoed(await handle(at('/echo')));
  assert.ok(usage().used > 0);
  assert.ok(handler instanceof Packaged && handler instanceof Handler);
  assert.equal(Packaged.name, 'Handler');
  await echoed(await new Packaged({ isolation: 'instance' }).fetch(at('/echo')));
  assert.deepEqual(Object.keys(packageOf(() => {}, undefined)), ['Handler']);
});

test('20,000 requests take no more memory than the first', async () => {
  const { handler } = make();
  await handler.fetch(at('/echo', { method: 'POST', body: 'x'.repeat(5000) }));
  const before = handler.memoryBytes;
  for (let request = 0; request < 20_000; request += 1) await handler.fetch(at(`/echo/${request}`));
  assert.equal(handler.memoryBytes, before);
});
