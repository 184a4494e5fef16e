// One request: what it is called, its figures, and its memory.

function shapeOf(timeline, row) {
  return timeline.shapes[row.shape] ?? `number ${row.shape}`;
}

/** A request as it is told to those who listen. */
function sentence(timeline, at) {
  const row = timeline.row(at);
  const parts = [`Request ${count(timeline.number(at))}`, visible(shapeOf(timeline, row)).slice(0, 80), `ended ${ENDED[row.ended] ?? row.ended}`];
  if (row.used !== null) parts.push(`${size(row.used)} used`);
  parts.push(`${several(row.written, "page")} written`, row.left > 0 ? `${size(row.left)} left` : "nothing left");
  if (timeline.has[row.column][MARKER]) parts.push("a marker is left");
  return `${parts.join(", ")}.`;
}

function kindOf(timeline, at) {
  if (timeline.broken[at]) return "broken";
  if (timeline.number(at) <= timeline.warmUp) return "warm-up";
  return timeline.differs[at] ? "differs from the last of its shape" : "like the last of its shape";
}

/** The figures of a request. */
function showRequest(timeline, at) {
  const row = timeline.row(at);
  const number = timeline.number(at);
  byId("panel-title").textContent = `Request ${count(number)}`;
  byId("number").value = number;
  const tell = (bytes) => (bytes === null ? "not told" : size(bytes));
  const line = (name, ...what) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, ...what));
  const kind = kindOf(timeline, at);
  byId("figures").replaceChildren(
    line("shape", foreign(shapeOf(timeline, row))),
    line("ended", ENDED[row.ended] ?? row.ended),
    line("status", row.status === null ? "none" : String(row.status)),
    line("used", tell(row.used)),
    line("committed", tell(row.committed)),
    line("memory", size(row.memory)),
    line("written", several(row.written, "page")),
    line("left", row.left === 0 ? "nothing" : size(row.left)),
    line("this one", element("span", { class: kind === "broken" ? "word broken" : "" }, kind)),
  );
}

/** The column of a request, enlarged, and as a table; the legend counts its pages. */
function showColumn(timeline, at, colours, ratio) {
  const runs = timeline.runs(at);
  const pages = CELLS.map(() => 0);
  for (const { cell, rows } of runs) pages[cell] += rows;
  for (const [cell, shown] of byId("legend").querySelectorAll(".here").entries()) shown.textContent = count(pages[cell]);
  const isOneOfMany = timeline.memories.length > 1;
  byId("runs").replaceChildren(
    ...runs.map((run) => {
      const { key, name } = CELLS[run.cell];
      const from = isOneOfMany ? `${run.memory}: ${address(run.offset)}` : address(run.offset);
      const attributes = { class: run.cell >= DIRTY ? "grave" : "" };
      return element("tr", attributes, element("th", { scope: "row" }, element("span", { class: `swatch ${key}` }), name), element("td", { class: "code" }, from), element("td", {}, size(run.rows * timeline.page)));
    }),
  );
  paintColumn(byId("column"), timeline, timeline.cells(at), colours, ratio);
}

/** As far as this request touched memory. */
function paintColumn(canvas, timeline, cells, colours, ratio) {
  const [width, height] = [44, 320];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  const layout = layOut(timeline, timeline.crop(cells), height, ratio);
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0; y < canvas.height; y += 1) {
    let worst = -1;
    for (let row = layout.from[y]; row >= 0 && row < layout.to[y]; row += 1) worst = Math.max(worst, cells[row]);
    if (worst < 0) continue;
    for (let x = 0; x < canvas.width; x += 1) {
      pixels[y * canvas.width + x] = isHatch(worst, x, y, ratio) ? colours.hatches[worst] : colours.cells[worst];
    }
  }
  context.putImageData(image, 0, 0);
}
