/**
 * The part of a region that a lock or a channel lives in.
 *
 * @module
 */
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { show, wholeNumber, within } from "../checks.ts";
import type { RegionMemory } from "../memory.ts";
import { MappedRegion, memoryOf } from "../region.ts";

/** The part of a region that a lock or a channel lives in: shared memory that may be written to. */
export class Place {
  /** What lives there, for messages: `"Mutex"`. */
  readonly what: string;
  /** The region's memory, and where in it the part is, in bytes. */
  readonly memory: RegionMemory;
  readonly offset: number;
  readonly length: number;
  readonly #losses: Uint32Array;

  private constructor(memory: RegionMemory, offset: number, length: number, what: string) {
    this.memory = memory;
    this.offset = offset;
    this.length = length;
    this.what = what;
    this.#losses = memory.losses;
  }

  /**
   * Checks where a program wants something to live.
   *
   * @param region The region.
   * @param offset The first byte in it.
   * @param length The number of bytes.
   * @param alignment What the address must be a multiple of.
   * @param what What is to live there, for messages.
   */
  static of(region: unknown, offset: unknown, length: number, alignment: number, what: string): Place {
    if (!(region instanceof MappedRegion)) {
      throw new TypeError(`${what}: the region must be a MappedRegion: received ${show(region)}`);
    }
    const memory = memoryOf(region);
    const at = wholeNumber(offset, `${what}: 'offset'`);
    within(at, length, memory.length(what), what);
    if ((memory.address + at) % alignment !== 0) {
      throw new RangeError(
        `${what}: 'offset' must make the address a multiple of ${alignment}: received ${at}`,
      );
    }
    const place = new Place(memory, at, length, what);
    place.check();
    return place;
  }

  /** A part of this one. */
  part(offset: number, length: number): Place {
    return new Place(this.memory, this.offset + offset, length, this.what);
  }

  /** The same place with a greater length. */
  enlarged(length: number): Place {
    within(this.offset, length, this.memory.length(this.what), this.what);
    return new Place(this.memory, this.offset, length, this.what);
  }

  /**
   * Throws unless stores to the region reach others. The program may have changed its protection since the last
   * check.
   */
  check(): void {
    const { memory, what } = this;
    memory.live(what);
    if (!memory.shared) {
      throw new TypeError(
        `${what}: the region is not shared, so that nobody else would see it; use createSharedMemory, ` +
          `anonymousSharedMemory, access "read-write", or MappedRegion.anonymous with shared: true`,
      );
    }
    memory.writes(this.offset, this.length, what);
  }

  /** The address of its first byte. */
  get address(): number {
    this.check();
    return this.memory.address + this.offset;
  }

  /**
   * Its bytes, for the library's own use: a view that has no elements when the region was closed, moved or protected, and must
   * be taken anew then.
   */
  bytes(): Uint8Array<ArrayBuffer> {
    this.check();
    return this.memory.keep(this.offset, this.length, this.what);
  }

  /** The same as words. */
  words(): Int32Array<ArrayBuffer> {
    const { buffer, byteOffset } = this.bytes();
    return new Int32Array(buffer, byteOffset, this.length / 4);
  }

  /** A part of its bytes, for the program. */
  lend(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.check();
    return this.memory.lend(this.offset + offset, length, this.what);
  }

  /** Throws if pages of it were lost: what is read there then is not what others stored. */
  assertIntact(): void {
    if (this.#losses[0] !== 0) this.#tellLost();
  }

  #tellLost(): void {
    this.memory.watch(this.what, this.offset, this.length, () => this.memory.live(this.what));
  }

  /** Whether the region is closed. */
  get closed(): boolean {
    return this.memory.closed;
  }

  /** The path of the region, for messages. */
  get path(): string | undefined {
    return this.memory.path;
  }
}

/** The four bytes that say what lives there, and in which version: in a dump of the memory they can be read. */
export function magic(text: string): number {
  return text.charCodeAt(0) | text.charCodeAt(1) << 8 | text.charCodeAt(2) << 16 | text.charCodeAt(3) << 24;
}

/** Where the magic number of everything here is, in bytes behind its first. */
export const MAGIC = 40;

/**
 * Makes something in memory that is all zeros, or finds that it is there already. The first one, in any process,
 * makes it. All zeros is a valid first state, so nobody ever sees it half made.
 */
export function establish(words: Int32Array, text: string, place: Place): void {
  const found = Atomics.compareExchange(words, MAGIC / 4, 0, magic(text));
  if (found === 0 || found === magic(text)) return;
  throw new MmapError(errorNumber("EINVAL"), undefined, {
    operation: place.what,
    path: place.path,
    explanation:
      `there is something else at this offset: its magic number is 0x${(found >>> 0).toString(16)}, not ` +
      `0x${(magic(text) >>> 0).toString(16)} (${show(text)}); use an offset where all bytes are 0`,
  });
}
