// Anywhere: without a module of its own. `new Handler({ module })` is given one.

import { createBindings } from '../core.js';
import { packageOf } from '../handler-package.js';

export const { Handler } = packageOf(createBindings);
