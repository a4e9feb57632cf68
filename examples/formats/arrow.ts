// A row of an Arrow file, by the package apache-arrow. The columns of its table are the file's own pages: nothing is copied,
// and of a large file only what is looked at is ever read.
//
//     node examples/formats/arrow.ts
//     bun examples/formats/arrow.ts --size 512
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/formats/arrow.ts table.arrow 12
//
// In C: mmap, and pointers to the buffers that the file's footer names. An Arrow file is laid out for this: a column of numbers
// is an array as it would be in memory, and begins at a multiple of 8 or 64 bytes.
//
// Without FILE it makes one. Exit code: 0; 2 if the file is no Arrow file, or something else went wrong.
import { writeFileSync } from "node:fs";
import {
  Dictionary,
  Int8,
  makeVector,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { program } from "./beside_read.ts";

const CITIES = ["Lima", "Oslo", "Rome"];
const ROW_SIZE = 4 + 8 + 1;

function write(path: string, size: number): void {
  const rows = Math.floor(size / ROW_SIZE);
  const cities = makeVector({
    type: new Dictionary(new Utf8(), new Int8()),
    data: new Int8Array(rows).map((_, row) => row % CITIES.length),
    dictionary: vectorFromArray(CITIES, new Utf8()),
  });
  const table = new Table({
    id: makeVector(new Int32Array(rows).map((_, row) => row)),
    temperature: makeVector(new Float64Array(rows).map((_, row) => (row % 800) / 16 - 20)),
    city: cities,
  });
  writeFileSync(path, tableToIPC(table, "file"));
}

function answer(bytes: Uint8Array<ArrayBuffer>, [wanted]: readonly string[]): string {
  const table = tableFromIPC(bytes);
  const row = wanted === undefined ? Math.floor(table.numRows / 2) : Number(wanted);
  const found = table.get(row);
  if (found === null) throw new RangeError(`there is no row ${row}: the table has ${table.numRows}`);
  // A column's numbers are the file's own bytes if they lie in the same buffer.
  const inPlace = table.schema.fields.filter(({ name }) =>
    table.getChild(name)?.data.every(({ values }) => values?.buffer === bytes.buffer)
  );
  return `row ${row} of ${table.numRows}: ${found}\n` +
    `not copied: ${inPlace.map(({ name, type }) => `${name} (${type})`).join(", ")}`;
}

await program({ name: "arrow.ts", query: "[ROW]", size: 128, write, answer });
