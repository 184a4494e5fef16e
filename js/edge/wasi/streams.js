// `wasi:io` over bytes that are here already: nothing ever waits.
//
// A component of WASI 0.2 blocks where it reads, and JavaScript cannot wait inside of
// a call. So a body is had whole before the component is entered, and what it writes
// is kept until it has returned.

/** What a function whose WIT says `result` throws: jco makes its payload the error. */
export class Refusal extends Error {
  constructor(payload) {
    super(`refused: ${payload?.tag ?? payload}`);
    this.payload = payload;
  }
}

const closed = () => new Refusal({ tag: 'closed' });

/** How much a component may write at a time. */
const PERMIT = 64n * 1024n;

/** `wasi:io/error`: never made, since nothing fails here but what traps. */
export class IoError {
  toDebugString() {
    return 'there are no such errors here';
  }
}

/** `wasi:io/poll`: what it stands for is always there. */
export class Pollable {
  ready() {
    return true;
  }

  block() {}
}

export const poll = (pollables) => pollables.map((_, index) => index);

export class InputStream {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  read(length) {
    const left = this.#bytes.length - this.#at;
    if (left === 0) throw closed();
    // The length is a u64.
    const now = length < BigInt(left) ? Number(length) : left;
    this.#at += now;
    return this.#bytes.subarray(this.#at - now, this.#at);
  }

  blockingRead(length) {
    return this.read(length);
  }

  skip(length) {
    return BigInt(this.read(length).length);
  }

  blockingSkip(length) {
    return this.skip(length);
  }

  subscribe() {
    return new Pollable();
  }
}

export class OutputStream {
  #write;

  /** @param write takes the bytes. They are its own: jco copies what a component passes */
  constructor(write) {
    this.#write = write;
  }

  checkWrite() {
    return PERMIT;
  }

  write(bytes) {
    this.#write(bytes);
  }

  blockingWriteAndFlush(bytes) {
    this.write(bytes);
  }

  writeZeroes(length) {
    this.#write(new Uint8Array(Number(length)));
  }

  blockingWriteZeroesAndFlush(length) {
    this.writeZeroes(length);
  }

  splice(from, length) {
    const bytes = from.read(length < PERMIT ? length : PERMIT);
    this.write(bytes);
    return BigInt(bytes.length);
  }

  blockingSplice(from, length) {
    return this.splice(from, length);
  }

  flush() {}

  blockingFlush() {}

  subscribe() {
    return new Pollable();
  }
}
