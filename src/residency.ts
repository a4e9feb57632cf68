/**
 * Which pages of a region are in memory.
 *
 * @module
 */

/** How many cells a line of the drawing has. */
const COLUMNS = 64;

/** A cell that stands for several pages, by how many of them are in memory: none, some, all. */
const CELLS = ["·", "▒", "█"] as const;

/**
 * Which pages of a region are in memory, as mincore(2) saw them when it was asked.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 *
 * using region = MappedRegion.open("access.log");
 * const residency = region.residency();
 * console.log(`${residency.resident} of ${residency.pages} pages`);
 * console.log(String(residency));
 * ```
 */
export class Residency {
  /** The size of a page in bytes. */
  readonly pageSize: number;
  /** A byte for each page: 1 if it is in memory, 0 if not. */
  readonly bitmap: Uint8Array<ArrayBuffer>;
  /** The number of pages in memory. */
  readonly resident: number;
  /**
   * Whether the answer can be trusted. Since Linux 5.2 every page of a file is reported as being in memory to those
   * who neither own the file nor may write it.
   */
  readonly reliable: boolean;

  /**
   * Made by {@linkcode MappedRegion.residency}.
   *
   * @param bitmap A byte for each page, whose lowest bit says whether it is in memory, as mincore(2) gives it.
   * @param pageSize The size of a page in bytes.
   * @param reliable Whether the answer can be trusted.
   */
  constructor(bitmap: Uint8Array<ArrayBuffer>, pageSize: number, reliable: boolean) {
    let resident = 0;
    for (let page = 0; page < bitmap.length; page++) {
      const bit = (bitmap[page] ?? 0) & 1; // the other bits are undefined (Linux), or say more (macOS)
      bitmap[page] = bit;
      resident += bit;
    }
    this.bitmap = bitmap;
    this.pageSize = pageSize;
    this.resident = resident;
    this.reliable = reliable;
  }

  /** The number of pages. */
  get pages(): number {
    return this.bitmap.length;
  }

  /**
   * Draws the pages, from the first to the last, on one line of up to 64 cells, and counts them: `█` stands for pages
   * that are in memory, `·` for pages that are not, `▒` for some of both.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(8 * MappedRegion.pageSize);
   * memory.fill(1, { length: MappedRegion.pageSize });
   * console.log(memory.residency().toString()); // [█·······] 1 of 8 pages of 4096 bytes in memory, 12.5 %
   * ```
   */
  toString(): string {
    const { bitmap, pages, resident, pageSize } = this;
    const columns = Math.min(COLUMNS, pages);
    let drawing = "";
    for (let column = 0; column < columns; column++) {
      const from = Math.floor(column * pages / columns);
      const to = Math.floor((column + 1) * pages / columns);
      let count = 0;
      for (let page = from; page < to; page++) count += bitmap[page] ?? 0;
      drawing += count === 0 ? CELLS[0] : count === to - from ? CELLS[2] : CELLS[1];
    }
    const share = pages === 0 ? 100 : 100 * resident / pages;
    const doubt = this.reliable
      ? ""
      : " (not reliable: the system tells only those who own the file or may write it)";
    return `[${drawing}] ${resident} of ${pages} pages of ${pageSize} bytes in memory, ${
      share.toFixed(1)
    } %${doubt}`;
  }
}
