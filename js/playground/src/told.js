// What was called and what came of it, and the allocations that can be read again.

import { address, byId, count, element } from './words.js';

/** Acts that are shown. */
const MOST = 6;

const NAMES = { done: 'done', null: 'null', refused: 'refused', stale: 'stale', trap: 'trap' };

/** Puts the newest act on top; one like the last replaces it, as typing makes many. */
export function tell({ code, result, kind }, { isTyping = false } = {}) {
  const list = byId('told');
  const entry = element('li', { class: kind }, element('span', { class: 'kind' }, NAMES[kind]), element('code', {}, code), element('span', { class: 'result' }, result));
  entry.dataset.typed = String(isTyping);
  const newest = list.firstElementChild;
  if (isTyping && newest?.dataset.typed === 'true') newest.replaceWith(entry);
  else list.prepend(entry);
  while (list.childElementCount > MOST) list.lastElementChild.remove();
}

/** The last allocations, each with a button that reads its span. */
export function drawKept(kept, read) {
  byId('kept').replaceChildren(
    ...kept.map((one) => {
      const state = stateOf(one.span);
      const button = element('button', { type: 'button', 'aria-label': `Read the span of ${one.code}` }, 'Read');
      button.addEventListener('click', () => read(one));
      return element(
        'tr',
        { class: state },
        element('td', {}, element('code', {}, one.code)),
        element('td', { class: 'number' }, element('code', {}, address(one.from))),
        element('td', { class: 'number' }, count(one.length)),
        element('td', {}, state === 'live' ? 'live' : `stale: ${state}`),
        element('td', {}, button),
      );
    }),
  );
  byId('no-kept').hidden = kept.length > 0;
}

/** `'live'`, or why it is stale. */
function stateOf(span) {
  try {
    return span.byteOffset >= 0 ? 'live' : '';
  } catch (error) {
    return error.reason;
  }
}
