/**
 * The part of a region that a lock or a channel lives in.
 *
 * @module
 */
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { show, wholeNumber, within } from "../checks.ts";
import { RegionClosedError } from "../errors.ts";
import { MappedRegion } from "../region.ts";

/** The part of a region that something lives in: shared, and to be written to. */
export class Place {
  /** What lives there, for messages: `"Mutex"`. */
  readonly what: string;
  /** The first byte in the region. */
  readonly offset: number;
  readonly region: MappedRegion;

  private constructor(region: MappedRegion, offset: number, what: string) {
    this.region = region;
    this.offset = offset;
    this.what = what;
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
    const at = wholeNumber(offset, `${what}: 'offset'`);
    if (region.closed) throw new RegionClosedError(what, region.path);
    within(at, length, region.length, what);
    if ((Number(region.address % BigInt(alignment)) + at) % alignment !== 0) {
      throw new RangeError(
        `${what}: 'offset' must make the address a multiple of ${alignment}: received ${at}`,
      );
    }
    const place = new Place(region, at, what);
    place.check();
    return place;
  }

  /** A part of this one. */
  part(offset: number): Place {
    return new Place(this.region, this.offset + offset, this.what);
  }

  /** Throws unless stores reach others. The region's owner may have taken the right away since it was last asked. */
  check(): void {
    const { region, what } = this;
    if (region.closed) throw new RegionClosedError(what, region.path);
    if (!region.shared) {
      throw new TypeError(
        `${what}: the region is not shared, so that nobody else would see it; use createSharedMemory, ` +
          `anonymousSharedMemory, access "read-write", or MappedRegion.anonymous with shared: true`,
      );
    }
    const { protection } = region;
    if (protection !== "read-write" && protection !== "read-write-execute") {
      throw new MmapError(errorNumber("EACCES"), what, {
        path: region.path,
        explanation: `the region's pages may not be written to: ${show(protection)}; ` +
          'open it with access "read-write"',
      });
    }
  }

  /** The address of a byte. */
  address(offset: number = 0): number {
    this.check();
    return Number(this.region.address) + this.offset + offset;
  }

  /** A view of words; it has no elements when the region was closed, moved or protected, and must be taken anew. */
  words(offset: number, count: number): Int32Array<ArrayBuffer> {
    this.check();
    return this.region.array(Int32Array<ArrayBuffer>, this.offset + offset, count);
  }

  /** A view of doubles. */
  doubles(offset: number, count: number): Float64Array<ArrayBuffer> {
    this.check();
    return this.region.array(Float64Array<ArrayBuffer>, this.offset + offset, count);
  }

  /** A view of bytes. */
  bytes(offset: number, count: number): Uint8Array<ArrayBuffer> {
    this.check();
    return this.region.array(Uint8Array<ArrayBuffer>, this.offset + offset, count);
  }

  /** Throws if pages of the region were lost: what is read there then is nobody's. */
  assertIntact(): void {
    if (this.region.faults !== 0) this.region.assertIntact();
  }

  /** Whether the region is closed. */
  get closed(): boolean {
    return this.region.closed;
  }

  /** The path of the region, for messages. */
  get path(): string | undefined {
    return this.region.path;
  }
}

/** The four bytes that say what lives there, and in which version: in a dump of the memory they can be read. */
export function magic(text: string): number {
  return text.charCodeAt(0) | text.charCodeAt(1) << 8 | text.charCodeAt(2) << 16 | text.charCodeAt(3) << 24;
}

/** Where the magic number of everything here is, in bytes behind its first. */
export const MAGIC = 40;

/**
 * Makes something of memory that is all zeros, or finds out that it is there already. Whoever comes first, in any
 * process, makes it; the zeros are its first state, so that there is no time at which it is half made.
 */
export function establish(words: Int32Array, text: string, place: Place): void {
  const found = Atomics.compareExchange(words, MAGIC / 4, 0, magic(text));
  if (found === 0 || found === magic(text)) return;
  throw new MmapError(errorNumber("EINVAL"), place.what, {
    path: place.path,
    explanation:
      `there is something else at this offset: its magic number is 0x${(found >>> 0).toString(16)}, not ` +
      `0x${(magic(text) >>> 0).toString(16)} (${show(text)}); use an offset where all bytes are 0`,
  });
}
