// Puts the page together from the data that is embedded in it.

let live = 0;

/** Says it to those who listen to the page. Steps may come faster than speech, and
 *  only the last one is worth saying. */
function say(text) {
  clearTimeout(live);
  live = setTimeout(() => (byId("live").textContent = text), 80);
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A button that names what it would change to. */
function switchTheme(recolour) {
  const button = byId("theme");
  const name = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Show in ${isDark() ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    name();
    recolour();
  });
  name();
}

/** On paper all evidence is open; afterwards it is as it was. */
function listenToPrinting(explorer) {
  let closed = [];
  const print = (isPrinting) => {
    if (isPrinting) closed = [...document.querySelectorAll("#evidence details:not([open])")];
    for (const details of closed) details.open = isPrinting;
    if (!isPrinting) closed = [];
    explorer?.print(isPrinting);
  };
  const media = matchMedia("print");
  media.addEventListener("change", () => print(media.matches));
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
}

function explore(timeline, report) {
  const explorer = new Explorer(timeline, say);
  const culprit = firstBroken(report)?.culprit;
  const named = culprit?.owed_by ?? culprit?.written_by ?? culprit?.requests[0];
  const broken = timeline.broken.indexOf(1);
  if (named !== undefined) explorer.start(timeline.find(named));
  else explorer.start(broken >= 0 ? broken : timeline.warm());
  return explorer;
}

function show() {
  const source = byId("data").textContent;
  const { report, timeline: raw } = JSON.parse(source);
  const timeline = new Timeline(raw, report);
  let explorer = null;
  const go = (number, place) => {
    if (explorer === null) return;
    byId("explorer").scrollIntoView({ block: "start" });
    byId("map-frame").focus({ preventScroll: true });
    explorer.go(number, place);
  };
  showVerdict(report, seedOf(source));
  showFirst(report, go, say);
  showEvidence(report, go, say);
  showFigures(report.figures);
  if (timeline.isDrawn) explorer = explore(timeline, report);
  else byId("explorer").replaceChildren(element("p", { class: "card" }, "This report has no map: no request was recorded."));
  switchTheme(() => explorer?.recolour());
  listenToPrinting(explorer);
}

try {
  show();
} catch (error) {
  byId("failure").hidden = false;
  byId("failure").textContent = `This page cannot be shown: ${error.message}. Write it again with "lavandula check --html"; if that gives the same, it is a fault of lavandula and worth a report.`;
  throw error;
} finally {
  window.lavandulaReady = performance.now();
  performance.mark("lavandula-ready");
}
