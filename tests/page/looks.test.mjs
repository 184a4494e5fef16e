// Light and dark, narrow and on paper.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faint } from "./contrast.mjs";
import { contrast, launch, looking, luminance, source } from "./browser.mjs";

let place;
before(async () => (place = await launch()));
after(() => place.close());

/** What has no text that anybody is to read. */
const IGNORED = "script, style, :disabled, .unseen";

const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

/** The colour that most of the map has. */
const mapColour = (page) =>
  page.evaluate(() => {
    const map = document.getElementById("map");
    const { data } = map.getContext("2d").getImageData(Math.floor(map.width / 2), 10, 1, 1);
    return `rgb(${data[0]}, ${data[1]}, ${data[2]})`;
  });

test("a page is light or dark as its reader has it, and changes with that", () =>
  looking(place, source("holding"), { colorScheme: "light" }, async (page) => {
    assert.ok(luminance(await ground(page)) > 0.8);
    const light = await mapColour(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForFunction(() => document.getElementById("theme").textContent === "Light");
    assert.ok(luminance(await ground(page)) < 0.05);
    assert.ok(luminance(await mapColour(page)) < luminance(light) / 2);
  }));

test("the button changes it, whatever the system has", () =>
  looking(place, source("holding"), { colorScheme: "dark" }, async (page) => {
    assert.equal(await page.textContent("#theme"), "Light");
    await page.click("#theme");
    assert.ok(luminance(await ground(page)) > 0.8);
    assert.ok(luminance(await mapColour(page)) > 0.5);
    assert.equal(await page.textContent("#theme"), "Dark");
    await page.click("#theme");
    assert.ok(luminance(await ground(page)) < 0.05);
  }));

test("on paper it is light, all evidence is open, and there are no controls", () =>
  looking(place, source("marked"), { colorScheme: "dark" }, async (page) => {
    const before = await page.$$eval("#evidence details", (all) => all.map(({ open }) => open));
    const dark = await mapColour(page);
    await page.emulateMedia({ media: "print" });
    await page.waitForFunction(() => document.documentElement.hasAttribute("data-printing"));
    assert.equal(await page.locator("#evidence details:not([open])").count(), 0);
    assert.equal(await page.locator("button:not(.link):visible, input:visible, .keys:visible").count(), 0);
    const ink = await page.evaluate(() => getComputedStyle(document.body).color);
    assert.ok(luminance(ink) < 0.05, ink);
    assert.ok(luminance(await mapColour(page)) > 0.5);
    for (const drawing of ["#map", "#curves", "#column"]) assert.equal(await page.isVisible(drawing), true, drawing);
    await page.emulateMedia({ media: "screen" });
    await page.waitForFunction(() => !document.documentElement.hasAttribute("data-printing"));
    assert.deepEqual(await page.$$eval("#evidence details", (all) => all.map(({ open }) => open)), before);
    assert.equal(await mapColour(page), dark);
  }));

test("a printer gets light colours, though those of paper are not in force when it asks", () =>
  looking(place, source("marked"), { colorScheme: "dark" }, async (page) => {
    const dark = await mapColour(page);
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    assert.ok(luminance(await mapColour(page)) > 0.5);
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    assert.equal(await mapColour(page), dark);
  }));

test("a report prints on a few pages, with the map on one of them", () =>
  looking(place, source("marked"), {}, async (page) => {
    const pdf = (await page.pdf({ format: "A4" })).toString("latin1");
    const pages = pdf.match(/\/Type\s*\/Page\b/g).length;
    assert.ok(pages >= 2 && pages <= 5, `${pages} pages`);
    assert.equal(await page.evaluate(() => document.documentElement.hasAttribute("data-printing")), false);
  }));

for (const name of ["holding", "marked", "marching", "two-memories", "hostile", "empty"]) {
  test(`${name} is no wider than a telephone, and its map is in it`, () =>
    looking(place, source(name), { width: 360, height: 740, deviceScaleFactor: 2 }, async (page) => {
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
      if (name === "empty") return;
      const map = await page.locator("#map").boundingBox();
      assert.ok(map.x >= 0 && map.x + map.width <= 360 && map.width > 300, JSON.stringify(map));
      const small = await page.$$eval("button:not(.link)", (all) => all.filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24).length);
      assert.equal(small, 0);
    }));
}

test("a window that changes its width redraws the map to it", () =>
  looking(place, source("holding"), {}, async (page) => {
    await page.setViewportSize({ width: 700, height: 900 });
    await page.waitForFunction(() => document.getElementById("map").width < 700);
    const [drawn, shown] = await page.evaluate(() => [document.getElementById("map").width, document.getElementById("map").clientWidth]);
    assert.equal(drawn, shown);
  }));

for (const colorScheme of ["light", "dark"]) {
  test(`${colorScheme}: all texts can be read`, () =>
    looking(place, source("marked"), { colorScheme, reducedMotion: "reduce" }, async (page) => {
      await page.$$eval("details", (all) => all.forEach((one) => (one.open = true)));
      await page.locator("#map").hover();
      const { found, looked } = await faint(page, IGNORED);
      assert.ok(looked > 150, `${looked}`);
      assert.deepEqual(found, []);
    }));

  test(`${colorScheme}: what matters differs in luminance from all else, and in its hatch`, () =>
    looking(place, source("marked"), { colorScheme }, async (page) => {
      const colours = await page.evaluate(() => {
        const probe = document.body.appendChild(document.createElement("i"));
        const read = (name) => {
          probe.style.color = `var(--${name})`;
          return getComputedStyle(probe).color;
        };
        const calm = ["untouched", "free", "heap", "statics", "image", "stack", "used"].map((name) => read(`cell-${name}`));
        return { calm, dirty: [read("cell-dirty"), read("hatch-dirty")], marker: [read("cell-marker"), read("hatch-marker")] };
      });
      for (const calm of colours.calm) {
        const most = (pair) => Math.max(...pair.map((one) => contrast(one, calm)));
        assert.ok(most(colours.dirty) >= 2.2, `dirty on ${calm}: ${most(colours.dirty)}`);
        assert.ok(most(colours.marker) >= 3, `marker on ${calm}: ${most(colours.marker)}`);
      }
      assert.ok(contrast(...colours.dirty) >= 2, `${contrast(...colours.dirty)}`);
      assert.ok(contrast(...colours.marker) >= 2, `${contrast(...colours.marker)}`);
      assert.ok(contrast(colours.dirty[0], colours.marker[0]) >= 1.8, `${contrast(colours.dirty[0], colours.marker[0])}`);
    }));
}

test("a text that cannot be read would be noticed", () =>
  looking(place, source("marked"), {}, async (page) => {
    await page.evaluate(() => (document.getElementById("summary").style.color = "rgb(200, 200, 205)"));
    assert.equal((await faint(page, IGNORED)).found.length, 1);
  }));

test("nothing moves by itself for those who want no motion", () =>
  looking(place, source("marked"), { reducedMotion: "reduce" }, async (page) => {
    const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((one) => getComputedStyle(one).transitionDuration !== "0s" || getComputedStyle(one).scrollBehavior === "smooth").length);
    assert.equal(moving, 0);
  }));
