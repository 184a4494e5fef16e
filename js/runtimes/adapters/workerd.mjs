// workerd by itself: the files of the packages as they are, each a module of the
// worker. Nothing has bundled them.

import { readdirSync, writeFileSync } from 'node:fs';

import { installed } from '../support/required.mjs';
import { startServer, versionOf } from '../support/server.mjs';

const program = installed('.bin/workerd');

/** Not later than the workerd that runs. */
const COMPATIBILITY_DATE = '2026-11-01';

export default [
  {
    name: 'workerd',
    required: 'workerd',
    loaded: '`import` of the .wasm file by the entry `workerd`',
    note: 'nothing bundled: each file a module of the worker',
    version: () => versionOf(program, /\d{4}-\d\d-\d\d/),
    start(project, options) {
      writeFileSync(project.path('workerd.capnp'), config(project));
      const args = ['serve', 'workerd.capnp', '--control-fd=3'];
      return startServer(program, args, { cwd: project.folder, controlled: true, ...options });
    },
  },
];

function config(project) {
  // The first module is the worker.
  const modules = project.modules.map(moduleAt);
  for (const name of project.names) {
    const entry = project.entry(name, 'workerd');
    // There is no resolution by manifests in workerd: names are paths.
    const reexport = [`export * from '/${entry}';`];
    if (name !== 'lavandula') reexport.push(`export { default } from '/${entry}';`);
    writeFileSync(project.path(`workerd-${name}.js`), reexport.join('\n'));
    modules.push(`(name = "app/${name}", esModule = embed "workerd-${name}.js")`);
    modules.push(...filesOf(project, name));
  }
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  compatibilityDate = "${COMPATIBILITY_DATE}",
  modules = [
    ${modules.join(',\n    ')}
  ],
);
`;
}

function* filesOf(project, name) {
  const folder = `node_modules/${name}/dist`;
  for (const file of readdirSync(project.path(folder), { recursive: true, withFileTypes: true })) {
    const path = `${file.parentPath}/${file.name}`.slice(project.folder.length + 1);
    // Entries for elsewhere import what is not here, and nobody imports them.
    if (/\.(js|wasm)$/.test(path) && !/(node|edge-light|inline)\.js$/.test(path)) yield moduleAt(path);
  }
}

const moduleAt = (path) => `(name = "${path}", ${path.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed "${path}")`;
