// What numbers and bytes of the table mean. As in tests/arena_cases/table.rs.

/** A size: a number, or `max`, the largest one, divided or with a number more or less. */
export function sizeOf(size, max) {
  if (typeof size === 'number') return size;
  const parts = /^max(?: \/ (\d+))?( [+-] \d+)?$/.exec(size);
  if (parts === null) throw new Error(`${JSON.stringify(size)} is no size: say \`max / 8 + 2\``);
  const [, by = '1', more = ''] = parts;
  return Math.floor(max / Number(by)) + signed(more);
}

/** A sum such as `name + 8`, with what the name stands for. */
export function sumOf(words, valueOf) {
  const parts = /^(\S+)( [+-] \d+)?$/.exec(words);
  if (parts === null) throw new Error(`${JSON.stringify(words)} is no sum: say \`name + 8\``);
  const [, name, more = ''] = parts;
  const value = valueOf(name);
  if (typeof value !== 'number') throw new Error(`nothing was noted as ${name}`);
  return value + signed(more);
}

const signed = (more) => Number(more.replaceAll(' ', ''));

/** Bytes, or text as UTF-8. */
export function bytesOf(content) {
  if (content.byte !== undefined) return Buffer.alloc(content.times, content.byte);
  if (content.counting !== undefined) return Buffer.from([...Array(content.counting).keys()]);
  return Buffer.from(textOf(content));
}

export function textOf(content) {
  return typeof content === 'string' ? content : content.text.repeat(content.times);
}
