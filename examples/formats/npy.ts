// Elements of a NumPy array in a .npy file. The array is the file's own pages: of a large one, only what is looked at is
// ever read.
//
//     node examples/formats/npy.ts
//     bun examples/formats/npy.ts --size 512
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/formats/npy.ts array.npy 3 1
//
// In Python: numpy.load("array.npy", mmap_mode="r")[3, 1]. In C: mmap, and a pointer behind the header.
//
// A .npy file is a magic number, a header, which is a dictionary in Python's own notation, and the elements; NumPy fills the
// header up with spaces, so that they begin at a multiple of 64 bytes.
//
// Without FILE it makes one. Exit code: 0; 2 if the file is no .npy, or something else went wrong.
import { MappedRegion } from "../../mod.ts";
import { program } from "./beside_read.ts";

const MAGIC = Buffer.from("\x93NUMPY", "latin1");
/** NumPy's names for numbers: little-endian (or of one byte, where there is no order), kind, size. */
const TYPES = {
  "|b1": Uint8Array, // 0 or 1
  "|i1": Int8Array,
  "|u1": Uint8Array,
  "<i2": Int16Array,
  "<u2": Uint16Array,
  "<i4": Int32Array,
  "<u4": Uint32Array,
  "<i8": BigInt64Array,
  "<u8": BigUint64Array,
  "<f2": Float16Array,
  "<f4": Float32Array,
  "<f8": Float64Array,
} as const;
const COLUMNS = 16;

function write(path: string, size: number): void {
  const rows = Math.floor(size / 8 / COLUMNS);
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${rows}, ${COLUMNS}), }`;
  const start = Math.ceil((10 + header.length + 1) / 64) * 64;
  const length = start + 8 * rows * COLUMNS;
  using file = MappedRegion.open(path, { access: "read-write", create: true, size: length });
  file.write(0, MAGIC);
  file.write(6, Uint8Array.of(1, 0)); // version 1.0
  file.cursor(8).writeU16(start - 10);
  file.write(10, `${header.padEnd(start - 11)}\n`);
  const elements = file.array(Float64Array, start);
  for (let index = 0; index < elements.length; index++) elements[index] = index / 2;
}

interface Header {
  readonly type: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin, in bytes. */
  readonly start: number;
}

function parse(bytes: Uint8Array<ArrayBuffer>): Header {
  if (bytes.length < 12 || !MAGIC.equals(bytes.subarray(0, 6))) throw new TypeError("this is no .npy file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = (bytes[6] ?? 0) > 1; // from version 2.0 on the header's length has four bytes
  const begin = long ? 12 : 10;
  const start = begin + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const text = new TextDecoder().decode(bytes.slice(begin, start));
  const [, type] = /'descr': *'([^']*)'/.exec(text) ?? [];
  const [, order] = /'fortran_order': *(True|False)/.exec(text) ?? [];
  const [, shape] = /'shape': *\(([\d, ]*)\)/.exec(text) ?? [];
  if (type === undefined || order === undefined || shape === undefined) {
    throw new TypeError(`a header that isn't understood here: ${text.trim()}`);
  }
  const lengths = shape.split(",").filter((part) => part.trim() !== "").map(Number);
  return { type, fortran: order === "True", shape: lengths, start };
}

function answer(bytes: Uint8Array<ArrayBuffer>, query: readonly string[]): string {
  const { type, fortran, shape, start } = parse(bytes);
  if (!Object.hasOwn(TYPES, type)) throw new TypeError(`there is no typed array for elements '${type}'`);
  const TypedArray = TYPES[type as keyof typeof TYPES];
  const count = shape.reduce((product, length) => product * length, 1);
  const elements = new TypedArray(bytes.buffer, bytes.byteOffset + start, count);

  const indices = query.length > 0 ? query.map(Number) : shape.map((length) => Math.floor(length / 2));
  if (
    indices.length !== shape.length ||
    indices.some((index, axis) => !Number.isInteger(index) || index < 0 || index >= (shape[axis] ?? 0))
  ) {
    throw new RangeError(`there is no element [${indices.join(", ")}]: the shape is (${shape.join(", ")})`);
  }
  // In C's order the last index moves fastest, in Fortran's the first.
  const axes = shape.map((length, axis) => ({ length, index: indices[axis] ?? 0 }));
  if (fortran) axes.reverse();
  const place = axes.reduce((sum, { length, index }) => sum * length + index, 0);
  return `${type} (${shape.join(", ")}), ${fortran ? "Fortran's" : "C's"} order; ` +
    `[${indices.join(", ")}] is ${elements[place]}`;
}

await program({ name: "npy.ts", query: "[INDEX…]", size: 128, write, answer });
