// Checks of arguments, before anything crosses into WebAssembly: there, numbers
// would be coerced without a word. An error names the argument and the value.

/** The largest size: what lies above can be no size in a memory of 4 GiB. */
export const MAX_SIZE = 2 ** 31 - 1;

/** A value as a message shows it: short, and without running any code of it. */
export function shown(value) {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
    case 'bigint':
      return value < 10n ** 20n && value > -(10n ** 20n) ? `${value}n` : 'a bigint';
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : 'an object';
    default:
      return String(value);
  }
}

/** A number of bytes or elements: an integer from `least` to `MAX_SIZE`. */
export function size(value, name, least = 0) {
  // As far as 32 bits with a sign go, which is `MAX_SIZE`. In one comparison, and small
  // enough to be compiled into what asks: sizes are checked with every allocation.
  if (typeof value === 'number' && (value | 0) === value && value >= least) return value;
  return refuseSize(value, name, least);
}

function refuseSize(value, name, least) {
  if (typeof value !== 'number') {
    throw new TypeError(`${name} must be a number, not ${shown(value)}`);
  }
  throw new RangeError(`${name} must be an integer from ${least} to ${MAX_SIZE}, not ${value}`);
}

/** A limit in bytes that may also be `Infinity`: no limit. */
export function limit(value, name, otherwise) {
  if (value === undefined) return otherwise;
  if (typeof value !== 'number') {
    throw new TypeError(`${name} must be a number, not ${shown(value)}`);
  }
  if (!(value >= 0)) throw new RangeError(`${name} must be 0 or more, not ${value}`);
  return value;
}

/** Text that UTF-8 can hold. A lone surrogate would become U+FFFD in silence. */
export function text(value, name) {
  if (typeof value !== 'string') {
    throw new TypeError(`${name} must be a string, not ${shown(value)}`);
  }
  // Older engines lack `isWellFormed`. With the flag `u` a pair is one
  // character, so that only lone surrogates match.
  if (value.isWellFormed?.() ?? !/\p{Surrogate}/u.test(value)) return value;
  const index = value.search(/\p{Surrogate}/u);
  throw new TypeError(
    `${name} has a lone surrogate at index ${index}; pass ${name}.toWellFormed() to have U+FFFD in its place`,
  );
}

/** A function to be called. */
export function callable(value, name) {
  if (typeof value !== 'function') {
    throw new TypeError(`${name} must be a function, not ${shown(value)}`);
  }
  return value;
}

/** An object of options, or none. */
export function options(value, name = 'options') {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${name} must be an object, not ${shown(value)}`);
  }
  return value;
}

const tag = (value) => Object.prototype.toString.call(value);

/** Whether it is a WebAssembly.Module, of this realm or another. */
export const isModule = (value) => tag(value) === '[object WebAssembly.Module]';

/** Whether it is an ArrayBuffer or a view of one, of this realm or another. */
export const isBytes = (value) => ArrayBuffer.isView(value) || tag(value) === '[object ArrayBuffer]';

/** A WebAssembly.Module. */
export function wasmModule(value, name) {
  if (!isModule(value)) {
    throw new TypeError(`${name} must be a WebAssembly.Module, not ${shown(value)}`);
  }
  return value;
}

/** The bytes of either, in a form that every engine compiles: V8 refuses a DataView. */
export const bytesOf = (value) =>
  ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : value;
