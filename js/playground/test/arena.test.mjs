// What is shown is what the arena says, whatever is done to it.

import assert from 'node:assert/strict';

import { alloc, assertAgrees, figure, looking, newest } from './browser.mjs';

const ACTS = ['alloc', 'calloc', 'fill', 'crowd', 'uncrowd', 'reset', 'free', 'recycle', 'stray', 'write', 'add'];
const SIZES = [0, 1, 7, 8, 1000, 40_000, 65_504, 65_505, 200_000, 600_000];

/** A sequence that is the same each time for one seed. */
function* numbers(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

async function act(page, name, pick) {
  if (name === 'write' || name === 'add') {
    await page.check(name === 'write' ? '#each-resets' : '#each-adds');
    await page.fill('#text', 'lavender, thé 🌿 '.repeat(pick % 40) + pick);
  } else if (name === 'alloc' || name === 'calloc') {
    await page.fill('#amount', String(SIZES[pick % SIZES.length]));
    await page.click(`#${name}`);
  } else if (await page.isEnabled(`#${name}`)) {
    await page.click(`#${name}`);
  }
}

for (const seed of [1, 2, 3]) {
  looking(`after each of 80 acts, in an order of its own (${seed}), all figures agree`, {}, async (page) => {
    const random = numbers(seed);
    const seen = new Set();
    await assertAgrees(page, 'at first');
    for (let step = 0; step < 80; step += 1) {
      const name = ACTS[random.next().value % ACTS.length];
      await act(page, name, random.next().value);
      await assertAgrees(page, `after act ${step}, ${name}`);
      seen.add((await newest(page)).kind);
    }
    assert.ok(seen.has('done') && seen.has('null') && seen.has('trap'), [...seen].join());
  });
}

looking('what is allocated elsewhere is told, since the map cannot show it', {}, async (page) => {
  await page.evaluate(() => globalThis.playground.arena.alloc(1000));
  await alloc(page, 8);
  assert.equal(await page.isVisible('#foreign'), true);
  assert.match(await page.textContent('#foreign'), /allocated elsewhere/);
  await page.click('#reset');
  await assertAgrees(page, 'after a reset');
});

looking('the peak is that of the last request, until this one has a larger one', {}, async (page) => {
  await page.fill('#text', '');
  await page.click('#recycle');
  await alloc(page, 50_000);
  assert.equal(await figure(page, 'peakUsed'), 50_000);
  await page.click('#reset');
  assert.deepEqual([await figure(page, 'used'), await figure(page, 'peakUsed')], [0, 50_000]);
  await alloc(page, 100);
  assert.deepEqual([await figure(page, 'used'), await figure(page, 'peakUsed')], [104, 50_000]);
  await page.click('#reset');
  assert.equal(await figure(page, 'peakUsed'), 104);
  await alloc(page, 300);
  assert.equal(await figure(page, 'peakUsed'), 304);
});

/** The colour of the map at so many bytes behind the first block's start. */
const colourAt = (page, offset) =>
  page.evaluate((at) => {
    const map = document.getElementById('map');
    const copy = new OffscreenCanvas(map.width, map.height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(map, 0, 0);
    const rows = globalThis.playground.room / 65_536;
    const x = ((at % 65_536) / 65_536) * map.width;
    const y = ((Math.floor(at / 65_536) + 0.5) / rows) * map.height;
    return [...copy.getImageData(Math.floor(x), Math.floor(y), 1, 1).data.slice(0, 3)].join(', ');
  }, offset);

const colourOf = (page, name) =>
  page.evaluate((one) => {
    const swatch = document.querySelector(`.legend .swatch.${one}`);
    return getComputedStyle(swatch).backgroundColor.match(/\d+/g).join(', ');
  }, name);

looking('the map has each kind of memory in its colour, where it is', {}, async (page) => {
  await page.fill('#text', '');
  await page.click('#recycle');
  await alloc(page, 30_000);
  await alloc(page, 20_000);
  await page.click('#crowd');
  const blocks = await page.evaluate(() => globalThis.playground.arena.blocks());
  assert.deepEqual(blocks.map(({ byteLength }) => byteLength), [65_536]);
  const is = async (at, name) => assert.equal(await colourAt(page, at), await colourOf(page, name), `${at} is ${name}`);
  await is(20_000, 'used');
  await is(40_000, 'odd');
  await is(60_000, 'free');
  await is(65_536 + 30_000, 'neighbour');
  await is(2 * 65_536 + 30_000, 'absent');
  await page.click('#uncrowd');
  await is(65_536 + 30_000, 'pool');
  await page.click('#reset');
  await is(20_000, 'left');
  await is(60_000, 'free');
});

looking('a neighbour behind it makes the arena go on in another block', {}, async (page) => {
  await alloc(page, 60_000);
  assert.equal(await figure(page, 'blocks'), 1);
  await page.click('#crowd');
  await alloc(page, 60_000);
  assert.equal(await figure(page, 'blocks'), 2);
  assert.ok((await figure(page, 'tailWaste')) > 5000);
  // And without one it grows where it is.
  await alloc(page, 60_000);
  assert.equal(await figure(page, 'blocks'), 2);
});

looking('a fresh page has no neighbour to free, and one can be freed once', {}, async (page) => {
  assert.equal(await page.isDisabled('#uncrowd'), true);
  await page.click('#crowd');
  await page.click('#uncrowd');
  assert.equal(await page.isDisabled('#uncrowd'), true);
});

looking('more room is more room', {}, async (page) => {
  await alloc(page, 2_000_000);
  assert.equal((await newest(page)).kind, 'null');
  await page.selectOption('#room', '4194304');
  await page.waitForFunction(() => globalThis.playground.room === 4_194_304);
  await alloc(page, 2_000_000);
  assert.equal((await newest(page)).kind, 'done');
  await assertAgrees(page, 'in 4 MiB');
  await page.click('#fill');
  assert.equal((await newest(page)).kind, 'null');
  assert.ok((await figure(page, 'committed')) <= 4_194_304 && (await figure(page, 'committed')) > 4_100_000);
});
