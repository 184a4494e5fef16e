// What the map and the curves draw, looked at pixel by pixel, and how one gets about in
// them with a mouse.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dataOf, launch, looking, selected, source, withData } from "./browser.mjs";

const GUTTER = 78;
/** The numbers of the requests are below the map. */
const NUMBERS = 28;
const ORDER = ".fhsikudm";
const KEYS = ["untouched", "free", "heap", "statics", "image", "stack", "used", "dirty", "marker"];

let place;
before(async () => (place = await launch()));
after(() => place.close());

/** A column as the letters of its rows. */
function letters(column) {
  return column.replace(/(\D)(\d+)/g, (_, letter, times) => letter.repeat(Number(times)));
}

/** How many rows of the only memory are drawn. */
function drawn(timeline) {
  const used = Math.max(...timeline.columns.map((column) => letters(column).replace(/\.+$/, "").length));
  return Math.min(timeline.memories[0].rows, used + Math.max(1, Math.round(used / 16)));
}

/** The colours that a cell may have: its own, and that of its hatch. */
function palette(page) {
  return page.evaluate((keys) => {
    const probe = document.body.appendChild(document.createElement("i"));
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const found = keys.map((key) => [read(`cell-${key}`), ...(["dirty", "marker"].includes(key) ? [read(`hatch-${key}`)] : [])]);
    probe.remove();
    return found;
  }, KEYS);
}

/** The colours at these points of a canvas, in CSS pixels. */
function pixels(page, canvas, points) {
  return page.evaluate(
    ([canvas, points]) => {
      const element = document.getElementById(canvas);
      const ratio = element.width / element.clientWidth;
      const context = element.getContext("2d");
      return points.map(([x, y]) => {
        const [red, green, blue] = context.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data;
        return `rgb(${red}, ${green}, ${blue})`;
      });
    },
    [canvas, points],
  );
}

/** How many pixels of the map have the colour of this cell. */
async function painted(page, key) {
  const colours = (await palette(page))[KEYS.indexOf(key)];
  return page.evaluate((colours) => {
    const map = document.getElementById("map");
    const { data } = map.getContext("2d").getImageData(0, 0, map.width, map.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) if (colours.includes(`rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`)) found += 1;
    return found;
  }, colours);
}

async function box(page, id) {
  return page.locator(`#${id}`).boundingBox();
}

for (const [name, colorScheme, deviceScaleFactor] of [["holding", "light", 1], ["holding", "dark", 2], ["holding", "light", 1.5]]) {
  test(`${name}, ${colorScheme}, at ${deviceScaleFactor} pixels for one: each cell has its colour`, () =>
    looking(place, source(name), { colorScheme, deviceScaleFactor }, async (page) => {
      const { timeline } = dataOf(source(name));
      const map = await box(page, "map");
      const rows = drawn(timeline);
      const wide = (map.width - GUTTER) / timeline.requests.length;
      const tall = (map.height - NUMBERS) / rows;
      assert.ok(wide > 3 && tall > 3, `cells are ${wide} by ${tall}`);
      const points = [];
      const expected = [];
      for (const at of [0, 3, 5, 8, 13, 50, 101, 199]) {
        const column = letters(timeline.columns[timeline.rows[timeline.requests[at][1]][8]]);
        for (let row = 0; row < rows; row += 1) {
          points.push([GUTTER + (at + 0.5) * wide, (row + 0.5) * tall]);
          expected.push(ORDER.indexOf(column[row]));
        }
      }
      const colours = await palette(page);
      const seen = await pixels(page, "map", points);
      const wrong = seen.filter((colour, at) => !colours[expected[at]].includes(colour));
      assert.ok(new Set(expected).size === 7, "all calm cells are looked at");
      assert.deepEqual(wrong, []);
    }));
}

test("where requests share a pixel the worst of them is drawn", () =>
  looking(place, source("marching"), {}, async (page) => {
    const { timeline } = dataOf(source("marching"));
    const map = await box(page, "map");
    const rows = drawn(timeline);
    const colours = await palette(page);
    const width = Math.floor(map.width) - GUTTER;
    const step = timeline.requests.length / width;
    assert.ok(step > 5, `${step} requests a pixel`);
    const tall = (map.height - NUMBERS) / rows;
    let looked = 0;
    for (let x = 20; x < width - 20; x += 41) {
      const columns = timeline.columns.slice(Math.floor(x * step), Math.floor((x + 1) * step)).map(letters);
      const worst = (row) => Math.max(...columns.map((column) => ORDER.indexOf(column[row])));
      const inside = [];
      for (let row = 4; row < rows - 4; row += 1) {
        // Away from edges: what matters is drawn a little wider than it is.
        const near = [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((by) => worst(row + by));
        if (new Set(near).size === 1) inside.push([row, near[0]]);
      }
      const seen = await pixels(page, "map", inside.map(([row]) => [GUTTER + x + 0.5, (row + 0.5) * tall]));
      for (const [at, [row, cell]] of inside.entries()) assert.ok(colours[cell].includes(seen[at]), `${seen[at]} at pixel ${x}, row ${row}, which is ${KEYS[cell]}`);
      looked += inside.length;
    }
    assert.ok(looked > 1000, `${looked}`);
  }));

test("one page with a marker, after one of ten thousand requests, is seen", async () => {
  const html = source("many");
  await looking(place, html, {}, async (page) => assert.equal(await painted(page, "marker"), 0));
  const data = dataOf(html);
  const [number, row] = data.timeline.requests[5008];
  data.timeline.columns.push("k16s5ms6i12u3f29h9.207");
  data.timeline.rows.push(data.timeline.rows[row].with(8, data.timeline.columns.length - 1));
  data.timeline.requests[5008] = [number, data.timeline.rows.length - 1];
  await looking(place, withData(html, data), {}, async (page) => {
    assert.ok((await painted(page, "marker")) >= 15, `${await painted(page, "marker")} pixels`);
    assert.equal(await selected(page), 5009);
  });
});

test("what is not as before is hatched, and a marker otherwise", () =>
  looking(place, source("marching"), {}, async (page) => {
    const [own, hatch] = (await palette(page))[KEYS.indexOf("dirty")];
    const map = await box(page, "map");
    const points = Array.from({ length: 40 }, (_, at) => [map.width - 60 + at, 120]);
    const seen = await pixels(page, "map", points);
    assert.deepEqual(new Set(seen), new Set([own, hatch]));
  }));

test("the column of the selected request is enlarged as far as that request touched memory", () =>
  looking(place, source("marching"), {}, async (page) => {
    const filled = () =>
      page.evaluate(() => {
        const column = document.getElementById("column");
        const { data } = column.getContext("2d").getImageData(5, 0, 1, column.height);
        const last = [0, 1, 2].map((channel) => data[4 * (column.height - 1) + channel]).join();
        let calm = 0;
        for (let y = 0; y < column.height; y += 1) if ([0, 1, 2].map((channel) => data[4 * y + channel]).join() === last) calm += 1;
        return 1 - calm / column.height;
      });
    for (const name of ["first", "last"]) {
      await page.click(`[data-do="${name}"]`);
      assert.ok((await filled()) > 0.75, `${name}: ${await filled()}`);
    }
  }));

test("two memories are drawn apart, each from its own first page", () =>
  looking(place, source("two-memories"), {}, async (page) => {
    const map = await box(page, "map");
    const tip = [];
    for (let y = 2; y < map.height - NUMBERS; y += 2) {
      await page.mouse.move(map.x + 300, map.y + y);
      tip.push(await page.innerText("#tip"));
    }
    assert.ok(tip.some((text) => text.includes("0x00000000 to 0x00000fff of memory 0")));
    assert.ok(tip.some((text) => text.includes("0x00000000 to 0x00000fff of memory 1")));
    assert.ok(tip.findIndex((text) => text.includes("memory 1")) > tip.findLastIndex((text) => text.includes("memory 0")));
  }));

test("what the mouse points to is told: request, cell, addresses", () =>
  looking(place, source("holding"), {}, async (page) => {
    const map = await box(page, "map");
    const wide = (map.width - GUTTER) / 200;
    const tall = (map.height - NUMBERS) / drawn(dataOf(source("holding")).timeline);
    await page.mouse.move(map.x + GUTTER + 100.5 * wide, map.y + 17.5 * tall);
    assert.equal(await page.innerText("#tip"), "request 101\nstatics\n0x00011000 to 0x00011fff");
    const curves = await box(page, "curves");
    await page.mouse.move(map.x + GUTTER + 100.5 * wide, curves.y + 30);
    assert.equal(await page.innerText("#tip"), "request 101\nused 3.8 KiB\ncommitted 128 KiB\nmemory 1.1 MiB\nwritten 5\nleft 0 B");
    await page.mouse.move(5, 5);
    assert.equal(await page.isHidden("#tip"), true);
  }));

test("a click selects the request under it", () =>
  looking(place, source("holding"), {}, async (page) => {
    const map = await box(page, "map");
    await page.mouse.click(map.x + GUTTER + (149.5 * (map.width - GUTTER)) / 200, map.y + 50);
    assert.equal(await selected(page), 150);
  }));

/** First and last request in view. */
async function range(page) {
  await page.waitForTimeout(60);
  const numbers = (await page.textContent("#range")).replaceAll(",", "").match(/\d+/g);
  return numbers.map(Number);
}

test("the wheel zooms to what it is over, a drag moves, and all comes back", () =>
  looking(place, source("many"), {}, async (page) => {
    const map = await box(page, "map");
    const middle = map.x + GUTTER + (map.width - GUTTER) / 2;
    await page.mouse.move(middle, map.y + 100);
    for (let turn = 0; turn < 4; turn += 1) await page.mouse.wheel(0, -300);
    const [first, last] = await range(page);
    assert.ok(last - first < 1000 && first < 5000 && last > 5000, `${first} to ${last}`);
    await page.mouse.down();
    await page.mouse.move(middle - 200, map.y + 100, { steps: 4 });
    await page.mouse.up();
    const [moved] = await range(page);
    assert.ok(moved > first, `${moved} after ${first}`);
    assert.equal(await selected(page), 41, "a drag selects nothing");
    await page.click('[data-do="whole"]');
    assert.deepEqual(await range(page), [1, 10_000]);
  }));

test("the wheel scrolls the page where there is nothing to zoom out of", () =>
  looking(place, source("many"), { height: 600 }, async (page) => {
    await page.locator("#map").hover();
    await page.mouse.wheel(0, 200);
    await page.waitForFunction(() => scrollY > 0);
    assert.deepEqual(await range(page), [1, 10_000]);
  }));

test("zooming in shows what shared a pixel", () =>
  looking(place, source("marching"), {}, async (page) => {
    for (let turn = 0; turn < 12; turn += 1) await page.click('[data-do="zoom-in"]');
    const [first, last] = await range(page);
    assert.ok(last - first <= 13 && first <= 41 && last >= 41, `${first} to ${last}`);
  }));

test("the strip above the map leads to any part of a long run", () =>
  looking(place, source("many"), {}, async (page) => {
    for (let turn = 0; turn < 4; turn += 1) await page.click('[data-do="zoom-in"]');
    const strip = await box(page, "overview");
    await page.mouse.click(strip.x + GUTTER + (strip.width - GUTTER) * 0.9, strip.y + 6);
    const [first, last] = await range(page);
    assert.ok(first < 9000 && last > 9000 && last - first < 1000, `${first} to ${last}`);
  }));

test("each curve can be switched off and on", () =>
  looking(place, source("holding"), {}, async (page) => {
    const height = async () => (await box(page, "curves")).height;
    const all = await height();
    await page.uncheck("#switches input >> nth=2");
    const fewer = await height();
    assert.equal((all - fewer) * 5, all);
    await page.check("#switches input >> nth=2");
    assert.equal(await height(), all);
  }));

test("a curve is as high as its figures", () =>
  looking(place, source("marching"), {}, async (page) => {
    // The memory grows all the time: its curve, the third, rises from left to right.
    const heights = await page.evaluate((gutter) => {
      const canvas = document.getElementById("curves");
      const context = canvas.getContext("2d");
      const top = 2 * 70 + 12;
      return [0.1, 0.5, 0.9].map((part) => {
        const x = Math.round(gutter + part * (canvas.width - gutter));
        const { data } = context.getImageData(x, top, 1, 58);
        let darkest = 0;
        for (let y = 0; y < 57; y += 1) if (data[4 * y] + data[4 * y + 1] < data[4 * darkest] + data[4 * darkest + 1]) darkest = y;
        return 58 - darkest;
      });
    }, GUTTER);
    assert.ok(heights[0] < heights[1] && heights[1] < heights[2], `${heights}`);
    assert.ok(Math.abs(heights[0] + heights[2] - 2 * heights[1]) <= 3, `${heights}: it grows evenly`);
  }));
