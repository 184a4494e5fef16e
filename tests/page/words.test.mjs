// What the page says: verdict, evidence, culprit, figures.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dataOf, figure, launch, looking, said, selected, source, withData } from "./browser.mjs";

let place;
before(async () => (place = await launch()));
after(() => place.close());

test("the verdict is a word and a shape, and not only a colour", async () => {
  const shapes = new Map();
  for (const [name, word] of [["holding", "holds"], ["marked", "broken"]]) {
    await looking(place, source(name), {}, async (page) => {
      assert.equal(await page.textContent("#verdict"), word);
      assert.match(await page.title(), new RegExp(`^${word} · `));
      shapes.set(word, await page.getAttribute("#shape", "href"));
    });
  }
  assert.notEqual(shapes.get("holds"), shapes.get("broken"));
});

test("the head has component, requests, door, isolation and seed", () =>
  looking(place, source("holding"), {}, async (page) => {
    const head = await page.innerText(".head");
    for (const part of ["examples/json-api/target/json-api.wasm", "200", "fast", "rewind", "18446744073709551615"]) {
      assert.ok(head.includes(part), `${part} in ${head}`);
    }
    assert.equal(await page.isHidden("#first"), true);
  }));

test("a broken report begins with the first culprit: where, what, who, and how to see it again", () =>
  looking(place, source("marked"), {}, async (page) => {
    const first = await page.innerText("#first");
    for (const part of ["content", "0x00015a40", "statics of memory 0", "json_api::session::LAST_USER", "written by\nrequest 57", "should be gone after\nrequest 57", "--only 57,58"]) {
      assert.ok(first.includes(part), `${part} in ${first}`);
    }
    assert.equal(await selected(page), 57);
  }));

test("all evidence is there, what is broken first and open", () =>
  looking(place, source("marching"), {}, async (page) => {
    const shown = await page.$$eval("#evidence details", (all) => all.map((one) => [one.dataset.kind, one.open]));
    assert.equal(shown.length, 10);
    assert.deepEqual(shown.slice(0, 3), [["size", true], ["footprint", true], ["answers", false]]);
    assert.equal(shown.slice(2).some(([, isOpen]) => isOpen), false);
    for (const [at, evidence] of dataOf(source("marching")).report.evidence.entries()) {
      const text = await page.textContent(`#evidence [data-kind="${evidence.name}"]`);
      assert.ok(text.includes(evidence.expected) && text.includes(evidence.detail), `${at}: ${text}`);
      assert.ok(text.includes(evidence.holds ? "holds" : "broken"));
    }
  }));

test("the command is copied as it is", () =>
  looking(place, source("marked"), { permissions: ["clipboard-read", "clipboard-write"] }, async (page) => {
    const { culprit } = dataOf(source("marked")).report.evidence.find(({ holds }) => !holds);
    await page.focus("#first .copy");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#first .copy").textContent === "Copied");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), culprit.replay);
    assert.match(await said(page), /copied/);
  }));

test("where a page may not copy by itself the command is selected", () =>
  looking(place, source("marked"), {}, async (page) => {
    await page.evaluate(() => {
      navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"));
      document.execCommand = () => false;
    });
    await page.click("#first .copy");
    await page.waitForFunction(() => document.querySelector("#first .copy").textContent === "Selected");
    assert.match(await page.evaluate(() => getSelection().toString()), /--only 57,58$/);
  }));

test("the requests that a culprit names can be gone to", () =>
  looking(place, source("marked"), {}, async (page) => {
    await page.click('#first button:text-is("request 58")');
    assert.equal(await selected(page), 58);
    assert.equal(await page.evaluate(() => document.activeElement.id), "map-frame");
  }));

test("the place that a culprit names is ringed on the map, and told", () =>
  looking(place, source("marked"), { reducedMotion: "reduce" }, async (page) => {
    await page.click('[data-do="first"]');
    for (let turn = 0; turn < 3; turn += 1) await page.click('[data-do="zoom-in"]');
    await page.click('#first button:text-is("0x00015a40")');
    assert.equal(await selected(page), 57);
    assert.equal(await page.innerText("#tip"), "request 57\nmarker left\n0x00015000 to 0x00015fff");
    assert.equal(await page.isVisible("#cell"), true);
    const [ring, chosen] = await Promise.all(["#cell", "#chosen"].map((one) => page.locator(one).boundingBox()));
    const middle = (box) => box.x + box.width / 2;
    assert.ok(Math.abs(middle(ring) - middle(chosen)) < 1.5, `${middle(ring)} and ${middle(chosen)}`);
  }));

test("a place behind the end of its memory is none of the next one", () => {
  const data = dataOf(source("two-memories"));
  const spot = (memory) => ({ memory, offset: 64 * 4096 * (1 - memory) + 100, region: "heap", symbol: null });
  const culprit = (memory) => ({ place: spot(memory), written_by: null, owed_by: 4, requests: [], replay: null });
  for (const [at, memory] of [0, 1].entries()) Object.assign(data.report.evidence[at], { holds: false, culprit: culprit(memory) });
  return looking(place, withData(source("two-memories"), data), {}, async (page) => {
    await page.click('[data-kind="answers"] button:text-is("0x00040064")');
    assert.equal(await selected(page), 4);
    assert.equal(await page.isHidden("#cell"), true);
    await page.click('[data-kind="size"] button:text-is("0x00000064")');
    assert.match(await page.innerText("#tip"), /^request 4\n.+\n0x00000000 to 0x00000fff of memory 1$/);
  });
});

test("a request that is not shown leads to the nearest, and that is said", () =>
  looking(place, source("two-memories"), {}, async (page) => {
    await page.fill("#number", "120");
    await page.press("#number", "Enter");
    assert.equal(await selected(page), 121);
    assert.match(await said(page), /^Request 120 is not shown. The nearest is this: Request 121/);
  }));

test("the panel has the figures of the selected request", () =>
  looking(place, source("marked"), {}, async (page) => {
    const { timeline } = dataOf(source("marked"));
    for (const number of [57, 100, 400]) {
      await page.fill("#number", String(number));
      await page.press("#number", "Enter");
      const row = timeline.rows[timeline.requests[number - 1][1]];
      assert.equal(await figure(page, "shape"), timeline.shapes[row[0]]);
      assert.equal(await figure(page, "status"), "200");
      assert.equal(await figure(page, "written"), `${row[6]} pages`);
      assert.equal(await figure(page, "left"), row[7] === 0 ? "nothing" : `${row[7]} B`);
      const runs = await page.$$eval("#runs tr", (all) => all.map((one) => one.innerText));
      assert.equal(runs.some((run) => run.startsWith("marker left")), number === 57, `${runs}`);
    }
    assert.match(await page.textContent("#runs"), /arena, used0x00028000/);
  }));

test("a guest that tells nothing is not said to use nothing", () =>
  looking(place, source("two-memories"), {}, async (page) => {
    assert.equal(await figure(page, "used"), "not told");
    assert.equal(await page.isDisabled("#switches input >> nth=0"), true);
    await page.click('[data-do="first"]');
    await page.click('[data-do="on"]');
    assert.equal(await figure(page, "ended"), "with a trap");
    assert.equal(await figure(page, "status"), "none");
  }));

test("the map is told in words as well", () =>
  looking(place, source("marked"), {}, async (page) => {
    const summary = await page.textContent("#summary");
    assert.match(summary, /^400 requests, 288 rows of 4 KiB\./);
    assert.match(summary, /A marker is left after 7 requests, first after request 57\./);
    assert.match(await page.textContent("#legend"), /marker left1in 7/);
  }));
