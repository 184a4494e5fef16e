// Bun.

import { installed } from '../support/required.mjs';
import { startServer, versionOf } from '../support/server.mjs';

const program = installed('.bin/bun');

export default [
  {
    name: 'Bun',
    required: 'bun',
    loaded: 'as Node.js, by the condition `bun`',
    note: '',
    version: () => versionOf(program),
    start: (project, options) => startServer(program, ['--no-install', 'app/serve-bun.js'], { cwd: project.folder, ...options }),
  },
];
