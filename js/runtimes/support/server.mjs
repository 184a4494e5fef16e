// A server in a process of its own, on a port of its own choice.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** Long, for a busy machine: what takes it has hung. */
const PATIENCE = 60_000;

/**
 * Starts a server and waits until it listens.
 *
 * @param options `cwd`, `env`, and `controlled`: it tells its port in JSON on the
 *   descriptor 3, and else in the line `port N` on stdout. With `log` what it says on
 *   stderr goes to that descriptor, and else it is told where it does not listen
 */
export async function startServer(command, args, { cwd, env, controlled = false, log }) {
  const begun = performance.now();
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', log ?? 'pipe', ...(controlled ? ['pipe'] : [])],
  });
  const ended = once(child, 'exit');
  const said = log === undefined ? text(child.stderr).catch(() => '') : 'see above';
  const channel = controlled ? child.stdio[3] : child.stdout;
  if (controlled) child.stdout.resume();
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
  try {
    const port = await portOf(channel);
    if (port === null) {
      const [code, signal] = await ended;
      throw new Error(`${command} ended (${code ?? signal}) before it listened:\n${await said}`);
    }
    const origin = `http://127.0.0.1:${port}`;
    return {
      origin,
      pid: child.pid,
      /** Milliseconds until it listened. */
      listenedAfter: Math.round(performance.now() - begun),
      ended,
      send: (path, init) => fetch(origin + path, init),
      async stop() {
        child.kill();
        await ended;
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function portOf(channel) {
  let heard = '';
  for await (const chunk of channel.iterator({ destroyOnReturn: false })) {
    heard += chunk;
    const port = heard.match(/^port (\d+)$/m)?.[1] ?? heard.match(/"port": ?(\d+)/)?.[1];
    if (port !== undefined) {
      channel.resume();
      return Number(port);
    }
  }
  return null;
}

/** What a program says its version is; null where it cannot be started. */
export async function versionOf(command, pattern) {
  if (command === null) return null;
  const child = spawn(command, ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const failed = once(child, 'error').then(() => '');
  const said = await Promise.race([text(child.stdout), failed]);
  return said.match(pattern ?? /\d+(\.\d+)+/)?.[0] ?? null;
}
