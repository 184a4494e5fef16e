// The close-up: single bytes around a place, each with what it belongs to.

import { address, byId, element, quoted, several } from './words.js';

const ROWS = 10;

/** Bytes in front of a block's room. */
const HEADER = 32;

const decoder = new TextDecoder();

export class CloseUp {
  columns = 0;
  from = 0;
  #cells = [];
  #rows = [];
  #drawn = '';

  get bytes() {
    return this.columns * ROWS;
  }

  get to() {
    return this.from + this.bytes;
  }

  /** As many columns as there is room for. */
  fit(isNarrow) {
    const columns = isNarrow ? 8 : 16;
    if (columns === this.columns) return;
    this.columns = columns;
    this.#rows = [];
    this.#cells = [];
    const grid = byId('bytes');
    grid.style.setProperty('--columns', columns);
    grid.replaceChildren();
    for (let row = 0; row < ROWS; row += 1) {
      const head = element('span', { class: 'at' });
      this.#rows.push(head);
      grid.append(head);
      for (let column = 0; column < columns; column += 1) {
        const cell = element('span', { class: 'byte' });
        this.#cells.push(cell);
        grid.append(cell);
      }
    }
    this.#drawn = '';
    this.move(this.from);
  }

  /** Puts this address into the first row. */
  move(at) {
    this.from = Math.max(0, at - (at % this.columns));
  }

  /** Goes where something happened: from its beginning on, if all of it can be seen. */
  follow({ to, first }, cursor) {
    if (to === null) return;
    if (to !== 'cursor') return this.move(to - this.columns);
    if (cursor === null) return;
    const start = first ?? cursor;
    const fits = cursor - start < this.bytes - 2 * this.columns;
    this.move(fits ? start - this.columns : cursor - this.bytes + 3 * this.columns);
  }

  draw(seen) {
    const { memory, cursor } = seen;
    const pieces = seen.pieces.filter(({ from, to }) => from < this.to && to > this.from);
    const numbers = new Map(pieces.map((piece) => [piece, seen.pieces.indexOf(piece)]));
    this.#rows.forEach((head, row) => {
      head.textContent = address(this.from + row * this.columns);
    });
    this.#cells.forEach((cell, index) => {
      const at = this.from + index;
      const isThere = memory !== null && at < memory.length;
      const what = isThere ? kindOf(at, seen, pieces, numbers) : 'absent';
      cell.className = `byte ${what}${at === cursor ? ' cursor' : ''}`;
      const byte = isThere ? memory[at] : 0;
      const shown = isThere && isShown(what, byte) ? letter(byte) : '';
      cell.textContent = shown;
      cell.classList.toggle('code', shown.length === 2);
    });
    this.#say(seen, pieces);
  }

  #say({ memory, cursor }, pieces) {
    const words = pieces.slice(0, 12).map(({ from, to }) => `${quoted(decoder.decode(memory.subarray(from, Math.min(to, from + 64))), 24)} at ${address(from)}`);
    const where = cursor !== null && cursor >= this.from && cursor < this.to ? ` The cursor is at ${address(cursor)}.` : '';
    const what = memory === null ? 'There is no arena.' : `${several(pieces.length, 'allocation')}${words.length ? `: ${words.join(', ')}` : ''}.${where}`;
    if (what === this.#drawn) return;
    this.#drawn = what;
    byId('bytes').setAttribute('aria-label', `${this.bytes} bytes from ${address(this.from)} on. ${what}`);
  }
}

/** What the byte belongs to. */
export function kindOf(at, { blocks, neighbours, left }, pieces, numbers) {
  const block = blocks.find(({ from, to }) => at >= from && at < to);
  if (block === undefined) return neighbours.some(({ byteOffset, byteLength }) => at >= byteOffset && at < byteOffset + byteLength) ? 'neighbour' : 'pool';
  if (at < block.from + HEADER) return 'header';
  const piece = pieces.find(({ from, to }) => at >= from && at < to);
  if (piece !== undefined) return numbers.get(piece) % 2 ? 'odd' : 'used';
  if (at < block.filled) return 'padding';
  return at < (left.get(block.from) ?? 0) ? 'left' : 'free';
}

/** Zeros that nobody wrote are no news; records of the arena are not for reading. */
const isShown = (what, byte) => what === 'used' || what === 'odd' || (what === 'left' && byte !== 0);

/** A letter as itself, any other byte as its two digits. */
const letter = (byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : byte.toString(16).padStart(2, '0'));
