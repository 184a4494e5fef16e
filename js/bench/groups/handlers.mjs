// Whole requests through the Fetch API: the sample handler `worker`, which counts the
// words of a text, and the same in JavaScript.

import { keep } from '../keep.mjs';
import { worker } from '../modules.mjs';
import { shapes } from '../texts.mjs';

const URL = 'https://example.com/count';

/** What `examples/worker` answers. */
async function inJavaScript(request) {
  const text = await request.text();
  const lines = text === '' ? 0 : text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  const words = text.trim() === '' ? 0 : text.trim().split(/\s+/).length;
  let characters = 0;
  for (const _ of text) characters += 1;
  return new Response(`{"lines":${lines},"words":${words},"characters":${characters}}\n`, {
    headers: { 'content-type': 'application/json' },
  });
}

export async function requests() {
  const { Handler } = await worker();
  const rewinding = new Handler();
  const fresh = new Handler({ isolation: 'instance' });
  const body = shapes(1024)[0].text(0);
  const ask = () => new Request(URL, { method: 'POST', body });
  await expectSame(ask, rewinding.fetch, inJavaScript);
  const subject = (name, handle) => ({
    name,
    async run(count) {
      let last;
      for (let i = 0; i < count; i += 1) last = await (await handle(ask())).text();
      keep(last);
    },
  });
  return {
    name: 'a request',
    what: 'POST of 1 KiB; the Request is made, and the Response read, in the figure',
    reference: 'JavaScript: the same handler',
    subjects: [
      subject('lavandula: one instance, rewound', rewinding.fetch),
      subject('lavandula: an instance for each', fresh.fetch),
      subject('JavaScript: the same handler', inJavaScript),
      subject('nothing: an empty Response', async (request) => {
        await request.arrayBuffer();
        return new Response('{}');
      }),
    ],
  };
}

/** What does not do the same is not compared. */
async function expectSame(ask, ...handlers) {
  const answers = await Promise.all(
    handlers.map(async (handle) => {
      const response = await handle(ask());
      return `${response.status} ${await response.text()}`;
    }),
  );
  const [first, ...rest] = answers;
  for (const answer of rest) {
    if (answer !== first) throw new Error(`the handlers answer differently: ${first} and ${answer}`);
  }
}
