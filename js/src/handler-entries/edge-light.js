// Edge functions of Vercel: as in Workers, with a mark on the import.

import module from '../core_bg.wasm?module';

import { createBindings } from '../core.js';
import { packageOf } from '../handler-package.js';

export const { Handler, handler, fetch, handle, usage } = packageOf(createBindings, module);
export default { fetch };
