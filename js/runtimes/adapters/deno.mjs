// Deno, over the `node_modules` that npm made.

import { installed } from '../support/required.mjs';
import { startServer, versionOf } from '../support/server.mjs';

const program = installed('deno/deno') ?? installed('.bin/deno');

export default [
  {
    name: 'Deno',
    required: 'deno',
    loaded: 'as Node.js, by the condition `deno`',
    note: 'needs `--allow-read` for `node_modules`',
    version: () => versionOf(program),
    start(project, options) {
      const permissions = ['--allow-net=127.0.0.1', '--allow-read=.', ...(project.permissions ?? [])];
      return startServer(program, ['run', '--no-remote', ...permissions, 'app/serve-deno.js'], {
        cwd: project.folder,
        env: { DENO_NO_UPDATE_CHECK: '1' },
        ...options,
      });
    },
  },
];
