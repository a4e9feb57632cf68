/**
 * The process's table of regions, as this isolate sees it: opened, and the fault guard installed, with the first
 * mapping.
 *
 * @module
 */
import { ByteArray } from "./captured.ts";
import { openTable, type RegionTable } from "./guard/mod.ts";
import { type Libc, libc } from "./libc.ts";
import { machine } from "./machine.ts";
import { constants } from "./platform.ts";
import { lockRobust } from "./robust_mutex.ts";
import { watchSignals } from "./signal_listeners.ts";

export type { Amount, RegionTable, Slot, SlotHandle } from "./guard/mod.ts";

let table: RegionTable | undefined;

/** The table of regions, in which every mapping of the library has a slot. */
export function regionTable(): RegionTable {
  table ??= open(libc());
  return table;
}

function open(c: Libc): RegionTable {
  const { mmap, munmap, mprotect, madvise, msync, sigaction } = c.functions;
  return openTable(
    {
      mmap,
      munmap,
      mprotect,
      madvise,
      msync,
      sigaction,
      lockRobust: (mutex) => lockRobust(c, mutex),
      arrayBuffer: c.arrayBuffer,
    },
    {
      architecture: machine.architecture,
      platform: machine.system,
      pageSize: c.pageSize,
      constants,
      guard: environment(c, "MAPPED_REGION_GUARD", 3) === "off" ? "off" : "on",
      installed: watchSignals,
      secret: secret(c),
    },
  );
}

/** AT_RANDOM of <linux/auxvec.h>: the address of 16 bytes that the kernel has chosen for this process. */
const AT_RANDOM = 25;

function secret(c: Libc): readonly bigint[] {
  const address = c.has("getauxval") ? c.functions.getauxval(AT_RANDOM) : 0;
  return address === 0
    ? []
    : [...new BigUint64Array(new ByteArray(c.arrayBuffer(address, 16)).slice().buffer)];
}

/**
 * The first bytes of an environment variable, read by libc: by its own means, Deno would ask its user for permission
 * to read the environment.
 */
function environment(c: Libc, name: string, length: number): string {
  const address = c.functions.getenv(new TextEncoder().encode(`${name}\0`));
  if (address === 0) return "";
  const bytes: number[] = [];
  for (let index = 0; index <= length; index++) {
    const [byte = 0] = new ByteArray(c.arrayBuffer(address + index, 1));
    if (byte === 0) break;
    bytes.push(byte);
  }
  return String.fromCharCode(...bytes);
}
