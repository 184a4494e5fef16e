// Runs entries of the guest: a line `ENTRY REPEATS` in, a line `ELAPSED OPERATIONS`
// out, in nanoseconds. Each run has an instance of its own.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const path = process.argv[1];
const module = new WebAssembly.Module(readFileSync(path));
let complaint = '';

function instantiate() {
  const { exports } = new WebAssembly.Instance(module, {
    bench: {
      now: () => performance.now() * 1e6,
      complain: (at, len) => {
        complaint = Buffer.from(exports.memory.buffer, at, len).toString();
      },
    },
  });
  return exports;
}

process.stdout.write(`${process.versions.node} (V8 ${process.versions.v8})\n`);

let runs = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [entry, repeats] = line.split(' ').map(Number);
  try {
    const guest = instantiate();
    const elapsed = guest.run(entry, repeats);
    process.stdout.write(`${elapsed} ${guest.operations()}\n`);
  } catch (error) {
    process.stdout.write(`failed: ${complaint || error.message.replaceAll('\n', ' ')}\n`);
  }
  // Memories are given back by the collector, which sees only their handles.
  if (++runs % 8 === 0) globalThis.gc();
}
