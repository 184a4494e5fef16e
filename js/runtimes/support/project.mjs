// An empty project into which the packed packages are installed, as npm does it for
// a user. Nothing of the repository is in it but the program of `app/`.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Where `lavandula npm` puts packages if it is not told. */
const MADE = process.env.LAVANDULA_PACKAGES ?? here('../../../target/lavandula');

/** The packages: where each is, and what makes it. */
const PACKAGES = [
  { name: 'lavandula', folder: here('../..'), made: 'dist/index.node.js', command: 'npm run build` in js/, or `cargo test --test javascript' },
  { name: 'worker', folder: join(MADE, 'worker-npm'), made: 'package.json', command: 'cargo run -- npm examples/worker' },
  { name: 'javascript-guest', folder: join(MADE, 'javascript-guest-npm'), made: 'package.json', command: 'cargo run -- npm tests/guests/javascript' },
  { name: 'faulty-guest', folder: join(MADE, 'faulty-guest-npm'), made: 'package.json', command: 'cargo run -- npm tests/guests/faulty' },
];

export const NAMES = PACKAGES.map(({ name }) => name);

/** What the program is made of, the main module first. */
const MODULES = ['app/main.js', 'app/app.js', 'app/arena.js'];

/** Packs the packages and installs them. */
export function createProject() {
  const folder = mkdtempSync(join(tmpdir(), 'lavandula-runtimes-'));
  const tarballs = {};
  for (const { name, folder: from, made, command } of PACKAGES) {
    if (!existsSync(join(from, made))) throw new Error(`there is no package ${name} in ${from}; run \`${command}\``);
    const told = npm(['pack', '--json', '--pack-destination', folder], from);
    tarballs[name] = join(folder, JSON.parse(told)[0].filename);
  }
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  // Offline: a package that needed another one would fail here.
  npm(['install', '--offline', '--no-audit', '--no-fund', ...Object.values(tarballs)], folder);
  cpSync(here('../app'), join(folder, 'app'), { recursive: true });
  return {
    folder,
    tarballs,
    names: NAMES,
    modules: MODULES,
    path: (...parts) => join(folder, ...parts),
    /** The file that a package exports under a condition, from the project's folder. */
    entry(name, condition) {
      const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8'));
      return `node_modules/${name}/${exports['.'][condition].slice(2)}`;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function npm(args, cwd) {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
