// The adapter with components that misbehave, or do what those of Rust never do: each
// is what jco would make of one, by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Component } from './component.js';
import { Refusal } from './streams.js';

const request = (init, path = '/') => new Request(`http://edge.test${path}`, init);

/** A component with this `handle`, and how many instances of it there have been. */
function componentOf(handle, told = { instances: 0 }) {
  const instantiate = (_, imports) => {
    told.instances += 1;
    const { Fields, OutgoingResponse, OutgoingBody, ResponseOutparam } = imports['wasi:http/types'];
    const respond = (outparam, { status = 200, headers = [], body = '', finish = true }) => {
      const response = new OutgoingResponse(Fields.fromList(headers.map(([name, value]) => [name, Buffer.from(value)])));
      response.setStatusCode(status);
      const outgoing = response.body();
      ResponseOutparam.set(outparam, { tag: 'ok', val: response });
      outgoing.write().write(Buffer.from(body));
      if (finish) OutgoingBody.finish(outgoing, undefined);
    };
    return { incomingHandler: { handle: (incoming, outparam) => handle(incoming, (answer) => respond(outparam, answer), outparam, imports) } };
  };
  return new Component(instantiate, () => null);
}

/** The fault that is told to the client, and nothing on stderr. */
async function faultOf(component, asked = request()) {
  const { error } = console;
  console.error = () => {};
  try {
    const response = await component.fetch(asked);
    return [response.status, response.headers.get('x-lavandula-error')];
  } finally {
    console.error = error;
  }
}

/** What jco makes an error of. */
function refusal(call) {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return error.payload?.tag;
  }
  return assert.fail('it was not refused');
}

test('a request comes as it is', async () => {
  let seen;
  const component = componentOf((incoming, respond) => {
    const entries = incoming.headers().entries();
    const stream = incoming.consume().stream();
    const chunks = [];
    assert.equal(refusal(() => {
      for (;;) chunks.push(...stream.blockingRead(3n));
    }), 'closed');
    seen = {
      method: incoming.method(),
      target: incoming.pathWithQuery(),
      scheme: incoming.scheme(),
      authority: incoming.authority(),
      scent: Buffer.from(entries.find(([name]) => name === 'x-scent')[1]).toString('latin1'),
      body: Buffer.from(chunks).toString(),
    };
    respond({ status: 201, headers: [['x-a', 'é']], body: 'made' });
  });
  const response = await component.fetch(request({ method: 'PATCH', headers: { 'X-Scent': 'lavendér' }, body: 'eight bytes' }, '/a?b=c%20d'));
  assert.deepEqual(seen, {
    method: { tag: 'patch' },
    target: '/a?b=c%20d',
    scheme: { tag: 'HTTP' },
    authority: 'edge.test',
    scent: 'lavendér',
    body: 'eight bytes',
  });
  assert.equal(response.status, 201);
  assert.equal(Buffer.from(response.headers.get('x-a'), 'latin1').toString(), 'é');
  assert.equal(await response.text(), 'made');
});

test('an instance is kept, and dropped when it has failed', async () => {
  const told = { instances: 0 };
  const component = componentOf((incoming, respond) => {
    if (incoming.pathWithQuery() === '/trap') throw new WebAssembly.RuntimeError('unreachable');
    respond({ body: 'right' });
  }, told);
  for (const _ of [1, 2]) assert.equal(await (await component.fetch(request())).text(), 'right');
  assert.equal(told.instances, 1);
  assert.deepEqual(await faultOf(component, request({}, '/trap')), [500, 'trap']);
  assert.equal(await (await component.fetch(request())).text(), 'right');
  assert.equal(told.instances, 2);
});

test('what was written before a trap is not sent', async () => {
  const component = componentOf((_, respond) => {
    respond({ body: 'half' });
    throw new WebAssembly.RuntimeError('unreachable');
  });
  assert.deepEqual(await faultOf(component), [500, 'trap']);
});

test('an answer that is none is a failure of the component', async () => {
  const bad = [502, 'bad_response'];
  assert.deepEqual(await faultOf(componentOf(() => {})), bad, 'no response');
  assert.deepEqual(await faultOf(componentOf((_, respond) => respond({ body: 'half', finish: false }))), bad, 'unfinished');
  assert.deepEqual(await faultOf(componentOf((_, respond) => respond({ headers: [['content-length', '5']], body: 'four' }))), bad, 'another length');
  assert.deepEqual(await faultOf(componentOf((_, respond) => respond({ status: 101 }))), bad, 'a status that no Response has');
  const error = (_, __, outparam) => (outparam.response = { tag: 'err', val: { tag: 'internal-error', val: undefined } });
  assert.deepEqual(await faultOf(componentOf(error)), bad, 'an error');
});

test('a body that is too large is refused before the component is entered', async () => {
  const component = componentOf(() => assert.fail('it was entered'));
  const body = new Uint8Array(10 * 1024 * 1024 + 1);
  assert.deepEqual(await faultOf(component, request({ method: 'POST', body })), [413, 'body_too_large']);
});

test('streams and bodies may be had once', async () => {
  const component = componentOf((incoming, respond, _, imports) => {
    const body = incoming.consume();
    assert.equal(refusal(() => incoming.consume()), undefined);
    body.stream();
    assert.equal(refusal(() => body.stream()), undefined);
    const { OutgoingResponse, Fields } = imports['wasi:http/types'];
    const response = new OutgoingResponse(new Fields());
    response.body();
    assert.equal(refusal(() => response.body()), undefined);
    respond({});
  });
  assert.equal((await component.fetch(request())).status, 200);
});

test('headers are what the WIT says of them', async () => {
  const component = componentOf((incoming, respond, _, imports) => {
    const { Fields } = imports['wasi:http/types'];
    const value = Buffer.from('value');
    const fields = Fields.fromList([['X-One', value]]);
    fields.append('x-one', value);
    assert.equal(fields.get('x-ONE').length, 2);
    assert.equal(refusal(() => fields.append('no name', value)), 'invalid-syntax');
    assert.equal(refusal(() => fields.append('x-line', Buffer.from('a\nb'))), 'invalid-syntax');
    assert.equal(refusal(() => fields.append('Connection', value)), 'forbidden');
    fields.set('x-one', [value]);
    assert.deepEqual(fields.entries(), [['x-one', value]]);
    fields.delete('x-one');
    assert.equal(fields.has('x-one'), false);
    assert.equal(refusal(() => incoming.headers().append('x-one', value)), 'immutable');
    incoming.headers().clone().append('x-one', value);
    respond({});
  });
  assert.equal((await component.fetch(request())).status, 200);
});

test('a system is there, with nothing in it', async () => {
  const component = componentOf((_, respond, __, imports) => {
    assert.deepEqual(imports['wasi:cli/environment'].getEnvironment(), []);
    assert.equal(imports['wasi:random/random'].getRandomBytes(100_000n).length, 100_000);
    assert.ok(imports['wasi:random/random'].getRandomBytes(100_000n).subarray(-64).some((byte) => byte !== 0));
    const { seconds, nanoseconds } = imports['wasi:clocks/wall-clock'].now();
    assert.ok(Math.abs(Number(seconds) * 1000 + nanoseconds / 1e6 - Date.now()) < 5000);
    assert.equal(refusal(() => imports['wasi:cli/stdin'].getStdin().blockingRead(1n)), 'closed');
    imports['wasi:cli/stderr'].getStderr().blockingWriteAndFlush(Buffer.from('one\nand a ha'));
    imports['wasi:cli/stderr'].getStderr().blockingWriteAndFlush(Buffer.from('lf\n'));
    respond({});
  });
  const { error } = console;
  const logged = [];
  console.error = (line) => logged.push(line);
  try {
    assert.equal((await component.fetch(request())).status, 200);
  } finally {
    console.error = error;
  }
  assert.deepEqual(logged, ['one', 'and a half']);
});

test('who ends itself, or waits for time, has failed', async () => {
  const calls = [
    (imports) => imports['wasi:cli/exit'].exit({ tag: 'ok' }),
    (imports) => imports['wasi:clocks/monotonic-clock'].subscribeDuration(1n),
  ];
  for (const call of calls) {
    assert.deepEqual(await faultOf(componentOf((_, __, ___, imports) => call(imports))), [500, 'trap']);
  }
});

test('an interface that is missing is named, with what to do', () => {
  const wants = (_, imports) => imports['wasi:sockets/tcp'];
  assert.throws(() => new Component(wants, () => null), /imports wasi:sockets\/tcp, which there is not.* There are wasi:http\/types/);
  assert.throws(() => new Component(() => ({}), () => null), /does not export wasi:http\/incoming-handler/);
});
