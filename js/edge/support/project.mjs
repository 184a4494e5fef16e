// The folder from which a runtime serves: a program whose main module, `app/main.js`,
// exports `fetch`, and beside it what js/runtimes starts it with.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { MODULES, transpile } from './jco.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What of js/runtimes/app knows nothing but `main.js`. */
const STARTERS = ['serve-node.js', 'serve-deno.js', 'serve-bun.js', 'serve-edge.js', 'page.js'];

/** What stands between the Fetch API and a component, relative to js/. */
const ADAPTER = [
  'edge/wasi/component.js',
  'edge/wasi/types.js',
  'edge/wasi/fields.js',
  'edge/wasi/streams.js',
  'edge/wasi/system.js',
  'src/failure.js',
  'src/request.js',
  'src/response.js',
];

/** A project around a package that `lavandula npm` made. */
export function projectOfPackage(given) {
  const manifest = join(given, 'package.json');
  if (!existsSync(manifest)) throw new Error(`there is no package in ${given}: make one by \`lavandula npm PATH --output ${given}\``);
  const { name, exports } = JSON.parse(readFileSync(manifest, 'utf8'));
  const project = emptyProject({ dependencies: { [name]: '*' } });
  cpSync(resolve(given), project.path('node_modules', name), { recursive: true });
  writeFileSync(project.path('app/main.js'), `export { default } from '${name}';\n`);
  return {
    ...project,
    names: [name],
    modules: ['app/main.js'],
    entry: (_, condition) => `node_modules/${name}/${exports['.'][condition].slice(2)}`,
  };
}

/**
 * A project around a component, which jco transpiles.
 *
 * @param loading `import` where a .wasm file can be imported as a module, else `read`
 */
export async function projectOfComponent(given, loading) {
  const project = await transpiled(given, 'sync');
  for (const path of ADAPTER) cpSync(here(`../../${path}`), project.path('app/adapter', path));
  const cores = readdirSync(project.path('app/component')).filter((name) => name.endsWith('.wasm'));
  writeFileSync(project.path('app/main.js'), loading === 'import' ? importing(cores) : READING);
  const paths = ['main.js', 'component/component.js', ...cores.map((name) => `component/${name}`), ...ADAPTER.map((path) => `adapter/${path}`)];
  return {
    ...project,
    names: [],
    modules: paths.map((path) => `app/${path}`),
    // What jco makes asks for it in each call.
    permissions: ['--allow-env=JCO_DEBUG'],
  };
}

/** A project around a component of WASI 0.3, over what jco has for Node.js. */
export async function projectOfComponent03(given) {
  const project = await transpiled(given, 'async');
  cpSync(here('../app/serve-node-0.3.js'), project.path('app/serve-node-0.3.js'));
  mkdirSync(project.path('node_modules'));
  symlinkSync(join(MODULES, '@bytecodealliance'), project.path('node_modules/@bytecodealliance'));
  return project;
}

async function transpiled(given, instantiation) {
  checkComponent(given);
  const project = emptyProject({});
  try {
    await transpile(given, project.path('app/component'), instantiation);
    return project;
  } catch (error) {
    project.remove();
    throw error;
  }
}

/** Refuses what is no component; its header tells it from a module. */
export function checkComponent(given) {
  const advice = 'make one by `lavandula build PATH --output FILE`';
  if (!statSync(given, { throwIfNoEntry: false })?.isFile()) throw new Error(`there is no file ${given}: ${advice}`);
  const header = readFileSync(given).subarray(0, 8).toString('hex');
  if (header !== '0061736d0d000100') throw new Error(`${given} is no component: ${advice}`);
}

const READING = `import { readFileSync } from 'node:fs';

import { Component } from './adapter/edge/wasi/component.js';
import { instantiate } from './component/component.js';

const compiled = new Map();

function module(name) {
  if (!compiled.has(name)) {
    const bytes = readFileSync(new URL(\`./component/\${name}\`, import.meta.url));
    compiled.set(name, new WebAssembly.Module(bytes));
  }
  return compiled.get(name);
}

export default new Component(instantiate, module);
`;

const importing = (cores) => `import { Component } from './adapter/edge/wasi/component.js';
import { instantiate } from './component/component.js';
${cores.map((name, index) => `import core${index} from './component/${name}';`).join('\n')}

const modules = { ${cores.map((name, index) => `'${name}': core${index}`).join(', ')} };

export default new Component(instantiate, (name) => modules[name]);
`;

function emptyProject(manifest) {
  const folder = mkdtempSync(join(tmpdir(), 'lavandula-edge-'));
  mkdirSync(join(folder, 'app'));
  for (const name of STARTERS) cpSync(here(`../../runtimes/app/${name}`), join(folder, 'app', name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', ...manifest }));
  return {
    folder,
    path: (...parts) => join(folder, ...parts),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
