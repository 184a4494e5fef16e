// Browsers, service workers, and whatever else has a network: the first request
// gets the module from beside the package's files.

import { compile } from '../compile.js';
import { createBindings } from '../core.js';
import { packageOf } from '../handler-package.js';

export const { Handler, handler, fetch, handle, usage } = packageOf(createBindings, () =>
  compile(new URL('../core_bg.wasm', import.meta.url)),
);
export default { fetch };
