// jco, as js/conformance installs it.

import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const modules = new URL('../../conformance/node_modules/', import.meta.url);

/** What jco has written for components, `@bytecodealliance/...`. */
export const MODULES = fileURLToPath(modules);

/** The program. */
export const JCO = fileURLToPath(new URL('.bin/jco', modules));

/** Its version; null where it is not installed. */
export function jcoVersion() {
  const manifest = new URL('@bytecodealliance/jco/package.json', modules);
  if (!statSync(manifest, { throwIfNoEntry: false })?.isFile()) return null;
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

/**
 * Transpiles a component into a folder, as modules that are instantiated by hand.
 *
 * @param instantiation `sync` or `async`
 */
export async function transpile(component, folder, instantiation) {
  const args = ['transpile', component, '--instantiation', instantiation, '--no-typescript', '--name', 'component', '--quiet', '--out-dir', folder];
  try {
    await promisify(execFile)(JCO, args);
  } catch (error) {
    throw new Error(`jco cannot transpile ${component}:\n${error.stderr ?? error.message}`);
  }
}
