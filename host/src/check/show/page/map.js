// The map: pages of memory down, requests across, a colour for each cell.

/** Room for the scale, to the left of the map and the curves, in CSS pixels. */
const GUTTER = 78;
/** Room between two memories, for the name of the lower one. */
const GAP = 18;
/** The least that a memory is drawn high, however small it is. */
const LEAST = 14;

/** Where on the map each memory is, and which rows each line of pixels stands for,
 *  where so many rows of each memory are drawn. */
function layOut(timeline, counts, height, ratio) {
  const memories = timeline.memories.map((memory, at) => ({ ...memory, shown: counts[at] }));
  const total = counts.reduce((sum, rows) => sum + rows, 0);
  const named = memories.length > 1 ? GAP : 0;
  const room = height - named * memories.length;
  const spare = Math.max(0, room - LEAST * memories.length);
  const bands = [];
  let top = 0;
  let row = 0;
  for (const { rows, shown, bytes } of memories) {
    top += named;
    const tall = LEAST + (spare * shown) / total;
    bands.push({ top, tall, row, rows: shown, bytes });
    top += tall;
    row += rows;
  }
  const lines = Math.round(height * ratio);
  const from = new Int32Array(lines).fill(-1);
  const to = new Int32Array(lines);
  for (const band of bands) {
    const start = Math.round(band.top * ratio);
    const end = Math.min(lines, Math.round((band.top + band.tall) * ratio));
    for (let line = start; line < end; line += 1) {
      const first = Math.floor(((line - start) * band.rows) / (end - start));
      const last = Math.ceil(((line - start + 1) * band.rows) / (end - start));
      from[line] = band.row + first;
      to[line] = band.row + Math.min(band.rows, Math.max(last, first + 1));
    }
    // A line that has a whole row to itself must not show its neighbour's cell.
    if (end - start >= band.rows) for (let line = start; line < end; line += 1) to[line] = from[line] + 1;
  }
  return { bands, from, to };
}

/** The row of the map at this height, or -1 between two memories. */
function rowAt(layout, y, ratio) {
  const line = Math.max(0, Math.min(layout.from.length - 1, Math.floor(y * ratio)));
  return layout.from[line];
}

/** Which requests column `x` of `width` stands for. */
function requestsAt(view, x, width, total) {
  const step = (view.to - view.from) / width;
  const first = Math.min(total - 1, Math.floor(view.from + x * step));
  const last = Math.max(first + 1, Math.min(total, Math.floor(view.from + (x + 1) * step)));
  return [first, last];
}

/** Whether this pixel belongs to the hatch of a cell: stripes where memory is not as
 *  it was, and a lattice where a marker is. */
function isHatch(cell, x, y, ratio) {
  if (cell < DIRTY) return false;
  const apart = Math.max(3, Math.round(4 * ratio));
  const thick = Math.max(1, Math.round(1.5 * ratio));
  return (x + y) % apart < thick || (cell === MARKER && (x - y + 8192 * apart) % apart < thick);
}

/** Widens the cells that matter by this many pixels to each side, so that one alone
 *  is no speck: first along the lines, then across them. */
function thicken(drawn, width, height, by) {
  const grave = drawn.map((cell) => (cell >= DIRTY ? cell : 0));
  const wider = new Uint8Array(grave);
  for (let at = 0; at < grave.length; at += 1) {
    if (grave[at] === 0) continue;
    const x = at % width;
    for (let to = at - Math.min(by, x); to <= at + Math.min(by, width - 1 - x); to += 1) if (grave[at] > wider[to]) wider[to] = grave[at];
  }
  for (let at = 0; at < wider.length; at += 1) {
    if (wider[at] === 0) continue;
    const last = Math.min(drawn.length - 1, at + by * width);
    for (let to = at - Math.min(by, Math.floor(at / width)) * width; to <= last; to += width) if (wider[at] > drawn[to]) drawn[to] = wider[at];
  }
}

/** Paints the cells. Where pixels are fewer than requests or rows, each shows the
 *  worst of what it stands for: one page with a marker among ten million is seen.
 *  The two cells that matter are hatched as well, for eyes that see no colours. */
function paintCells(context, timeline, view, layout, colours, ratio) {
  const left = Math.round(GUTTER * ratio);
  const width = context.canvas.width - left;
  const height = layout.from.length;
  if (width < 1) return;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const worst = new Uint8Array(timeline.height);
  const column = new Uint8Array(height);
  const drawn = new Uint8Array(width * height);
  let isGrave = false;
  let before = [-1, -1];
  for (let x = 0; x < width; x += 1) {
    const range = requestsAt(view, x, width, timeline.count);
    if (range[0] !== before[0] || range[1] !== before[1]) {
      before = range;
      worst.fill(0);
      let done;
      for (let at = range[0]; at < range[1]; at += 1) {
        const cells = timeline.cells(at);
        if (cells === done) continue;
        done = cells;
        for (let row = 0; row < cells.length; row += 1) if (cells[row] > worst[row]) worst[row] = cells[row];
      }
      for (let y = 0; y < height; y += 1) {
        let cell = 0;
        for (let row = layout.from[y]; row >= 0 && row < layout.to[y]; row += 1) if (worst[row] > cell) cell = worst[row];
        column[y] = cell;
        isGrave ||= cell >= DIRTY;
      }
    }
    for (let y = 0; y < height; y += 1) drawn[y * width + x] = column[y];
  }
  if (isGrave) thicken(drawn, width, height, Math.round(2 * ratio));
  for (let y = 0; y < height; y += 1) {
    if (layout.from[y] < 0) continue;
    for (let x = 0; x < width; x += 1) {
      const cell = drawn[y * width + x];
      pixels[y * width + x] = isHatch(cell, x, y, ratio) ? colours.hatches[cell] : colours.cells[cell];
    }
  }
  context.putImageData(image, left, 0);
}

/** A step of 1, 2 or 5 times a power of ten that gives at most `most` ticks. */
function decimalStep(span, most) {
  const rough = Math.max(1, span / Math.max(1, most));
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((times) => times * power >= rough);
  return Math.max(1, factor * power);
}

/** The scale of addresses, and the names of memories where there are several. */
function paintAddresses(context, timeline, layout, inks) {
  context.font = inks.font;
  context.textBaseline = "middle";
  for (const [memory, band] of layout.bands.entries()) {
    const bytes = band.rows * timeline.page;
    const most = Math.max(1, Math.floor(band.tall / 26));
    const step = 2 ** Math.ceil(Math.log2(Math.max(timeline.page, bytes / most)));
    context.textAlign = "right";
    for (let offset = 0; offset < bytes; offset += step) {
      const y = band.top + (offset / bytes) * band.tall;
      context.fillStyle = inks.soft;
      context.fillText(offset === 0 ? "0" : size(offset), GUTTER - 10, Math.max(6, y));
      context.fillStyle = inks.strong;
      context.fillRect(GUTTER - 6, Math.round(y), 4, 1);
    }
    if (layout.bands.length < 2) continue;
    context.textAlign = "left";
    context.fillStyle = inks.ink;
    context.fillText(`memory ${memory}, ${size(band.bytes)}`, GUTTER, band.top - GAP / 2);
  }
}

/** The numbers of the requests, and which of them are the warm-up. */
function paintRequests(context, timeline, view, top, width, inks) {
  const room = width - GUTTER;
  const span = view.to - view.from;
  const x = (at) => GUTTER + ((at - view.from) / span) * room;
  context.font = inks.font;
  context.textBaseline = "top";
  context.textAlign = "center";
  const warm = timeline.warm();
  const end = x(timeline.number(warm) > timeline.warmUp ? warm : timeline.count);
  if (end > GUTTER) {
    context.fillStyle = inks.accent;
    context.fillRect(GUTTER, top + 2, Math.max(2, Math.min(width, end) - GUTTER), 2);
  }
  const step = decimalStep(span, room / 72);
  const ticks = [0];
  for (let next = Math.max(1, Math.floor(view.from / step)) * step; next <= view.to + step; next += step) ticks.push(next - 1);
  let taken = 0;
  for (const at of ticks) {
    const middle = x(at + 0.5);
    if (at < Math.floor(view.from) || at >= timeline.count || middle > width) continue;
    const text = count(timeline.number(at));
    const half = context.measureText(text).width / 2;
    const centre = Math.max(GUTTER + half, Math.min(width - half, middle));
    if (centre - half < taken) continue;
    taken = centre + half + 12;
    context.fillStyle = inks.strong;
    context.fillRect(Math.round(Math.max(GUTTER, middle)), top + 4, 1, 4);
    context.fillStyle = inks.soft;
    context.fillText(text, centre, top + 11);
  }
}

/** The lines between cells, where these are large enough to be looked at singly. */
function paintGrid(context, timeline, view, layout, width, inks) {
  const wide = (width - GUTTER) / (view.to - view.from);
  context.fillStyle = inks.paper;
  if (wide >= 7) {
    for (let at = Math.ceil(view.from); at <= view.to; at += 1) {
      for (const band of layout.bands) context.fillRect(GUTTER + (at - view.from) * wide - 0.5, band.top, 1, band.tall);
    }
  }
  for (const band of layout.bands) {
    const tall = band.tall / band.rows;
    if (tall < 7) continue;
    for (let row = 1; row < band.rows; row += 1) context.fillRect(GUTTER, band.top + row * tall - 0.5, width, 1);
  }
}

/** All requests as one strip: the worst cell of each, to steer by. */
function paintOverview(context, timeline, colours, ratio) {
  const left = Math.round(GUTTER * ratio);
  const width = context.canvas.width - left;
  const { height } = context.canvas;
  const all = { from: 0, to: timeline.count };
  context.clearRect(0, 0, context.canvas.width, height);
  for (let x = 0; x < width; x += 1) {
    const [first, last] = requestsAt(all, x, width, timeline.count);
    let worst = 0;
    let isBroken = false;
    for (let at = first; at < last; at += 1) {
      const has = timeline.has[timeline.row(at).column];
      worst = Math.max(worst, has[MARKER] ? MARKER : has[DIRTY] ? DIRTY : 0);
      isBroken ||= timeline.broken[at] === 1;
    }
    context.fillStyle = worst > 0 ? colours.names[worst] : isBroken ? colours.bad : colours.calm;
    const inset = worst > 0 || isBroken ? 0 : Math.round(height / 4);
    context.fillRect(left + x, inset, 1, height - 2 * inset);
  }
}
