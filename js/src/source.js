// Where the WebAssembly.Module of the package comes from: each entry says how it
// gets it, or the user hands it over.

import { bytesOf, isBytes, isModule, shown } from './argument.js';
import { compile } from './compile.js';

let compiled = null;
/** Gets it without waiting, on first use. */
let open = null;
/** Gets it by itself, but not at once. */
let load = null;
/** The call of `init` that is under way. */
let loading = null;

/** For entries that have it at hand: `opener` returns the module. */
export function openWith(opener) {
  open = opener;
}

/** For entries that have to wait: `loader` returns what `init` takes. */
export function loadWith(loader) {
  load = loader;
}

/** The module. */
export function packageModule() {
  if (compiled === null) {
    if (open === null) {
      throw new Error('lavandula is not initialised; call `await init()` (or `initSync(module)`) first');
    }
    compiled = open();
  }
  return compiled;
}

/**
 * Makes the package ready. Where an entry needs no initialisation, and after the
 * first success, it has nothing to do: the module stays the one that it is.
 *
 * @returns {Promise<void>}
 */
export async function init(input) {
  if (compiled !== null || open !== null) return;
  loading ??= compile(input ?? load?.()).then(
    (module) => {
      compiled ??= module;
      loading = null;
    },
    (error) => {
      // The network may be back when it is tried again.
      loading = null;
      throw error;
    },
  );
  return loading;
}

/** The same without waiting, where there is a module or its bytes. */
export function initSync(input) {
  if (compiled !== null || open !== null) return;
  if (isModule(input)) compiled = input;
  else if (isBytes(input)) compiled = new WebAssembly.Module(bytesOf(input));
  else throw new TypeError(`module must be a WebAssembly.Module or its bytes, not ${shown(input)}`);
}
