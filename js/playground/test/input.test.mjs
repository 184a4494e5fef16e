// Typing and files: what comes in lies in memory, byte for byte.

import assert from 'node:assert/strict';

import { assertAgrees, figure, looking, newest } from './browser.mjs';

/** The rows of the close-up, as it shows them. */
const closeUp = (page) => page.$$eval('#bytes .byte', (cells) => cells.map(({ textContent, className }) => [className.split(' ')[1], textContent]));

looking('each key is a request: all is taken back, and the same words get the same places', {}, async (page) => {
  await page.fill('#text', '');
  const resets = await figure(page, 'resets');
  await page.focus('#text');
  await page.keyboard.type('hi there');
  assert.equal(await figure(page, 'resets'), resets + 8);
  assert.equal(await figure(page, 'used'), 16);
  const first = await page.$$eval('#kept tr.live td:nth-child(2)', (cells) => cells.map(({ textContent }) => textContent));
  await page.keyboard.type('!');
  assert.deepEqual(await page.$$eval('#kept tr.live td:nth-child(2)', (cells) => cells.map(({ textContent }) => textContent)), first);
  assert.equal(first.length, 2);
  // They replace each other in the list of what happened.
  assert.equal(await page.locator('#told li').count(), 1);
});

looking('without a reset each change is laid out behind the last one', {}, async (page) => {
  await page.check('#each-adds');
  await page.fill('#text', '');
  const [used, resets] = [await figure(page, 'used'), await figure(page, 'resets')];
  await page.focus('#text');
  await page.keyboard.type('abc');
  assert.equal(await figure(page, 'used'), used + 24);
  assert.equal(await figure(page, 'resets'), resets);
  await assertAgrees(page, 'when it was added to');
});

looking('the close-up has the bytes: header, letters, padding, what was left', {}, async (page) => {
  await page.fill('#text', 'lavender left');
  await page.fill('#text', 'é ok');
  const cells = await closeUp(page);
  assert.deepEqual(cells.slice(0, 16).map(([kind]) => kind), Array(16).fill('header'));
  assert.deepEqual(cells.slice(16, 19), [['used', 'c3'], ['used', 'a9'], ['padding', '']]);
  assert.deepEqual(cells.slice(24, 27), [['odd', 'o'], ['odd', 'k'], ['padding', '']]);
  // What the first text had there is gone, and what was behind it is not.
  assert.deepEqual(cells.slice(32, 33).map(([kind]) => kind), ['left']);
  assert.match(await page.getAttribute('#bytes', 'aria-label'), /2 allocations: “é” at 0x0003_0020, “ok” at 0x0003_0028\. The cursor is at 0x0003_0030\./);
});

looking('the close-up follows the end of a text that is longer than it', {}, async (page) => {
  await page.fill('#text', `${'word '.repeat(100)}end`);
  const cells = await closeUp(page);
  const shown = cells.map(([, text]) => text).join('');
  assert.match(shown, /end/);
  assert.equal(await page.locator('#bytes .byte.cursor').count(), 1);
});

looking('half a character is refused by the package, and said', {}, async (page) => {
  await page.$eval('#text', (field) => {
    field.value = 'ab \ud83c';
    field.dispatchEvent(new Event('input'));
  });
  const { kind, result } = await newest(page);
  assert.equal(kind, 'refused');
  assert.match(result, /lone surrogate at index 0/);
});

looking('two thousand words get places of their own, and the rest one', {}, async (page) => {
  await page.selectOption('#room', '4194304');
  await page.waitForFunction(() => globalThis.playground.room === 4_194_304);
  await page.fill('#text', 'word '.repeat(5000));
  assert.match((await newest(page)).code, /2,001 words/);
  await assertAgrees(page, 'with a long text');
});

const bytesOf = (page, index = 0) => page.evaluate((which) => [...globalThis.playground.kept[which].span.view()], index);

looking('a chosen file lies in memory, byte for byte', {}, async (page) => {
  const buffer = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 7) % 256));
  await page.setInputFiles('#file', { name: 'figures.bin', mimeType: 'application/octet-stream', buffer });
  await page.waitForFunction(() => document.querySelector('#told code').textContent.includes('figures.bin'));
  assert.deepEqual(await bytesOf(page), [...buffer]);
  assert.match((await newest(page)).result, /^2\.9 KiB at 0x[\da-f_]+, read from the file$/);
  await assertAgrees(page, 'with a file');
});

/** Drops files as a reader would. */
const drop = (page, files) =>
  page.evaluate((given) => {
    const dataTransfer = new DataTransfer();
    for (const [name, length] of given) dataTransfer.items.add(new File([new Uint8Array(length).fill(65)], name));
    const over = new DragEvent('dragover', { dataTransfer, bubbles: true, cancelable: true });
    document.body.dispatchEvent(over);
    const marked = 'drop' in document.body.dataset;
    const dropped = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
    document.body.dispatchEvent(dropped);
    return { marked, left: 'drop' in document.body.dataset, prevented: [over.defaultPrevented, dropped.defaultPrevented] };
  }, files);

looking('files can be dropped anywhere, and lie behind each other', {}, async (page) => {
  assert.deepEqual(await drop(page, [['one.txt', 100], ['two.txt', 60_000]]), { marked: true, left: false, prevented: [true, true] });
  await page.waitForFunction(() => document.querySelector('#told code').textContent.includes('two.txt'));
  assert.equal((await bytesOf(page)).length, 60_000);
  assert.deepEqual(await bytesOf(page, 1), Array(100).fill(65));
  await assertAgrees(page, 'with two files');
});

looking('a file that has no room is not read, and is said to have none', {}, async (page) => {
  const used = await figure(page, 'used');
  const isRead = await page.evaluate(async () => {
    const file = new File([new Uint8Array(2_000_000)], 'large.bin');
    let wasRead = false;
    const stream = file.stream.bind(file);
    Object.defineProperty(file, 'stream', { value: () => (wasRead = true) && stream() });
    const dataTransfer = new DataTransfer();
    const outcome = await globalThis.playground.read(file);
    return { wasRead, outcome, dataTransfer: dataTransfer.files.length };
  });
  assert.equal(isRead.wasRead, false);
  assert.equal(isRead.outcome.kind, 'null');
  assert.match(isRead.outcome.result, /1\.9 MiB were asked for, and nothing was read/);
  await drop(page, [['larger.bin', 3_000_000]]);
  await page.waitForFunction(() => document.querySelector('#told code').textContent.includes('larger.bin'));
  assert.equal((await newest(page)).kind, 'null');
  assert.equal(await figure(page, 'used'), used);
});

looking('a reset while a file is read makes its span stale, and that is said', {}, async (page) => {
  const outcome = await page.evaluate(async () => {
    let send;
    const stream = () => new ReadableStream({ start: (controller) => (send = controller) });
    const reading = globalThis.playground.read({ name: 'slow.bin', size: 1000, stream });
    send.enqueue(new Uint8Array(10).fill(1));
    await new Promise((go) => setTimeout(go, 20));
    globalThis.playground.reset();
    globalThis.playground.write('what came after', { isReset: false });
    send.enqueue(new Uint8Array(990).fill(2));
    return { ...(await reading), after: globalThis.playground.kept[0].span.text() };
  });
  assert.equal(outcome.kind, 'stale');
  assert.match(outcome.result, /^StaleError: stale span: its arena was reset/);
  assert.equal(outcome.after, 'after');
});

looking('a file that cannot be read is said to be so', {}, async (page) => {
  const outcome = await page.evaluate(() => {
    const stream = () => new ReadableStream({ pull: () => Promise.reject(new Error('The disk is gone.')) });
    return globalThis.playground.read({ name: 'gone.bin', size: 1000, stream });
  });
  assert.deepEqual([outcome.kind, outcome.result], ['refused', 'The disk is gone. The span stays until the next reset.']);
});
