// The program as a server of Node.js.

import { createServer } from 'node:http';
import { Readable } from 'node:stream';

import program from './main.js';

const server = createServer(async (incoming, outgoing) => {
  const { method, headers, url } = incoming;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const request = new Request(`http://${headers.host}${url}`, {
    method,
    headers,
    body: hasBody ? Readable.toWeb(incoming) : undefined,
    duplex: 'half',
  });
  const response = await program.fetch(request);
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
