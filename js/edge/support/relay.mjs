// HTTP in front of what is no server: a page that answers what it is sent.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

/** Headers that `Request` in a page does not let itself be given. */
const FORBIDDEN = /^(accept-charset|accept-encoding|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|te|trailer|transfer-encoding|upgrade|via|proxy-.*|sec-.*|access-control-request-.*)$/;

/** @param send as `fetch`, of a path and an init whose body is bytes */
export async function relay(send) {
  const server = createServer(async (incoming, outgoing) => {
    try {
      const { method, url, headers } = incoming;
      const hasBody = method !== 'GET' && method !== 'HEAD';
      const response = await send(url, {
        method,
        headers: Object.entries(headers).filter(([name]) => !FORBIDDEN.test(name)),
        body: hasBody ? await buffer(incoming) : undefined,
      });
      outgoing.writeHead(response.status, [...response.headers].flat());
      outgoing.end(Buffer.from(await response.arrayBuffer()));
    } catch (error) {
      console.error(error);
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
