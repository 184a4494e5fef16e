// Puts the page together: what is typed, dropped and pressed goes to the stage, and
// all that is shown is what the stage then sees.

import { CloseUp } from './closeup.js';
import { compare, drawRow } from './compare.js';
import { drawFigures } from './figures.js';
import { addressAt, drawMap } from './map.js';
import { PAGE, ground, prepare } from './module.js';
import { Stage } from './stage.js';
import { drawKept, tell } from './told.js';
import { address, byId, count, several, size } from './words.js';

let stage;
const closeUp = new CloseUp();
const narrow = matchMedia('(max-width: 560px)');
/** What was seen last, and where it is drawn. */
let seen;
let layout;
let live = 0;

/** Says it to those who listen to the page: the last of many, once they have settled. */
function say(text) {
  clearTimeout(live);
  live = setTimeout(() => (byId('live').textContent = text), 120);
}

function draw() {
  seen = stage.look();
  closeUp.fit(narrow.matches);
  closeUp.draw(seen);
  layout = drawMap(seen, { from: closeUp.from, to: closeUp.to });
  drawFigures(seen);
  drawKept(stage.kept, (kept) => show(stage.reread(kept)));
  byId('uncrowd').disabled = !stage.isCrowded;
  byId('state').textContent = stateOf(seen);
  byId('state').className = seen.isPoisoned ? 'summary trap' : 'summary';
  const slider = byId('place');
  slider.setAttribute('aria-valuemin', ground);
  slider.setAttribute('aria-valuemax', layout.end - 1);
  slider.setAttribute('aria-valuenow', Math.max(ground, closeUp.from));
  slider.setAttribute('aria-valuetext', `${address(closeUp.from)}, ${byId('bytes').getAttribute('aria-label')}`);
}

function stateOf({ memoryBytes, isPoisoned, usage, cursor, blocks, memory }) {
  if (isPoisoned) return 'The instance trapped and was dropped. The next call begins with a fresh one.';
  if (memoryBytes === 0) return 'There is no instance, and no memory. The next call makes one.';
  if (memory === null) return `There is no arena. The runtime has ${size(memoryBytes)} of memory, free for the next one.`;
  if (blocks.length === 0) return 'The arena has no block yet: it takes one when something is allocated.';
  const where = cursor === null ? '' : ` The next allocation begins at ${address(cursor)}.`;
  return `${several(usage.blocks, 'block')}, ${count(usage.used)} of ${several(usage.totalAllocated, 'byte')} handed out.${where}`;
}

/** Shows what came of an act. */
function show(outcome, { isTyping = false } = {}) {
  tell(outcome, { isTyping });
  seen = stage.look();
  closeUp.fit(narrow.matches);
  closeUp.follow({ to: null, first: null, ...outcome }, seen.cursor);
  draw();
  say(`${outcome.code}: ${outcome.result}`);
}

function layOutText() {
  const isReset = byId('each-resets').checked;
  show(stage.write(byId('text').value, { isReset }), { isTyping: true });
}

async function readFiles(files) {
  for (const file of files) show(await stage.read(file));
}

/** What is in the field, as a program might pass it: a number where it is one. */
function bytesGiven() {
  const { value } = byId('amount');
  return value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value);
}

const ACTS = {
  alloc: () => stage.alloc(bytesGiven()),
  calloc: () => stage.calloc(bytesGiven()),
  fill: () => stage.fill(),
  crowd: () => stage.crowd(),
  uncrowd: () => stage.uncrowd(),
  reset: () => stage.reset(),
  free: () => stage.free(),
  recycle: () => stage.recycle(),
  stray: () => stage.stray(),
};

function listen() {
  for (const [name, act] of Object.entries(ACTS)) byId(name).addEventListener('click', () => show(act()));
  byId('amount').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') show(ACTS.alloc());
  });
  byId('text').addEventListener('input', layOutText);
  byId('room').addEventListener('change', async () => show(await stage.setRoom(Number(byId('room').value))));
  byId('file').addEventListener('change', async (event) => {
    const files = [...event.target.files];
    // The same file may be chosen once more.
    event.target.value = '';
    await readFiles(files);
  });
  byId('compare').addEventListener('click', measure);
  narrow.addEventListener('change', draw);
  new ResizeObserver(draw).observe(byId('map'));
  listenToDrops();
  listenToPlaces();
}

/** Files may be dropped anywhere: what misses a small target would leave the page. */
function listenToDrops() {
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.dataset.drop = '';
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) delete document.body.dataset.drop;
  });
  addEventListener('drop', (event) => {
    delete document.body.dataset.drop;
    if (!hasFiles(event)) return;
    event.preventDefault();
    readFiles([...event.dataTransfer.files]);
  });
}

function listenToPlaces() {
  const go = (at) => {
    closeUp.move(Math.max(ground, Math.min(layout.end - closeUp.bytes, at)));
    draw();
  };
  byId('place').addEventListener('keydown', (event) => {
    const { key } = event;
    const { columns, from, bytes } = closeUp;
    const steps = { ArrowDown: columns, ArrowRight: columns, ArrowUp: -columns, ArrowLeft: -columns, PageDown: PAGE, PageUp: -PAGE };
    if (key in steps) go(from + steps[key]);
    else if (key === 'Home') go(seen.blocks[0]?.from ?? ground);
    else if (key === 'End') go((seen.cursor ?? ground) - bytes / 2);
    else return;
    event.preventDefault();
  });
  byId('map').addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    byId('map').setPointerCapture(event.pointerId);
    go(pointed(event));
  });
  byId('map').addEventListener('pointermove', (event) => {
    if (byId('map').hasPointerCapture(event.pointerId)) go(pointed(event));
  });
}

function pointed(event) {
  const box = byId('map').getBoundingClientRect();
  return addressAt(layout, event.clientX - box.left, event.clientY - box.top);
}

async function measure() {
  const button = byId('compare');
  button.disabled = true;
  button.textContent = 'Measuring';
  byId('compared').replaceChildren();
  byId('comparison').hidden = false;
  try {
    await compare(drawRow);
    const rows = [...byId('compared').children];
    const wins = (name) => rows.filter(({ className }) => className === name).length;
    byId('summary').textContent = `Plain JavaScript is faster at ${wins('plain')} of ${rows.length}, the arena at ${wins('arena')}, and ${wins('alike')} are about the same.`;
    say(byId('summary').textContent);
  } finally {
    button.disabled = false;
    button.textContent = 'Measure again';
  }
}

/** A button that names what it would change to. */
function switchTheme() {
  const button = byId('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const recolour = () => {
    button.textContent = isDark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Show in ${isDark() ? 'light' : 'dark'} colours`);
    draw();
  };
  button.addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    recolour();
  });
  system.addEventListener('change', recolour);
  recolour();
}

async function start() {
  await prepare();
  stage = await Stage.withRoom(Number(byId('room').value));
  layOutText();
  switchTheme();
  listen();
  // For the console. What is allocated there is seen at the next act.
  globalThis.playground = stage;
  document.documentElement.dataset.ready = '';
}

function fail(error) {
  byId('failure').hidden = false;
  byId('failure').textContent = `Something here went wrong: ${error?.message ?? error}. Load the page anew in a browser of the last two years; if it is the same then, it is a fault of lavandula and worth a report.`;
}

addEventListener('error', ({ error }) => fail(error));
addEventListener('unhandledrejection', ({ reason }) => fail(reason));
await start();
