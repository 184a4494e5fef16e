// The map: the memory behind what the instance itself needs, a page or more a row.

import { PAGE, ground } from './module.js';
import { byId } from './words.js';

/** Rows that are drawn at most. */
const MOST_ROWS = 32;

/** Height of all rows together, in CSS pixels. */
const HEIGHT = 320;

/** Pixels between two rows. */
const GAP = 2;

const COLOURS = ['absent', 'pool', 'free', 'left', 'used', 'odd', 'waste', 'neighbour', 'ink', 'line', 'paper'];

/** Where each address is: rows of so many bytes, from the first block's place on. */
export function layOut({ room, memoryBytes }, width) {
  // Memory may be larger than the room for blocks, if others than arenas grow it.
  const bytes = Math.max(room, memoryBytes - ground);
  const perRow = Math.ceil(bytes / MOST_ROWS / PAGE) * PAGE;
  const rows = Math.ceil(bytes / perRow);
  const tall = Math.max(6, Math.floor(HEIGHT / rows) - GAP);
  return { perRow, rows, tall, width, height: rows * (tall + GAP) - GAP, end: ground + rows * perRow };
}

/** The address under a point of the map. */
export function addressAt({ perRow, rows, tall, width }, x, y) {
  const row = Math.max(0, Math.min(rows - 1, Math.floor(y / (tall + GAP))));
  const within = Math.max(0, Math.min(perRow - 1, Math.floor((x / width) * perRow)));
  return ground + row * perRow + within;
}

export function drawMap(seen, window) {
  const canvas = byId('map');
  const width = canvas.clientWidth;
  const layout = layOut(seen, width);
  const ratio = devicePixelRatio;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  canvas.style.height = `${layout.height}px`;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  const colour = coloursOf(canvas);

  /** Calls `act` with the rectangle of each row that the bytes lie in. */
  const each = (from, to, act) => {
    const { perRow, tall } = layout;
    for (let at = Math.max(from, ground); at < to; ) {
      const row = Math.floor((at - ground) / perRow);
      const rowStart = ground + row * perRow;
      const end = Math.min(to, rowStart + perRow);
      const left = ((at - rowStart) / perRow) * width;
      act(left, row * (tall + GAP), ((end - at) / perRow) * width, tall);
      at = end;
    }
  };
  const fill = (from, to, style, least = 0) => {
    pen.fillStyle = style;
    each(from, to, (x, y, wide, tall) => pen.fillRect(x, y, Math.max(wide, least), tall));
  };

  fill(ground, layout.end, colour.absent);
  fill(ground, Math.min(seen.memoryBytes, layout.end), colour.pool);
  for (const { byteOffset, byteLength } of seen.neighbours) fill(byteOffset, byteOffset + byteLength, colour.neighbour);
  for (const block of seen.blocks) {
    fill(block.from, block.to, colour.free);
    fill(block.filled, Math.min(block.to, seen.left.get(block.from) ?? 0), colour.left, 1);
    if (isWasted(block, seen)) fill(block.filled, block.to, hatch(pen, colour.waste, colour.free));
  }
  // Two colours in turn, so that neighbours are told apart where they are not too small.
  seen.pieces.forEach(({ from, to }, index) => fill(from, to, index % 2 ? colour.odd : colour.used, 0.75));
  pen.strokeStyle = colour.line;
  for (const { from, to } of seen.blocks) each(from, to, (x, y, wide, tall) => pen.strokeRect(x + 0.5, y + 0.5, Math.max(1, wide - 1), tall - 1));
  if (seen.cursor !== null) drawCursor(pen, each, seen.cursor, colour);
  if (window !== null && seen.memory !== null) drawWindow(pen, each, window, colour, width);
  return layout;
}

/** Whether the cursor has left the block: then its end is used by nobody until a reset. */
function isWasted(block, { cursor, usage }) {
  const hasCursor = cursor !== null && cursor > block.from && cursor <= block.to;
  return !hasCursor && usage.tailWaste > 0 && block.filled > block.from + 32;
}

function drawCursor(pen, each, cursor, colour) {
  // A full block's cursor is at its end.
  each(cursor - 1, cursor, (x, y, wide, tall) => {
    const at = x + wide;
    pen.fillStyle = colour.paper;
    pen.fillRect(at - 1.5, y, 4, tall);
    pen.fillStyle = colour.ink;
    pen.fillRect(at - 0.5, y, 2, tall);
    pen.beginPath();
    pen.moveTo(at - 4, y);
    pen.lineTo(at + 5, y);
    pen.lineTo(at + 0.5, y + 5);
    pen.fill();
  });
}

function drawWindow(pen, each, { from, to }, colour, width) {
  each(from, Math.min(to, from + 1), (x, y, _, tall) => {
    const wide = 10;
    const left = Math.max(1, Math.min(width - wide - 1, x - wide / 2));
    pen.lineWidth = 2;
    pen.strokeStyle = colour.paper;
    pen.strokeRect(left - 2, y - 1, wide + 4, tall + 2);
    pen.strokeStyle = colour.ink;
    pen.strokeRect(left, y, wide, tall);
    pen.lineWidth = 1;
  });
}

function hatch(pen, stroke, ground) {
  const tile = new OffscreenCanvas(6, 6);
  const brush = tile.getContext('2d');
  brush.fillStyle = ground;
  brush.fillRect(0, 0, 6, 6);
  brush.strokeStyle = stroke;
  brush.lineWidth = 1.5;
  for (const shift of [-6, 0, 6]) {
    brush.beginPath();
    brush.moveTo(shift, 6);
    brush.lineTo(shift + 6, 0);
    brush.stroke();
  }
  return pen.createPattern(tile, 'repeat');
}

/** The colours of the style sheet, as they are in light or dark. */
function coloursOf(canvas) {
  const before = canvas.style.color;
  const read = (name) => {
    canvas.style.color = `var(--${name})`;
    return getComputedStyle(canvas).color;
  };
  const colours = Object.fromEntries(COLOURS.map((name) => [name, read(name)]));
  canvas.style.color = before;
  return colours;
}
