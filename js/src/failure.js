// Every way in which a request can fail here, and the one table that says what
// the client is told: the same as that of the host of components.
//
// The error itself is for `onError`: it says what happened and what to do. The
// response is for a stranger: a status, a label and a sentence, never a message
// of the guest.

/** The response header that carries the label of a failure. */
export const ERROR_HEADER = 'x-lavandula-error';

const TABLE = {
  trap: [500, 'The handler failed.'],
  out_of_memory: [500, 'The handler ran out of memory.'],
  instantiate: [500, 'The handler could not start.'],
  invocation: [500, 'The handler failed.'],
  bad_response: [502, "The handler's response was not valid."],
  body_too_large: [413, 'The body is too large.'],
  malformed: [400, 'The request is malformed.'],
  client_gone: [400, 'The request is incomplete.'],
};

/** A request that was not answered by its handler. */
export class Failure extends Error {
  /** The word for it in the header `x-lavandula-error`. */
  label;
  /** The status of the answer. */
  status;

  /** @param cause what was thrown, where something was */
  constructor(label, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.label = label;
    this.status = TABLE[label][0];
  }

  /** What the client is sent. */
  response() {
    return new Response(`${TABLE[this.label][1]}\n`, {
      status: this.status,
      headers: { 'content-type': 'text/plain; charset=utf-8', [ERROR_HEADER]: this.label },
    });
  }
}

Object.defineProperty(Failure.prototype, 'name', { value: 'Failure', configurable: true, writable: true });
