// Prints the bytes of a file, from an offset on: hexdump -vC.
//
//     node examples/hexdump.ts examples/access.log 100 64
//     bun examples/hexdump.ts examples/access.log
//     deno run --allow-ffi --allow-read examples/hexdump.ts examples/access.log
//
// In C: mmap, and a loop over the bytes. Rows are put together as bytes, in a block that has everything that is the same in
// each row from the start: spaces, bars and newlines.
//
// Exit code: 0, or 2 if something went wrong.
import { Buffer } from "node:buffer";
import process from "node:process";
import { MappedRegion } from "../mod.ts";
import { progress, simpleCommand, wholeNumber } from "./command.ts";
import { Output } from "./output.ts";

const WIDTH = 16; // bytes in a row
const ROWS = 4096; // that are printed at once

/** Each byte's two digits, and what stands for it in the text. */
const DIGITS = Buffer.from("0123456789abcdef");
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte >> 4] ?? 0);
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => DIGITS[byte & 15] ?? 0);
const SHOWN = Uint8Array.from({ length: 256 }, (_, byte) => byte >= 0x20 && byte <= 0x7e ? byte : 0x2e);

/** Rows as they are printed. Spaces, bars and newlines are there from the start; the rest is filled in. */
class Block {
  readonly #rows: Buffer;
  /** Of a row: how many digits an offset has, where the text begins, and the number of characters. */
  readonly #digits: number;
  readonly #text: number;
  readonly #size: number;

  constructor(rows: number, digits: number) {
    const empty = `${" ".repeat(digits + 52)}|${" ".repeat(WIDTH)}|\n`;
    this.#rows = Buffer.from(empty.repeat(rows));
    this.#digits = digits;
    this.#text = digits + 53;
    this.#size = empty.length;
  }

  /** The rows of some bytes. Only the last one may be shorter than others. */
  of(bytes: Uint8Array, offset: number): Uint8Array {
    const rows = this.#rows;
    const size = this.#size;
    for (let at = 0, row = 0; at < bytes.length; at += WIDTH, row += size) {
      this.#fillOffset(row, offset + at);
      const count = Math.min(WIDTH, bytes.length - at);
      const hex = row + this.#digits + 2;
      const text = row + this.#text;
      for (let index = 0; index < count; index++) {
        const byte = bytes[at + index] ?? 0;
        const place = hex + 3 * index + (index >> 3);
        rows[place] = HIGH[byte] ?? 0;
        rows[place + 1] = LOW[byte] ?? 0;
        rows[text + index] = SHOWN[byte] ?? 0;
      }
    }
    const whole = rows.subarray(0, Math.floor(bytes.length / WIDTH) * size);
    const rest = bytes.length % WIDTH;
    if (rest === 0) return whole;
    const last = rows.toString("latin1", whole.length, whole.length + size);
    const hex = last.slice(0, this.#digits + 2 + 3 * rest + (rest >> 3)); // what is behind it is of other rows
    const text = last.slice(this.#text, this.#text + rest);
    return Buffer.concat([whole, Buffer.from(`${hex.padEnd(this.#text - 1)}|${text}|\n`, "latin1")]);
  }

  #fillOffset(row: number, offset: number): void {
    let rest = offset >>> 0; // the last eight digits; the others first
    let high = (offset - rest) / 2 ** 32;
    for (let digit = this.#digits - 9; digit >= 0; digit--, high = Math.floor(high / 16)) {
      this.#rows[row + digit] = DIGITS[high % 16] ?? 0;
    }
    for (let digit = this.#digits - 1; digit >= this.#digits - 8; digit--, rest >>>= 4) {
      this.#rows[row + digit] = DIGITS[rest & 15] ?? 0;
    }
  }
}

function hexdump(path: string, offset: number, length: number | undefined): void {
  using region = MappedRegion.open(path);
  using output = new Output();
  const end = length === undefined ? region.length : Math.min(region.length, offset + length);
  const digits = Math.max(8, end.toString(16).length);
  const block = new Block(ROWS, digits);
  let at = offset;
  for (const bytes of region.windows({ offset, length: end - offset, size: ROWS * WIDTH })) {
    output.add(block.of(bytes, at));
    at += bytes.length;
    if (!process.stdout.isTTY) progress(`${Math.floor(100 * (at - offset) / (end - offset))} %`);
  }
  output.addLine(end.toString(16).padStart(digits, "0"));
}

await simpleCommand("usage: hexdump.ts FILE [OFFSET [LENGTH]]", 1, 3, (path = "", offset = "0", length) => {
  hexdump(
    path,
    wholeNumber(offset, "OFFSET", 0),
    length === undefined ? undefined : wholeNumber(length, "LENGTH", 0),
  );
});
