// A request as bytes in memory: what `lavandula_handle` expects.

import { Failure } from './failure.js';

const encoder = new TextEncoder();

/** In the place of the length of an authority that is not known. */
const NO_AUTHORITY = 0xffff_ffff;

const WORD = 4;

/** The head of a request, ready to be written: words, and behind them text. */
export class Head {
  #words;
  #text;

  constructor(request) {
    const { path, authority } = target(request.url);
    const words = [request.method.length, path.length, authority?.length ?? NO_AUTHORITY, 0];
    let text = request.method + path + (authority ?? '');
    // Names come in lower case, and those that occur twice as one.
    for (const [name, value] of request.headers) {
      words.push(name.length, value.length);
      text += name + value;
      words[3] += 1;
    }
    this.#words = words;
    this.#text = text;
  }

  get byteLength() {
    return this.#words.length * WORD + this.#text.length;
  }

  /** Writes it to `at`, where there is room for `byteLength` bytes. */
  writeTo(buffer, at) {
    const words = new DataView(buffer, at, this.#words.length * WORD);
    this.#words.forEach((word, index) => words.setUint32(index * WORD, word, true));
    const text = this.#text;
    const bytes = new Uint8Array(buffer, at + words.byteLength, text.length);
    // As good as always it is ASCII: then as many bytes were written as there
    // are characters. `encodeInto` stops where the room ends.
    const { read } = encoder.encodeInto(text, bytes);
    if (read === text.length) return;
    for (let index = 0; index < text.length; index += 1) {
      const byte = text.charCodeAt(index);
      // Cut down to a byte it could be a line break.
      if (byte > 0xff) throw new Failure('malformed', 'a header of the request is no byte string');
      bytes[index] = byte;
    }
  }
}

/** What a request line would hold of a URL. */
export function target(url) {
  const start = url.indexOf('://') + 3;
  if (start === 2) throw new Failure('malformed', 'the URL of the request is not absolute');
  const fragment = url.indexOf('#', start);
  const end = fragment === -1 ? url.length : fragment;
  let path = url.slice(start, end).search(/[/?]/);
  path = path === -1 ? end : start + path;
  const authority = url.slice(start, path);
  const rest = url.slice(path, end);
  return {
    path: rest.startsWith('/') ? rest : `/${rest}`,
    authority: authority === '' ? null : authority,
  };
}

/**
 * The body of a request, at most `most` bytes of it; null where there is none.
 *
 * @returns {Promise<Uint8Array | null>}
 */
export async function readBody(request, most) {
  if (request.bodyUsed) {
    throw new Failure('malformed', 'the body of the request was read already; pass request.clone(), made before');
  }
  const stream = request.body;
  if (stream === null) return null;
  if (Number(request.headers.get('content-length')) > most) {
    stream?.cancel().catch(() => {});
    throw tooLarge(most);
  }
  try {
    // Not every browser has streams here.
    return stream === undefined ? await readWhole(request, most) : await readStream(stream.getReader(), most);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('client_gone', 'the body of the request could not be read to its end', error);
  }
}

async function readWhole(request, most) {
  const body = new Uint8Array(await request.arrayBuffer());
  if (body.length > most) throw tooLarge(most);
  return body;
}

async function readStream(reader, most) {
  const chunks = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!ArrayBuffer.isView(value)) {
      throw new Failure('malformed', 'the body of the request is a stream of something else than bytes');
    }
    length += value.byteLength;
    if (length > most) {
      // What it has to say about that is of no interest.
      reader.cancel().catch(() => {});
      throw tooLarge(most);
    }
    chunks.push(value);
  }
  if (chunks.length === 1) return chunks[0];
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}

function tooLarge(most) {
  return new Failure(
    'body_too_large',
    `the body of the request exceeds ${most} bytes; send less or raise maxBodyBytes`,
  );
}
