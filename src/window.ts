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
 * index is no branch to it. Hence also how losses are looked for: see {@linkcode Window.look}.
 *
 * @module
 */
import { libc } from "../ffi/libc.ts";
import { within } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { largestBuffer } from "./views.ts";

/** The size of a window in bytes, of a region that is too large for one … */
const SIZE = 2 ** 30;
/** … and where a large buffer would make the runtime let garbage grow: numbers take some 5 ns more then. */
const SMALL_SIZE = 2 ** 24;

/** The largest buffer, in bytes, that matters little there. */
const HARMLESS = 2 ** 26;

/** After so many jumps to somewhere else it is no walk: small windows would cost each jump a new buffer. */
const MANY_JUMPS = 16;

/**
 * A DataView of the library's own. It finds its methods, as they were when this was imported, before it comes to
 * `DataView.prototype`: a program that replaces those there isn't called, and given the view.
 */
class OwnView extends DataView<ArrayBuffer> {
  static {
    const { constructor: _, ...methods } = Object.getOwnPropertyDescriptors(DataView.prototype);
    Object.defineProperties(OwnView.prototype, methods);
    Object.freeze(OwnView.prototype);
  }
}

const NOTHING: DataView<ArrayBuffer> = new OwnView(new ArrayBuffer(0));

/** Has a byte at 0 and none elsewhere: looking at the byte whose index is a number throws unless the number is 0. */
const ZERO = new OwnView(new ArrayBuffer(1));

/**
 * Stored to between the reading of a number and the look at the losses. For all that a compiler knows it may be the count
 * of losses itself, or the number: so the look can neither be done before the reading, nor once for a whole loop. Without
 * it Bun's compiler does both, and hands out the zeros of lost pages as numbers. An atomic load costs 7 ns instead of 0.1.
 *
 * A store of a number is such a store itself.
 */
const SCRATCH = new Uint32Array(1);

/** A window over a region. It moves to where it is needed. */
export class Window {
  /** To be read from. None of its pages was lost when it was opened. */
  view: DataView<ArrayBuffer> = NOTHING;
  /** To be stored to: the same, if it may be. */
  target: DataView<ArrayBuffer> = NOTHING;
  /** Where in the region the view starts, in bytes. */
  start = 0;
  /** The one number that the fault guard counts the region's losses in. */
  losses: Uint32Array;
  /** What that number was when the window was opened. */
  known = 0;
  readonly #memory: RegionMemory;
  /** The bytes that have been kept, from an offset in the region on. */
  #kept = new Uint8Array(0);
  #keptFrom = 0;
  #jumps = 0;

  constructor(memory: RegionMemory) {
    this.#memory = memory;
    this.losses = memory.losses;
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
   * Throws if a page of the region was lost since the window was opened. The guard counts before it puts zeros in a page's
   * place, whichever thread touches it: who reads them finds them counted.
   *
   * @param offset What to store meanwhile: any number.
   */
  look(offset: number): void {
    SCRATCH[0] = offset;
    ZERO.getUint8((this.losses[0] ?? 0) - this.known);
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
    const view = this.#open(offset, size, writable, operation);
    return this.#memory.watch(operation, offset, size, () => touch(view, 0));
  }

  /** Makes it hold a part of the region, if no page of that is lost; returns a view that begins with the part. */
  #open(offset: number, size: number, writable: boolean, operation: string): DataView<ArrayBuffer> {
    const memory = this.#memory;
    within(offset, size, memory.length(operation), operation);
    const around = writable
      ? memory.writableAround(offset, size, operation)
      : memory.readableAround(offset, size, operation);
    const [from, to] = this.#reach(offset, size, around.offset, around.offset + around.length);
    if (from !== this.#keptFrom || to - from !== this.#kept.length) {
      memory.giveBack(this.#kept);
      this.#kept = memory.keep(from, to - from, operation);
      this.#keptFrom = from;
    }
    const { buffer, byteOffset } = this.#kept;
    const cut = (start: number, end: number): DataView<ArrayBuffer> =>
      new OwnView(buffer, byteOffset + start - from, end - start);

    this.losses = memory.losses;
    this.known = Atomics.load(this.losses, 0); // before it is asked which pages were lost: those that are now, count anew
    const intact = this.known === 0
      ? { offset: from, length: to - from }
      : memory.intactAround(offset, from, to);
    this.start = intact.offset;
    this.view = cut(intact.offset, intact.offset + intact.length);
    this.target = writable ? this.view : NOTHING;
    return cut(offset, to);
  }

  /** The start and the end of the window around a part, of those bytes that may be used as the part may. */
  #reach(
    offset: number,
    size: number,
    start: number,
    end: number,
  ): readonly [start: number, end: number] {
    const small = libc().countsBuffers && end - start > HARMLESS && this.#jumps < MANY_JUMPS;
    if (!small && end - start <= largestBuffer()) return [start, end];
    // Windows overlap by half, so that whatever is not larger lies within one.
    const half = (small ? SMALL_SIZE : SIZE) / 2;
    if (size > half) return [offset, offset + size];
    const from = Math.floor(offset / half) * half;
    if (Math.abs(from - this.#keptFrom) > 2 * half) this.#jumps++;
    return [Math.max(from, start), Math.min(from + 2 * half, end)];
  }
}
