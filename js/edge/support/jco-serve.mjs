// `jco serve` as it comes: transpiles the component itself, and has its own server.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { JCO } from './jco.mjs';

/** Long, for a busy machine: what takes it has hung. */
const PATIENCE = 120_000;

/**
 * @param component the file
 * @param more further arguments
 */
export async function jcoServe(component, more, { log }) {
  // It does not tell which port it got, so it has to be told one.
  const port = await freePort();
  // Its own folder it would leave behind.
  const folder = mkdtempSync(join(tmpdir(), 'lavandula-edge-'));
  const args = ['serve', component, '--host', '127.0.0.1', '--port', String(port), '--jco-dir', folder, ...more];
  // It starts its server as a child, and does not pass signals on: a group of their
  // own is ended as one.
  const begun = performance.now();
  const child = spawn(JCO, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  const ended = once(child, 'exit');
  child.stderr.pipe(log, { end: false });
  const stop = async () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  if (!(await listens(child))) {
    await stop();
    throw new Error('`jco serve` did not begin to listen; what it said is above');
  }
  return { origin: `http://127.0.0.1:${port}`, pid: child.pid, listenedAfter: Math.round(performance.now() - begun), ended, stop };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

function listens(child) {
  return new Promise((answer) => {
    const timer = setTimeout(answer, PATIENCE, false);
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
      if (said.includes('Server listening')) answer(true);
    });
    child.once('exit', () => answer(false));
    child.once('error', () => answer(false));
    timer.unref();
  });
}
