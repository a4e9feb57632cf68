/**
 * Draws the README's picture: which pages of a file are in memory, before and after a program has looked into it.
 * `node scripts/draw_residency.ts` writes .github/residency.svg. The library itself says which pages those are.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawPages, type PageMap } from "../examples/pictures.ts";
import { MappedRegion } from "../mod.ts";

const PAGES = 1024;

/** What happens to a file's pages, told by mincore(2) after each step. */
function watch(path: string): PageMap[] {
  const { pageSize } = MappedRegion;
  writeFileSync(path, new Uint8Array(PAGES * pageSize).fill(0x2e));
  using region = MappedRegion.open(path, { access: "read-write" });
  region.write(900 * pageSize, "ERROR");
  region.flushSync();
  const rows: PageMap[] = [];
  const look = (caption: string): void => {
    rows.push({ caption, bitmap: region.residency().bitmap });
  };
  region.prefault();
  region.advise("page-out"); // now nothing of it is in memory
  look('MappedRegion.open("app.log"): nothing is read');
  region.advise("random"); // no reading ahead
  region.read(17 * pageSize, 100);
  region.read(200 * pageSize, 100);
  look("two reads: two pages");
  region.prefault({ offset: 512 * pageSize, length: 128 * pageSize });
  look("prefault({ offset, length }): a part");
  region.indexOf("ERROR");
  look('indexOf("ERROR"): what it went through, and what the kernel read ahead');
  return rows;
}

const folder = mkdtempSync(join(tmpdir(), "mapped-region-picture-"));
try {
  const picture = fileURLToPath(new URL("../.github/residency.svg", import.meta.url));
  writeFileSync(picture, drawPages(watch(join(folder, "app.log"))));
} finally {
  rmSync(folder, { recursive: true });
}
