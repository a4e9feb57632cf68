// A small heap: malloc and free in one region that grows in place, with size classes, free lists and guard pages.
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
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion, MmapError } from "../mod.ts";

const { pageSize } = MappedRegion;
const CAPACITY = 2 ** 28; // address space: it takes no memory
const SMALLEST = 16;
const LARGEST = 2048;

/** What a page belongs to: small blocks of a size, or a large block that begins there, of so many pages. */
interface Page {
  readonly size: number;
  readonly pages: number;
}

class Heap implements Disposable {
  readonly #region = MappedRegion.anonymous(pageSize, { capacity: CAPACITY });
  /** The first free block of each size; 0 for none. */
  readonly #free = new Map<number, number>();
  /** By a page's number. */
  readonly #pages = new Map<number, Page>();
  /** Blocks in use, and their sizes. Only the statistics and the check of free() need it. */
  readonly #used = new Map<number, number>();

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
      : Math.ceil(size / pageSize) * pageSize;
    let block = this.#free.get(rounded) ?? 0;
    if (block === 0) block = rounded <= LARGEST ? this.#newSmall(rounded) : this.#newLarge(rounded);
    else this.#free.set(rounded, this.#region.cursor(block).readU32());
    this.#used.set(block, rounded);
    return block;
  }

  free(block: number): void {
    const size = this.#used.get(block);
    if (size === undefined) {
      throw new RangeError(`free: ${block} is not a block in use: was it freed before?`);
    }
    this.#used.delete(block);
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
    this.#pages.set(page / pageSize, { size, pages: 1 });
    for (let block = page + pageSize - size; block > page; block -= size) this.#push(block, size);
    return page;
  }

  /** Makes a large block with a guard page behind it. */
  #newLarge(size: number): number {
    const block = this.#grow(size / pageSize + 1);
    this.#pages.set(block / pageSize, { size, pages: size / pageSize });
    this.#region.protect("none", { offset: block + size, length: pageSize });
    return block;
  }

  /** Grows the region by pages that may be stored to. Nothing moves: every pointer stays what it is. */
  #grow(pages: number): number {
    const region = this.#region;
    const offset = region.length;
    const length = pages * pageSize;
    region.resize(offset + length);
    region.protect("read-write", { offset, length });
    return offset;
  }

  /** Draws how much of the pages of each size is in use. */
  toString(): string {
    const bySize = Map.groupBy(this.#pages.values(), ({ size }) => size);
    const rows = [...bySize].sort(([a], [b]) => a - b).map(([size, pages]) => {
      const room = pages.reduce((sum, page) => sum + page.pages * pageSize / size, 0);
      const used = [...this.#used.values()].filter((each) => each === size).length;
      const filled = Math.round(30 * used / room);
      const bar = "█".repeat(filled) + "·".repeat(30 - filled);
      return `${String(size).padStart(7)} bytes  ${bar}  ${used} of ${room} blocks`;
    });
    const { length } = this.#region;
    const { resident } = this.#region.residency();
    return [...rows, `${length} bytes of address space in use, ${resident * pageSize} of memory`].join("\n");
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
    if (blocks.length > 0 && next(100) < 45) {
      release(next(blocks.length));
    } else {
      const length = 1 + next(next(20) === 0 ? 5 * pageSize : next(LARGEST));
      const range = { offset: heap.malloc(length), length };
      const value = 1 + next(255);
      memory.fill(value, range); // memset
      blocks.push({ range, value });
    }
  }
  console.log(`after ${steps} steps, with ${blocks.length} blocks in use:`);
  console.log(heap.toString());
  while (blocks.length > 0) release(blocks.length - 1);
  console.log("after all were freed:");
  console.log(heap.toString());
}

function main(steps: number): void {
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
  const size = Math.ceil(10_000 / pageSize) * pageSize;
  try {
    memory.write(large + size - 2, "four");
  } catch (error) {
    if (!(error instanceof MmapError)) throw error;
    console.log(`over the end of a large block: ${error.code}`);
  }
  heap.free(large);

  work(heap, steps);
}

try {
  const { values: { help, steps } } = parseArgs({
    options: { help: { type: "boolean" }, steps: { type: "string", default: "5000" } },
  });
  if (help === true) console.log("usage: heap.ts [--steps NUMBER]");
  else main(Number(steps));
} catch (error) {
  console.error(`heap.ts: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
