// Chromium, without a bundler: the files of the packages as they are, by an import
// map.

import { writeFileSync } from 'node:fs';

import { chromiumPath } from '../support/required.mjs';
import { versionOf } from '../support/server.mjs';

export default [
  {
    name: 'Chromium',
    required: 'chromium',
    loaded: '`fetch` beside the entry `browser`, compiled as it comes in',
    note: 'an import map; a content security policy needs `wasm-unsafe-eval`',
    version: () => versionOf(chromiumPath()),
    async start(project) {
      const { openPage } = await import('../support/browser.mjs');
      const imports = Object.fromEntries(project.names.map((name) => [name, `/${project.entry(name, 'browser')}`]));
      writeFileSync(
        project.path('chromium.html'),
        `<!doctype html>
<script type="importmap" nonce="lavandula">${JSON.stringify({ imports })}</script>
<script type="module" src="/app/page.js"></script>
`,
      );
      return openPage(project.folder, 'chromium.html');
    },
  },
];
