// From what a program has of a module to the module.

import { bytesOf, isBytes, isModule, shown } from './argument.js';

/** A module from whatever there is of it: a module, bytes, a response, a URL, or a promise of one. */
export async function compile(given) {
  const input = await given;
  if (isModule(input)) return input;
  if (isBytes(input)) return WebAssembly.compile(bytesOf(input));
  if (typeof input === 'string' || input instanceof URL) return compile(fetch(input));
  if (typeof input?.arrayBuffer !== 'function') {
    throw new TypeError(
      `there is no module in ${shown(input)}; pass a WebAssembly.Module, its bytes, a Response, a URL, or a promise of one of these`,
    );
  }
  // `ok` is missing where it is a Blob or the like.
  if (input.ok === false) {
    throw new Error(
      `${input.url || 'the module'} was answered with ${input.status}; make the server serve core_bg.wasm there, or say where it is`,
    );
  }
  // Compiles while it comes in, which engines do for this content type only.
  const streams =
    typeof WebAssembly.compileStreaming === 'function' &&
    input instanceof Response &&
    input.headers.get('content-type') === 'application/wasm';
  return streams ? WebAssembly.compileStreaming(input) : WebAssembly.compile(await input.arrayBuffer());
}
