// Headless Chromium, and a server for what it is to open.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';

import { chromium } from 'playwright-core';

import { QUIET } from '../../../tests/page/chromium.mjs';
import { chromiumPath } from './required.mjs';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.map': 'application/json' };

/** As strict as a page can be that runs WebAssembly. */
const POLICY = "default-src 'none'; connect-src 'self'; script-src 'self' 'nonce-lavandula' 'wasm-unsafe-eval'";

let browser = null;

/** One browser for all pages. */
async function launched() {
  browser ??= await chromium.launch({ executablePath: chromiumPath(), args: QUIET });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = null;
}

/** Opens `path` of the files in `folder`: the program is `globalThis.program` there. */
export async function openPage(folder, path) {
  const server = await serveFiles(folder);
  const context = await (await launched()).newContext();
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on('response', (response) => response.ok() || complaints.push(`${response.url()}: ${response.status()}`));
  const stop = async () => {
    await context.close();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  try {
    // `load` waits for modules, and for their `await`s.
    await page.goto(`http://127.0.0.1:${server.address().port}/${path}`, { waitUntil: 'load' });
    if (!(await page.evaluate(() => 'program' in globalThis))) {
      throw new Error(`the page has no program:\n${complaints.join('\n')}`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { send: (path, init) => sendInside(page, path, init), stop };
}

/** As `fetch`, with the program in the page for a server. */
async function sendInside(page, path, { method, headers, body } = {}) {
  const bytes = body === undefined ? undefined : Buffer.from(body).toString('base64');
  const got = await page.evaluate(
    async ({ path, method, headers, bytes }) => {
      const body = bytes === undefined ? undefined : Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
      const request = new Request(new URL(path, location.href), { method, headers, body });
      const response = await globalThis.program.fetch(request);
      let text = '';
      for (const byte of new Uint8Array(await response.arrayBuffer())) text += String.fromCharCode(byte);
      return { status: response.status, headers: [...response.headers], body: btoa(text) };
    },
    { path, method, headers, bytes },
  );
  return new Response(Buffer.from(got.body, 'base64'), { status: got.status, headers: got.headers });
}

async function serveFiles(folder) {
  const server = createServer(async ({ url }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
    try {
      const content = await readFile(join(folder, path));
      response.writeHead(200, {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'content-security-policy': POLICY,
      });
      response.end(content);
    } catch {
      // Browsers ask for an icon by themselves.
      response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    }
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return server;
}
