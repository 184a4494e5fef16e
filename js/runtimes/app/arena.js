// An arena's way from a text to a stale span, told in JSON. What of it is right is
// for scenario.mjs to say, which does not run here.

export const TEXT = 'Lavendel blüht 🌿';

export async function roundTrip({ init, Arena, Runtime }) {
  // Nothing to do where the module is at hand.
  await init();
  const runtime = Runtime.create();
  const arena = new Arena(runtime);
  const span = arena.strdup(TEXT);
  const told = {
    text: span.text(),
    bytes: Array.from(span.view()),
    used: arena.used,
    memoryBytes: runtime.memoryBytes,
    firstAt: span.byteOffset,
  };
  arena.reset();
  told.usedAfterReset = arena.used;
  told.stale = thrownBy(() => span.view());
  told.secondAt = arena.alloc(8).byteOffset;
  arena.free();
  told.freed = thrownBy(() => arena.alloc(8));
  runtime.recycle();
  told.memoryBytesAfterRecycle = runtime.memoryBytes;
  return told;
}

function thrownBy(use) {
  try {
    return { returned: String(use()) };
  } catch (error) {
    return { name: error.name, reason: error.reason, isTypeError: error instanceof TypeError };
  }
}
