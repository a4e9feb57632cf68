// Memory from anonymous mappings: first a few pages, with memset and memcpy; then a small heap, malloc and free, in one region
// that grows in place, with size classes, free lists and guard pages.
//
//     node examples/heap.ts
//     bun examples/heap.ts --steps 20000
//     deno run --allow-ffi examples/heap.ts
//
// In C: mmap of a large range with PROT_NONE, mprotect of the part in use, as malloc(3) itself does it; memset, memcpy; madvise
// with MADV_DONTNEED to give pages back.
//
// A "pointer" is an offset in the region. The first page is a guard page, so that the pointer 0 is nobody's.
//
// Small blocks are powers of two, from 16 bytes to 2 KiB. A page holds blocks of one size. A free block's first four bytes
// point to the next free one of its size: the list takes no memory of its own. Larger blocks are whole pages, with a guard
// page behind them: who runs over their end is found out at once.
//
// Exit code: 0; 2 if a block was damaged or something else went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { parseArgs } from "node:util";
import { MappedRegion, MmapError } from "../mod.ts";
import { command, progress, wholeNumber } from "./command.ts";
import { pages } from "./pages.ts";
import { coloured } from "./pictures.ts";

const CAPACITY = 2 ** 28; // address space: it takes no memory
const SMALLEST = 16;
const LARGEST = 2048;
const BAR = 30; // as wide are the drawings

class Heap implements Disposable {
  readonly #region = MappedRegion.anonymous(pages(1), { capacity: CAPACITY });
  /** The first free block of each size; 0 for none. */
  readonly #free = new Map<number, number>();
  /** The sizes that there are blocks of. */
  readonly #sizes = new Set<number>();
  /** Blocks in use, and their sizes. Only the statistics and the check of free() need it. */
  readonly #used = new Map<number, number>();
  /** How many bytes were asked for, of the blocks in use. */
  readonly #asked = new Map<number, number>();

  constructor() {
    this.#region.protect("none");
  }

  /** The memory, to read and to write. */
  get memory(): MappedRegion {
    return this.#region;
  }

  malloc(size: number): number {
    const rounded = size <= LARGEST
      ? 2 ** Math.ceil(Math.log2(Math.max(size, SMALLEST)))
      : pages(Math.ceil(size / pages(1)));
    let block = this.#free.get(rounded) ?? 0;
    if (block === 0) block = rounded <= LARGEST ? this.#newSmall(rounded) : this.#newLarge(rounded);
    else this.#free.set(rounded, this.#region.cursor(block).readU32());
    this.#sizes.add(rounded);
    this.#used.set(block, rounded);
    this.#asked.set(block, size);
    return block;
  }

  free(block: number): void {
    const size = this.#used.get(block);
    if (size === undefined) {
      throw new RangeError(`free: ${block} is not a block in use: was it freed before?`);
    }
    this.#used.delete(block);
    this.#asked.delete(block);
    // The kernel gets the pages back. They stay mapped: whoever touches them again gets pages of zeros.
    if (size > LARGEST) this.#region.discard({ offset: block, length: size });
    this.#push(block, size);
  }

  #push(block: number, size: number): void {
    this.#region.cursor(block).writeU32(this.#free.get(size) ?? 0);
    this.#free.set(size, block);
  }

  /** Makes a page of small blocks; the first is returned, and the others are free. */
  #newSmall(size: number): number {
    const page = this.#grow(1);
    for (let block = page + pages(1) - size; block > page; block -= size) this.#push(block, size);
    return page;
  }

  /** Makes a large block with a guard page behind it. */
  #newLarge(size: number): number {
    const block = this.#grow(size / pages(1) + 1);
    this.#region.protect("none", { offset: block + size, length: pages(1) });
    return block;
  }

  /** Grows the region by pages that may be stored to. Nothing moves: every pointer stays what it is. */
  #grow(count: number): number {
    const region = this.#region;
    const offset = region.length;
    const length = pages(count);
    region.resize(offset + length);
    region.protect("read-write", { offset, length });
    return offset;
  }

  /** How many blocks are in the free list of a size. */
  #listed(size: number): number {
    let count = 0;
    for (let block = this.#free.get(size) ?? 0; block !== 0; count++) {
      block = this.#region.cursor(block).readU32();
    }
    return count;
  }

  /** Draws the blocks of each size: those in use, and those in its free list. */
  toString(): string {
    const rows = [...this.#sizes].sort((a, b) => a - b).map((size) => {
      const used = [...this.#used.values()].filter((each) => each === size).length;
      const free = this.#listed(size);
      const filled = Math.round(BAR * used / (used + free));
      const bar = "█".repeat(filled) + "·".repeat(BAR - filled);
      return `${String(size).padStart(7)} bytes  ${bar}  ${used} blocks in use, ${free} free`;
    });
    const sum = (sizes: Iterable<number>): number => [...sizes].reduce((sum, size) => sum + size, 0);
    const { length } = this.#region;
    const { resident } = this.#region.residency();
    return [
      ...rows,
      `${sum(this.#used.values())} bytes are in use, of which ${sum(this.#asked.values())} were asked for`,
      `${length} bytes of address space are taken, with ${pages(resident)} bytes of memory`,
    ].join("\n");
  }

  [Symbol.dispose](): void {
    this.#region.close();
  }
}

/** The same numbers each time: a linear congruential generator. */
function random(): (below: number) => number {
  let state = 1;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** Allocates and frees at random; every block must keep what was stored in it. */
function work(heap: Heap, steps: number): void {
  const { memory } = heap;
  const next = random();
  const blocks: { readonly range: { offset: number; length: number }; readonly value: number }[] = [];
  const release = (index: number): void => {
    const [block] = blocks.splice(index, 1);
    if (block === undefined) return;
    const { range, value } = block;
    if (memory.count(value, range) !== range.length) throw new Error(`block ${range.offset} was changed`);
    heap.free(range.offset);
  };
  for (let step = 0; step < steps; step++) {
    if (step % 1000 === 0) progress(`${step} of ${steps} steps`);
    if (blocks.length > 0 && next(100) < 45) {
      release(next(blocks.length));
    } else {
      const length = 1 + next(next(20) === 0 ? pages(5) : next(LARGEST));
      const range = { offset: heap.malloc(length), length };
      const value = 1 + next(255);
      memory.fill(value, range); // memset
      blocks.push({ range, value });
    }
  }
  progress("");
  console.log(`after ${steps} steps, with ${blocks.length} blocks in use:`);
  console.log(coloured(String(heap)));
  while (blocks.length > 0) release(blocks.length - 1);
  console.log("after all were freed:");
  console.log(coloured(String(heap)));
}

/** What malloc(3) is made of: memory that nobody has to give a file for. */
function anonymousMemory(): void {
  using memory = MappedRegion.anonymous(pages(16));
  const inMemory = (): string => `${memory.residency().resident} of 16 pages are in memory`;
  // The kernel gives a page when it is first stored to. Until then its zeros take nothing.
  console.log(`an anonymous mapping: ${inMemory()}`);
  memory.fill(0x41, { length: pages(4) }); // memset
  console.log(`after memset of 4 pages: ${inMemory()}`);
  memory.move(pages(8), 0, pages(4)); // memcpy, or rather memmove: the parts may overlap
  const first = memory.read(0, pages(4));
  console.log(
    `after memcpy of them to page 8: ${inMemory()}; found at ${memory.indexOf(first, 1) / pages(1)}`,
  );
}

function main(steps: number): void {
  anonymousMemory();

  using heap = new Heap();
  const { memory } = heap;

  const first = heap.malloc(14);
  memory.write(first, "Hello, world!\0");
  const second = heap.malloc(14);
  memory.move(second, first, 14); // memcpy
  console.log(`copied from ${first} to ${second}: ${memory.text({ offset: second, length: 13 })}`);
  heap.free(first);
  heap.free(second);
  try {
    heap.free(second);
  } catch (error) {
    console.log(error instanceof RangeError ? error.message : error);
  }

  const large = heap.malloc(10_000);
  const size = pages(Math.ceil(10_000 / pages(1)));
  try {
    memory.write(large + size - 2, "four");
  } catch (error) {
    if (!(error instanceof MmapError)) throw error;
    console.log(`over the end of a large block: ${error.code}`);
  }
  heap.free(large);

  work(heap, steps);
}

const USAGE = `usage: heap.ts [--steps COUNT]

  --steps COUNT  how many blocks are allocated or freed at random (5000)`;

await command("heap.ts", () => {
  const { values: { help, steps } } = parseArgs({
    options: { help: { type: "boolean" }, steps: { type: "string", default: "5000" } },
  });
  if (help === true) console.log(USAGE);
  else main(wholeNumber(steps, "--steps"));
});
