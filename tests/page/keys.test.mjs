// The page without a mouse, and without eyes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dataOf, launch, looking, said, selected, source } from "./browser.mjs";

let place;
before(async () => (place = await launch()));
after(() => place.close());

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
  return selected(page);
}

test("arrows step, home and end go to the ends, and each step is said", () =>
  looking(place, source("many"), {}, async (page) => {
    await page.focus("#map-frame");
    assert.equal(await selected(page), 41);
    assert.equal(await press(page, "ArrowRight"), 42);
    assert.match(await said(page), /^Request 42, POST \/items, 128 bytes, ended with an answer, .+, nothing left\.$/);
    assert.equal(await press(page, "ArrowLeft", "ArrowLeft"), 40);
    assert.match(await said(page), /^Request 40,/);
    assert.equal(await press(page, "End"), 10_000);
    assert.equal(await press(page, "ArrowRight"), 10_000);
    assert.equal(await press(page, "Home"), 1);
    assert.equal(await press(page, "ArrowLeft"), 1);
  }));

test("the buttons do the same from the keyboard", () =>
  looking(place, source("holding"), {}, async (page) => {
    for (const [name, expected] of [["on", 42], ["last", 200], ["back", 199], ["first", 1]]) {
      await page.focus(`.steps [data-do="${name}"]`);
      assert.equal(await press(page, "Enter"), expected, name);
    }
  }));

test("the next broken one, and round to the first again", () =>
  looking(place, source("marked"), {}, async (page) => {
    await page.focus("#map-frame");
    const seen = [];
    for (let turn = 0; turn < 7; turn += 1) seen.push(await press(page, "b"));
    assert.deepEqual(seen, [107, 157, 207, 257, 307, 357, 57]);
    assert.match(await said(page), /a marker is left/);
  }));

test("the next that differs is one that is not like the last of its shape", () =>
  looking(place, source("holding"), {}, async (page) => {
    await page.focus("#map-frame");
    await press(page, "Home");
    // The first of each shape is like none; the second one has made what is lazy.
    assert.equal(await press(page, "d"), 9);
    assert.equal(await press(page, "d"), 10);
    assert.equal(await press(page, "d", "d", "d", "d", "d", "d"), 16);
    assert.equal(await press(page, "d"), 9, "none differs after the second cycle");
  }));

test("where none is broken there is nothing to go to, and the button says so", () =>
  looking(place, source("holding"), {}, async (page) => {
    assert.equal(await page.isDisabled('[data-do="broken"]'), true);
    await page.focus("#map-frame");
    await page.keyboard.press("b");
    assert.equal(await said(page), "There is none.");
  }));

test("up and down read the pages of a request, one by one", () =>
  looking(place, source("marked"), {}, async (page) => {
    await page.focus("#map-frame");
    await press(page, "ArrowDown", "ArrowDown");
    assert.equal(await said(page), "request 57, stack, 0x00002000 to 0x00002fff");
    await press(page, "PageDown", "ArrowDown", "ArrowDown", "ArrowDown");
    assert.equal(await said(page), "request 57, marker left, 0x00015000 to 0x00015fff");
    assert.equal(await page.isVisible("#tip"), true);
    await press(page, "Escape");
    assert.equal(await page.isHidden("#tip"), true);
  }));

test("plus, minus and zero zoom, and a step out of view brings it along", () =>
  looking(place, source("many"), {}, async (page) => {
    const range = async () => {
      await page.waitForTimeout(60);
      return (await page.textContent("#range")).replaceAll(",", "").match(/\d+/g).map(Number);
    };
    await page.focus("#map-frame");
    await press(page, "+", "+", "+", "+");
    const [first, last] = await range();
    assert.ok(first <= 41 && last >= 41 && last - first < 700, `${first} to ${last}`);
    await press(page, "End");
    assert.equal((await range())[1], 10_000);
    await press(page, "Shift+ArrowLeft");
    assert.ok((await range())[1] < 10_000);
    await press(page, "-");
    await press(page, "0");
    assert.deepEqual(await range(), [1, 10_000]);
  }));

test("a number can be typed, and its keys are not taken for steps", () =>
  looking(place, source("many"), {}, async (page) => {
    await page.focus("#number");
    await press(page, "Control+a");
    await page.keyboard.type("1234");
    await press(page, "Home", "ArrowLeft");
    assert.equal(await selected(page), 41);
    assert.equal(await press(page, "Enter"), 1234);
    await page.fill("#number", "99999999");
    assert.equal(await press(page, "Enter"), 10_000);
    await page.fill("#number", "");
    assert.equal(await press(page, "Enter"), 10_000);
    assert.equal(await page.inputValue("#number"), "10000");
  }));

test("tab reaches every control, and shows where it is", () =>
  looking(place, source("marked"), {}, async (page) => {
    const all = await page.$$eval('button:not(:disabled), input:not(:disabled), summary, [tabindex="0"]', (found) => {
      const shown = found.filter((one) => one.checkVisibility());
      for (const [at, one] of shown.entries()) one.dataset.tab = String(at);
      return shown.length;
    });
    const reached = new Set();
    for (let turn = 0; turn < all + 12; turn += 1) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return [document.activeElement.dataset.tab, outlineStyle, outlineWidth];
      });
      if (here[0] === undefined) continue;
      reached.add(here[0]);
      assert.notEqual(here[1], "none", `no outline on control ${here[0]}`);
      assert.ok(parseFloat(here[2]) >= 1, `an outline of ${here[2]}`);
    }
    assert.equal(reached.size, all);
  }));

/** What assistive technology is told of everything that can be focused. */
async function focusable(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes
    .filter(({ ignored, properties }) => !ignored && properties?.some(({ name, value }) => name === "focusable" && value.value))
    .map(({ role, name }) => ({ role: role.value, name: name?.value ?? "" }))
    .filter(({ role }) => role !== "RootWebArea");
}

for (const name of ["marked", "hostile", "two-memories"]) {
  test(`${name}: everything that can be used has a name`, () =>
    looking(place, source(name), {}, async (page) => {
      const all = await focusable(page);
      assert.ok(all.length > 20, `${all.length}`);
      assert.deepEqual(all.filter((one) => one.name.trim() === ""), []);
      const ids = await page.$$eval("[id]", (found) => found.map(({ id }) => id));
      assert.equal(new Set(ids).size, ids.length, "an id is there twice");
    }));
}

test("a control without a name would be noticed", () =>
  looking(place, source("marked"), {}, async (page) => {
    await page.evaluate(() => document.querySelector(".tools").append(document.createElement("button")));
    assert.equal((await focusable(page)).filter((one) => one.name.trim() === "").length, 1);
  }));

test("what is drawn is there as a table, too", () =>
  looking(place, source("marked"), {}, async (page) => {
    const { timeline } = dataOf(source("marked"));
    await page.focus("#map-frame");
    const rows = await page.$$eval("#runs tr", (all) => all.map((one) => [...one.cells].map((cell) => cell.innerText)));
    assert.deepEqual(rows[2], ["marker left", "0x00015000", "4 KiB"]);
    const [, which] = timeline.requests[56];
    const runs = timeline.columns[timeline.rows[which][8]].match(/\D\d*/g);
    assert.equal(rows.length, runs.length);
    assert.equal(await page.getAttribute("#live", "aria-live"), "polite");
    const described = (await page.getAttribute("#map-frame", "aria-describedby")).split(" ");
    for (const id of described) assert.ok((await page.textContent(`#${id}`)).length > 20, id);
  }));
