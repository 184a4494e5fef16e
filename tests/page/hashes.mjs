// Writes the hashes of the page's script and style into its Content-Security-Policy:
// to be run when either was changed, after `cargo test --test page` has written pages.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const WRITTEN = new URL("../../target/tmp/page/holding.html", import.meta.url);
const TEMPLATE = new URL("../../host/src/check/show/page/page.html", import.meta.url);

const page = readFileSync(WRITTEN, "utf8");

/** As a browser does it: of what lies between the tags, with the line ends of HTML. */
function hash(start, end) {
  const from = page.lastIndexOf(start) + start.length;
  const text = page.slice(from, page.indexOf(end, from)).replaceAll("\r\n", "\n");
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

const template = readFileSync(TEMPLATE, "utf8")
  .replace(/script-src '[^']*'/, `script-src ${hash('<script type="module">', "</script>")}`)
  .replace(/style-src '[^']*'/, `style-src ${hash("<style>", "</style>")}`);
writeFileSync(TEMPLATE, template);
