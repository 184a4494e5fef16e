// The same for the package of a handler.

import worker, { Handler, fetch as answer, handle, handler, usage } from 'worker';
import { Handler as Slim } from 'worker/slim';

declare const module: WebAssembly.Module;

export default worker;

export async function ask(request: Request): Promise<number> {
  const response: Response = await handle(request);
  const same: Response = await answer(request);
  const own = new Handler({
    isolation: 'instance',
    maxBodyBytes: 1000,
    onError: (failure) => {
      const status: number = failure.status;
      // @ts-expect-error No failure has this label.
      return failure.label === 'tarp' ? status : failure.cause;
    },
  });
  // @ts-expect-error There are two of them.
  new Handler({ isolation: 'none' });
  new Slim({ module: async () => module });
  own.recycle();
  const used: number = usage()?.used ?? own.usage()?.used ?? handler.memoryBytes;
  return response.status + same.status + used;
}
