// Light and dark, narrow and wide, and for those who want no motion.

import assert from 'node:assert/strict';

import { faint } from '../../../tests/page/contrast.mjs';
import { alloc, looking } from './browser.mjs';

/** What has no text that anybody is to read. */
const IGNORED = 'script, style, noscript, option, :disabled, .unseen';

/** All that can be shown at once: every kind of act, spans of both kinds, the comparison. */
async function full(page) {
  await page.click('#crowd');
  await alloc(page, 50_000);
  await alloc(page, 50_000);
  await page.setInputFiles('#file', { name: `${'long-name'.repeat(30)}.txt`, mimeType: 'text/plain', buffer: Buffer.from('x'.repeat(500)) });
  await page.click('#reset');
  await page.fill('#text', `short, and ${'endless'.repeat(60)}`);
  await page.click('#kept tr:last-child button');
  await alloc(page, 1.5);
  await page.click('#fill');
  await page.click('#stray');
  await page.fill('#text', 'after it');
  await page.click('#compare');
  await page.waitForFunction(() => document.getElementById('compare').textContent === 'Measure again', null, { timeout: 60_000 });
}

for (const width of [360, 320, 700]) {
  looking(`${width} pixels are wide enough`, { width, height: 740, deviceScaleFactor: 2, hasTouch: true, isMobile: true }, async (page) => {
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok((await wide()) <= width, `${await wide()} at first`);
    await full(page);
    assert.ok((await wide()) <= width, `${await wide()} when all is shown`);
    const map = await page.locator('#map').boundingBox();
    assert.ok(map.x >= 0 && map.x + map.width <= width && map.width > width * 0.7, JSON.stringify(map));
    const cut = await page.$$eval('#bytes .byte', (cells) => cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length);
    assert.equal(cut, 0, 'letters of the close-up have room');
    const small = await page.$$eval('button, .button, select, input[type="text"]', (all) => all.filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 30).map(({ id }) => id));
    assert.deepEqual(small, []);
  });
}

looking('what is too wide would be noticed', { width: 360, height: 740, isMobile: true }, async (page) => {
  await page.evaluate(() => {
    document.getElementById('state').style.whiteSpace = 'nowrap';
    document.getElementById('state').textContent = 'too wide '.repeat(20);
  });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) > 360);
});

const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]);

looking('the page is light or dark as its reader has it, and changes with that', { colorScheme: 'light' }, async (page) => {
  assert.ok((await ground(page)) > 200);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.getElementById('theme').textContent === 'Light');
  assert.ok((await ground(page)) < 40);
});

looking('the button changes it, whatever the system has, and the map with it', { colorScheme: 'dark' }, async (page) => {
  const map = () => page.evaluate(() => document.getElementById('map').toDataURL());
  const dark = await map();
  await page.click('#theme');
  assert.ok((await ground(page)) > 200);
  assert.notEqual(await map(), dark);
  assert.equal(await page.getAttribute('#theme', 'aria-label'), 'Show in dark colours');
  await page.click('#theme');
  assert.equal(await map(), dark);
});

looking('a window that changes its width redraws the map to it', {}, async (page) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.waitForFunction(() => document.getElementById('map').width < 360 && document.querySelectorAll('#bytes .byte').length === 80);
  const [drawn, shown] = await page.evaluate(() => [document.getElementById('map').width, document.getElementById('map').clientWidth]);
  assert.equal(drawn, shown);
});

for (const colorScheme of ['light', 'dark']) {
  looking(`${colorScheme}: all texts can be read`, { colorScheme, reducedMotion: 'reduce' }, async (page) => {
    await full(page);
    await page.fill('#text', 'here is a text of some words');
    await page.fill('#text', 'and a short one');
    // Away from the buttons, which are coloured under the pointer.
    await page.mouse.move(0, 0);
    const { found, looked } = await faint(page, IGNORED);
    assert.ok(looked > 150, `${looked}`);
    assert.deepEqual(found, []);
  });
}

looking('a text that cannot be read would be noticed', { reducedMotion: 'reduce' }, async (page) => {
  await page.evaluate(() => (document.getElementById('state').style.color = 'rgb(200, 200, 205)'));
  assert.equal((await faint(page, IGNORED)).found.length, 1);
});

for (const [reducedMotion, expected] of [['reduce', 0], ['no-preference', 1]]) {
  looking(`with ${reducedMotion}, ${expected ? 'something' : 'nothing'} moves`, { reducedMotion }, async (page) => {
    const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((one) => {
      const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(one);
      return /[1-9]/.test(transitionDuration) || animationName !== 'none' || scrollBehavior === 'smooth';
    }).length);
    assert.equal(Math.min(1, moving), expected);
  });
}
