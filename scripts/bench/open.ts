/**
 * The first byte of a file, one way or another. usage: open.ts WAY FILE MILLISECONDS WARM_UP [MODULE]
 *
 * The module is another version's mod.ts, to be compared with this one.
 *
 * @module
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { perCall, report } from "./measure.ts";

const [way = "", file = "", milliseconds, warmUp, other] = process.argv.slice(2);
const { MappedRegion } =
  (other === undefined
    ? await import("../../mod.ts")
    : await import(pathToFileURL(other).href)) as typeof import("../../mod.ts");
const { Bun: bun } = globalThis as unknown as { Bun?: { mmap(path: string): Uint8Array } };
const one = new Uint8Array(1);
let sum = 0;

const WAYS: Readonly<Record<string, () => void>> = {
  "bytes": () => {
    const region = MappedRegion.open(file);
    sum += region.bytes[0] ?? 0;
    region.close();
  },
  "guarded": () => {
    const region = MappedRegion.open(file, { guard: true });
    sum += region.bytes[0] ?? 0;
    region.close();
  },
  "guardless": () => {
    const region = MappedRegion.open(file, { guard: false });
    sum += region.bytes[0] ?? 0;
    region.close();
  },
  "read": () => {
    const region = MappedRegion.open(file);
    sum += region.read(0, 1)[0] ?? 0;
    region.close();
  },
  "open": () => MappedRegion.open(file).close(),
  // Unmapped when it is collected: there is no other way.
  "Bun.mmap": () => {
    sum += bun?.mmap(file)[0] ?? 0;
  },
  "readFileSync": () => {
    sum += readFileSync(file)[0] ?? 0;
  },
  "readSync": () => {
    const fd = openSync(file, "r");
    readSync(fd, one, 0, 1, 0);
    sum += one[0] ?? 0;
    closeSync(fd);
  },
};

const once = WAYS[way];
if (once === undefined) throw new TypeError(`open.ts: there is no way '${way}'`);
report([await perCall(once, way === "readFileSync" ? 1 : 200, Number(milliseconds), Number(warmUp))]);
if (Number.isNaN(sum)) throw new Error("a byte was no number");
// Deno 2.9 that ends by itself frees the table of its own functions, which V8's compiler thread may still be reading.
process.exit();
