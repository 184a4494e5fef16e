// From what a handler left in memory to a Response: nothing of it is believed.

import { Failure } from './failure.js';

/** As much as the host of components lets pass. */
const MAX_HEADER_BYTES = 64 * 1024;

/** A Response of these may have no body, not even an empty one. */
const NULL_BODY = [204, 205, 304];

/** Headers about the connection, which is not the handler's. */
export const CONNECTION = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

// The control characters that no header may hold; a tab may.
const FORBIDDEN = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * Copies the answer at `at` out of memory. A RangeError where it is said to lie
 * where no memory is.
 */
export function copyAnswer(buffer, at) {
  const words = new DataView(buffer);
  const word = (index) => words.getUint32(at + index * 4, true);
  const table = word(1);
  const count = word(2);
  const headers = [];
  let size = 0;
  for (let index = 0; index < count; index += 1) {
    const row = table + index * 16;
    const field = (offset) => latin1(buffer, words.getUint32(row + offset, true), words.getUint32(row + offset + 4, true));
    // A row of nothing would make the count cost nothing.
    size += words.getUint32(row + 4, true) + words.getUint32(row + 12, true) + 1;
    if (size > MAX_HEADER_BYTES) throw bad(`its headers exceed ${MAX_HEADER_BYTES} bytes`);
    headers.push([field(0), field(8)]);
  }
  const body = new Uint8Array(buffer, word(3), word(4)).slice();
  return { status: word(0), headers, body };
}

/** One character for each byte. What `TextDecoder` calls latin1 is windows-1252, in most engines. */
function latin1(buffer, at, length) {
  const bytes = new Uint8Array(buffer, at, length);
  let text = '';
  // Arguments go on the stack, which has room for so many.
  for (let start = 0; start < length; start += 1024) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + 1024));
  }
  return text;
}

/** The Response to a request with this method. */
export function responseOf({ status, headers, body }, method) {
  if (status < 200 || status > 599) throw bad(`its status is ${status}; use one from 200 to 599`);
  const sent = acceptHeaders(headers);
  const isHead = method === 'HEAD';
  // These have no body and tell the length that another answer would have had.
  const aboutAnother = (isHead || status === 304) && body.length === 0;
  if (!aboutAnother) checkLength(sent, body.length, status);
  const bodiless = isHead || body.length === 0 || NULL_BODY.includes(status);
  // Else some runtimes tell the length of the body that is not there.
  if (isHead && body.length > 0 && !NULL_BODY.includes(status)) {
    sent.set('content-length', String(body.length));
  }
  return new Response(bodiless ? null : body, { status, headers: sent });
}

function acceptHeaders(headers) {
  const sent = new Headers();
  // `connection` may name further headers that are about the connection.
  let named = '';
  for (const [name, value] of headers) {
    if (!NAME.test(name) || FORBIDDEN.test(value)) {
      throw bad(`its header ${JSON.stringify(name.slice(0, 40))} is not valid`);
    }
    const lower = name.toLowerCase();
    if (lower === 'connection') named += `,${value}`;
    if (!CONNECTION.has(lower)) sent.append(name, value);
  }
  if (named !== '') {
    for (const name of named.split(',').map((name) => name.trim())) {
      if (NAME.test(name)) sent.delete(name);
    }
  }
  return sent;
}

function checkLength(headers, sent, status) {
  // Headers that occur twice come as one, with commas.
  const declared = headers.get('content-length');
  if (declared === null) return;
  if (declared.split(', ').some((one) => !/^\d+$/.test(one) || Number(one) !== sent)) {
    throw bad(`its content-length is ${declared.slice(0, 40)}, its body has ${sent} bytes`);
  }
  headers.delete('content-length');
  if (status !== 204 && status !== 205) headers.set('content-length', String(sent));
}

function bad(why) {
  return new Failure('bad_response', `the handler's response cannot be sent: ${why}`);
}
