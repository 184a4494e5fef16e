// Every runtime of JavaScript that serves a handler, and behind which door: `npm` is a
// package that `lavandula npm` made, `jco` a component, and `jco-0.3` one that is behind
// the door of WASI 0.3. They are started by what js/runtimes tries the packages with.

import bun from '../runtimes/adapters/bun.mjs';
import chromium from '../runtimes/adapters/chromium.mjs';
import deno from '../runtimes/adapters/deno.mjs';
import edgeRuntime from '../runtimes/adapters/edge-runtime.mjs';
import miniflare from '../runtimes/adapters/miniflare.mjs';
import node from '../runtimes/adapters/node.mjs';
import workerd from '../runtimes/adapters/workerd.mjs';
import { installed } from '../runtimes/support/required.mjs';
import { startServer } from '../runtimes/support/server.mjs';
import { jcoServe } from './support/jco-serve.mjs';
import { jcoVersion } from './support/jco.mjs';
import { checkComponent, projectOfComponent, projectOfComponent03, projectOfPackage } from './support/project.mjs';
import { relay } from './support/relay.mjs';

const INSTALL = 'npm ci --prefix js/runtimes';
const INSTALL_JCO = 'npm ci --prefix js/conformance';

/** A runtime over the package. */
function npm(name, [adapter], { install = INSTALL, note = '' } = {}) {
  return {
    name,
    door: 'npm',
    install,
    note,
    version: () => adapter.version(),
    start: async (given, options) => inProject(projectOfPackage(given.package), (project) => adapter.start(project, options)),
  };
}

/** A runtime over the component, behind the adapter of wasi/. */
function jco(name, [adapter], loading, { install = '', note = '' } = {}) {
  return {
    name: `${name}-jco`,
    door: 'jco',
    install: [install, INSTALL_JCO].filter((command) => command !== '').join(' && '),
    note,
    version: async () => withJco(await adapter.version()),
    start: async (given, options) => inProject(await projectOfComponent(given.component, loading), (project) => adapter.start(project, options)),
  };
}

/** `jco serve`, with more arguments. */
function served(name, more, note) {
  return {
    name,
    door: 'jco',
    install: INSTALL_JCO,
    note,
    version: async () => withJco(await node[0].version()),
    async start(given, { log }) {
      checkComponent(given.component);
      return jcoServe(given.component, more, { log });
    },
  };
}

function withJco(version) {
  const jco = jcoVersion();
  return version === null || jco === null ? null : `${version}, jco ${jco}`;
}

async function inProject(project, start) {
  try {
    const server = await start(project);
    const stop = async () => {
      await server.stop();
      project.remove();
    };
    return { ...server, stop };
  } catch (error) {
    project.remove();
    throw error;
  }
}

/** The page of js/runtimes, which takes calls, behind a server. */
const chromiumBehindRelay = {
  version: chromium[0].version,
  async start(project) {
    const page = await chromium[0].start(project);
    const server = await relay(page.send);
    const stop = async () => {
      const { closeBrowser } = await import('../runtimes/support/browser.mjs');
      await server.stop();
      await page.stop();
      await closeBrowser();
    };
    return { ...server, stop };
  },
};

export const RUNTIMES = [
  npm('node', node, { install: 'install Node.js 20 or later', note: 'the one on the path' }),
  npm('node-newest', node.slice(1)),
  npm('deno', deno, { note: 'with `--allow-read` for the package' }),
  npm('bun', bun),
  npm('workerd', workerd, { note: 'each file a module of the worker' }),
  npm('miniflare', miniflare, { note: 'bundled as wrangler does it; workerd is a child of this process' }),
  npm('edge-runtime', edgeRuntime, { note: 'bundled as Next.js does it; the server is in this process' }),
  npm('chromium', [chromiumBehindRelay], {
    install: `apt-get install chromium && ${INSTALL}`,
    note: 'a page behind a server that takes bodies whole, and keeps the headers back that a page may not set',
  }),
  jco('node', node, 'read'),
  jco('deno', deno, 'read', { install: INSTALL, note: 'with `--allow-env=JCO_DEBUG`, which jco asks for in each call' }),
  jco('bun', bun, 'read', { install: INSTALL }),
  jco('workerd', workerd, 'import', { install: INSTALL }),
  {
    name: 'node-newest-jco-0.3',
    door: 'jco-0.3',
    install: `${INSTALL} && ${INSTALL_JCO}`,
    note: 'one request at a time; the process grows by 0.2 MiB or more a request, the memory of the instance does not',
    version: async () => withJco(await node[1].version()),
    start: async (given, options) =>
      inProject(await projectOfComponent03(given.component), (project) =>
        startServer(installed('node/bin/node'), ['app/serve-node-0.3.js'], { cwd: project.folder, ...options }),
      ),
  },
  served('jco-serve', [], 'one instance; a trap cuts the connection and ends the server'),
  served('jco-serve-instance', ['--isolate-requests', 'instance'], 'a trap cuts the connection and ends the server'),
  served(
    'jco-serve-worker',
    ['--isolate-requests', 'worker', '--isolate-worker-pool-size', '4'],
    'a thread of its own for each request, made ahead four at a time; after a trap 502',
  ),
];
