// A page loads nothing, runs nothing but its own script, and shows the texts of guests
// as texts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { dataOf, launch, looking, source, withData } from "./browser.mjs";

const ALL = ["holding", "many", "marching", "marked", "two-memories", "hostile", "empty", "full"];
let place;
before(async () => (place = await launch()));
after(() => place.close());

for (const name of ALL) {
  test(`${name}: nothing is loaded and nothing complained of`, () =>
    looking(place, source(name), {}, async (page, { url, asked, noise }) => {
      await page.waitForTimeout(200);
      assert.deepEqual(asked, [url]);
      assert.deepEqual(noise, []);
      assert.equal(await page.isHidden("#failure"), true);
    }));
}

test("what a page must not load would be noticed", () =>
  looking(place, source("holding"), {}, async (page, { asked, noise }) => {
    await page.evaluate(() => document.body.append(Object.assign(new Image(), { src: "https://example.invalid/a.png" })));
    await page.waitForTimeout(100);
    assert.ok(asked.length > 1 || /Content Security Policy/.test(noise.join()), "neither a request nor a complaint");
  }));

test("the policy allows the page's own script and style, by their hashes, and nothing else", () =>
  looking(place, source("holding"), {}, async (page) => {
    const policy = await page.getAttribute('meta[http-equiv="Content-Security-Policy"]', "content");
    assert.match(policy, /^default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'; /);
    assert.doesNotMatch(policy, /unsafe|\*|https?:|data:/);
    const fetched = await page.evaluate(() => fetch("https://example.invalid/").then(() => "fetched", () => "refused"));
    assert.equal(fetched, "refused");
  }));

test("a script that somebody changed does not run", () => {
  const changed = source("holding").replace("let live = 0;", "let live = 0; window.taken = 1;");
  return looking(place, changed, { isReady: false }, async (page, { noise }) => {
    await page.waitForTimeout(300);
    assert.equal(await page.evaluate(() => window.taken ?? window.lavandulaReady), undefined);
    assert.match(noise.join(), /Content Security Policy/);
  });
});

test("a script that somebody added does not run", () => {
  const added = source("holding").replace("<footer", "<script>window.taken = 1</script><img src=x onerror='window.taken = 2'><footer");
  return looking(place, added, {}, async (page) => {
    await page.waitForTimeout(100);
    assert.equal(await page.evaluate(() => window.taken), undefined);
  });
});

test("texts of guests are shown as texts, letter for letter", () =>
  looking(place, source("hostile"), {}, async (page) => {
    assert.equal(await page.evaluate(() => window.taken), undefined);
    assert.equal(await page.locator("img, iframe, object, embed").count(), 0);
    assert.equal(await page.locator("script").count(), 2);
    const component = await page.textContent("#component");
    assert.ok(component.startsWith("</script><script>window.taken = 1</script><!-- <img src=x onerror="), component);
    assert.ok(component.includes("\u{1f480}"), component);
    const first = await page.textContent("#first");
    assert.ok(first.includes('<img src=x onerror="window.taken = 2">'), first);
    assert.ok(first.includes("{{script}}"), first);
    await page.click('[data-do="first"]');
    for (const shape of dataOf(source("hostile")).timeline.shapes.slice(0, 2)) {
      assert.equal(await page.textContent("#figures td"), shape);
      await page.click('[data-do="on"]');
    }
  }));

test("what is invisible or turns text round is spelled out", () =>
  looking(place, source("hostile"), {}, async (page) => {
    const text = await page.evaluate(() => document.querySelector("header").textContent + document.querySelector("main").textContent + document.title);
    assert.doesNotMatch(text, /[\u0000\u007f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
    assert.match(text, /\\u\{202e\}gpj\.exe\\u\{202c\}/);
    assert.match(text, /\\u\{0\}\\u\{7f\}/);
  }));

test("a name of ten thousand letters fills neither the window nor the page", () =>
  looking(place, source("hostile"), { width: 360 }, async (page) => {
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
    const heights = await page.$$eval(".long", (all) => all.map((one) => one.clientHeight));
    assert.ok(heights.length > 0 && heights.every((height) => height < 200), `${heights}`);
    assert.ok((await page.textContent(".long")).length > 9000);
  }));

test("a seed is shown with all its digits, whatever a text says of it", () =>
  looking(place, source("hostile"), {}, async (page) => {
    assert.match(await page.textContent("#facts"), /seed18446744073709551615/);
  }));

for (const [what, change] of [
  ["no data", () => null],
  ["a letter that is none", (data) => ({ ...data, timeline: { ...data.timeline, columns: data.timeline.columns.map(() => "q9") } })],
]) {
  test(`with ${what} a page says that it cannot be shown, and what to do`, () =>
    looking(place, withData(source("holding"), change(dataOf(source("holding")))), {}, async (page) => {
      assert.match(await page.textContent("#failure"), /cannot be shown: .+ Write it again with "lavandula check --html"/);
      assert.equal(await page.isVisible("#failure"), true);
    }));
}

test("a report without a timeline has its evidence, and says why there is no map", () =>
  looking(place, source("empty"), {}, async (page) => {
    assert.equal(await page.locator("#evidence details").count(), 10);
    assert.match(await page.textContent("#explorer"), /no map: no request was recorded/);
  }));
