// A real browser, the pages that `tests/page.rs` has written, and variants of them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

import { QUIET } from "./chromium.mjs";

const PAGES = process.env.PAGES ?? fileURLToPath(new URL("../../target/tmp/page", import.meta.url));
const START = '<script type="application/json" id="data">';

export async function launch() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: QUIET });
  const folder = mkdtempSync(join(tmpdir(), "lavandula-page-"));
  return {
    browser,
    folder,
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export function source(name) {
  return readFileSync(join(PAGES, `${name}.html`), "utf8");
}

/** What is embedded in a page. */
export function dataOf(html) {
  const from = html.indexOf(START) + START.length;
  return JSON.parse(html.slice(from, html.indexOf("</script>", from)));
}

/** The page with other data in it. Its numbers are those of JavaScript. */
export function withData(html, data) {
  const from = html.indexOf(START) + START.length;
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return html.slice(0, from) + json + html.slice(html.indexOf("</script>", from));
}

/** Opens a page in a context of its own, and notes what it asks for and complains of. */
export async function open(place, html, options = {}) {
  const { isReady = true, width = 1440, height = 1000, ...rest } = options;
  const context = await place.browser.newContext({ viewport: { width, height }, ...rest });
  const page = await context.newPage();
  const file = join(place.folder, `${crypto.randomUUID()}.html`);
  writeFileSync(file, html);
  const url = pathToFileURL(file).href;
  const asked = [];
  const noise = [];
  await context.route("**", (route) => {
    const wanted = route.request().url();
    asked.push(wanted);
    return wanted === url ? route.continue() : route.abort();
  });
  page.on("console", (message) => noise.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => noise.push(`error: ${error.message}`));
  await page.goto(url);
  if (isReady) {
    await page.waitForFunction("window.lavandulaReady !== undefined", null, { timeout: 5000 }).catch(() => {
      const advice = "is its hash in page.html stale? `npm run hashes` in tests/page writes it anew";
      throw new Error(`the page's script did not run (${advice}): ${noise.join("; ")}`);
    });
  }
  return { page, context, url, asked, noise };
}

/** Opens a page for as long as `look` runs. */
export async function looking(place, html, options, look) {
  const opened = await open(place, html, options);
  try {
    await look(opened.page, opened);
  } finally {
    await opened.context.close();
  }
}

/** What is said to those who listen, when nothing more is about to be said. */
export async function said(page) {
  await page.waitForTimeout(150);
  return page.textContent("#live");
}

/** One figure of the selected request. */
export function figure(page, name) {
  return page.locator("#figures tr", { has: page.locator(`th:text-is("${name}")`) }).locator("td").textContent();
}

/** The number of the selected request, as the panel has it. */
export async function selected(page) {
  const title = await page.textContent("#panel-title");
  return Number(title.replace("Request ", "").replaceAll(",", ""));
}

/** Brightness as WCAG has it, of `rgb(1, 2, 3)`. */
export function luminance(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g).slice(0, 3).map((channel) => {
    const part = Number(channel) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
