// Counts the lines, words and bytes of files: wc.
//
//     node examples/wc.ts examples/access.log
//     bun examples/wc.ts -l examples/access.log
//     deno run --allow-ffi --allow-read examples/wc.ts examples/access.log
//
// In C: mmap, memchr for the newlines, and a loop over the bytes for the words. Four bytes are looked at in one step here,
// which is faster than wc.
//
// Exit code: 0, or 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command, progress } from "./command.ts";

const USAGE = "usage: wc.ts [-l] FILE...";

const PART = 2 ** 28; // bytes whose lines are counted at a time

const HIGH = 0x80808080 | 0; // the highest bit of each byte; "| 0" keeps numbers whole, which is faster

/**
 * Counts words: bytes that aren't white space and follow one that is. Four bytes are looked at in one step, as one 32-bit
 * number, in which the highest bit of each byte comes to say whether the byte is white space.
 */
class WordCounter {
  count = 0;
  #space = 0x80; // whether the last byte was white space: before the first one, yes

  /** Counts on. A part begins at a multiple of four bytes, and all but the last are as long as one. */
  add(part: Uint8Array): void {
    const whole = part.length & ~3;
    this.#add(new Int32Array(part.buffer, part.byteOffset, whole / 4));
    if (whole === part.length) return;
    const rest = new Uint8Array(4).fill(32); // white space behind the end begins no word
    rest.set(part.subarray(whole));
    this.#add(new Int32Array(rest.buffer));
  }

  #add(numbers: Int32Array): void {
    let space = this.#space;
    for (let at = 0; at < numbers.length;) {
      // Four counts of one byte each, which hold 255 steps.
      let counts = 0;
      for (const stop = Math.min(numbers.length, at + 255); at < stop; at++) {
        const number = numbers[at] ?? 0;
        const low = number & ~HIGH;
        const control = (low + 0x77777777) & ~(low + 0x72727272); // 9 to 13: \t \n \v \f \r
        const blank = ~((low ^ 0x20202020) + 0x7f7f7f7f); // 32
        const spaces = (control | blank) & ~number & HIGH; // and below 128
        counts = (counts + ((~spaces & ((spaces << 8) | space) & HIGH) >>> 7)) | 0;
        space = spaces >>> 24;
      }
      for (; counts !== 0; counts >>>= 8) this.count += counts & 255;
    }
    this.#space = space;
  }
}

function countLines(region: MappedRegion): number {
  let lines = 0;
  for (let offset = 0; offset < region.length; offset += PART) {
    lines += region.count("\n", { offset, length: Math.min(PART, region.length - offset) });
    progress(`lines: ${Math.floor(100 * offset / region.length)} %`);
  }
  return lines;
}

function countWords(region: MappedRegion): number {
  const counter = new WordCounter();
  let done = 0;
  for (const part of region.windows()) {
    counter.add(part);
    done += part.length;
    progress(`words: ${Math.floor(100 * done / region.length)} %`);
  }
  return counter.count;
}

function wc(path: string, onlyLines: boolean): string {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const lines = countLines(region);
  const counts = onlyLines ? `${lines}` : `${lines} ${countWords(region)} ${region.length}`;
  progress("");
  return `${counts} ${path}`;
}

await command("wc.ts", () => {
  const { values: { l = false, help }, positionals } = parseArgs({
    options: { l: { type: "boolean", short: "l" }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (help === true) console.log(USAGE);
  else if (positionals.length === 0) throw new TypeError(USAGE);
  else for (const path of positionals) console.log(wc(path, l));
});
