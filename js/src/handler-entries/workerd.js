// Workers: nothing may be compiled at run time, and an import of a .wasm file is
// the module.

import module from '../core_bg.wasm';

import { createBindings } from '../core.js';
import { packageOf } from '../handler-package.js';

export const { Handler, handler, fetch, handle, usage } = packageOf(createBindings, module);
export default { fetch };
