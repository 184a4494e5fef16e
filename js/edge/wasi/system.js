// What Rust's standard library for `wasm32-wasip2` wants of a system: there are no
// files, arguments and variables, time does not wait, and what is written to stdout and
// stderr goes to the console.

import { InputStream, OutputStream } from './streams.js';

/** `crypto` gives so many bytes at a time. */
const AT_ONCE = 65536;

/** A stream that logs each line. */
function logging(log) {
  const decoder = new TextDecoder();
  let line = '';
  return new OutputStream((bytes) => {
    const lines = (line + decoder.decode(bytes, { stream: true })).split('\n');
    line = lines.pop();
    for (const one of lines) log(one);
  });
}

function randomBytes(length) {
  const bytes = new Uint8Array(Number(length));
  for (let at = 0; at < bytes.length; at += AT_ONCE) crypto.getRandomValues(bytes.subarray(at, at + AT_ONCE));
  return bytes;
}

const randomU64 = () => crypto.getRandomValues(new BigUint64Array(1))[0];

function waits() {
  throw new Error('the component waits for time to pass, which a call of JavaScript cannot');
}

function exit() {
  throw new Error('the component ended itself');
}

const none = () => undefined;

const stdout = logging((line) => console.log(line));
const stderr = logging((line) => console.error(line));

export const SYSTEM = {
  'wasi:cli/environment': { getEnvironment: () => [], getArguments: () => [], initialCwd: none },
  'wasi:cli/exit': { exit, exitWithCode: exit },
  'wasi:cli/stdin': { getStdin: () => new InputStream(new Uint8Array()) },
  'wasi:cli/stdout': { getStdout: () => stdout },
  'wasi:cli/stderr': { getStderr: () => stderr },
  'wasi:cli/terminal-input': { TerminalInput: class {} },
  'wasi:cli/terminal-output': { TerminalOutput: class {} },
  'wasi:cli/terminal-stdin': { getTerminalStdin: none },
  'wasi:cli/terminal-stdout': { getTerminalStdout: none },
  'wasi:cli/terminal-stderr': { getTerminalStderr: none },
  'wasi:clocks/monotonic-clock': {
    now: () => BigInt(Math.round(performance.now() * 1e6)),
    resolution: () => 1_000_000n,
    subscribeDuration: waits,
    subscribeInstant: waits,
  },
  'wasi:clocks/wall-clock': {
    now() {
      const now = Date.now();
      return { seconds: BigInt(Math.floor(now / 1000)), nanoseconds: (now % 1000) * 1_000_000 };
    },
    resolution: () => ({ seconds: 0n, nanoseconds: 1_000_000 }),
  },
  'wasi:random/random': { getRandomBytes: randomBytes, getRandomU64: randomU64 },
  'wasi:random/insecure': { getInsecureRandomBytes: randomBytes, getInsecureRandomU64: randomU64 },
  'wasi:random/insecure-seed': { insecureSeed: () => [randomU64(), randomU64()] },
  'wasi:filesystem/preopens': { getDirectories: () => [] },
  // Nobody has one of these where no directory is open.
  'wasi:filesystem/types': { Descriptor: class {}, DirectoryEntryStream: class {}, filesystemErrorCode: none },
};
