// What a package of a handler exports: the handler over its own module, ready.

import { Handler as Base } from './handler.js';

/**
 * @param createBindings the factory of the package
 * @param module its module, or a function that gets it; undefined where the user
 *   has to say
 */
export function packageOf(createBindings, module) {
  class Handler extends Base {
    constructor(given) {
      super({ module, ...given, createBindings });
    }
  }
  if (module === undefined) return { Handler };
  const handler = new Handler();
  return { Handler, handler, fetch: handler.fetch, handle: handler.fetch, usage: () => handler.usage() };
}
