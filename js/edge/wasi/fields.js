// `fields` of `wasi:http/types`: headers as a component sees and makes them.

import { CONNECTION, NAME } from '../../src/response.js';
import { Refusal } from './streams.js';

/** Whether a value holds a control character that no header may. */
const isForbidden = (byte) => (byte < 0x20 && byte !== 0x09) || byte === 0x7f;

const refused = (tag) => new Refusal({ tag });

export class Fields {
  /** Names in lower case, and values, in the order in which they came. */
  #entries = [];
  #isImmutable = false;

  static fromList(entries) {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }

  /** Those of a request or a response of JavaScript. */
  static fromHeaders(headers) {
    const fields = new Fields();
    // Each character is a byte.
    const bytes = (value) => Uint8Array.from(value, (character) => character.charCodeAt(0));
    // What came of the connection, such as its host, is there to be read.
    fields.#entries = [...headers].map(([name, value]) => [name, bytes(value)]);
    return fields.freeze();
  }

  /** From here on it is somebody else's too. */
  freeze() {
    this.#isImmutable = true;
    return this;
  }

  get(name) {
    return this.#entries.filter(([one]) => one === name.toLowerCase()).map(([, value]) => value);
  }

  has(name) {
    return this.get(name).length > 0;
  }

  set(name, values) {
    this.delete(name);
    for (const value of values) this.append(name, value);
  }

  delete(name) {
    this.#check(name, []);
    this.#entries = this.#entries.filter(([one]) => one !== name.toLowerCase());
  }

  append(name, value) {
    this.#check(name, value);
    this.#entries.push([name.toLowerCase(), value]);
  }

  entries() {
    return this.#entries.map(([name, value]) => [name, value]);
  }

  clone() {
    return Fields.fromList(this.#entries.filter(([name]) => !CONNECTION.has(name)));
  }

  #check(name, value) {
    if (this.#isImmutable) throw refused('immutable');
    if (!NAME.test(name) || value.some(isForbidden)) throw refused('invalid-syntax');
    if (CONNECTION.has(name.toLowerCase())) throw refused('forbidden');
  }
}
