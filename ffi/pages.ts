/**
 * What a mapping's `MAP_*` flags and address tell about it.
 *
 * @module
 */
import { pageSizeOf } from "./files.ts";
import { libc } from "./libc.ts";
import { constants } from "./platform.ts";

/** `MAP_TYPE`, <linux/mman.h>: the bits that tell MAP_SHARED, MAP_PRIVATE and their kind apart. */
const MAP_TYPE = 0x0f;

/** Whether `MAP_*` flags are those of a shared mapping. */
export function isSharedMapping(flags: number): boolean {
  const { MAP_SHARED, MAP_SHARED_VALIDATE } = constants;
  const type = flags & MAP_TYPE;
  return type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
}

/** The smallest huge page there is: arm64's of 16 neighbouring pages. */
const SMALLEST_HUGE_PAGE = 2 ** 16;

/** The size of the pages of a mapping, made with these flags, of an open file (-1: of memory). */
export function pageSizeAt(address: number, flags: number, fd: number): number {
  const { pageSize } = libc();
  if (address % SMALLEST_HUGE_PAGE !== 0) return pageSize; // huge pages begin at multiples of their size
  if (fd !== -1) return pageSizeOf(fd);
  return (flags & (constants.MAP_HUGETLB ?? 0)) === 0 ? pageSize : hugePageSizeAt(address, pageSize);
}

/**
 * Finds the page size by trying. madvise(2) fails with EINVAL for a part of a huge page: the smallest size for which
 * it succeeds is that of a page. The advice is taken back at once.
 */
function hugePageSizeAt(address: number, smallest: number): number {
  const { functions } = libc();
  const { MADV_DONTFORK = 0, MADV_DOFORK = 0 } = constants;
  for (let size = smallest; size < 2 ** 40; size *= 2) {
    if (functions.madvise(address, size, MADV_DONTFORK) === 0) {
      functions.madvise(address, size, MADV_DOFORK);
      return size;
    }
  }
  return smallest;
}
