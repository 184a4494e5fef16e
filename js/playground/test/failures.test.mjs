// What goes wrong is told politely, and what comes after works.

import assert from 'node:assert/strict';

import { alloc, assertAgrees, figure, looking, newest } from './browser.mjs';

looking('no memory is null: it is said, nothing has changed, and a reset helps', {}, async (page) => {
  await page.click('#fill');
  const { kind, code, result } = await newest(page);
  assert.equal(kind, 'null');
  assert.match(code, /^while \(arena\.alloc\(16384\) !== null\);$/);
  assert.match(result, /^null: no memory\. 6\d allocations of 16 KiB had room\. .* reset\(\) takes everything back\.$/);
  const used = await figure(page, 'used');
  const free = await figure(page, 'free');
  assert.ok(result.includes(`${free.toLocaleString('en-US')} bytes are free`), `${result} ${free}`);
  await alloc(page, 100_000);
  assert.equal((await newest(page)).kind, 'null');
  assert.equal(await figure(page, 'used'), used);
  await page.check('#each-adds');
  await page.fill('#text', 'word '.repeat(3000));
  assert.match((await newest(page)).result, /of 2,001 words [\d,]+ had room/i);
  await assertAgrees(page, 'when it is full');
  await page.click('#reset');
  await alloc(page, 100_000);
  assert.equal((await newest(page)).kind, 'done');
});

for (const [given, expected] of [
  ['1.5', 'RangeError: bytes must be an integer from 0 to 2147483647, not 1.5'],
  ['-1', 'RangeError: bytes must be an integer from 0 to 2147483647, not -1'],
  ['1e300', 'RangeError: bytes must be an integer from 0 to 2147483647, not 1e+300'],
  ['ten', 'TypeError: bytes must be a number, not "ten"'],
  ['', 'TypeError: bytes must be a number, not ""'],
]) {
  looking(`a size that is none is refused, in the package's words: ${given || 'nothing'}`, {}, async (page) => {
    const before = await figure(page, 'used');
    await alloc(page, given);
    assert.deepEqual(await newest(page).then(({ kind, result }) => [kind, result]), ['refused', expected]);
    assert.equal(await figure(page, 'used'), before);
  });
}

looking('a trap is told, everything is stale, and the next call begins afresh', {}, async (page) => {
  await alloc(page, 100_000);
  await page.click('#stray');
  const { kind, result } = await newest(page);
  assert.equal(kind, 'trap');
  assert.match(result, /^RuntimeError: .*\. The instance was dropped.* fresh one\.$/);
  assert.match(await page.textContent('#state'), /trapped and was dropped/);
  assert.equal(await figure(page, 'memoryBytes'), 0);
  assert.equal(await page.evaluate(() => globalThis.playground.runtime.poisoned), true);
  assert.match(await page.textContent('#kept tr td:nth-child(4)'), /^stale: trap$/);
  await page.click('#kept tr button');
  assert.match((await newest(page)).result, /^StaleError: stale span: its instance trapped .* no memory any more\.$/);
  await page.fill('#text', 'here again');
  assert.equal((await newest(page)).kind, 'done');
  assert.equal(await page.evaluate(() => globalThis.playground.runtime.poisoned), false);
  assert.equal(await figure(page, 'used'), 16);
  await assertAgrees(page, 'after a trap');
});

looking('a span from before a reset throws, where a bare address would show what came after', {}, async (page) => {
  await page.fill('#text', 'secret');
  const read = () => page.click('#kept tr:has-text("secret") button');
  await read();
  assert.deepEqual(await newest(page).then(({ kind, result }) => [kind, result]), ['done', '“secret”']);
  await page.fill('#text', 'others');
  await read();
  const { kind, result } = await newest(page);
  assert.equal(kind, 'stale');
  assert.match(result, /^StaleError: stale span: its arena was reset; .* A bare address would have shown “others”\.$/);
});

for (const [button, reason] of [['free', 'freed'], ['recycle', 'recycled'], ['reset', 'reset'], ['stray', 'trap']]) {
  looking(`kept spans say why they are stale: ${reason}`, {}, async (page) => {
    await page.click(`#${button}`);
    const states = await page.$$eval('#kept td:nth-child(4)', (cells) => cells.map(({ textContent }) => textContent));
    assert.ok(states.length > 3 && states.every((state) => state === `stale: ${reason}`), states.join());
    await page.click('#kept tr:first-child button');
    assert.equal((await newest(page)).kind, 'stale');
  });
}

looking('recycle gives the memory back, and free does not', {}, async (page) => {
  await alloc(page, 500_000);
  const most = await figure(page, 'memoryBytes');
  await page.click('#free');
  assert.equal(await figure(page, 'memoryBytes'), most);
  assert.match(await page.textContent('#state'), /There is no arena/);
  await page.click('#recycle');
  assert.equal(await figure(page, 'memoryBytes'), 0);
  await alloc(page, 8);
  assert.ok((await figure(page, 'memoryBytes')) < most);
});
