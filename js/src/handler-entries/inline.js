// Where there are no files and no network: the module is in the JavaScript. It
// is a third larger so, and runtimes that forbid compiling cannot use it.

import { createBindings } from '../core.js';
import { bytes } from '../core_inline.js';
import { packageOf } from '../handler-package.js';

export const { Handler, handler, fetch, handle, usage } = packageOf(
  createBindings,
  () => new WebAssembly.Module(bytes),
);
export default { fetch };
