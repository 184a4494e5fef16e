// The door of handlers to the Fetch API: one request after the other through one
// instance, which is rewound in between, or dropped at the first doubt.

import { callable, isModule, limit, options, shown } from './argument.js';
import { Failure } from './failure.js';
import { Instance } from './instance.js';
import { Head, readBody } from './request.js';
import { copyAnswer, responseOf } from './response.js';
import { usageAt } from './usage.js';

const NEEDED = [
  'lavandula_seal',
  'lavandula_receive',
  'lavandula_handle',
  'lavandula_usage',
  'lavandula_rewind',
];

/** Workers have 128 MiB for everything. */
const RECYCLE_ABOVE = 64 * 1024 * 1024;

/** As much as the host of components takes. */
const MAX_BODY = 10 * 1024 * 1024;

const ISOLATION = ['rewind', 'instance'];

export class Handler {
  #createBindings;
  /** Null until it is there. */
  #module = null;
  /** What gets it. */
  #open = null;
  /** While that is on its way. */
  #loading = null;
  #isolation;
  #recycleAboveBytes;
  #maxBodyBytes;
  #onError;
  #instance = null;
  /** What of JavaScript the instance held on to when it was sealed. */
  #references = null;
  #usage = null;

  /** `handle`, to be passed on alone. */
  fetch = (request) => this.handle(request);

  constructor(given) {
    const { module, isolation = 'rewind', recycleAboveBytes, maxBodyBytes, onError, createBindings } = options(given);
    if (!isModule(module) && typeof module !== 'function') {
      throw new TypeError(
        `options.module must be a WebAssembly.Module, or a function that returns one or a promise of one, not ${shown(module)}`,
      );
    }
    if (!ISOLATION.includes(isolation)) {
      throw new TypeError(`options.isolation must be 'rewind' or 'instance', not ${shown(isolation)}`);
    }
    if (isModule(module)) this.#module = module;
    else this.#open = module;
    this.#isolation = isolation;
    this.#recycleAboveBytes = limit(recycleAboveBytes, 'options.recycleAboveBytes', RECYCLE_ABOVE);
    this.#maxBodyBytes = limit(maxBodyBytes, 'options.maxBodyBytes', MAX_BODY);
    this.#onError = onError === undefined ? logged : callable(onError, 'options.onError');
    this.#createBindings = createBindings ?? withoutImports;
  }

  /** Answers a request. Never rejects: a failure has its answer too. */
  async handle(request) {
    try {
      const body = await readBody(request, this.#maxBodyBytes);
      if (this.#module === null) await this.#load();
      // From here on nothing waits: requests do not overlap in the instance.
      return this.#answer(request, body);
    } catch (error) {
      const failure =
        error instanceof Failure ? error : new Failure('malformed', 'handle() was given something else than a Request', error);
      this.#report(failure, request);
      return failure.response();
    }
  }

  /** The figures of the last request that came to its end. */
  usage() {
    return this.#usage;
  }

  /** Bytes of linear memory; 0 where there is no instance. */
  get memoryBytes() {
    return this.#instance?.memoryBytes ?? 0;
  }

  /** Whether the instance trapped and no request has made a new one yet. */
  get poisoned() {
    return this.#instance?.ended === 'trap';
  }

  /** Gives all memory back; the next request begins with a fresh instance. */
  recycle() {
    this.#instance?.end('recycled');
    this.#instance = null;
  }

  /** Gets the module, once for all who wait for it. */
  #load() {
    this.#loading ??= Promise.resolve()
      .then(this.#open)
      .then((module) => {
        if (!isModule(module)) throw new TypeError(`options.module returned ${shown(module)}, which is no WebAssembly.Module`);
        this.#module = module;
      })
      .catch((error) => {
        // The next request may have more luck.
        this.#loading = null;
        throw new Failure('instantiate', 'the module could not be had', error);
      });
    return this.#loading;
  }

  #answer(request, body) {
    const head = new Head(request);
    const instance = this.#enter();
    const answer = this.#exchange(instance, head, body);
    this.#settle(instance, request);
    return responseOf(answer, request.method);
  }

  /** The instance, sealed. */
  #enter() {
    if (this.#instance !== null && this.#instance.ended === null) return this.#instance;
    let instance;
    try {
      instance = new Instance(this.#createBindings, this.#module, NEEDED);
    } catch (error) {
      throw new Failure('instantiate', 'the module could not be instantiated', error);
    }
    this.#instance = instance;
    const code = call(instance, 'lavandula_seal');
    if (code !== 0) {
      this.recycle();
      throw new Failure('invocation', `the handler refused to be sealed, with code ${code}`);
    }
    this.#references = references(instance);
    return instance;
  }

  /** From the request to a copy of the answer, all inside of one invocation. */
  #exchange(instance, head, body) {
    this.#usage = null;
    try {
      const headAt = receive(instance, head.byteLength);
      head.writeTo(instance.buffer, headAt);
      const length = body?.byteLength ?? 0;
      // Where there is none it still has an address, which Rust wants not to be 0.
      const bodyAt = length === 0 ? headAt : receive(instance, length);
      // After it: to receive may have grown the memory, which then is another
      // buffer.
      if (length !== 0) new Uint8Array(instance.buffer, bodyAt, length).set(body);
      const at = call(instance, 'lavandula_handle', headAt, head.byteLength, bodyAt, length);
      if (at === 0) throw outOfMemory();
      const answer = copyAnswer(instance.buffer, at);
      this.#usage = usageAt(instance.buffer, call(instance, 'lavandula_usage'));
      return answer;
    } catch (error) {
      // In the middle of an invocation nothing else can be done with it. It has
      // ended already where it trapped.
      instance.end('recycled');
      if (!(error instanceof RangeError)) throw error;
      throw new Failure('bad_response', 'the handler named an address outside of its memory', error);
    }
  }

  /** Makes the instance ready for the next request, or drops it. */
  #settle(instance, request) {
    if (
      this.#isolation === 'instance' ||
      instance.memoryBytes > this.#recycleAboveBytes ||
      this.#keepsReferences(instance)
    ) {
      this.recycle();
      return;
    }
    // The answer is there; what goes wrong now is not the client's.
    try {
      const code = call(instance, 'lavandula_rewind');
      if (code === 0) return;
      this.recycle();
      this.#report(new Failure('invocation', `the handler refused to be rewound, with code ${code}`), request);
    } catch (failure) {
      this.#report(failure, request);
    }
  }

  /**
   * Whether the request holds on to values of JavaScript, or has had their table
   * grow: a rewind, which is about memory, takes back neither.
   */
  #keepsReferences(instance) {
    const { held, places } = references(instance);
    return held !== this.#references.held || places !== this.#references.places;
  }

  #report(failure, request) {
    try {
      const onError = this.#onError;
      onError(failure, request);
    } catch (error) {
      console.error('onError failed:', error);
    }
  }
}

/** Calls an export. What is thrown out of it ends the instance. */
function call(instance, name, ...values) {
  try {
    return instance.wasm[name](...values) >>> 0;
  } catch (error) {
    const words = lastWords(instance);
    instance.trapped(error);
    throw new Failure('trap', words === null ? 'the handler trapped' : `the handler ${words}`, error);
  }
}

/** What a handler said when it panicked, which nobody else could be told; else null. */
function lastWords({ wasm, buffer }) {
  try {
    const place = wasm.lavandula_last_words?.() >>> 0;
    if (place === 0) return null;
    const [at, length] = new Uint32Array(buffer, place, 2);
    return new TextDecoder().decode(new Uint8Array(buffer, at, length));
  } catch {
    // It is too broken to say more.
    return null;
  }
}

/** Room for so many bytes of the request. */
function receive(instance, length) {
  const at = call(instance, 'lavandula_receive', length);
  if (at === 0) throw outOfMemory();
  return at;
}

function outOfMemory() {
  return new Failure('out_of_memory', 'the handler ran out of memory; make it use less, or its maximum larger');
}

/** How many values of JavaScript an instance holds on to, and for how many there is room. */
function references({ wasm }) {
  return { held: wasm.lavandula_references?.() ?? 0, places: wasm.__wbindgen_externrefs?.length ?? 0 };
}

/** For modules that import nothing. */
function withoutImports(module) {
  return { wasm: new WebAssembly.Instance(module, {}).exports, bindings: {} };
}

/** What happens to failures by default: those that are the server's are told. */
function logged(failure) {
  if (failure.status >= 500) console.error(failure);
}
