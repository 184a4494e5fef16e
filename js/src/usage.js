// The figures of an arena, as both kinds of instances give them, and its blocks.

/** In the order of the words in memory; they mean what the WIT says. */
const FIGURES = [
  'used',
  'totalAllocated',
  'peakUsed',
  'committed',
  'tailWaste',
  'free',
  'overhead',
  'blocks',
  'resets',
  'grows',
];

/** Stands for "no budget". */
const NO_BUDGET = 0xffff_ffff;

/** Reads them at an address. */
export function usageAt(buffer, at) {
  const words = new DataView(buffer, at, (FIGURES.length + 1) * 4);
  const usage = {};
  FIGURES.forEach((name, index) => {
    usage[name] = words.getUint32(index * 4, true);
  });
  const budget = words.getUint32(FIGURES.length * 4, true);
  usage.budget = budget === NO_BUDGET ? null : budget;
  return usage;
}

/** Reads pairs of an address and a length up to the one of zeros. */
export function blocksAt(buffer, at) {
  const words = new DataView(buffer);
  const blocks = [];
  for (let pair = at; words.getUint32(pair + 4, true) !== 0; pair += 8) {
    blocks.push({ byteOffset: words.getUint32(pair, true), byteLength: words.getUint32(pair + 4, true) });
  }
  return blocks;
}
