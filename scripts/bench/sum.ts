/**
 * The sum of a file's bytes, through a region or out of a plain array. usage: sum.ts region|guardless|array FILE COUNT
 *
 * One of them in a process, so that the loop's machine code is made for one kind of array.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import process from "node:process";
import { MappedRegion } from "../../mod.ts";
import { eachCall, report } from "./measure.ts";

const [kind, file = "", count] = process.argv.slice(2);

function plainArray(): Uint8Array {
  const fd = openSync(file, "r");
  const bytes = new Uint8Array(fstatSync(fd).size);
  for (let done = 0; done < bytes.length;) {
    done += readSync(fd, bytes, done, Math.min(2 ** 26, bytes.length - done), null);
  }
  closeSync(fd);
  return bytes;
}

function sum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index++) sum = (sum + (bytes[index] ?? 0)) | 0;
  return sum;
}

using region = kind === "array" ? undefined : MappedRegion.open(file, { guard: kind === "region" });
region?.prefault();
const bytes = region?.bytes ?? plainArray();
for (let warm = 0; warm < 20; warm++) sum(bytes.subarray(0, 2 ** 20));
report(eachCall(() => void sum(bytes), Number(count)));
