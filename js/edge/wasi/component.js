// A component of WASI 0.2, transpiled by jco, behind the Fetch API: the door
// `wasi:http/incoming-handler`. One instance answers one request after the other; one
// that failed is dropped, since it can never be entered again.

import { Failure } from '../../src/failure.js';
import { readBody } from '../../src/request.js';
import { responseOf } from '../../src/response.js';
import { InputStream, IoError, OutputStream, Pollable, poll } from './streams.js';
import { SYSTEM } from './system.js';
import * as types from './types.js';

/** As much as the other doors take. */
const MAX_BODY = 10 * 1024 * 1024;

const NOTHING = new Uint8Array();

/** Without versions, as jco names them. */
const INTERFACES = {
  'wasi:http/types': types,
  'wasi:io/error': { Error: IoError },
  'wasi:io/poll': { Pollable, poll },
  'wasi:io/streams': { InputStream, OutputStream },
  ...SYSTEM,
};

const imports = new Proxy(INTERFACES, {
  get(interfaces, name) {
    if (Object.hasOwn(interfaces, name)) return interfaces[name];
    throw new Error(
      `the component imports ${name}, which there is not; build it without what needs that. There are ${Object.keys(interfaces).join(', ')}`,
    );
  },
});

export class Component {
  #instantiate;
  #module;
  #handle = null;

  /**
   * @param instantiate of the module that `jco transpile --instantiation sync` makes
   * @param module the WebAssembly.Module of a name that it gives
   */
  constructor(instantiate, module) {
    this.#instantiate = instantiate;
    this.#module = module;
    // What it lacks is told before anybody asks.
    this.#enter();
  }

  /** Answers a request. Never rejects: a failure has its answer too. */
  fetch = async (request) => {
    try {
      const body = await readBody(request, MAX_BODY);
      // From here on nothing waits: requests do not overlap in the instance.
      return responseOf(this.#exchange(request, body ?? NOTHING), request.method);
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('malformed', 'fetch() was given something else than a Request', error);
      if (failure.status >= 500) console.error(failure);
      return failure.response();
    }
  };

  #enter() {
    if (this.#handle === null) {
      const instance = this.#instantiate(this.#module, imports);
      if (instance.incomingHandler === undefined) {
        throw new Error('the component does not export wasi:http/incoming-handler: build the handler without the features that put it behind another door');
      }
      this.#handle = instance.incomingHandler.handle;
    }
    return this.#handle;
  }

  #exchange(request, body) {
    const incoming = new types.IncomingRequest(request, body);
    const outparam = new types.ResponseOutparam();
    const handle = this.#enter();
    try {
      handle(incoming, outparam);
    } catch (error) {
      this.#handle = null;
      throw new Failure('trap', 'the component failed, and the next request has a new instance', error);
    }
    const { response } = outparam;
    if (response === undefined) throw new Failure('bad_response', 'the component returned without a response');
    if (response.tag === 'err') throw new Failure('bad_response', `the component answered with the error ${response.val.tag}`);
    const answer = response.val.answer();
    if (!answer.isFinished) throw new Failure('bad_response', 'the component left the body of its response unfinished');
    return answer;
  }
}
