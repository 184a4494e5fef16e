// Handlers: the life of their instances, and what becomes of failures. The module is
// support/scripted.wat, which does what a request tells it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { Handler } from '../src/handler.js';
import { packageOf } from '../src/handler-package.js';
import { at, binary, changed, echoed, fails, make, scripted } from './support/scripted.mjs';

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
