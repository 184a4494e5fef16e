// What is optional, and when it is not.

import { readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Whether `LAVANDULA_REQUIRE` names it: then it may not be missing. */
export function isRequired(name) {
  const names = process.env.LAVANDULA_REQUIRE ?? '';
  return names.split(',').some((one) => one.trim() === name);
}

const modules = fileURLToPath(new URL('../node_modules', import.meta.url));

/** The manifest of an installed package; null where it is not installed. */
export function manifestOf(name) {
  const path = existing(join(modules, name, 'package.json'));
  return path === null ? null : JSON.parse(readFileSync(path, 'utf8'));
}

/** A program of an installed package; null where there is none. */
export function installed(path) {
  return existing(join(modules, path));
}

/** A program on the path. Not one of those that are installed here, which npm puts
 * in front: among them is another Node.js. */
export function onPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  for (const folder of folders) {
    const path = existing(join(folder, name));
    if (path !== null) return path;
  }
  return null;
}

/** The browser: where `CHROMIUM` says, or in its usual place. */
export function chromiumPath() {
  return existing(process.env.CHROMIUM ?? '/usr/bin/chromium');
}

function existing(path) {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? path : null;
}
