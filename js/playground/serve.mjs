// Serves the page on this machine only. It works as well when it is opened as a file.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';

const PORT = Number(process.env.PORT ?? 8321);
const page = readFileSync(new URL('dist/index.html', import.meta.url));

const server = createServer(({ method, url }, response) => {
  const isRead = method === 'GET' || method === 'HEAD';
  if (!isRead) return response.writeHead(405, { allow: 'GET, HEAD' }).end();
  // Browsers ask for it by themselves.
  if (url === '/favicon.ico') return response.writeHead(204).end();
  if (url !== '/') return response.writeHead(404, { 'content-type': 'text/plain' }).end('there is one page, /\n');
  const headers = { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return response.writeHead(200, headers).end(page);
});

server.on('error', (error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  console.error(`port ${PORT} is taken; say another one: PORT=8322 npm run playground`);
  process.exit(1);
});
server.listen(PORT, '127.0.0.1', () => console.log(`Playground on http://127.0.0.1:${server.address().port}/`));
