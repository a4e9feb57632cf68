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
import { MappedRegion } from "../mod.ts";

const PAGES = 1024;
const COLUMNS = 128;
const CELL = 6;

interface Row {
  readonly caption: string;
  readonly bitmap: Uint8Array;
}

/** What happens to a file's pages, told by mincore(2) after each step. */
function watch(path: string): Row[] {
  const { pageSize } = MappedRegion;
  writeFileSync(path, new Uint8Array(PAGES * pageSize).fill(0x2e));
  using region = MappedRegion.open(path, { access: "read-write" });
  region.write(900 * pageSize, "ERROR");
  region.flushSync();
  const rows: Row[] = [];
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

function draw(rows: readonly Row[]): string {
  const lines = Math.ceil(PAGES / COLUMNS);
  const height = lines * CELL + 30;
  const parts = rows.flatMap(({ caption, bitmap }, row) => {
    const top = row * height;
    const text = caption.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const squares = (resident: boolean): string =>
      Array.from({ length: PAGES }, (_, page) => {
        if ((((bitmap[page] ?? 0) & 1) === 1) !== resident) return "";
        const y = top + 20 + Math.floor(page / COLUMNS) * CELL;
        return `M${(page % COLUMNS) * CELL} ${y}h5v5h-5z`;
      }).join("");
    return [
      `<text x="0" y="${top + 13}" fill="#8b949e">${text}</text>`,
      `<path fill="#8b949e" fill-opacity=".25" d="${squares(false)}"/>`,
      `<path fill="#2f81f7" d="${squares(true)}"/>`,
    ];
  });
  const [width, total] = [COLUMNS * CELL, rows.length * height];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" font-family="monospace" font-size="12">`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

const folder = mkdtempSync(join(tmpdir(), "mapped-region-picture-"));
try {
  const picture = fileURLToPath(new URL("../.github/residency.svg", import.meta.url));
  writeFileSync(picture, draw(watch(join(folder, "app.log"))));
} finally {
  rmSync(folder, { recursive: true });
}
