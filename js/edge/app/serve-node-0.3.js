// A component of WASI 0.3 as a server of Node.js: `wasi:http/handler`, over the shim
// and the server that come with jco. Calls of such a component may wait, for which
// Node.js has to switch stacks in WebAssembly: 26 does so without a flag.

import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';

import { HttpServer, types } from '@bytecodealliance/preview3-shim/http';

import { instantiate } from './component/component.js';

const compiled = new Map();

function module(name) {
  if (!compiled.has(name)) {
    const bytes = readFileSync(new URL(`./component/${name}`, import.meta.url));
    compiled.set(name, new WebAssembly.Module(bytes));
  }
  return compiled.get(name);
}

let instance = null;

/** The server wants a result, and jco gives the value or throws. */
async function handle(request) {
  try {
    instance ??= await instantiate(module, { 'wasi:http/types': types });
    return { tag: 'ok', val: await instance.handler.handle(request) };
  } catch (error) {
    console.error(error);
    // It can never be entered again.
    instance = null;
    return { tag: 'err', val: { tag: 'internal-error', val: undefined } };
  }
}

const server = new HttpServer({ handle });
server.on('error', (error) => console.error(error));

// It does not tell which port it got, so it has to be told one.
const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
await new Promise((closed) => probe.close(closed));
await server.listen(port, '127.0.0.1');
console.log(`port ${port}`);
