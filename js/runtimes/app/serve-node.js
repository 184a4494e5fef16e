// The program as a server of Node.js.

import { createServer } from 'node:http';
import { Readable } from 'node:stream';

import program from './main.js';

const server = createServer(async (incoming, outgoing) => {
  try {
    const response = await program.fetch(requestOf(incoming));
    outgoing.writeHead(response.status, [...response.headers].flat());
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  } catch {
    // What the Fetch API has no request for: the method TRACE, a target that is no URL.
    outgoing.writeHead(400).end();
  }
});

function requestOf(incoming) {
  const { method, headers, url } = incoming;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(`http://${headers.host}${url}`, {
    method,
    headers,
    body: hasBody ? Readable.toWeb(incoming) : undefined,
    duplex: 'half',
  });
}

server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
