// The figures of an arena, as both kinds of instances give them.

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
