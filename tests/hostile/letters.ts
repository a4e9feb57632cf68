/**
 * Memory in which there are letters and zeros, and nothing else: any other byte is somebody else's.
 *
 * @module
 */
import { MappedRegion, MmapError, RegionClosedError } from "../../mod.ts";

export const LETTER = 65;

/** What is wrong with bytes, if something is. */
export function strange(bytes: Uint8Array): string | undefined {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    // They may be gone in the middle of the loop: undefined.
    if (byte !== LETTER && byte !== 0 && byte !== undefined) {
      return `${byte} at ${at} of ${bytes.length} bytes`;
    }
  }
  return undefined;
}

/** Whether an error is one that a program has to expect of a region that others close, cut off, resize and protect. */
export function isExpected(error: unknown): boolean {
  return error instanceof RegionClosedError || error instanceof RangeError ||
    error instanceof MmapError &&
      ["EACCES", "EBUSY", "EFAULT", "EINVAL", "ENOENT", "ENOTSUP", "ESTALE"].includes(error.code);
}

/** Does one of the things to a region that any of its owners may do. Returns what was wrong, if something was. */
export function handle(region: MappedRegion, random: (below: number) => number): string | undefined {
  const { pageSize } = MappedRegion;
  const way = random(7);
  if (way === 0) region.close({ now: random(3) === 0 });
  else if (way === 1) region.count(LETTER);
  else if (way === 2) region.cursor().readU8();
  else if (way === 3) region.resize(pageSize * (1 + random(20)));
  else if (way === 4) region.protect((["read", "none", "read-write"] as const)[random(3)] ?? "read");
  else if (way === 5) return strange(region.bytes);
  else return strange(region.read(0, 10));
  return undefined;
}
