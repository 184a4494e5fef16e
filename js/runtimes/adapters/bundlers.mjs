// What bundlers for browsers make of the packages, in Chromium. Nothing is
// configured but what is said.

import { mkdirSync, writeFileSync } from 'node:fs';

import { openPage } from '../support/browser.mjs';
import { NAMES } from '../support/project.mjs';
import { chromiumPath, manifestOf } from '../support/required.mjs';

const page = (script) => `<!doctype html>\n<script type="module" src="${script}"></script>\n`;

/** A page over what `bundle` makes of the project in `folder`. */
function bundler(name, tool, { loaded, note = '' }, bundle) {
  return {
    name,
    required: tool,
    needs: ['chromium'],
    loaded,
    note,
    version: () => (chromiumPath() === null ? null : (manifestOf(tool)?.version ?? null)),
    async start(project) {
      const folder = project.path(`bundled-${name.replace(/\W+/g, '-')}`);
      mkdirSync(folder);
      await bundle(project, folder);
      return openPage(folder, 'index.html');
    },
  };
}

async function vite(project, outDir) {
  const { build } = await import('vite');
  writeFileSync(project.path('index.html'), page('/app/page.js'));
  await build({ root: project.folder, configFile: false, logLevel: 'error', build: { outDir, emptyOutDir: false } });
}

async function webpack(project, path) {
  const { default: webpack } = await import('webpack');
  const compiler = webpack({ mode: 'production', context: project.folder, entry: './app/page.js', output: { path, filename: 'page.js' } });
  const stats = await new Promise((done, failed) => compiler.run((error, stats) => (error ? failed(error) : done(stats))));
  await new Promise((closed) => compiler.close(closed));
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
  writeFileSync(`${path}/index.html`, page('page.js'));
}

async function esbuild(project, outdir, entry, options) {
  const { build } = await import('esbuild');
  await build({
    entryPoints: { page: project.path(entry) },
    outdir,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    absWorkingDir: project.folder,
    logLevel: 'error',
    ...options,
  });
  writeFileSync(`${outdir}/index.html`, page('page.js'));
}

export default [
  bundler('Vite', 'vite', { loaded: 'as Chromium; the bundler brings the .wasm file along' }, vite),
  bundler('webpack', 'webpack', { loaded: 'as Chromium; the bundler brings the .wasm file along' }, webpack),
  bundler(
    'esbuild, `/slim`',
    'esbuild',
    { loaded: 'its URL, by `import url from "lavandula/core_bg.wasm"`', note: "with `loader: { '.wasm': 'file' }`" },
    (project, folder) => esbuild(project, folder, 'app/page-slim.js', { loader: { '.wasm': 'file' } }),
  ),
  bundler('esbuild, `/inline`', 'esbuild', { loaded: 'it is in the JavaScript' }, (project, folder) =>
    esbuild(project, folder, 'app/page.js', { alias: Object.fromEntries(NAMES.map((name) => [name, `${name}/inline`])) }),
  ),
];
