// The curves under the map: each on a strip and a scale of its own, since a request's
// few kilobytes would be a flat line beside a memory of megabytes.

const CURVES = [
  { key: "used", name: "used", what: "used of the arena", unit: size },
  { key: "committed", name: "committed", what: "what the arena has", unit: size },
  { key: "memory", name: "memory", what: "all memories", unit: size },
  { key: "written", name: "written", what: "pages of 4 KiB written", unit: (pages) => count(pages) },
  { key: "left", name: "left", what: "bytes left behind", unit: size },
];
const STRIP = 58;
const BETWEEN = 12;

/** The most of each figure in any request, or null where no request tells it. */
function peaks(timeline) {
  const most = (key) => {
    let found = null;
    for (const row of timeline.rows) if (row[key] !== null && (found === null || row[key] > found)) found = row[key];
    return found;
  };
  return new Map(CURVES.map(({ key }) => [key, most(key)]));
}

/** A round figure at or above the most: a power of two for bytes, of ten else. */
function ceiling(curve, most) {
  if (most <= 0) return 1;
  if (curve.unit !== size) return decimalStep(most, 1);
  const power = 2 ** Math.floor(Math.log2(most));
  return [1, 1.25, 1.5, 1.75, 2].map((times) => times * power).find((top) => top >= most);
}

function curvesHeight(shown) {
  return Math.max(1, shown.length * (STRIP + BETWEEN));
}

/** Where a pixel stands for many requests, the line is the most of them, and what is
 *  between the least and the most is shaded. */
function paintCurves(context, timeline, view, shown, most, width, colours, inks, ratio) {
  const columns = Math.round((width - GUTTER) * ratio);
  for (const [index, curve] of shown.entries()) {
    const top = index * (STRIP + BETWEEN) + BETWEEN;
    const bottom = top + STRIP;
    const peak = most.get(curve.key);
    const scale = peak === null ? 1 : ceiling(curve, peak);
    const y = (value) => bottom - (value / scale) * (STRIP - 4);
    context.fillStyle = inks.strip;
    context.fillRect(GUTTER, top, width - GUTTER, STRIP);
    context.font = inks.font;
    context.textAlign = "right";
    context.textBaseline = "top";
    context.fillStyle = inks.ink;
    context.fillText(curve.name, GUTTER - 10, top + 18);
    context.fillStyle = inks.soft;
    if (peak === null) {
      context.textAlign = "left";
      context.textBaseline = "middle";
      context.fillText("the guest does not tell", GUTTER + 10, top + STRIP / 2);
      continue;
    }
    if (peak > 0) context.fillText(curve.unit(scale), GUTTER - 10, top);
    context.textBaseline = "bottom";
    context.fillText("0", GUTTER - 10, bottom + 2);
    const isBad = curve.key === "left" && peak > 0;
    const line = isBad ? colours.names[DIRTY] : inks.accent;
    let before = null;
    for (let x = 0; x < columns; x += 1) {
      const [first, last] = requestsAt(view, x, columns, timeline.count);
      let low = Infinity;
      let high = -Infinity;
      for (let at = first; at < last; at += 1) {
        const value = timeline.row(at)[curve.key];
        if (value === null) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (high < low) {
        before = null;
        continue;
      }
      const left = GUTTER + x / ratio;
      const fill = (from, to, strength) => {
        context.globalAlpha = strength;
        context.fillRect(left, y(to), 1 / ratio, y(from) - y(to));
      };
      const thin = (0.75 * scale) / (STRIP - 4);
      context.fillStyle = line;
      fill(0, low, 0.14);
      fill(low, high, last - first > 1 ? 0.4 : 0.14);
      // Up or down from where the pixel before ended, so that the line has no gaps.
      const from = before === null ? high : before;
      fill(Math.min(from, high) - thin, Math.max(from, high) + thin, 1);
      if (low < high) fill(low - thin, low + thin, 0.7);
      context.globalAlpha = 1;
      before = high;
    }
    context.fillStyle = inks.strong;
    context.fillRect(GUTTER, bottom, width - GUTTER, 1);
  }
}
