// The page loads nothing, runs nothing but its own script, and shows texts as texts.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { looking, newest, source, url } from './browser.mjs';

/** A copy of the page that somebody has changed. */
function changed(change) {
  const folder = mkdtempSync(join(tmpdir(), 'lavandula-playground-'));
  const file = join(folder, 'index.html');
  const html = change(source());
  assert.notEqual(html, source());
  writeFileSync(file, html);
  process.on('exit', () => rmSync(folder, { recursive: true }));
  return pathToFileURL(file).href;
}

looking('the policy allows the own script and style by their hashes, compiling the module, and nothing else', {}, async (page) => {
  const policy = await page.getAttribute('meta[http-equiv="Content-Security-Policy"]', 'content');
  assert.match(policy, /^default-src 'none'; script-src 'sha256-[\w+/=]+' 'wasm-unsafe-eval'; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'$/);
});

looking('nothing can be fetched, and no text becomes code', { isNoisy: true }, async (page) => {
  const tries = await page.evaluate(async () => ({
    fetched: await fetch('https://example.invalid/').then(() => true, () => false),
    // Later: what a debugger evaluates is free to do so at once.
    evaluated: await new Promise((go) => {
      setTimeout(() => {
        try {
          go((0, eval)('1 + 1'));
        } catch (error) {
          go(error.name);
        }
      });
    }),
  }));
  assert.deepEqual(tries, { fetched: false, evaluated: 'EvalError' });
});

looking('what the page must not ask for would be noticed', { isNoisy: true }, async (page, { asked, noise }) => {
  await page.evaluate(() => document.body.append(Object.assign(new Image(), { src: 'https://example.invalid/a.png' })));
  await page.waitForTimeout(100);
  assert.ok(asked.length > 1 || /Content Security Policy/.test(noise.join()), 'neither a request nor a complaint');
});

test('there is no handler in an attribute, and no address but the page\'s own', () => {
  const html = source();
  const [markup] = html.split('<script');
  assert.doesNotMatch(markup, /\son[a-z]+=|\sstyle=|javascript:/i);
  assert.deepEqual(html.match(/\b(src|href)="[^"]*"/g) ?? [], []);
  assert.doesNotMatch(html.replace(/http:\/\/www\.w3\.org\/[\w/]+/g, ''), /https?:\/\//);
});

for (const [what, change] of [
  ['a script that somebody changed does not run', (html) => html.replace('globalThis.playground =', 'globalThis.taken = 1; globalThis.playground =')],
  ['a script that somebody added does not run', (html) => html.replace('<footer', "<script>window.taken = 1</script><img src=x onerror='window.taken = 2'><footer")],
]) {
  looking(what, { isNoisy: true, isReady: false, at: changed(change) }, async (page, { noise }) => {
    await page.waitForTimeout(500);
    assert.equal(await page.evaluate(() => window.taken), undefined);
    assert.match(noise.join(), /Content Security Policy/);
  });
}

looking('texts and names of files are shown as texts', {}, async (page) => {
  const text = '<img/src=x/onerror=window.taken=1>';
  await page.fill('#text', text);
  await page.setInputFiles('#file', { name: `\u202egpj ${text}`.replaceAll('/', ' '), mimeType: 'text/plain', buffer: Buffer.from('x') });
  await page.waitForFunction(() => document.querySelector('#told code').textContent.includes('<img'));
  await page.click('#kept tr:nth-child(2) button');
  assert.ok((await newest(page)).result.includes(text));
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.evaluate(() => window.taken), undefined);
  const all = await page.evaluate(() => document.querySelector('main').innerText);
  assert.match(all, /\\u\{202e\}gpj <img/);
  assert.doesNotMatch(all, /[\u0000\u202a-\u202e\u2066-\u2069]/);
});

looking('a browser without WebAssembly is told what to do', { isNoisy: true, isReady: false, at: 'about:blank' }, async (page) => {
  await page.addInitScript(() => delete globalThis.WebAssembly);
  await page.goto(url);
  await page.waitForSelector('#failure:not([hidden])');
  assert.match(await page.textContent('#failure'), /WebAssembly.*Load the page anew in a browser of the last two years/);
});

looking('without scripts it says why it is empty', { isReady: false, javaScriptEnabled: false }, async (page) => {
  assert.match(await page.textContent('body'), /scripts are switched off here/);
});

looking('where the module may not be compiled, the page says what went wrong', { isNoisy: true, isReady: false, at: changed((html) => html.replace("'wasm-unsafe-eval'", '')) }, async (page) => {
  await page.waitForSelector('#failure:not([hidden])');
  assert.match(await page.textContent('#failure'), /WebAssembly/);
});
