// Everything without a mouse.

import assert from 'node:assert/strict';

import { alloc, figure, looking, newest } from './browser.mjs';

const firstRow = (page) => page.textContent('#bytes .at');

looking('every control is reached with Tab, in the order of the page', {}, async (page) => {
  await page.click('#crowd');
  await page.focus('#theme');
  const reached = ['theme'];
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press('Tab');
    const id = await page.evaluate(() => document.activeElement.id || document.activeElement.tagName);
    if (id === 'BODY') break;
    reached.push(id);
  }
  const expected = ['theme', 'text', 'each-resets', 'file', 'room', 'place', 'amount', 'alloc', 'calloc', 'fill', 'crowd', 'uncrowd', 'reset', 'free', 'recycle', 'stray'];
  assert.deepEqual(reached.slice(0, expected.length), expected);
  assert.ok(reached.includes('compare'));
  assert.equal(reached.filter((id) => id === 'BUTTON').length, 6, 'a button for each kept span');
});

looking('where the focus is can be seen, also on the button for files', {}, async (page) => {
  await page.focus('#each-resets');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'file');
  assert.match(await page.$eval('.drop .button', (label) => getComputedStyle(label).outlineStyle), /solid/);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.match(await page.$eval('#place', (place) => getComputedStyle(place).outlineStyle), /solid/);
});

looking('Enter in the field allocates, and the focus stays there', {}, async (page) => {
  await page.fill('#amount', '123');
  await page.keyboard.press('Enter');
  assert.equal((await newest(page)).code, 'arena.alloc(123)');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'amount');
});

looking('the place of the close-up moves by rows and pages, and to both ends', {}, async (page) => {
  await alloc(page, 100_000);
  await page.focus('#place');
  await page.keyboard.press('Home');
  const start = Number(await page.getAttribute('#place', 'aria-valuenow'));
  assert.equal(start, await page.evaluate(() => globalThis.playground.arena.blocks()[0].byteOffset));
  await page.keyboard.press('ArrowUp');
  assert.equal(Number(await page.getAttribute('#place', 'aria-valuenow')), start, 'there is nothing in front of it');
  const moves = [['ArrowDown', 16], ['ArrowRight', 16], ['ArrowUp', -16], ['ArrowLeft', -16], ['PageDown', 65_536], ['PageUp', -65_536]];
  let at = start;
  for (const [key, by] of moves) {
    await page.keyboard.press(key);
    at += by;
    assert.equal(Number(await page.getAttribute('#place', 'aria-valuenow')), at, key);
    assert.equal(Number((await firstRow(page)).replace('_', '')), at, key);
  }
  await page.keyboard.press('End');
  assert.equal(await page.locator('#bytes .byte.cursor').count(), 1);
  for (let time = 0; time < 40; time += 1) await page.keyboard.press('PageDown');
  assert.ok(Number(await page.getAttribute('#place', 'aria-valuenow')) < Number(await page.getAttribute('#place', 'aria-valuemax')));
});

looking('what happened is said to those who listen, once for many keys', {}, async (page) => {
  const said = page.evaluate(
    () =>
      new Promise((go) => {
        const heard = [];
        new MutationObserver(() => heard.push(document.getElementById('live').textContent)).observe(document.getElementById('live'), { childList: true });
        setTimeout(() => go(heard), 1500);
      }),
  );
  await page.waitForTimeout(200);
  await page.focus('#text');
  await page.keyboard.type('quick');
  await page.waitForTimeout(400);
  await page.click('#reset');
  const heard = (await said).filter((text) => text !== '');
  assert.ok(heard.length >= 2 && heard.length <= 4, heard.join('\n'));
  assert.match(heard.at(-1), /^arena\.reset\(\): [\d,]+ bytes taken back at once/);
});

looking('pressing on the map moves the close-up there', {}, async (page) => {
  await alloc(page, 500_000);
  const box = await page.locator('#map').boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + (box.height * 2.5) / 16);
  const offset = Number(await page.getAttribute('#place', 'aria-valuenow')) - Number(await page.getAttribute('#place', 'aria-valuemin'));
  assert.ok(Math.abs(offset - 2.5 * 65_536) < 300, String(offset));
  assert.equal(await figure(page, 'used') > 500_000, true);
});
