// The memory over the requests, as it is embedded: what is alike is there once.

/** What a page of memory is, in the order of `Cell` in Rust: where several share a
 *  pixel, the last one of them is drawn. */
const CELLS = [
  { letter: ".", key: "untouched", name: "untouched" },
  { letter: "f", key: "free", name: "arena, free" },
  { letter: "h", key: "heap", name: "heap" },
  { letter: "s", key: "statics", name: "statics" },
  { letter: "i", key: "image", name: "image" },
  { letter: "k", key: "stack", name: "stack" },
  { letter: "u", key: "used", name: "arena, used" },
  { letter: "d", key: "dirty", name: "not as before" },
  { letter: "m", key: "marker", name: "marker left" },
];
const DIRTY = 7;
const MARKER = 8;
const CELL_OF = new Map(CELLS.map((cell, index) => [cell.letter, index]));

const ENDED = {
  answer: "with an answer",
  trap: "with a trap",
  deadline: "its time was up",
  denied: "it was denied memory",
  gone: "the client went away",
  failed: "in another way, which is none that it should end in",
};

/** The order of the numbers in a row: `Lean` in `html.rs`. */
const FIELDS = ["shape", "ended", "status", "used", "committed", "memory", "written", "left", "column"];

class Timeline {
  constructor(raw, report) {
    this.page = raw.page;
    this.memories = raw.memories;
    this.shapes = raw.shapes;
    this.warmUp = raw.warm_up;
    this.height = raw.memories.reduce((sum, memory) => sum + memory.rows, 0);
    this.rows = raw.rows.map((row) => Object.fromEntries(FIELDS.map((name, at) => [name, row[at]])));
    this.requests = raw.requests;
    this.columns = raw.columns;
    this.decoded = new Array(raw.columns.length);
    this.count = raw.requests.length;
    this.isDrawn = this.count > 0 && this.height > 0;
    this.has = raw.columns.map((column) => CELLS.map((cell) => column.includes(cell.letter)));
    this.shown = this.crop(this.touched());
    this.mark(report);
  }

  /** The rows that any request touched. */
  touched() {
    const touched = new Uint8Array(this.height);
    for (let column = 0; column < this.columns.length; column += 1) {
      const cells = this.cellsOf(column);
      for (let row = 0; row < cells.length; row += 1) touched[row] |= cells[row];
    }
    return touched;
  }

  /** How many rows of each memory are drawn: what is never touched, at the end of a
   *  memory, would be most of the picture. */
  crop(cells) {
    let first = 0;
    return this.memories.map(({ rows }) => {
      const used = cells.subarray(first, first + rows).findLastIndex((cell) => cell > 0) + 1;
      first += rows;
      return Math.min(rows, used + Math.max(1, Math.round(used / 16)));
    });
  }

  /** Which requests differ from the one of their shape before them, and which are
   *  broken. What stays is a fault only where the verdict says so: a guest without
   *  an image keeps its statics. */
  mark(report) {
    const before = new Map();
    const owing = new Set();
    for (const evidence of report.evidence) {
      if (!evidence.holds && evidence.culprit?.owed_by) owing.add(evidence.culprit.owed_by);
    }
    this.differs = new Uint8Array(this.count);
    this.broken = new Uint8Array(this.count);
    for (let at = 0; at < this.count; at += 1) {
      const [number, which] = this.requests[at];
      const row = this.rows[which];
      const last = before.get(row.shape);
      if (last !== undefined && last !== which) this.differs[at] = 1;
      before.set(row.shape, which);
      const has = this.has[row.column];
      const stays = report.verdict === "broken" && number > this.warmUp && (has[DIRTY] || row.left > 0);
      if (stays || has[MARKER] || row.ended === "failed" || owing.has(number)) this.broken[at] = 1;
    }
  }

  number(at) {
    return this.requests[at][0];
  }

  row(at) {
    return this.rows[this.requests[at][1]];
  }

  /** The request that is shown and has this number, or the one nearest to it. */
  find(number) {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.number(middle) < number) low = middle + 1;
      else high = middle;
    }
    const isBefore = low > 0 && number - this.number(low - 1) < this.number(low) - number;
    return isBefore ? low - 1 : low;
  }

  /** The first request after the warm-up, or the last one of it. */
  warm() {
    const at = this.requests.findIndex(([number]) => number > this.warmUp);
    return at < 0 ? this.count - 1 : at;
  }

  /** The cells of a request, one for each row of the map. */
  cells(at) {
    return this.cellsOf(this.row(at).column);
  }

  cellsOf(column) {
    this.decoded[column] ??= this.decode(this.columns[column]);
    return this.decoded[column];
  }

  decode(column) {
    const cells = new Uint8Array(this.height);
    let row = 0;
    let at = 0;
    while (at < column.length) {
      const cell = CELL_OF.get(column[at]);
      if (cell === undefined) throw new Error(`a column has the letter "${column[at]}", which is none`);
      at += 1;
      // By hand: there may be a hundred thousand of these, and a page opens at once.
      let times = 0;
      const start = at;
      for (; at < column.length; at += 1) {
        const digit = column.charCodeAt(at) - 48;
        if (digit < 0 || digit > 9) break;
        times = times * 10 + digit;
      }
      const end = row + (at === start ? 1 : times);
      cells.fill(cell, row, end);
      row = end;
    }
    return cells;
  }

  /** Where a row of the map lies: its memory, and the offset of its first byte. */
  place(row) {
    let first = 0;
    for (const [memory, { rows }] of this.memories.entries()) {
      if (row < first + rows) return { memory, offset: (row - first) * this.page };
      first += rows;
    }
    return { memory: 0, offset: 0 };
  }

  /** The row of the map that this place is in, or -1 where it is in none. */
  rowOf({ memory, offset }) {
    const before = this.memories.slice(0, memory).reduce((sum, { rows }) => sum + rows, 0);
    const row = Math.floor(offset / this.page);
    return row < (this.memories[memory]?.rows ?? 0) ? before + row : -1;
  }

  /** The cells of a request, as stretches of one memory that are alike. */
  runs(at) {
    const cells = this.cells(at);
    const runs = [];
    let row = 0;
    for (const [memory, { rows }] of this.memories.entries()) {
      const first = row;
      while (row < first + rows) {
        const start = row;
        while (row < first + rows && cells[row] === cells[start]) row += 1;
        runs.push({ memory, cell: cells[start], row: start, rows: row - start, offset: (start - first) * this.page });
      }
    }
    return runs;
  }

  /** In how many requests each cell occurs, and the first that has it. */
  occurrences() {
    const found = CELLS.map(() => ({ requests: 0, first: 0 }));
    for (let at = 0; at < this.count; at += 1) {
      const has = this.has[this.row(at).column];
      for (const [cell, one] of found.entries()) {
        if (!has[cell]) continue;
        if (one.requests === 0) one.first = this.number(at);
        one.requests += 1;
      }
    }
    return found;
  }
}
