/**
 * The errors of regions themselves. {@linkcode MmapError}, that of a failed system call, is made where calls are.
 *
 * @module
 */

/**
 * A region was used after `close()`.
 *
 * @example
 * ```ts
 * import { MappedRegion, RegionClosedError } from "@mapped/region";
 *
 * const region = MappedRegion.anonymous(4096);
 * region.close();
 * try {
 *   region.read(0, 1);
 * } catch (error) {
 *   if (!(error instanceof RegionClosedError)) throw error;
 * }
 * ```
 */
export class RegionClosedError extends Error {
  /** `"RegionClosedError"`. */
  override readonly name: string = "RegionClosedError";
  /** The file that was mapped, where there was one. */
  declare readonly path?: string;

  /**
   * Makes the error for a call on a region that has been closed.
   *
   * @param operation The method that was called: `"read"`.
   * @param path The file that was mapped, where there was one.
   */
  constructor(operation: string, path?: string) {
    super(
      `${operation}: the region${path === undefined ? "" : ` of '${path}'`} is closed; ` +
        `keep it open for as long as it is used`,
    );
    if (path !== undefined) this.path = path;
  }
}
