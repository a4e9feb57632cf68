/**
 * A window over a region: the view through which numbers are read and stored one by one.
 *
 * What surrounds such a read takes longer than the read itself, unless there is next to nothing. So a reader tries,
 * without having asked anything:
 *
 * ```ts ignore
 * try {
 *   value = window.view.getUint32(offset - window.start, true);
 *   window.look(offset);
 * } catch {
 *   value = window.slowly(offset, 4, false, "readU32", (view, at) => view.getUint32(at, true));
 * }
 * ```
 *
 * A view has no bytes once the region is closed or resized, and none at the wrong place: the attempt throws. There are no
 * branches in it, because V8 takes what stays the same out of a loop only if no branch leaves the loop; a check of an
 * index is no branch to it. Hence also how faults are looked for: see {@linkcode Window.look}.
 *
 * @module
 */
import { within } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { LARGEST_BUFFER } from "./views.ts";

/** The size of a window in bytes, of a region that is too large for one. */
const SIZE = 2 ** 30;

const NOTHING = new DataView(new ArrayBuffer(0));

/** Has a byte at 0 and none elsewhere: looking at the byte whose index is a number throws unless the number is 0. */
const ZERO = new DataView(new ArrayBuffer(1));

/**
 * Stored to between the reading of a number and the look at the faults. For all that a compiler knows it may be the count of
 * faults itself, or the number: so the look can neither be done before the reading, nor once for a whole loop. Without it
 * Bun's compiler does both, and hands out the zeros of lost pages as numbers. An atomic load costs 7 ns instead of 0.1.
 *
 * A store of a number is such a store itself.
 */
const SCRATCH = new Uint32Array(1);

/** A window over a region. It moves to where it is needed. */
export class Window {
  /** To be read from. */
  view: DataView<ArrayBuffer> = NOTHING;
  /** To be stored to: the same, if it may be. */
  target: DataView<ArrayBuffer> = NOTHING;
  /** Where in the region it starts, in bytes. */
  start = 0;
  /** The one number that the fault guard counts the region's faults in. */
  faults: Uint32Array;
  readonly #memory: RegionMemory;
  /** How many there were when they were last looked at. */
  #known = 0;
  /** What `view` is, as long as no page was lost. */
  #opened: DataView<ArrayBuffer> = NOTHING;

  constructor(memory: RegionMemory) {
    this.#memory = memory;
    this.faults = memory.losses;
  }

  /** Opens it at an offset, if that can be: a first attempt that fails is paid for by all that follow, in V8. */
  open(offset: number): void {
    try {
      this.#open(offset, 0, this.#memory.writable, "window");
    } catch {
      // Pages may be closed to us, and others not: each read will tell.
    }
  }

  /**
   * Throws if a page of the region was ever lost. The guard counts before it puts zeros in a page's place, whichever thread
   * touches it: who reads them finds them counted.
   *
   * @param offset What to store meanwhile: any number.
   */
  look(offset: number = 0): void {
    SCRATCH[0] = offset;
    ZERO.getUint8(this.faults[0] ?? 0);
  }

  /**
   * Touches a part of the region, if need be again, and finds out what was wrong.
   *
   * @param offset Where in the region the part is.
   * @param touch Is given a view, and where in it the part is.
   */
  slowly<T>(
    offset: number,
    size: number,
    writable: boolean,
    operation: string,
    touch: (view: DataView<ArrayBuffer>, at: number) => T,
  ): T {
    const memory = this.#memory;
    const at = this.#open(offset, size, writable, operation);
    this.#known = Atomics.load(this.faults, 0);
    if (this.#known !== 0) this.view = this.target = NOTHING;
    return memory.watch(operation, offset, size, () => touch(this.#opened, at));
  }

  /** Makes it hold a part of the region; returns where the part is in it. */
  #open(offset: number, size: number, writable: boolean, operation: string): number {
    const memory = this.#memory;
    const length = memory.length(operation);
    within(offset, size, length, operation);
    const borrow = (from: number, count: number): Uint8Array<ArrayBuffer> =>
      writable ? memory.keepWritable(from, count, operation) : memory.keep(from, count, operation);
    let bytes = borrow(offset, size);
    this.start = offset;
    const [start, count] = reach(offset, size, length);
    try {
      bytes = borrow(start, count);
      this.start = start;
    } catch {
      // Other pages are closed to us: the part alone will do.
    }
    this.faults = memory.losses;
    this.#opened = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.view = this.#known === 0 ? this.#opened : NOTHING;
    this.target = writable ? this.view : NOTHING;
    return offset - this.start;
  }
}

/** The start and the size of the window around a part. */
function reach(offset: number, size: number, length: number): readonly [start: number, size: number] {
  if (length <= LARGEST_BUFFER) return [0, length];
  if (size > SIZE / 2) return [offset, size];
  // Windows overlap by half, so that whatever is not larger lies within one.
  const start = Math.floor(offset / (SIZE / 2)) * (SIZE / 2);
  return [start, Math.min(SIZE, length - start)];
}
