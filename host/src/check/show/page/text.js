// Words, numbers and elements. Texts in a report come from guests: they become text
// nodes and nothing else, and what could not be seen in them is spelled out.

const whole = new Intl.NumberFormat("en-US");

/** `12,345` */
function count(number) {
  return whole.format(number);
}

/** `1 request`, `2 requests` */
function several(number, one) {
  return `${count(number)} ${one}${number === 1 ? "" : "s"}`;
}

/** Bytes in the unit that suits them, with at most one digit behind the point. */
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = Number.isInteger(value) || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `0x00012340` */
function address(offset) {
  return `0x${offset.toString(16).padStart(8, "0")}`;
}

/** What is invisible, or turns round the text beside it, as its code: a name must
 *  not be able to look like another one. */
function visible(text) {
  return String(text).replace(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (found) => `\\u{${found.charCodeAt(0).toString(16)}}`,
  );
}

function byId(id) {
  return document.getElementById(id);
}

/** An element with attributes and with children that are elements or texts. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** One of the drawings that `page.html` has as symbols. */
function drawing(symbol, style) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", style);
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#${symbol}`);
  svg.append(use);
  return svg;
}

/** A text that a guest may have made, however long: it is kept apart from the
 *  direction of the text around it, and scrolls where it would fill the page. */
function foreign(text, style = "") {
  const shown = visible(text);
  if (shown.length < 600) return element("bdi", { class: style }, shown);
  const attributes = { class: `${style} long`, tabindex: "0", role: "group", "aria-label": "Long text" };
  return element("bdi", attributes, shown);
}

/** A name and what it is, for a `<dl>`. */
function fact(name, ...what) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, ...what));
}
