// The module that does what a request tells it, and what tests ask of its handler.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import wabt from 'wabt';

import { Handler } from '../../src/handler.js';

const { parseWat } = await wabt();

const source = readFileSync(new URL('./scripted.wat', import.meta.url), 'utf8');

function assemble(text) {
  const { buffer } = parseWat('scripted.wat', text, { reference_types: true, bulk_memory: true }).toBinary({});
  return buffer;
}

/** Its bytes. */
export const binary = assemble(source);

export const scripted = new WebAssembly.Module(binary);

/** The module with one thing about it changed. */
export function changed(from, to) {
  assert.ok(source.includes(from), from);
  return new WebAssembly.Module(assemble(source.replace(from, to)));
}

/** A handler, and what it was told of failures. */
export function make(options = {}) {
  const failures = [];
  const onError = (failure, request) => failures.push({ failure, request });
  return { handler: new Handler({ module: scripted, onError, ...options }), failures };
}

export const at = (path, init) => new Request(`http://edge.example${path}`, init);

/** An answer as `/script` takes it: addresses count from its start. */
export function script({ status = 200, headers = [], body = '', change = () => {} }) {
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

export const scriptedRequest = (answer, init = {}) => at('/script', { method: 'POST', ...init, body: script(answer) });

/** Whether it is the answer to a failure. Returns its text. */
export async function fails(response, status, label) {
  assert.equal(response.status, status);
  assert.equal(response.headers.get('x-lavandula-error'), label);
  assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
  const text = await response.text();
  assert.match(text, /^[A-Z][a-z' ]+\.\n$/);
  return text;
}

/** What the module was given, read back by the rules of the head. */
export async function echoed(response) {
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
