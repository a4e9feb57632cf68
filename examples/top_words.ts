// Prints the most frequent words of a text: tr -cs A-Za-z '\n' | sort | uniq -c | sort -rn | head, for letters of any
// alphabet.
//
//     node examples/top_words.ts examples/access.log
//     bun examples/top_words.ts -n 3 examples/access.log
//     deno run --allow-ffi --allow-read examples/top_words.ts examples/access.log
//
// In C: mmap, and a hash table of pointers to the words. Here too no string is made of a word before it is printed: a text
// of a gigabyte has a hundred million words, and a few thousand different ones.
//
// Exit code: 0, or 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command, progress, wholeNumber } from "./command.ts";

const USAGE = "usage: top_words.ts [-n WORDS] FILE";

const PART = 2 ** 18; // bytes that are copied at a time: a CPU's second cache holds them

/** Whether a byte may be part of a word: a letter of ASCII, or part of any other character in UTF-8. */
const OF_WORD = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x80 || /[a-z]/i.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** Different words and how often each was seen: a hash table with open addressing, in a few flat arrays. */
class WordCounts {
  /** The number of a word and one; 0 where there is none. At least half of them are 0. */
  #slots = new Int32Array(2 ** 16);
  #size = 0;
  /** Of each word: its hash, how often it was seen, and where its bytes end. They begin where those before end. */
  #hashes = new Int32Array(2 ** 15);
  #counts = new Float64Array(2 ** 15);
  #ends = new Float64Array(2 ** 15 + 1);
  #bytes = new Uint8Array(2 ** 20);

  /** Counts the word that lies between two places. */
  add(bytes: Uint8Array, start: number, end: number, hash: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (let entry; (entry = slots[slot] ?? 0) !== 0; slot = (slot + 1) & mask) {
      const word = entry - 1;
      if (this.#hashes[word] === hash && this.#is(word, bytes, start, end)) {
        this.#counts[word] = (this.#counts[word] ?? 0) + 1;
        return;
      }
    }
    slots[slot] = this.#append(bytes, start, end, hash);
    if (2 * this.#size === slots.length) this.#grow();
  }

  #is(word: number, bytes: Uint8Array, start: number, end: number): boolean {
    const begin = this.#ends[word] ?? 0;
    if ((this.#ends[word + 1] ?? 0) - begin !== end - start) return false;
    const own = this.#bytes;
    for (let at = start, index = begin; at < end; at++, index++) if (own[index] !== bytes[at]) return false;
    return true;
  }

  /** Returns the number of words. */
  #append(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const word = this.#size++;
    const begin = this.#ends[word] ?? 0;
    const stop = begin + end - start;
    if (stop > this.#bytes.length) {
      const larger = new Uint8Array(2 * stop);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), begin);
    this.#ends[word + 1] = stop;
    this.#hashes[word] = hash;
    this.#counts[word] = 1;
    return this.#size;
  }

  #grow(): void {
    const size = this.#size;
    const twice = <List extends Int32Array | Float64Array>(list: List, larger: List): List => {
      larger.set(list);
      return larger;
    };
    this.#hashes = twice(this.#hashes, new Int32Array(2 * size));
    this.#counts = twice(this.#counts, new Float64Array(2 * size));
    this.#ends = twice(this.#ends, new Float64Array(2 * size + 1));
    const slots = new Int32Array(4 * size);
    for (let word = 0; word < size; word++) {
      const hash = this.#hashes[word] ?? 0;
      let slot = (hash ^ (hash >>> 15)) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = word + 1;
    }
    this.#slots = slots;
  }

  /** The words as strings. What isn't ASCII may be letters or not: only now it is looked at. */
  toMap(): Map<string, number> {
    const counts = new Map<string, number>();
    const decoder = new TextDecoder();
    for (let word = 0; word < this.#size; word++) {
      const text = decoder.decode(this.#bytes.subarray(this.#ends[word], this.#ends[word + 1]));
      for (const [letters] of text.matchAll(/\p{L}+/gu)) {
        counts.set(letters, (counts.get(letters) ?? 0) + (this.#counts[word] ?? 0));
      }
    }
    return counts;
  }
}

/** Counts the words of some bytes, but for one that goes on behind them; returns where that begins. */
function countWords(words: WordCounts, bytes: Uint8Array, isLast: boolean): number {
  const end = bytes.length;
  for (let at = 0; at < end; at++) {
    if (OF_WORD[bytes[at] ?? 0] === 0) continue;
    const start = at;
    let hash = 0;
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (OF_WORD[byte] === 0) break;
      hash = Math.imul(hash ^ byte, 0x0100_0193) | 0; // FNV
    }
    if (at === end && !isLast) return start;
    words.add(bytes, start, at, hash);
  }
  return end;
}

function topWords(path: string, count: number): [word: string, hits: number][] {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const words = new WordCounts();
  let bytes = new Uint8Array(2 * PART);
  let kept = 0; // bytes of a word that began in the part before
  for (let offset = 0; offset < region.length;) {
    const length = Math.min(bytes.length - kept, region.length - offset);
    region.copyTo(bytes, { offset, length, at: kept });
    offset += length;
    const size = kept + length;
    const done = countWords(words, bytes.subarray(0, size), offset === region.length);
    kept = size - done;
    const next = kept > PART ? new Uint8Array(2 * bytes.length) : bytes; // a very long word
    next.set(bytes.subarray(done, size));
    bytes = next;
    progress(`${Math.floor(100 * offset / region.length)} %`);
  }
  progress("");
  return [...words.toMap()].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, count);
}

await command("top_words.ts", () => {
  const { values: { help, words }, positionals: [path, ...rest] } = parseArgs({
    options: { words: { type: "string", short: "n", default: "10" }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (help === true) console.log(USAGE);
  else if (path === undefined || rest.length > 0) throw new TypeError(USAGE);
  else {
    const top = topWords(path, wholeNumber(words, "-n", 0));
    for (const [word, hits] of top) console.log(`${String(hits).padStart(7)} ${word}`);
  }
});
