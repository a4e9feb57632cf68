/**
 * mmap and munmap of one page through `@mapped/region/libc`. usage: pair.ts MILLISECONDS
 *
 * @module
 */
import process from "node:process";
import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_READ, PROT_WRITE } from "../../ffi/mod.ts";
import { perCall, report } from "./measure.ts";

function once(): void {
  munmap(mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
}

report([await perCall(once, 500, Number(process.argv[2]))]);
