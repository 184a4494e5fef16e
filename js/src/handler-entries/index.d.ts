// Types of a package of a handler.

/** The figures of the arena that a request used, in bytes unless said otherwise. */
export interface Usage {
  /** Handed out since the last reset, padding for alignment included. */
  readonly used: number;
  /** What all blocks can hold together, their headers not counted. */
  readonly totalAllocated: number;
  /** The largest `used` between the last two resets, or since the last one where that is larger. */
  readonly peakUsed: number;
  /** Linear memory that the blocks occupy. */
  readonly committed: number;
  /** Unused ends of blocks that are full. */
  readonly tailWaste: number;
  /** What can still be handed out without another page. */
  readonly free: number;
  /** Headers of blocks. */
  readonly overhead: number;
  /** How many blocks there are. */
  readonly blocks: number;
  /** How many resets there were. */
  readonly resets: number;
  /** How many times pages were asked for and got. */
  readonly grows: number;
  /** The most that may be handed out between two resets, where there is a bound. */
  readonly budget: number | null;
}

/** A request that was not answered by its handler, as `onError` is told. What was thrown, where
 * something was, is in `cause`. */
export interface Failure extends Error {
  /** The word for it in the response's header `x-lavandula-error`. */
  readonly label:
    | 'trap'
    | 'out_of_memory'
    | 'instantiate'
    | 'invocation'
    | 'bad_response'
    | 'body_too_large'
    | 'malformed'
    | 'client_gone';
  /** The status of the response. */
  readonly status: number;
}

/** Options of a {@link Handler}. */
export interface HandlerOptions {
  /** Another module than that of the package, or what gets it on the first request. Needed in
   * `./slim`. */
  module?: WebAssembly.Module | (() => WebAssembly.Module | PromiseLike<WebAssembly.Module>);
  /** `'rewind'` (default): one instance answers one request after the other, and is put back to
   * what it was in between. `'instance'`: a fresh instance for each. */
  isolation?: 'rewind' | 'instance';
  /** An instance whose memory is larger after a request is dropped. Default: 64 MiB. */
  recycleAboveBytes?: number;
  /** A request with a larger body is answered with 413. Default: 10 MiB. */
  maxBodyBytes?: number;
  /** Told of each failure. Default: failures of the server, status 500 and above, go to
   * `console.error`. */
  onError?: (error: Failure, request: Request) => void;
}

/** The handler behind the Fetch API. */
export class Handler {
  constructor(options?: HandlerOptions);
  /** Answers a request. Never rejects: a failure is a response with its status and a header
   * `x-lavandula-error`. */
  handle(request: Request): Promise<Response>;
  /** The same, bound: to be passed on alone. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** The figures of the last request; null where it came to no end. */
  usage(): Usage | null;
  /** Bytes of linear memory; 0 where there is no instance. */
  readonly memoryBytes: number;
  /** Whether the instance trapped and no request has made a fresh one yet. */
  readonly poisoned: boolean;
  /** Drops the instance and its memory; the next request begins with a fresh one. */
  recycle(): void;
}

/** The handler over the package's own module. */
export const handler: Handler;
/** `handler.fetch`. */
export const fetch: (request: Request) => Promise<Response>;
/** `handler.fetch`. */
export const handle: (request: Request) => Promise<Response>;
/** The figures of the last request. */
export function usage(): Usage | null;

/** A whole worker: `export { default } from` the package. */
declare const worker: { fetch(request: Request): Promise<Response> };
export default worker;
