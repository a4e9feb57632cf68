/**
 * Looking through memory by a few hundred bytes of machine code each: as fast as it can be read, and without a copy.
 *
 * ```
 * layout.ts    the task that a kernel is called with
 * x86_64.S     the kernels, explained; aarch64.S their twins
 * code.ts      their bytes, generated from them
 * ```
 *
 * No runtime here can call a bare address. libc's bsearch(3) can: it compares a key with an element by calling a
 * function of its caller's. In an array of one element it calls it once, with the key and the element's address: glibc,
 * musl and macOS have no other element to look at, whatever the function returns. The key is the task, and the element
 * the text.
 *
 * The kernels' bytes lie in the guard's table, where one thread of the process has put them: in memory that is executable
 * by now, and not writable any more. Where there is no guard, there are no kernels.
 *
 * @module
 */
import { ByteArray, byteLengthOf, Math } from "../captured.ts";
import { LAYOUT } from "../guard/layout.ts";
import { libc } from "../libc.ts";
import { machine } from "../machine.ts";
import { regionTable } from "../regions.ts";
import { ENTRIES, type Entries } from "./code.ts";
import { TASK } from "./layout.ts";

/** What a search has found. */
export interface Found {
  /** How many hits: their offsets are in {@linkcode Kernels.offsets}. */
  readonly hits: number;
  /** Where in the text to go on. */
  readonly next: number;
  /** Whether it was given up there, since too much work was for nothing. */
  readonly givenUp: boolean;
}

/** What a search for lines has found. */
export interface FoundContaining extends Found {
  /** How many newlines there are before `next`. */
  readonly newlines: number;
  /** Whether the last line that was found has no newline: then `next` is where it begins. */
  readonly unended: boolean;
}

/** What is known of the lines of a text. */
export interface FoundLines {
  /** How many newlines: their offsets are in {@linkcode Kernels.offsets}. */
  readonly newlines: number;
  /** Whether all of the text is ASCII. */
  readonly ascii: boolean;
  /** Whether there is a `\r` in it. */
  readonly returns: boolean;
}

/** The kernels, and this isolate's task. What they find is valid until the next call. */
export class Kernels {
  /** The most bytes that one call of `search` looks through. */
  readonly reach: number = 2 ** 31;
  /** The longest needle in bytes. */
  readonly longestNeedle: number = TASK.NEEDLE_ROOM;
  readonly #address: number;
  readonly #entries: Entries;
  #task = new Task();

  constructor(address: number, entries: Entries) {
    this.#address = address;
    this.#entries = entries;
  }

  /** Where hits are, in bytes from the beginning of the text that was looked through last. */
  get offsets(): Uint32Array<ArrayBuffer> {
    return this.#task.offsets;
  }

  /** The text that `lines` has copied. */
  get copy(): Uint8Array<ArrayBuffer> {
    return this.#task.copy;
  }

  /** How often a byte stands in a text. */
  count(address: number, length: number, byte: number): number {
    const task = this.#begin(length);
    task.bytes[TASK.NEEDLE] = byte;
    this.#call(this.#entries.count, address);
    return task.get(TASK.HITS);
  }

  /**
   * Where a needle stands in a text, less where it overlaps with the hit before.
   *
   * @param address Of the text; 0 for what `lines` has copied.
   * @param length Of the text, up to `reach` and the needle's length.
   * @param pair Where in the needle two bytes are: it is compared only where both stand as they should.
   * @param limit After how many hits to stop; after 65,536 it stops anyway.
   * @param patience How much work for nothing may exceed the bytes that were searched.
   */
  search(
    address: number,
    length: number,
    needle: Uint8Array,
    pair: readonly [first: number, second: number],
    limit: number,
    patience: number,
  ): Found {
    const most = Math.min(limit, TASK.MOST_HITS);
    const task = this.#beginSearch(address, length, needle, pair, most, patience);
    this.#call(this.#entries.search, address);
    const hits = task.get(TASK.HITS);
    const next = task.get(TASK.NEXT);
    const givenUp = task.get(TASK.BESIDES) !== 0;
    const isDone = !givenUp && hits < most;
    return { hits, next: isDone ? Math.max(next, length - byteLengthOf(needle) + 1) : next, givenUp };
  }

  /**
   * Which lines of a text contain a needle: three numbers each in `offsets`, where in the text it begins, where its `\n` or
   * `\r\n` begins, and how many newlines there are before it. What follows the last newline of the text counts as a line,
   * if the needle stands in it.
   *
   * @param address Where a line begins.
   * @param needle Without a `\n`, and without a `\r`, which could be of a line's end.
   * @param limit After how many lines to stop; after 21,845 it stops anyway.
   */
  containing(
    address: number,
    length: number,
    needle: Uint8Array,
    pair: readonly [first: number, second: number],
    limit: number,
    patience: number,
  ): FoundContaining {
    if (address === 0) throw new RangeError("containing: there is no text");
    const most = Math.min(limit, Math.floor(TASK.MOST_HITS / 3));
    const task = this.#beginSearch(address, length, needle, pair, most, patience);
    this.#call(this.#entries.containing, address);
    const besides = task.get(TASK.BESIDES);
    return {
      hits: task.get(TASK.HITS),
      next: task.get(TASK.NEXT),
      newlines: task.get(TASK.NEWLINES),
      givenUp: besides === 1,
      unended: besides === 2,
    };
  }

  /**
   * Where the newlines of a text are.
   *
   * @param length At most 65,536 bytes.
   * @param copies Whether the text is copied on the way, so that there are bytes that go with what was found, whatever
   * others store to the text meanwhile.
   */
  lines(address: number, length: number, copies: boolean): FoundLines {
    if (!(length <= TASK.MOST_LINES)) throw new RangeError("lines: the text is too long");
    const task = this.#begin(length);
    task.bytes[TASK.NEEDLE] = 0x0a;
    task.bytes[TASK.NEEDLE + 1] = 0x0d;
    task.set(TASK.COPIES, copies ? 1 : 0);
    this.#call(this.#entries.lines, address);
    return {
      newlines: task.get(TASK.HITS),
      ascii: task.get(TASK.NEXT) === 0,
      returns: task.get(TASK.BESIDES) !== 0,
    };
  }

  /** The task for a text. Nothing that is left of an earlier one is believed. */
  #begin(length: number): Task {
    if (!this.#task.isWhole) this.#task = new Task();
    this.#task.set(TASK.TEXT_LENGTH, length);
    return this.#task;
  }

  #beginSearch(
    address: number,
    length: number,
    needle: Uint8Array,
    pair: readonly [first: number, second: number],
    limit: number,
    patience: number,
  ): Task {
    const size = byteLengthOf(needle);
    const { 0: first, 1: second } = pair;
    // No mistake shall let the machine code look where nothing is, or store there.
    const isSafe = size >= 1 && size <= TASK.NEEDLE_ROOM && first >= 0 && first < size && second >= 0 &&
      second < size && limit >= 1 &&
      length <= (address === 0 ? TASK.MOST_LINES : this.reach + size);
    if (!isSafe) throw new RangeError("search: the needle or the text is too long, or nothing is wanted");
    const task = this.#begin(length);
    const { bytes } = task;
    for (let index = 0; index < size; index++) bytes[TASK.NEEDLE + index] = needle[index] ?? 0;
    task.set(TASK.NEEDLE_LENGTH, size);
    task.set(TASK.FIRST, first);
    task.set(TASK.SECOND, second);
    task.set(TASK.LIMIT, limit);
    task.set(TASK.PATIENCE, patience);
    return task;
  }

  #call(entry: number, address: number): void {
    libc().functions.bsearch(this.#task.bytes, address, 1, 1, this.#address + entry);
  }
}

/**
 * A task's memory. Programs may get hold of it, by replacing a method of typed arrays or decoders that works on the
 * bytes of lines: so what goes into it is stored right before a call, by nothing that can be replaced.
 */
class Task {
  readonly #buffer = new ArrayBuffer(TASK.SIZE);
  readonly bytes: Uint8Array<ArrayBuffer> = new ByteArray(this.#buffer);
  readonly offsets: Uint32Array<ArrayBuffer> = new Uint32Array(this.#buffer, TASK.OFFSETS, TASK.MOST_HITS);
  readonly copy: Uint8Array<ArrayBuffer> = new ByteArray(this.#buffer, TASK.COPY, TASK.MOST_LINES);
  readonly #words = new Uint32Array(this.#buffer, 0, TASK.NEEDLE / 4);

  /** Whether there is memory: a program may have detached it. */
  get isWhole(): boolean {
    return this.#words[0] !== undefined;
  }

  set(field: number, value: number): void {
    this.#words[field / 4] = value % 2 ** 32;
    this.#words[field / 4 + 1] = value / 2 ** 32;
  }

  get(field: number): number {
    return (this.#words[field / 4] ?? 0) + (this.#words[field / 4 + 1] ?? 0) * 2 ** 32;
  }
}

let found: Kernels | undefined;

/** The kernels; undefined where the process has no guard. To be called when there is a region. */
export function kernels(): Kernels | undefined {
  const entries = ENTRIES[machine.architecture];
  const table = regionTable();
  if (table.reason !== undefined || entries === undefined) return undefined;
  return found ??= new Kernels(table.address + LAYOUT.KERNELS, entries);
}
