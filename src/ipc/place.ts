/**
 * The part of a region that a lock or a channel lives in.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
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
    const place = new Place(memory, at, length, what);
    place.check();
    if ((memory.address + at) % alignment !== 0) {
      throw new RangeError(
        `${what}: 'offset' must make the address a multiple of ${alignment}: received ${at}`,
      );
    }
    return place;
  }

  /** A part of this one. */
  part(offset: number, length: number): Place {
    return new Place(this.memory, this.offset + offset, length, this.what);
  }

  /** The same place with a greater length. */
  enlarged(length: number): Place {
    return new Place(this.memory, this.offset, length, this.what);
  }

  /**
   * Throws unless the part lies in the region, and stores to it reach others. The program may have changed the
   * region's length and its protection since the last check.
   */
  check(): void {
    const { memory, what } = this;
    within(this.offset, this.length, memory.length(what), what);
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

/** A word that has to be there before the magic number is. */
export interface FirstWord {
  /** Where it is, in bytes. */
  readonly at: number;
  /** What is stored there. */
  readonly value: number;
  /** Whether it may have been stored by another who is making the same. */
  accepts(value: number): boolean;
}

/**
 * Makes something in memory that is all zeros, or finds that it is there already. The first one, in any process,
 * makes it. All zeros is a valid first state, so nobody ever sees it half made. Where there is something else, nothing is
 * stored.
 */
export function establish(place: Place, text: string, first?: FirstWord): void {
  const words = place.words();
  const mine = magic(text);
  let found = Atomics.load(words, MAGIC / 4);
  // Another may have made it meanwhile, and used it: so the magic number is looked at again.
  if (found === 0 && !isVacant(words, first) && (found = Atomics.load(words, MAGIC / 4)) === 0) {
    throw occupied(place, "there are bytes that are not 0, but no magic number");
  }
  if (found === 0 || found === mine) {
    if (first !== undefined) Atomics.compareExchange(words, first.at / 4, 0, first.value);
    found = Atomics.compareExchange(words, MAGIC / 4, 0, mine);
  }
  if (found === 0 || found === mine) return;
  const [theirs, ours] = [found, mine].map((number) => `0x${(number >>> 0).toString(16)}`);
  throw occupied(place, `its magic number is ${theirs}, not ${ours} (${show(text)})`);
}

/** Whether nobody has stored anything there, but perhaps the first word. Each word is read in its turn. */
function isVacant(words: Int32Array, first: FirstWord | undefined): boolean {
  for (let index = 0; index < words.length; index++) {
    const value = Atomics.load(words, index);
    if (value !== 0 && !(first !== undefined && index === first.at / 4 && first.accepts(value))) return false;
  }
  return true;
}

function occupied(place: Place, what: string): MmapError {
  place.assertIntact(); // what was read may be what is left of lost pages
  return new MmapError(errorNumber("EINVAL"), undefined, {
    operation: place.what,
    path: place.path,
    explanation: `there is something else at this offset: ${what}; use an offset where all bytes are 0`,
  });
}
