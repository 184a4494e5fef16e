// Node.js: the one that is on the path, and the newest.

import { installed, onPath } from '../support/required.mjs';
import { startServer, versionOf } from '../support/server.mjs';

const loaded = '`readFileSync` beside the entry `node`, on first use';

function node(name, required, program, note) {
  return {
    name,
    required,
    loaded,
    note,
    version: () => versionOf(program),
    start: (project, options) => startServer(program, ['app/serve-node.js'], { cwd: project.folder, ...options }),
  };
}

export default [
  node('Node.js', 'node', onPath('node'), 'the one on the path'),
  node('Node.js, newest', 'node-newest', installed('node/bin/node'), ''),
];
