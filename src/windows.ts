/**
 * Walking a region in parts: for regions that are larger than an ArrayBuffer, or than memory.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { Math } from "../ffi/captured.ts";
import type { RegionMemory } from "./memory.ts";
import type { WindowsOptions } from "./options.ts";
import { largestBuffer } from "./views.ts";

/** The size of a window, where none is asked for, in bytes. */
const SIZE = 2 ** 24;

/**
 * The windows of a region, made by {@linkcode MappedRegion.windows}: one after the other by `for (… of …)`; by
 * `for await (… of …)` with a turn of the event loop between two of them. Each loop begins anew.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 *
 * using log = MappedRegion.open("access.log");
 * const windows = log.windows({ size: 4096 });
 * let newlines = 0;
 * for await (const window of windows) for (const byte of window) if (byte === 0x0a) newlines++;
 * console.log(newlines);
 * ```
 */
export class Windows implements Iterable<Uint8Array<ArrayBuffer>>, AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #memory: RegionMemory;
  readonly #offset: number;
  /** Undefined: the region's end, even if the region is resized meanwhile. */
  readonly #end: number | undefined;
  readonly #size: number;
  readonly #dropBehind: boolean;

  /**
   * Made by {@linkcode MappedRegion.windows}.
   *
   * @param memory The region's memory.
   * @param options Which part, in how large windows.
   */
  constructor(memory: RegionMemory, options: WindowsOptions) {
    const { size = SIZE, dropBehind = false } = options;
    const { offset, length } = memory.range(options, "windows");
    if (size > largestBuffer()) {
      throw new RangeError(
        `windows: 'size' must be at most ${largestBuffer()}, this runtime's largest ArrayBuffer: received ${size}`,
      );
    }
    this.#memory = memory;
    this.#offset = offset;
    this.#end = options.length === undefined ? undefined : offset + length;
    this.#size = size;
    this.#dropBehind = dropBehind;
  }

  /** The windows, in order. */
  *[Symbol.iterator](): Generator<Uint8Array<ArrayBuffer>, undefined> {
    const memory = this.#memory;
    let offset = this.#offset;
    for (let end; offset < (end = this.#reach()); offset += this.#size) {
      const length = Math.min(this.#size, end - offset);
      yield memory.lend(offset, length, "windows");
      this.#passed(offset, length);
    }
    this.#finish(offset);
  }

  /** The windows, in order, the event loop running in between. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, undefined> {
    const { setImmediate } = builtin("node:timers/promises");
    for (const window of this) {
      yield window;
      await setImmediate();
    }
  }

  /** Where the walk ends. The region may have been resized since the last window. */
  #reach(): number {
    const length = this.#memory.length("windows");
    return Math.min(this.#end ?? length, length);
  }

  /** The program has looked at a window. If pages of it were lost meanwhile, it has seen zeros: throws then. */
  #passed(offset: number, length: number): void {
    const memory = this.#memory;
    const left = memory.length("windows") - offset;
    if (left <= 0) return; // the region was made shorter in the middle of the loop
    memory.assertNotLost("windows", offset, Math.min(length, left));
    if (this.#dropBehind) memory.drop(offset, length, "windows");
  }

  #finish(end: number): void {
    const last = Math.min(end, this.#reach());
    if (last > this.#offset) this.#memory.confirm("windows", this.#offset, last - this.#offset);
  }
}
