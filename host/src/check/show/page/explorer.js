// The map and the curves as one thing to explore: which requests are in view, which
// one is selected, and every way to change either.

const LEAST_SPAN = 12;
/** As wide as the paper is drawn, whatever the window has. */
const PAPER = { width: 1040, ratio: 2, tallest: 240 };

/** Makes a picture of what was drawn: Chromium prints a canvas that has nothing but
 *  strokes as strokes, a little smaller than it is. */
function flatten(context) {
  const { width, height } = context.canvas;
  context.putImageData(context.getImageData(0, 0, width, height), 0, 0);
}

class Explorer {
  constructor(timeline, say) {
    this.timeline = timeline;
    this.say = say;
    this.view = { from: 0, to: timeline.count };
    this.selected = 0;
    this.row = 0;
    this.hidden = new Set();
    this.most = peaks(timeline);
    this.occurrences = timeline.occurrences();
    this.isPrinting = false;
    this.frame = 0;
  }

  /** Everything that is drawn once, and the first picture. */
  start(first) {
    this.describe();
    this.buildLegend();
    this.buildSwitches();
    byId("number").min = this.timeline.number(0);
    byId("number").max = this.timeline.number(this.timeline.count - 1);
    this.listen();
    this.selected = first;
    this.readColours();
    this.draw();
    this.showSelected();
  }

  describe() {
    const { timeline, occurrences } = this;
    const { length } = timeline.memories;
    const parts = [
      `${several(timeline.count, "request")}, ${several(timeline.height, "row")} of ${size(timeline.page)}` +
        (length > 1 ? ` in ${count(length)} memories.` : "."),
    ];
    if (timeline.warmUp > 0) parts.push(`The first ${count(timeline.warmUp)} are the warm-up, and are underlined.`);
    for (const [cell, words] of [[MARKER, "A marker is left"], [DIRTY, "Memory is not as before"]]) {
      const { requests, first } = occurrences[cell];
      if (requests > 0) parts.push(`${words} after ${several(requests, "request")}, first after request ${count(first)}.`);
    }
    if (occurrences[MARKER].requests + occurrences[DIRTY].requests === 0) parts.push("Nothing is left after any of them.");
    for (const [memory, { rows }] of timeline.memories.entries()) {
      const shown = timeline.shown[memory];
      if (shown === rows) continue;
      const where = length > 1 ? ` of memory ${memory}` : "";
      parts.push(`The last ${size((rows - shown) * timeline.page)}${where} are never touched and not drawn.`);
    }
    byId("summary").textContent = parts.join(" ");
  }

  buildLegend() {
    for (const [cell, { key, name }] of CELLS.entries()) {
      const pages = element("span", { class: "here" });
      const { requests } = this.occurrences[cell];
      const all = element("span", { class: "all" }, requests === 0 ? "in none" : requests === this.timeline.count ? "in all" : `in ${count(requests)}`);
      const item = element("li", { class: requests === 0 ? "absent" : "" }, element("span", { class: `swatch ${key}` }), element("span", { class: "name" }, name), pages, all);
      byId("legend").append(item);
    }
  }

  buildSwitches() {
    for (const curve of CURVES) {
      const isTold = this.most.get(curve.key) !== null;
      const box = element("input", { type: "checkbox", checked: isTold, disabled: !isTold });
      if (!isTold) this.hidden.add(curve.key);
      box.addEventListener("change", () => {
        if (box.checked) this.hidden.delete(curve.key);
        else this.hidden.add(curve.key);
        this.draw();
      });
      const note = isTold ? `: ${curve.what}` : ": the guest does not tell";
      byId("switches").append(element("label", {}, box, element("span", {}, curve.name, element("small", {}, note))));
    }
  }

  /** Colours are those of the style sheet, so that dark, light and paper are told
   *  apart in one place. */
  readColours() {
    const word = (channels) => ((255 << 24) | (channels[2] << 16) | (channels[1] << 8) | channels[0]) >>> 0;
    const probe = byId("foot").appendChild(element("i", { hidden: true }));
    const read = (variable) => {
      probe.style.color = `var(--${variable})`;
      return getComputedStyle(probe).color;
    };
    const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number);
    const names = CELLS.map(({ key }) => read(`cell-${key}`));
    const hatches = CELLS.map(({ key }, cell) => (cell >= DIRTY ? read(`hatch-${key}`) : read(`cell-${key}`)));
    this.colours = {
      names,
      cells: names.map((name) => word(channels(name))),
      hatches: hatches.map((name) => word(channels(name))),
      bad: read("bad"),
      calm: read("calm"),
    };
    this.inks = { ink: read("ink"), soft: read("soft"), strong: read("strong"), accent: read("accent"), paper: read("paper"), strip: read("strip") };
    this.inks.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    probe.remove();
  }

  /** A canvas of this size in CSS pixels, ready to be drawn on in these. */
  context(canvas, width, height) {
    canvas.width = Math.round(width * this.ratio);
    canvas.height = Math.round(height * this.ratio);
    canvas.style.height = this.isPrinting ? "auto" : `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(this.ratio, this.ratio);
    return context;
  }

  draw() {
    this.frame = 0;
    const { timeline } = this;
    this.width = this.isPrinting ? PAPER.width : Math.floor(byId("map-box").clientWidth);
    this.ratio = this.isPrinting ? PAPER.ratio : window.devicePixelRatio || 1;
    if (this.width <= GUTTER) return;
    const tallest = this.isPrinting ? PAPER.tallest : 440;
    this.height = Math.round(Math.max(200, Math.min(tallest, timeline.shown.reduce((sum, rows) => sum + rows, 0) * 14)) + (timeline.memories.length > 1 ? GAP * timeline.memories.length : 0));
    const view = this.isPrinting ? { from: 0, to: timeline.count } : this.view;
    this.layout = layOut(timeline, timeline.shown, this.height, this.ratio);
    const map = this.context(byId("map"), this.width, this.height + 28);
    paintCells(map, timeline, view, this.layout, this.colours, this.ratio);
    paintGrid(map, timeline, view, this.layout, this.width, this.inks);
    paintAddresses(map, timeline, this.layout, this.inks);
    paintRequests(map, timeline, view, this.height, this.width, this.inks);
    const shown = CURVES.filter(({ key }) => !this.hidden.has(key));
    const curves = this.context(byId("curves"), this.width, curvesHeight(shown));
    paintCurves(curves, timeline, view, shown, this.most, this.width, this.colours, this.inks, this.ratio);
    if (this.isPrinting) flatten(curves);
    const overview = this.context(byId("overview"), this.width, 14);
    overview.resetTransform();
    paintOverview(overview, timeline, this.colours, this.ratio);
    this.placeMarks();
  }

  /** Many events may come before the next picture; one picture is enough. */
  redraw() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  /** The share of the whole width, scale included, at which a request begins. */
  share(at, view = this.view) {
    return (GUTTER + ((at - view.from) / (view.to - view.from)) * (this.width - GUTTER)) / this.width;
  }

  placeMarks() {
    const { view, timeline } = this;
    const whole = { from: 0, to: timeline.count };
    const put = (mark, from, to, within) => {
      const left = Math.max(GUTTER / this.width, this.share(from, within));
      const right = Math.min(1, this.share(to, within));
      mark.style.left = `${left * 100}%`;
      mark.style.width = `${Math.max(0, right - left) * 100}%`;
      mark.hidden = right < left || left > 1;
    };
    put(byId("chosen"), this.selected, this.selected + 1, this.isPrinting ? whole : view);
    put(byId("window"), view.from, view.to, whole);
    byId("window").classList.toggle("everything", view.to - view.from >= timeline.count);
    const first = Math.min(timeline.count - 1, Math.floor(view.from));
    const last = Math.max(first, Math.min(timeline.count, Math.ceil(view.to)) - 1);
    byId("range").textContent = `requests ${count(timeline.number(first))} to ${count(timeline.number(last))}`;
  }

  /** Keeps the view within the requests, and no closer than can be looked at. */
  look(from, to) {
    const total = this.timeline.count;
    const span = Math.max(Math.min(LEAST_SPAN, total), Math.min(total, to - from));
    const start = Math.max(0, Math.min(total - span, from));
    this.view = { from: start, to: start + span };
    this.redraw();
  }

  /** Zooms, with the request at this point staying where it is. */
  zoom(factor, centre = this.selected + 0.5) {
    const { from, to } = this.view;
    const middle = centre < from || centre > to ? (from + to) / 2 : centre;
    const span = Math.max(Math.min(LEAST_SPAN, this.timeline.count), (to - from) * factor);
    const part = (middle - from) / (to - from);
    this.look(middle - part * span, middle + (1 - part) * span);
  }

  pan(part) {
    const step = (this.view.to - this.view.from) * part;
    this.look(this.view.from + step, this.view.to + step);
  }

  select(at) {
    this.selected = Math.max(0, Math.min(this.timeline.count - 1, at));
    const { from, to } = this.view;
    if (this.selected < from || this.selected + 1 > to) {
      const half = (to - from) / 2;
      this.look(this.selected - half, this.selected + half);
    }
    this.showSelected();
    this.say(sentence(this.timeline, this.selected));
  }

  /** Goes to the request with this number, and to a place in its memory where one is
   *  given. A long run does not show all requests, and the map not all of memory. */
  go(number, place) {
    const at = this.timeline.find(number);
    this.select(at);
    this.unhover();
    const row = place ? this.timeline.rowOf(place) : -1;
    const isDrawn = this.layout.bands.some((band) => band.row <= row && row < band.row + band.rows);
    if (isDrawn) this.point(row);
    if (this.timeline.number(at) !== number) this.say(`Request ${count(number)} is not shown. The nearest is this: ${sentence(this.timeline, at)}`);
  }

  /** The next request of which this holds; the first one again after the last. */
  next(holds) {
    const { count: total } = this.timeline;
    for (let step = 1; step <= total; step += 1) {
      const at = (this.selected + step) % total;
      if (holds[at]) return this.select(at);
    }
    return this.say("There is none.");
  }

  showSelected() {
    showRequest(this.timeline, this.selected);
    showColumn(this.timeline, this.selected, this.colours, this.ratio ?? 1);
    this.placeMarks();
  }

  cellText(at, row) {
    const { memory, offset } = this.timeline.place(row);
    const cell = CELLS[this.timeline.cells(at)[row]];
    const within = this.timeline.memories.length > 1 ? ` of memory ${memory}` : "";
    return [`request ${count(this.timeline.number(at))}`, `${cell.name}`, `${address(offset)} to ${address(offset + this.timeline.page - 1)}${within}`];
  }

  tip(lines, x, y) {
    const tip = byId("tip");
    tip.replaceChildren(...lines.map((line) => element("span", {}, line)));
    tip.hidden = false;
    const left = Math.max(0, Math.min(byId("plot").clientWidth - tip.offsetWidth, x + 16 + tip.offsetWidth > this.width ? x - tip.offsetWidth - 12 : x + 16));
    tip.style.left = `${left}px`;
    tip.style.top = `${byId("map-box").offsetTop + Math.max(0, y - tip.offsetHeight - 10)}px`;
  }

  unhover() {
    byId("tip").hidden = true;
    byId("pointed").hidden = true;
    byId("cell").hidden = true;
  }

  /** Moves along the selected request's pages, to be read out one by one. */
  walk(step) {
    const drawn = this.layout.bands.flatMap(({ row, rows }) => Array.from({ length: rows }, (_, at) => row + at));
    const before = Math.max(0, drawn.indexOf(this.row));
    this.point(drawn[Math.max(0, Math.min(drawn.length - 1, before + step))]);
  }

  /** Rings a page of the selected request, and tells what it is. */
  point(row) {
    this.row = row;
    const words = this.cellText(this.selected, this.row);
    const band = this.layout.bands.findLast((one) => one.row <= row);
    const y = band.top + ((row - band.row + 0.5) / band.rows) * band.tall;
    const x = this.share(this.selected + 0.5) * this.width;
    this.tip(words, x, y);
    const cell = byId("cell");
    cell.hidden = false;
    cell.style.left = `${x}px`;
    cell.style.top = `${y}px`;
    this.say(words.join(", "));
  }

  act(name) {
    const acts = {
      first: () => this.select(0),
      last: () => this.select(this.timeline.count - 1),
      back: () => this.select(this.selected - 1),
      on: () => this.select(this.selected + 1),
      differs: () => this.next(this.timeline.differs),
      broken: () => this.next(this.timeline.broken),
      "zoom-in": () => this.zoom(1 / 2),
      "zoom-out": () => this.zoom(2),
      "pan-back": () => this.pan(-1 / 4),
      "pan-on": () => this.pan(1 / 4),
      whole: () => this.look(0, this.timeline.count),
    };
    acts[name]();
  }

  /** Whether the key meant something here. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const onMap = event.target === byId("map-frame");
    const keys = {
      ArrowLeft: event.shiftKey ? "pan-back" : "back",
      ArrowRight: event.shiftKey ? "pan-on" : "on",
      Home: "first",
      End: "last",
      "+": "zoom-in",
      "=": "zoom-in",
      "-": "zoom-out",
      0: "whole",
      d: "differs",
      b: "broken",
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) this.act(act);
    else if (onMap && event.key === "ArrowDown") this.walk(1);
    else if (onMap && event.key === "ArrowUp") this.walk(-1);
    else if (onMap && event.key === "PageDown") this.walk(16);
    else if (onMap && event.key === "PageUp") this.walk(-16);
    else if (event.key === "Escape") this.unhover();
    else return false;
    return true;
  }

  listen() {
    for (const button of document.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.act(button.dataset.do));
    }
    byId("explorer").querySelector('[data-do="differs"]').disabled = !this.timeline.differs.includes(1);
    byId("explorer").querySelector('[data-do="broken"]').disabled = !this.timeline.broken.includes(1);
    byId("explorer").addEventListener("keydown", (event) => {
      // A table that scrolls and a field keep their own keys.
      if (event.target.closest("input, .runs, .long")) return;
      if (this.key(event)) event.preventDefault();
    });
    byId("number").addEventListener("change", (event) => {
      const wanted = event.target.valueAsNumber;
      if (Number.isFinite(wanted)) this.go(wanted);
      else this.showSelected();
    });
    listenToPointer(this, byId("map-box"));
    listenToOverview(this, byId("overview"));
    byId("map-frame").addEventListener("blur", () => this.unhover());
    new ResizeObserver(() => {
      if (!this.isPrinting && Math.floor(byId("map-box").clientWidth) !== this.width) this.redraw();
    }).observe(byId("map-box"));
  }

  /** On paper there is all of it, in light colours. */
  print(isPrinting) {
    if (this.isPrinting === isPrinting) return;
    this.isPrinting = isPrinting;
    // What the style sheet says of paper is not in force yet when it is announced.
    document.documentElement.toggleAttribute("data-printing", isPrinting);
    this.recolour();
  }

  recolour() {
    this.readColours();
    this.draw();
    this.showSelected();
  }
}
