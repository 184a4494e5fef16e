// The comparison with plain JavaScript: measured here, and told as it is.

import assert from 'node:assert/strict';

import { figure, looking } from './browser.mjs';

looking('both sides of each row are measured, and the verdict is what the numbers say', {}, async (page) => {
  const memory = await figure(page, 'memoryBytes');
  assert.equal(await page.isHidden('#comparison'), true);
  await page.click('#compare');
  assert.equal(await page.isDisabled('#compare'), true);
  await page.waitForFunction(() => document.getElementById('compare').textContent === 'Measure again', null, { timeout: 60_000 });
  const rows = await page.$$eval('#compared tr', (all) => all.map((row) => ({
    winner: row.className,
    ours: Number(row.dataset.ours),
    theirs: Number(row.dataset.theirs),
    words: row.lastElementChild.textContent,
  })));
  assert.equal(rows.length, 7);
  for (const { winner, ours, theirs, words } of rows) {
    // Less than a nanosecond would be work that was left out.
    assert.ok(ours > 1 && theirs > 1 && ours < 1e7 && theirs < 1e7, `${ours} ${theirs}`);
    const ratio = ours / theirs;
    assert.equal(winner, ratio > 1 / 1.15 && ratio < 1.15 ? 'alike' : ratio < 1 ? 'arena' : 'plain');
    assert.match(words, { alike: /^about the same$/, arena: /^the arena, [\d.]+ times$/, plain: /^plain JavaScript, [\d.]+ times$/ }[winner]);
  }
  // An object of two numbers: no arena comes near it.
  assert.ok(rows[3].ours > 2 * rows[3].theirs, JSON.stringify(rows[3]));
  // Memory that is new each time, and has to be cleared.
  assert.ok(rows[5].theirs > 2 * rows[5].ours, JSON.stringify(rows[5]));
  const wins = (name) => rows.filter(({ winner }) => winner === name).length;
  assert.equal(await page.textContent('#summary'), `Plain JavaScript is faster at ${wins('plain')} of 7, the arena at ${wins('arena')}, and ${wins('alike')} are about the same.`);
  // It has a runtime of its own.
  assert.equal(await figure(page, 'memoryBytes'), memory);
});

looking('it can be measured again, and the page answers meanwhile', {}, async (page) => {
  for (let round = 0; round < 2; round += 1) {
    await page.click('#compare');
    await page.fill('#text', `while it measures ${round}`);
    assert.equal(await figure(page, 'used'), 32);
    await page.waitForFunction(() => document.getElementById('compare').textContent === 'Measure again', null, { timeout: 60_000 });
    assert.equal(await page.locator('#compared tr').count(), 7);
  }
});
