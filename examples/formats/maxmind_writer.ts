/**
 * Writes MaxMind databases, as far as a sample needs it: https://maxmind.github.io/MaxMind-DB/
 *
 * A database is a binary tree, in which the bits of an address lead to an entry; 16 zeros; the entries; and metadata.
 *
 * @module
 */
import { writeFileSync } from "node:fs";

/** What an entry can be made of here. A number is stored as a double, an element of a typed array as what it is. */
export type Entry =
  | string
  | number
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[]
  | { readonly [name: string]: Entry };

/** A network of IPv4, and what is known of it. */
export interface Network {
  /** Its first address, as a number. */
  readonly address: number;
  /** How many bits all of its addresses have in common. */
  readonly prefix: number;
  /** What a lookup finds. */
  readonly entry: Entry;
}

const SEPARATOR = 16;
/** The metadata of a database follows on this. */
export const MARKER: Uint8Array = Buffer.concat([
  Uint8Array.of(0xab, 0xcd, 0xef),
  Buffer.from("MaxMind.com"),
]);
const TYPES = { string: 2, double: 3, uint16: 5, uint32: 6, map: 7, uint64: 9, array: 11 } as const;

/** Bytes, to which more are added. The format is big-endian. */
class Bytes {
  #bytes = Buffer.alloc(2 ** 16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** All that were added. */
  get all(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room for so many more; returns where they begin. */
  #grow(count: number): number {
    const begin = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], 2 * this.#length);
    return begin;
  }

  add(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  addByte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  addUint16(value: number): void {
    const at = this.#grow(2);
    this.#bytes.writeUInt16BE(value, at);
  }

  addUint32(value: number): void {
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(value, at);
  }

  addUint64(value: bigint): void {
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64BE(value, at);
  }

  addDouble(value: number): void {
    const at = this.#grow(8);
    this.#bytes.writeDoubleBE(value, at);
  }
}

/** Begins a value: its type and size, in three bits and five; what doesn't fit into them follows. */
function begin(out: Bytes, type: number, size: number): void {
  if (size >= 285) throw new RangeError(`values of size ${size} aren't written here`);
  const low = Math.min(size, 29);
  out.addByte(type > 7 ? low : (type << 5) | low);
  if (type > 7) out.addByte(type - 7);
  if (size >= 29) out.addByte(size - 29);
}

function encode(out: Bytes, entry: Entry): void {
  if (typeof entry === "string") {
    const text = Buffer.from(entry);
    begin(out, TYPES.string, text.length);
    out.add(text);
  } else if (typeof entry === "number") {
    begin(out, TYPES.double, 8);
    out.addDouble(entry);
  } else if (entry instanceof Uint16Array) {
    begin(out, TYPES.uint16, 2);
    out.addUint16(entry[0] ?? 0);
  } else if (entry instanceof Uint32Array) {
    begin(out, TYPES.uint32, 4);
    out.addUint32(entry[0] ?? 0);
  } else if (entry instanceof BigUint64Array) {
    begin(out, TYPES.uint64, 8);
    out.addUint64(entry[0] ?? 0n);
  } else if (entry instanceof Array) {
    begin(out, TYPES.array, entry.length);
    for (const each of entry) encode(out, each);
  } else {
    const fields = Object.entries(entry);
    begin(out, TYPES.map, fields.length);
    for (const [name, each] of fields) {
      encode(out, name);
      encode(out, each);
    }
  }
}

/**
 * The tree: nodes of two records, one to follow for a bit of 0 and one for 1. Here, a record is another node's number, or minus
 * (1 + a network's), or 0 for nothing, since nothing leads back to the first node.
 */
function tree(networks: readonly Network[]): number[] {
  const nodes = [0, 0];
  for (const [index, { address, prefix }] of networks.entries()) {
    let node = 0;
    for (let bit = 0; bit < prefix; bit++) {
      const record = 2 * node + ((address >>> (31 - bit)) & 1);
      if (bit === prefix - 1) {
        nodes[record] = -1 - index;
      } else if (nodes[record] === 0) {
        nodes[record] = nodes.length / 2;
        nodes.push(0, 0);
      }
      node = nodes[record] ?? 0;
    }
  }
  return nodes;
}

/** Writes a database of networks, none of which lies within another. */
export function writeMaxMind(path: string, type: string, networks: readonly Network[]): void {
  const nodes = tree(networks);
  const count = nodes.length / 2;
  const entries = new Bytes();
  const places: number[] = []; // a record beyond the nodes' numbers tells where an entry is
  for (const { entry } of networks) {
    places.push(count + SEPARATOR + entries.length);
    encode(entries, entry);
  }
  const records = new Bytes();
  for (const record of nodes) {
    records.addUint32(record === 0 ? count : record > 0 ? record : places[-1 - record] ?? count);
  }
  const metadata = new Bytes();
  encode(metadata, {
    binary_format_major_version: Uint16Array.of(2),
    binary_format_minor_version: Uint16Array.of(0),
    build_epoch: BigUint64Array.of(1_700_000_000n),
    database_type: type,
    description: { en: "a sample" },
    ip_version: Uint16Array.of(4),
    languages: ["en"],
    node_count: Uint32Array.of(count),
    record_size: Uint16Array.of(32),
  });
  writeFileSync(
    path,
    Buffer.concat([records.all, Buffer.alloc(SEPARATOR), entries.all, MARKER, metadata.all]),
  );
}
