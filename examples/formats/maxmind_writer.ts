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
const MARKER = Buffer.concat([Uint8Array.of(0xab, 0xcd, 0xef), Buffer.from("MaxMind.com")]);
const TYPES = { string: 2, double: 3, uint16: 5, uint32: 6, map: 7, uint64: 9, array: 11 } as const;

const encoder = new TextEncoder();

/** Begins a value: its type and size, in three bits and five; what doesn't fit into them follows. */
function begin(out: number[], type: number, size: number): void {
  if (size >= 285) throw new RangeError(`values of size ${size} aren't written here`);
  const low = Math.min(size, 29);
  if (type > 7) out.push(low, type - 7);
  else out.push((type << 5) | low);
  if (size >= 29) out.push(size - 29);
}

function append(out: number[], type: number, bytes: Uint8Array): void {
  begin(out, type, bytes.length);
  out.push(...bytes);
}

/** The first number of a typed array. The format is big-endian, processors aren't. */
function bigEndian(
  { buffer, byteOffset, BYTES_PER_ELEMENT }: Uint16Array | Uint32Array | BigUint64Array | Float64Array,
): Uint8Array {
  return new Uint8Array(buffer, byteOffset, BYTES_PER_ELEMENT).slice().reverse();
}

function encode(out: number[], entry: Entry): void {
  if (typeof entry === "string") append(out, TYPES.string, encoder.encode(entry));
  else if (typeof entry === "number") append(out, TYPES.double, bigEndian(Float64Array.of(entry)));
  else if (entry instanceof Uint16Array) append(out, TYPES.uint16, bigEndian(entry));
  else if (entry instanceof Uint32Array) append(out, TYPES.uint32, bigEndian(entry));
  else if (entry instanceof BigUint64Array) append(out, TYPES.uint64, bigEndian(entry));
  else if (entry instanceof Array) {
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

function encoded(entry: Entry): Uint8Array {
  const out: number[] = [];
  encode(out, entry);
  return Uint8Array.from(out);
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
  const entries = networks.map(({ entry }) => encoded(entry));
  const places: number[] = [];
  let end = count + SEPARATOR; // a record beyond the nodes' numbers tells where an entry is
  for (const entry of entries) {
    places.push(end);
    end += entry.length;
  }
  const records = Buffer.alloc(4 * nodes.length);
  for (const [index, record] of nodes.entries()) {
    const written = record === 0 ? count : record > 0 ? record : places[-1 - record] ?? count;
    records.writeUInt32BE(written, 4 * index);
  }
  const metadata = encoded({
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
  writeFileSync(path, Buffer.concat([records, Buffer.alloc(SEPARATOR), ...entries, MARKER, metadata]));
}
