/**
 * A window over a region: a view that is kept, through which numbers are read and stored one by one.
 *
 * Reading one number takes a nanosecond. Checks before it would take several times that. So a reader checks nothing
 * beforehand, but tries, and finds out afterwards whether something was wrong:
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
 * The view has no bytes once the region is closed or resized, and none outside the window: then the attempt throws.
 * It has no branches, since V8 takes what doesn't change out of a loop only if no branch leaves that loop; to V8, the
 * check of an index is no branch. That is why lost pages are looked for by an index, too: see {@linkcode
 * Window.look}.
 *
 * To JavaScriptCore, a failed check of an index is the end of the loop's machine code. Where the function around the
 * loop has been compiled as a whole, too, the loop can't be entered in the middle any more: it is interpreted for
 * millions of steps until all is compiled anew, each time for longer. So a cursor looks for the end of its window
 * before it reads (`SLIDES` in `cursor.ts`), and moves the window by a call that the loop goes on after.
 *
 * @module
 */
import { Atomics, ByteArray, Math } from "../ffi/captured.ts";
import { libc } from "../ffi/libc.ts";
import { within } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { largestBuffer } from "./views.ts";

/** The size of a window, in bytes, if the region is too large for one buffer … */
const SIZE = 2 ** 30;
/** … and in a runtime that lets garbage grow with the size of its buffers. */
const SMALL_SIZE = 2 ** 24;

/** In such a runtime, buffers of up to this many bytes matter little. */
const HARMLESS = 2 ** 26;

/** After so many jumps, large windows are used: with small ones each jump costs a new buffer. */
const MANY_JUMPS = 16;

/**
 * A DataView of the library's own, with the methods of DataView as they were at import. If a program replaces the
 * methods on `DataView.prototype`, its own aren't called, and so never get hold of the library's view.
 */
class OwnView extends DataView<ArrayBuffer> {
  static {
    const { constructor: _, ...methods } = Object.getOwnPropertyDescriptors(DataView.prototype);
    Object.defineProperties(OwnView.prototype, methods);
    Object.freeze(OwnView.prototype);
  }
}

const NOTHING: DataView<ArrayBuffer> = new OwnView(new ArrayBuffer(0));

/** Has one byte, at index 0: reading the byte at any other index throws. So `ZERO.getUint8(n)` throws unless n is 0. */
const ZERO = new OwnView(new ArrayBuffer(1));

/**
 * Something is stored here between reading a number and looking at the count of losses. A compiler can't know that
 * the three are different memory: so it can neither look before it reads, nor look once for a whole loop. Without the
 * store, Bun's compiler does both, and returns zeros of lost pages as numbers. The store takes 0.1 ns; an atomic load
 * of the count, which would do as well, takes 7 ns.
 *
 * Where a number is stored rather than read, that store does the same.
 */
const SCRATCH = new Uint32Array(1);

/** What is seen of a region. */
interface Sight {
  /** For reading. None of its pages had been lost when the window was opened. */
  readonly view: DataView<ArrayBuffer>;
  /** For storing: the same view; one without bytes if it may not be stored to. */
  readonly target: DataView<ArrayBuffer>;
  /** Where in the region the view starts, in bytes. */
  readonly start: number;
  /** How many bytes the view has. */
  readonly end: number;
  /** The guard's count of the region's losses, as an array of one number. */
  readonly losses: Uint32Array;
  /** What that number was when the window was opened. */
  readonly known: number;
}

/** A window over a region. It moves to where it is needed. */
export class Window implements Sight {
  // Compilers take a field that has had one value only for a constant. So these are assigned first by the constructor,
  // which `declare` leaves it to, and later only if they change.
  declare view: DataView<ArrayBuffer>;
  declare target: DataView<ArrayBuffer>;
  declare start: number;
  declare end: number;
  declare losses: Uint32Array;
  declare known: number;
  readonly #memory: RegionMemory;
  /** The bytes that are kept, and the offset in the region that they begin at. */
  #kept = new ByteArray(0);
  #keptFrom = 0;
  #jumps = 0;

  /** Opens it around an offset of the region, if possible: see {@linkcode Window.open}. */
  constructor(memory: RegionMemory, offset: number) {
    this.#memory = memory;
    const sight = this.#tryToSee(offset, 0);
    this.view = sight?.view ?? NOTHING;
    this.target = sight?.target ?? NOTHING;
    this.start = sight?.start ?? 0;
    this.end = sight?.end ?? 0;
    this.losses = sight?.losses ?? memory.losses;
    this.known = sight?.known ?? 0;
  }

  /**
   * Opens it around an offset of the region, if possible, so that the next read succeeds: one that fails makes all
   * later ones slower.
   */
  open(offset: number): void {
    const sight = this.#tryToSee(offset, 1);
    if (sight !== undefined) this.#show(sight);
  }

  #tryToSee(offset: number, size: number): Sight | undefined {
    try {
      return this.#see(offset, size, this.#memory.writable, "window");
    } catch {
      // These pages may not be read, and others may; or the region is closed, or ends here: the reads will tell.
      return undefined;
    }
  }

  /**
   * Throws if a page of the region was lost since the window was opened. The guard counts a loss before it puts zeros
   * in the page's place: whoever has read the zeros finds the loss counted.
   *
   * @param offset The number to store in between: any.
   */
  look(offset: number): void {
    SCRATCH[0] = offset;
    ZERO.getUint8((this.losses[0] ?? 0) ^ this.known);
  }

  /**
   * Reads or stores to a part of the region after the fast attempt has failed. Throws what was wrong, if anything
   * was.
   *
   * @param offset Where in the region the part is.
   * @param touch Reads or stores. It is given a view, and where in the view the part is.
   */
  slowly<T>(
    offset: number,
    size: number,
    writable: boolean,
    operation: string,
    touch: (view: DataView<ArrayBuffer>, at: number) => T,
  ): T {
    this.#show(this.#see(offset, size, writable, operation));
    const { buffer, byteOffset, length } = this.#kept;
    const from = offset - this.#keptFrom;
    const view = new OwnView(buffer, byteOffset + from, length - from);
    return this.#memory.watch(operation, offset, size, () => touch(view, 0));
  }

  /** What the window shows around a part of the region: all there is, or nothing if a page of the part is lost. */
  #see(offset: number, size: number, writable: boolean, operation: string): Sight {
    const memory = this.#memory;
    within(offset, size, memory.length(operation), operation);
    const around = writable
      ? memory.writableAround(offset, size, operation)
      : memory.readableAround(offset, size, operation);
    const { from, to } = this.#reach(offset, size, around.offset, around.offset + around.length);
    if (from !== this.#keptFrom || to - from !== this.#kept.length) {
      memory.giveBack(this.#kept);
      this.#kept = memory.keep(from, to - from, operation);
      this.#keptFrom = from;
    }
    const { buffer, byteOffset } = this.#kept;
    const { losses } = memory;
    const known = Atomics.load(losses, 0); // read before asking which pages were lost: if more are lost meanwhile, the count will differ
    const { offset: start, length: end } = known === 0
      ? { offset: from, length: to - from }
      : memory.intactAround(offset, from, to);
    const view = new OwnView(buffer, byteOffset + start - from, end);
    return { view, target: writable ? view : NOTHING, start, end, losses, known };
  }

  #show({ view, target, start, end, losses, known }: Sight): void {
    if (view.buffer !== this.view.buffer || start !== this.start || end !== this.end) {
      this.view = view;
      this.target = target;
      this.start = start;
      this.end = end;
    } else if (target !== NOTHING && this.target === NOTHING) {
      this.target = this.view;
    }
    if (losses !== this.losses) this.losses = losses;
    if (known !== this.known) this.known = known;
  }

  /** The start and the end of the window around a part. It holds only bytes that may be used as the part may. */
  #reach(
    offset: number,
    size: number,
    start: number,
    end: number,
  ): { readonly from: number; readonly to: number } {
    const small = libc().countsBuffers && end - start > HARMLESS && this.#jumps < MANY_JUMPS;
    if (!small && end - start <= largestBuffer()) return { from: start, to: end };
    // Windows overlap by half, so that every part up to half a window lies within one.
    const half = (small ? SMALL_SIZE : SIZE) / 2;
    if (size > half) return { from: offset, to: offset + size };
    const from = Math.floor(offset / half) * half;
    if (Math.abs(from - this.#keptFrom) > 2 * half) this.#jumps++;
    return { from: Math.max(from, start), to: Math.min(from + 2 * half, end) };
  }
}
