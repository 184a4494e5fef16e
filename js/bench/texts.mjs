// Texts in the shapes in which programs have them: V8 keeps each in another way.

const WORDS = 'lavender fields in the evening light of late July, and a train that is on time; ';
const FRENCH = 'été à la lavande, près de Sénanque : des allées bien rangées, et partout le même violet. ';

const filled = (words, length) => flat(words.repeat(Math.ceil(length / words.length)).slice(0, length));

/** One piece of memory, with one byte for a character: joined pieces and slices refer to others. */
const flat = (text) => Buffer.from(text, 'latin1').toString('latin1');

/**
 * Functions from the number of an operation to a text of `length` characters. Those of
 * the last two shapes are new each time, as they are where a program has just made them:
 * reading a rope once makes it flat.
 */
export function shapes(length) {
  const ascii = filled(WORDS, length);
  const latin = filled(FRENCH, length);
  const half = filled(WORDS, Math.ceil(length / 2));
  const halves = Array.from({ length: 16 }, (_, index) => filled(WORDS.slice(index), Math.floor(length / 2)));
  const document = flat(JSON.stringify({ title: 'lavender', text: filled(WORDS, length + 64), read: true }));
  const start = document.indexOf(WORDS.slice(0, 8));
  return [
    { shape: 'ASCII', text: () => ascii },
    { shape: 'Latin-1', text: () => latin },
    { shape: 'rope', text: (i) => half + halves[i & 15] },
    { shape: 'slice of JSON', text: (i) => document.slice(start + (i & 15), start + (i & 15) + length) },
  ];
}
