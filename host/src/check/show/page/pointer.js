// The map under a mouse or a finger: what it points to, and what moves with it.

/** What is under a point of the map, or of the curves. */
function under(explorer, event) {
  const box = byId("map-box").getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  const part = (x - GUTTER) / (explorer.width - GUTTER);
  const exact = explorer.view.from + part * (explorer.view.to - explorer.view.from);
  const at = Math.max(0, Math.min(explorer.timeline.count - 1, Math.floor(exact)));
  return { x, y, part, exact, at, row: y < explorer.height ? rowAt(explorer.layout, y, explorer.ratio) : -1 };
}

function hover(explorer, event) {
  const { x, y, at, row, part } = under(explorer, event);
  const isOver = part >= 0 && part <= 1;
  byId("pointed").hidden = !isOver;
  if (!isOver) return explorer.unhover();
  byId("pointed").style.left = `${x}px`;
  if (row >= 0) return explorer.tip(explorer.cellText(at, row), x, y);
  const values = explorer.timeline.row(at);
  const told = CURVES.filter(({ key }) => !explorer.hidden.has(key) && values[key] !== null).map(({ key, name, unit }) => `${name} ${unit(values[key])}`);
  return explorer.tip([`request ${count(explorer.timeline.number(at))}`, ...told], x, y);
}

function listenToPointer(explorer, box) {
  let drag = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, view: explorer.view, isMoved: false };
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    if (drag === null) return hover(explorer, event);
    const moved = event.clientX - drag.x;
    if (Math.abs(moved) > 3) drag.isMoved = true;
    if (!drag.isMoved) return;
    const step = (moved / (explorer.width - GUTTER)) * (drag.view.to - drag.view.from);
    explorer.look(drag.view.from - step, drag.view.to - step);
  });
  box.addEventListener("pointerup", (event) => {
    const { at, part, row } = under(explorer, event);
    if (drag !== null && !drag.isMoved && part >= 0) {
      if (row >= 0) explorer.row = row;
      explorer.select(at);
    }
    drag = null;
  });
  box.addEventListener("pointercancel", () => (drag = null));
  box.addEventListener("pointerleave", () => explorer.unhover());
  box.addEventListener(
    "wheel",
    (event) => {
      const isWhole = explorer.view.to - explorer.view.from >= explorer.timeline.count;
      // Where there is nothing more to zoom out of, the page scrolls as usual.
      if (isWhole && (event.deltaY >= 0 || event.deltaX !== 0)) return;
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) explorer.pan(event.deltaX / explorer.width);
      else explorer.zoom(1.0025 ** Math.max(-400, Math.min(400, event.deltaY)), under(explorer, event).exact);
    },
    { passive: false },
  );
}

/** A press on the strip brings the view there; a drag takes it along. */
function listenToOverview(explorer, strip) {
  const go = (event) => {
    const box = strip.getBoundingClientRect();
    const at = ((event.clientX - box.left - GUTTER) / (explorer.width - GUTTER)) * explorer.timeline.count;
    const half = (explorer.view.to - explorer.view.from) / 2;
    explorer.look(at - half, at + half);
  };
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    go(event);
  });
  strip.addEventListener("pointermove", (event) => {
    if (strip.hasPointerCapture(event.pointerId)) go(event);
  });
}
