// Words, numbers and elements.

const whole = new Intl.NumberFormat('en-US');

/** `12,345` */
export const count = (number) => whole.format(number);

/** `1 word`, `2 words` */
export const several = (number, one) => `${count(number)} ${one}${number === 1 ? '' : 's'}`;

/** Bytes in the unit that suits them, with at most one digit behind the point. */
export function size(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = Number.isInteger(value) || value >= 100 ? 0 : 1;
  if (unit === 0) return several(bytes, 'byte');
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `0x0012_0040`: an address, in two halves that can be read. */
export function address(at) {
  const digits = at.toString(16).padStart(8, '0');
  return `0x${digits.slice(0, 4)}_${digits.slice(4)}`;
}

/** A text in quotes, cut where it is long, with what could not be seen spelled out. */
export function quoted(text, most = 40) {
  const characters = Array.from(text.slice(0, most * 2));
  const isCut = characters.length > most || text.length > most * 2;
  const shown = characters
    .slice(0, most)
    .join('')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);
  return `“${shown}${isCut ? '…' : ''}”`;
}

export const byId = (id) => document.getElementById(id);

/** An element with attributes and with children that are elements or texts. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
