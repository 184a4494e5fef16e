// Strings: what is written is what UTF-8 is, in every shape that engines keep
// strings in.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Arena, Runtime } from '../dist/index.node.js';
import { limited } from './support/module.mjs';

const TEXTS = {
  empty: '',
  ASCII: 'lavender',
  'NUL and controls': 'a\0b\x01\x7f',
  'Latin-1': 'Café à la crème ÿ',
  'two bytes': 'λάβε Привет',
  'three bytes': '薰衣草 ราก \u2028',
  'four bytes': '😀🌿𝒳\u{10ffff}',
  'a byte order mark': '\ufeffmarked\ufeff',
  'noncharacters': '\ufffe\uffff\ufffd',
  'ASCII and then not': `${'a'.repeat(5000)}é`,
  'not and then ASCII': `é${'a'.repeat(5000)}`,
  'much of three bytes': '薰'.repeat(20_000),
  'a megabyte of ASCII': 'lavender'.repeat(131_072),
  'a megabyte of Latin-1': 'lavénder'.repeat(131_072),
  'a megabyte of pairs': '😀'.repeat(524_288),
};

/** The same text in other shapes: joined lazily, cut out of another, from bytes. */
function shapes(text) {
  let rope = '';
  for (let at = 0; at < Math.min(text.length, 3000); at += 1) rope += text[at];
  rope += text.slice(3000);
  return [text, rope, `#${text}#`.slice(1, -1), JSON.parse(JSON.stringify(text)), Buffer.from(text).toString()];
}

test('every text comes back, and takes what its UTF-8 takes', () => {
  const arena = new Arena(Runtime.create());
  for (const [name, text] of Object.entries(TEXTS)) {
    const expected = Buffer.from(text);
    for (const shape of shapes(text)) {
      arena.reset();
      const span = arena.strdup(shape);
      assert.equal(span.byteLength, expected.length, name);
      assert.ok(expected.equals(span.view()), name);
      assert.equal(span.text(), text, name);
      assert.equal(arena.used, Math.ceil(expected.length / 8) * 8, `${name}: the rest of the room was not taken back`);
    }
  }
});

test('texts of every length around what is short come back', () => {
  const arena = new Arena(Runtime.create());
  for (const character of ['a', 'é', '薰', '😀']) {
    for (let length = 0; length <= 70; length += 1) {
      for (const text of [character.repeat(length), `${'a'.repeat(length)}${character}`]) {
        arena.reset();
        // What the longer one before has left must not show.
        const span = arena.strdup(text);
        assert.equal(span.text(), text);
        assert.equal(arena.used, Math.ceil(Buffer.byteLength(text) / 8) * 8, text);
      }
    }
  }
});

test('a short text after the memory has grown goes where it was allocated', () => {
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  const first = arena.strdup('before');
  const before = runtime.memoryBytes;
  arena.alloc(1 << 20).view().fill(0x2e);
  assert.ok(runtime.memoryBytes > before);
  const second = arena.strdup('after');
  assert.deepEqual([first.text(), second.text()], ['before', 'after']);
  assert.equal(Buffer.from(first.copy()).toString(), 'before');
});

test('strndup cut at each byte never parts a character', () => {
  const arena = new Arena(Runtime.create());
  for (const text of ['lavender', 'aé薰😀z', '😀😀', 'é', '薰é', 'ascii 薰', 'ÿÿÿÿ', '\ufeff\ufeffx']) {
    const characters = [...text];
    for (let most = 0; most <= Buffer.byteLength(text) + 3; most += 1) {
      let expected = '';
      for (const character of characters) {
        if (Buffer.byteLength(expected + character) > most) break;
        expected += character;
      }
      arena.reset();
      const span = arena.strndup(text, most);
      assert.equal(span.text(), expected, `${text} at ${most}`);
      assert.equal(span.byteLength, Buffer.byteLength(expected));
      assert.equal(arena.used, Math.ceil(span.byteLength / 8) * 8);
    }
  }
});

test('strndup of much takes only what it keeps', () => {
  const arena = new Arena(Runtime.create());
  const span = arena.strndup('薰'.repeat(1_000_000), 100);
  assert.equal(span.text(), '薰'.repeat(33));
  assert.equal(arena.usage().committed, 65_536);
  assert.equal(arena.strndup('lavender', 2 ** 31 - 1).text(), 'lavender');
  assert.equal(arena.strndup('lavénder', 2 ** 31 - 1).text(), 'lavénder');
});

test('neighbours are left alone', () => {
  const arena = new Arena(Runtime.create());
  const kept = [];
  for (let round = 0; round < 300; round += 1) {
    for (const text of ['é', 'ascii', '薰😀', `${'x'.repeat(round)}é`]) {
      kept.push([arena.strdup(text), text]);
      kept.push([arena.strndup(text + text, round), null]);
    }
  }
  for (const [span, text] of kept) if (text !== null) assert.equal(span.text(), text);
});

test('a text that fits exactly is taken, although the room for the worst case is not there', () => {
  const runtime = Runtime.create({ module: limited(2) });
  const arena = new Arena(runtime);
  const fill = arena.alloc(8);
  const { free } = arena.usage();
  assert.ok(fill !== null && free > 10_000);
  // Leaves room for 1,000 bytes, where 1,500 might be needed.
  assert.ok(arena.alloc(free - 1000) !== null);
  const text = 'é'.repeat(500);
  assert.equal(arena.strdup(text).text(), text);
  assert.equal(arena.usage().free, 0);
  assert.equal(arena.strdup('é'), null);
});
