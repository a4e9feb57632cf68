/**
 * The part of a region that a lock or a channel lives in.
 *
 * @module
 */
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { show, wholeNumber, within } from "../checks.ts";
import { RegionClosedError } from "../errors.ts";
import { MappedRegion } from "../region.ts";

/** Where in a region something lives. */
export interface Site {
  readonly region: MappedRegion;
  /** Its first byte. */
  readonly offset: number;
}

/**
 * Checks where a program wants something to live: in memory that is shared and may be written to.
 *
 * @param region The region.
 * @param offset The first byte in it.
 * @param length The number of bytes.
 * @param alignment What the address must be a multiple of.
 * @param what What is to live there, for messages: `"Mutex"`.
 */
export function site(
  region: unknown,
  offset: unknown,
  length: number,
  alignment: number,
  what: string,
): Site {
  if (!(region instanceof MappedRegion)) {
    throw new TypeError(`${what}: the region must be a MappedRegion: received ${show(region)}`);
  }
  const at = wholeNumber(offset, `${what}: 'offset'`);
  if (region.closed) throw new RegionClosedError(what, region.path);
  within(at, length, region.length, what);
  if (Number(region.address % BigInt(alignment)) + at % alignment !== 0) {
    throw new RangeError(
      `${what}: 'offset' must make the address a multiple of ${alignment}: received ${at}`,
    );
  }
  checkRights(region, what);
  return { region, offset: at };
}

/** Throws unless stores to a region reach others. Its owner may have taken the right away since it was last asked. */
export function checkRights(region: MappedRegion, what: string): void {
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

/** The address of a byte of a region. */
export function addressOf(region: MappedRegion, offset: number): number {
  return Number(region.address) + offset;
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
export function establish(words: Int32Array, text: string, what: string): void {
  const found = Atomics.compareExchange(words, MAGIC / 4, 0, magic(text));
  if (found === 0 || found === magic(text)) return;
  throw new MmapError(errorNumber("EINVAL"), what, {
    explanation:
      `there is something else at this offset: its magic number is 0x${(found >>> 0).toString(16)}, not ` +
      `0x${(magic(text) >>> 0).toString(16)} (${show(text)}); use an offset where all bytes are 0`,
  });
}
