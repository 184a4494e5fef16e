// A span: bytes that an arena handed out, for as long as they are handed out.

/** Known to the package only: nobody else can make a span. */
export const key = Symbol('Span');

// A byte order mark is a character like any other: what comes back is what was
// put in.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export class Span {
  #lifetime;
  #at;
  #length;

  constructor(mark, lifetime, at, length) {
    if (mark !== key) throw new TypeError('a Span is made by an Arena: alloc(), calloc(), strdup(), strndup()');
    this.#lifetime = lifetime;
    this.#at = at;
    this.#length = length;
  }

  /** Where the bytes are in linear memory. */
  get byteOffset() {
    this.#lifetime.enter('span');
    return this.#at;
  }

  get byteLength() {
    return this.#length;
  }

  /**
   * The bytes themselves, not a copy: good until the next call of this package
   * that may take memory, and until the next await. To be asked for again then.
   */
  view() {
    return new Uint8Array(this.#lifetime.enter('span').buffer, this.#at, this.#length);
  }

  /** A copy, to keep. */
  copy() {
    const { bytes } = this.#lifetime.enter('span');
    return bytes.slice(this.#at, this.#at + this.#length);
  }

  /** The bytes as UTF-8. What is no UTF-8 becomes U+FFFD. */
  text() {
    return decoder.decode(this.view());
  }
}
