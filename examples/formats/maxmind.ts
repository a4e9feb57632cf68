// Looks addresses up in a MaxMind database (GeoLite2, DB-IP and their like), by the package mmdb-lib. It follows a tree in the
// file's own pages: a lookup reads a few of them, where a program that loads the database reads all of it first.
//
//     node examples/formats/maxmind.ts
//     bun examples/formats/maxmind.ts GeoLite2-City.mmdb 1.1.1.1 2606:4700::1111
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/formats/maxmind.ts GeoLite2-City.mmdb 1.1.1.1
//
// In C, by libmaxminddb: MMDB_open(path, MMDB_MODE_MMAP, &db), MMDB_lookup_string.
//
// Without FILE it makes a database of invented places for all addresses of IPv4.
// Exit code: 0; 2 if the file is no such database, or something else went wrong.
import { Reader, type Response } from "mmdb-lib";
import { program } from "./beside_read.ts";
import { MARKER, writeMaxMind } from "./maxmind_writer.ts";

const CITIES = ["Lima", "Oslo", "Rome", "Suva"];
/** What a network takes: its entry and its part of the tree, in bytes. */
const NETWORK_SIZE = 105;

/** Metadata is at the end of a database, and takes no more than so many bytes. */
const METADATA = 2 ** 17;

function write(path: string, size: number): void {
  const bits = Math.round(Math.log2(size / NETWORK_SIZE));
  const networks = Array.from({ length: 2 ** bits }, (_, index) => ({
    address: index * 2 ** (32 - bits),
    prefix: bits,
    entry: {
      city: { geoname_id: Uint32Array.of(index), names: { en: CITIES[index % CITIES.length] ?? "" } },
      location: { latitude: index % 180 - 89.5, longitude: index % 360 - 179.5 },
    },
  }));
  writeMaxMind(path, "Sample-City", networks);
}

function answer(bytes: Uint8Array<ArrayBuffer>, query: readonly string[]): string {
  // The package wants a Buffer: this one is a view of the same memory.
  const database = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!database.subarray(-METADATA).includes(MARKER)) throw new TypeError("this is no MaxMind database");
  const reader = new Reader<Response>(database);
  const { databaseType, nodeCount } = reader.metadata;
  const addresses = query.length > 0 ? query : ["1.1.1.1", "192.0.2.77"];
  const found = addresses.map((address) => {
    const [entry, prefix] = reader.getWithPrefixLength(address);
    return `${address}/${prefix}: ${entry === null ? "nothing is known" : JSON.stringify(entry)}`;
  });
  return [`${databaseType}, a tree of ${nodeCount} nodes`, ...found].join("\n");
}

await program({ name: "maxmind.ts", query: "[ADDRESS…]", size: 16, write, answer });
