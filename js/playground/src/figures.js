// The figures of the arena, as `usage()` has them, and the sum that they make.

import { byId, count, element, size } from './words.js';

/** What is shown, in this order, and what it means. */
const FIGURES = [
  ['used', 'handed out since the last reset'],
  ['peakUsed', 'the largest used between the last two resets, or since the last one where that is larger'],
  ['free', 'can be handed out without another page'],
  ['tailWaste', 'unused ends of blocks that are full'],
  ['overhead', 'headers of blocks'],
  ['committed', 'memory of all blocks'],
  ['totalAllocated', 'what all blocks can hold'],
  ['blocks', 'how many there are'],
  ['grows', 'times that pages were taken'],
  ['resets', 'times that all was taken back'],
];

/** What `committed` consists of. */
const PARTS = ['used', 'tailWaste', 'free', 'overhead'];

export function drawFigures({ usage, memoryBytes, pieces }) {
  const list = byId('figures');
  if (list.childElementCount === 0) list.append(...FIGURES.map(([name, what]) => figure(name, what)), figure('memoryBytes', 'linear memory of the runtime: it never shrinks, only recycle() gives it back'));
  for (const [name] of FIGURES) byId(`figure-${name}`).textContent = count(usage[name]);
  byId('figure-memoryBytes').textContent = count(memoryBytes);
  drawSum(usage);
  // The arena hands out multiples of 8.
  const drawn = pieces.reduce((sum, { from, to }) => sum + Math.ceil((to - from) / 8) * 8, 0);
  byId('foreign').hidden = drawn === usage.used;
  byId('foreign').textContent = `The map shows ${count(drawn)} bytes in ${count(pieces.length)} pieces, and the arena has handed out ${count(usage.used)}: the rest was allocated elsewhere, as in the console.`;
}

function figure(name, what) {
  return element('div', {}, element('dt', {}, element('code', {}, name)), element('dd', { id: `figure-${name}` }), element('p', {}, what));
}

/** `committed = used + tailWaste + free + overhead`, as lengths and as numbers. */
function drawSum(usage) {
  const whole = usage.committed || 1;
  for (const name of PARTS) byId(`part-${name}`).style.width = `${(usage[name] / whole) * 100}%`;
  byId('peak').style.left = `${Math.min(100, (usage.peakUsed / whole) * 100)}%`;
  byId('peak').hidden = usage.peakUsed === 0;
  byId('sum').textContent = `${count(usage.committed)} = ${PARTS.map((name) => count(usage[name])).join(' + ')}`;
  byId('bar').setAttribute('aria-label', `Of ${size(usage.committed)} committed, ${PARTS.map((name) => `${size(usage[name])} are ${name}`).join(', ')}. The peak is ${size(usage.peakUsed)}.`);
}
