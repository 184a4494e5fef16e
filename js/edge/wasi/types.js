// `wasi:http/types` as a server needs it: a request of JavaScript comes in, and what
// the component answers is noted. What is for clients is not here.

import { target } from '../../src/request.js';
import { Fields } from './fields.js';
import { InputStream, OutputStream, Pollable, Refusal } from './streams.js';

export { Fields };

const METHODS = new Set(['get', 'head', 'post', 'put', 'delete', 'connect', 'options', 'trace', 'patch']);

/** What may be had once; after that a `result` without a payload says no. */
class Once {
  #value;

  constructor(value) {
    this.#value = value;
  }

  take() {
    const value = this.#value;
    if (value === undefined) throw new Refusal(undefined);
    this.#value = undefined;
    return value;
  }
}

export class IncomingRequest {
  #request;
  #target;
  #headers;
  #body;

  /** @param body all of it, as bytes */
  constructor(request, body) {
    this.#request = request;
    this.#target = target(request.url);
    this.#headers = Fields.fromHeaders(request.headers);
    this.#body = new Once(body);
  }

  method() {
    const { method } = this.#request;
    const tag = method.toLowerCase();
    // Of other methods the case counts.
    return METHODS.has(tag) && method === tag.toUpperCase() ? { tag } : { tag: 'other', val: method };
  }

  pathWithQuery() {
    return this.#target.path;
  }

  scheme() {
    return { tag: this.#request.url.startsWith('https:') ? 'HTTPS' : 'HTTP' };
  }

  authority() {
    return this.#target.authority ?? undefined;
  }

  headers() {
    return this.#headers;
  }

  consume() {
    return new IncomingBody(this.#body.take());
  }
}

export class IncomingBody {
  #stream;

  constructor(bytes) {
    this.#stream = new Once(new InputStream(bytes));
  }

  stream() {
    return this.#stream.take();
  }

  static finish() {
    return new FutureTrailers();
  }
}

/** A request of the Fetch API has none. */
export class FutureTrailers {
  #none = new Once({ tag: 'ok', val: { tag: 'ok', val: undefined } });

  subscribe() {
    return new Pollable();
  }

  get() {
    return this.#none.take();
  }
}

export class OutgoingResponse {
  #status = 200;
  #headers;
  #content = new Content();
  #body = new Once(new OutgoingBody(this.#content));

  constructor(headers) {
    this.#headers = headers.freeze();
  }

  statusCode() {
    return this.#status;
  }

  setStatusCode(status) {
    if (status < 100 || status > 999) throw new Refusal(undefined);
    this.#status = status;
  }

  headers() {
    return this.#headers;
  }

  body() {
    return this.#body.take();
  }

  /** What the component has made of it. */
  answer() {
    const latin1 = (value) => Array.from(value, (byte) => String.fromCharCode(byte)).join('');
    return {
      status: this.#status,
      headers: this.#headers.entries().map(([name, value]) => [name, latin1(value)]),
      body: this.#content.bytes(),
      isFinished: this.#content.isFinished,
    };
  }
}

/** What was written. */
class Content {
  isFinished = false;
  #chunks = [];
  #length = 0;

  push(chunk) {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  bytes() {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}

export class OutgoingBody {
  #content;
  #stream;

  constructor(content) {
    this.#content = content;
    this.#stream = new Once(new OutputStream((chunk) => content.push(chunk)));
  }

  write() {
    return this.#stream.take();
  }

  /** Trailers are taken and not sent: a Response has no place for them. */
  static finish(body) {
    body.#content.isFinished = true;
  }
}

export class ResponseOutparam {
  /** `{ tag: 'ok', val: OutgoingResponse }`, or an error; undefined before that. */
  response;

  static set(param, response) {
    param.response = response;
  }
}

/** None of the errors here is one of HTTP. */
export const httpErrorCode = () => undefined;
