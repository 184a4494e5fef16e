// What TypeScript makes of the types of `lavandula`: each line is right as it is, or
// marked as an error that has to be one. Compiled, never run.

import { Arena, Runtime, Span, StaleError, init, initSync } from 'lavandula';
import type { Usage } from 'lavandula';
import * as inline from 'lavandula/inline';
import * as slim from 'lavandula/slim';

declare const module: WebAssembly.Module;

export async function ready(): Promise<void> {
  await init();
  await slim.init(fetch('/core_bg.wasm'));
  initSync(module);
  const sameClass: typeof slim.Arena = inline.Arena;
  void sameClass;
}

export function work(): number {
  using arena = new Arena();
  using large = Arena.withBlockSize(1 << 20, Runtime.shared);
  const span: Span | null = arena.alloc(100);
  // @ts-expect-error There may be no memory.
  arena.alloc(100).view();
  if (span === null) return 0;
  const bytes: Uint8Array = span.view();
  const kept: Uint8Array = span.copy();
  const text: string = span.text();
  const figures: Usage = large.usage();
  // @ts-expect-error Figures are to be read.
  figures.used = 0;
  const budget: number | null = figures.budget;
  // @ts-expect-error Sizes are numbers.
  arena.alloc('12');
  // @ts-expect-error And no bigints.
  arena.calloc(1n, 8);
  // @ts-expect-error Spans are made by arenas.
  new Span();
  // @ts-expect-error Runtimes are made by Runtime.create().
  new Runtime();
  arena.reset();
  return bytes.length + kept.length + text.length + (budget ?? 0);
}

export function bounded(): string {
  const runtime = Runtime.create({ module, recycleAboveBytes: 1 << 20 });
  // @ts-expect-error There is no such option.
  Runtime.create({ recycleAbove: 1 });
  try {
    const length: number = runtime.withArena((arena) => arena.strndup('lavender', 4)?.byteLength ?? 0);
    return String(length);
  } catch (error) {
    if (error instanceof StaleError) {
      const reason: 'reset' | 'freed' | 'recycled' | 'trap' = error.reason;
      return reason;
    }
    throw error;
  } finally {
    runtime.recycle();
  }
}
