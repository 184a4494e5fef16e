// A real browser with the page in it, as it is built.
//
// Where there is no Chromium, the tests say so and are skipped, unless
// LAVANDULA_REQUIRE names it. CHROMIUM is where it is, if not in its usual place.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

import { QUIET } from '../../../tests/page/chromium.mjs';
import { isRequired } from '../../runtimes/support/required.mjs';

const FILE = fileURLToPath(new URL('../dist/index.html', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const url = pathToFileURL(FILE).href;
export const source = () => readFileSync(FILE, 'utf8');

const isMissing = !existsSync(CHROMIUM);
if (isMissing) {
  const why = `there is no Chromium at ${CHROMIUM}`;
  if (isRequired('chromium')) throw new Error(`LAVANDULA_REQUIRE names chromium, and ${why}: install it, or say where it is with CHROMIUM`);
  console.error(`\nSKIPPED: ${why}, so the playground was not opened in a browser\n`);
}

let browser = null;
after(() => browser?.close());

/** Opens the page in a context of its own, and notes what it asks for and complains of. */
export async function open({ width = 1280, height = 1000, at = url, isReady = true, ...options } = {}) {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  const context = await browser.newContext({ viewport: { width, height }, ...options });
  const page = await context.newPage();
  const asked = [];
  const noise = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('console', (message) => noise.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => noise.push(`error: ${error.message}`));
  await page.goto(at);
  if (isReady) {
    await page.waitForSelector('html[data-ready]', { timeout: 10_000 }).catch(() => {
      throw new Error(`the page did not become ready: ${noise.join('; ')}`);
    });
  }
  return { page, context, asked, noise };
}

/** A test that looks at the page. Unless it is about noise, there must be none, nor
 *  any request but the one for the page. */
export function looking(name, options, look) {
  const { isNoisy = false, ...rest } = options;
  test(name, { skip: isMissing && 'no Chromium' }, async () => {
    const opened = await open(rest);
    try {
      await look(opened.page, opened);
      if (isNoisy) return;
      assert.deepEqual(opened.noise, []);
      assert.deepEqual(opened.asked, [rest.at ?? url]);
      assert.equal(await opened.page.isHidden('#failure'), true);
    } finally {
      await opened.context.close();
    }
  });
}

/** A figure as it is shown. */
export async function figure(page, name) {
  return Number((await page.textContent(`#figure-${name}`)).replaceAll(',', ''));
}

/** The newest act: its kind, what was called, and what came of it. */
export function newest(page) {
  return page.$eval('#told li', (entry) => ({
    kind: entry.className,
    code: entry.querySelector('code').textContent,
    result: entry.querySelector('.result').textContent,
  }));
}

export async function alloc(page, bytes) {
  await page.fill('#amount', String(bytes));
  await page.click('#alloc');
}

/** Every figure that is shown is the one that the arena gives, the map has all that
 *  is handed out, and the sum is one. */
export async function assertAgrees(page, when) {
  const { shown, real, memoryBytes, sum, foreign, state } = await page.evaluate(() => {
    const { runtime } = globalThis.playground;
    // Asked of what is there: `arena` would make a new one.
    const usage = globalThis.playground.look().usage;
    const names = [...Object.keys(usage).filter((name) => name !== 'budget'), 'memoryBytes'];
    return {
      shown: Object.fromEntries(names.map((name) => [name, document.getElementById(`figure-${name}`).textContent])),
      real: usage,
      memoryBytes: runtime.memoryBytes,
      sum: document.getElementById('sum').textContent,
      foreign: document.getElementById('foreign').hidden,
      state: document.getElementById('state').textContent,
    };
  });
  const number = (text) => Number(text.replaceAll(',', ''));
  const { budget, ...figures } = real;
  assert.equal(budget, null);
  assert.equal(Object.keys(shown).length, 11);
  for (const [name, value] of Object.entries({ ...figures, memoryBytes })) assert.equal(number(shown[name]), value, `${name} ${when}`);
  const [whole, ...parts] = sum.split(/ [=+] /).map(number);
  assert.equal(whole, real.committed, when);
  assert.equal(parts.length, 4, when);
  assert.equal(parts.reduce((one, other) => one + other), whole, `${sum} ${when}`);
  assert.equal(foreign, true, `the map has not all that is handed out ${when}`);
  if (real.blocks > 0) assert.ok(state.startsWith(`${real.blocks} block`), `${state} ${when}`);
}
