/**
 * The unit of mmap(2).
 *
 * @module
 */
import { MappedRegion } from "../mod.ts";

/** So many pages, in bytes. */
export function pages(count: number): number {
  return count * MappedRegion.pageSize;
}
