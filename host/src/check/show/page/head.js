// What the report says in words: the verdict, the evidence, the figures of the run.

/** The seed as it is written: it has 64 bits, and a number of JavaScript has 53. A
 *  quote inside a text is escaped, so this finds the key and nothing else. */
function seedOf(source) {
  return source.match(/"seed":(\d+)/)?.[1] ?? "?";
}

function showVerdict(report, seed) {
  const isBroken = report.verdict === "broken";
  document.documentElement.dataset.verdict = report.verdict;
  byId("verdict").textContent = report.verdict;
  byId("shape").setAttribute("href", isBroken ? "#shape-broken" : "#shape-holds");
  const name = report.component ?? "a component without a name";
  byId("component").append(foreign(name));
  document.title = `${report.verdict} · ${visible(name).slice(0, 80)} · memory check`;
  byId("facts").append(
    fact("requests", count(report.requests)),
    fact("door", report.door),
    fact("isolation", report.isolation),
    ...overlapped(report),
    fact("seed", seed),
    fact("memory at the end", size(report.memory)),
  );
  byId("foot").textContent = `lavandula ${visible(report.lavandula)}, report format ${report.format}`;
}

/** How requests overlapped, where they did. */
function overlapped({ overlap }) {
  if (overlap == null) return [];
  const { at_a_time: asked, in_flight: seen } = overlap;
  return [fact("at a time", `${count(asked)}, ${count(seen)} in flight together`)];
}

/** Something that one can go to on the map. */
function link(text, go) {
  const button = element("button", { type: "button", class: "link" }, text);
  button.addEventListener("click", go);
  return button;
}

/** Copies where the browser lets a page do so by itself, and else by a selection. */
async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(from);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return document.execCommand("copy");
  }
}

function replay(command, say) {
  const code = element("code", { tabindex: "0", role: "group", "aria-label": "The command" }, visible(command));
  const button = element("button", { type: "button", class: "copy", "aria-label": "Copy the command" }, "Copy");
  button.addEventListener("click", async () => {
    const isCopied = await copy(command, code);
    button.textContent = isCopied ? "Copied" : "Selected";
    say(isCopied ? "The command is copied." : "The command is selected: copy it with the keyboard.");
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return element("div", { class: "replay" }, code, button);
}

/** Where to look: the place, who wrote it, who should have taken it away. */
function culprit(found, go, say) {
  const facts = element("dl", { class: "facts culprit" });
  const request = (number) => link(`request ${count(number)}`, () => go(number));
  if (found.place) {
    const { memory, offset, region, symbol } = found.place;
    const number = found.owed_by ?? found.written_by ?? found.requests[0];
    const where = number === undefined ? element("span", {}, address(offset)) : link(address(offset), () => go(number, found.place));
    where.classList.add("code");
    facts.append(fact("place", where, `, ${region} of memory ${memory}`));
    if (symbol !== null) facts.append(fact("static", foreign(symbol, "code")));
  }
  if (found.written_by !== null) facts.append(fact("written by", request(found.written_by)));
  if (found.owed_by !== null) facts.append(fact("should be gone after", request(found.owed_by)));
  if (found.requests.length > 0) {
    const shown = found.requests.slice(0, 12).flatMap((number, at) => (at > 0 ? [", ", request(number)] : [request(number)]));
    const more = found.requests.length - 12;
    facts.append(fact("shown by", ...shown, more > 0 ? ` and ${several(more, "more request")}` : ""));
  }
  const parts = [facts];
  if (found.replay !== null) parts.push(element("p", { class: "label" }, "Send just these again"), replay(found.replay, say));
  return parts;
}

/** The evidence to begin with: one that tells the place, if any does. */
function firstBroken(report) {
  const broken = report.evidence.filter((evidence) => !evidence.holds);
  return broken.find((evidence) => evidence.culprit?.place) ?? broken.find((evidence) => evidence.culprit) ?? broken[0];
}

function showFirst(report, go, say) {
  const first = firstBroken(report);
  if (!first) return;
  byId("first").hidden = false;
  byId("first-body").append(element("p", { class: "lead" }, element("strong", {}, first.name), " ", foreign(first.detail)));
  if (first.culprit) byId("first-body").append(...culprit(first.culprit, go, say));
}

/** All kinds; those that do not hold come first, and are open. */
function showEvidence(report, go, say) {
  const ordered = [...report.evidence].sort((one, other) => Number(one.holds) - Number(other.holds));
  for (const evidence of ordered) {
    const word = evidence.holds ? "holds" : "broken";
    const summary = element(
      "summary",
      {},
      drawing(`shape-${word}`, `mark ${word}`),
      element("span", { class: "kind" }, evidence.name),
      element("span", { class: `word ${word}` }, word),
      element("bdi", { class: "glance" }, visible(evidence.detail).slice(0, 240)),
    );
    const facts = element("dl", { class: "facts wide" }, fact("expected", evidence.expected), fact("measured", foreign(evidence.detail)));
    const details = element("details", { open: !evidence.holds, "data-kind": evidence.name }, summary, facts);
    if (evidence.culprit) details.append(...culprit(evidence.culprit, go, say));
    byId("evidence").append(details);
  }
}

function showFigures(figures) {
  const tell = (bytes) => (bytes === null ? "not told" : size(bytes));
  byId("run").append(
    fact("component", size(figures.component)),
    fact("memory at first", size(figures.memory_initial)),
    fact("memory at most", size(figures.memory_peak)),
    fact("grown after the warm-up", size(figures.memory_grown)),
    fact("arena, most used", tell(figures.arena_peak)),
    fact("arena, in the end", tell(figures.arena_committed)),
    fact("pages of a request, at most", count(figures.pages_of_a_request)),
    fact("pages of all requests", count(figures.pages_of_all)),
    fact("left by a request at most", size(figures.bytes_left)),
  );
}
