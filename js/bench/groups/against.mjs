// The module of the package beside another build of it.

import { arenaCore, coreAt } from '../modules.mjs';

export async function against(folder) {
  const ours = await operationsOf('ours', await arenaCore());
  const other = await operationsOf('other', await coreAt(folder));
  return Object.keys(ours).map((name) => ({
    name: `module: ${name}`,
    what: 'by the raw exports',
    reference: 'this build',
    subjects: [
      { name: 'this build', run: ours[name] },
      { name: folder, run: other[name] },
    ],
  }));
}

async function operationsOf(name, core) {
  const { operations } = await import(`./operations.mjs?${name}`);
  return operations(core.instantiate());
}
