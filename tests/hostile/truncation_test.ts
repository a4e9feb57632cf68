// Files that are cut off, filled up, replaced or deleted while they are mapped.
import { mountOnly, runtimeName } from "../helpers/mod.ts";
import { programs } from "./programs/truncation.ts";
import { expectAll } from "./support.ts";

expectAll("truncation", programs, {
  readsAfter: [65, 255],
  readsBetween: [4 * 65, 65, 3],
  optimizedReads: [2e6, 512 + 2, 255],
  optimizedStores: [256, 255, true, 66],
  decoded: [256, true, true, 255, 255],
  buffers: [true, -1, true, 255, 255, 255],
  hashed: [true, true],
  hashedElsewhere: [true, true, 255],
  deflated: [true, 255],
  deflatedElsewhere: [true, 255],
  cutWhileDeflated: [1024, true, true],
  cloned: [true, true, 255],
  atomics: [0, 0, 0, 0, 0, 5, 7, 9, 4],
  // Deno's writeSync goes on until everything is written.
  written: [runtimeName === "deno" ? "EFAULT" : 1, "EFAULT"],
  writtenElsewhere: ["EFAULT", true],
  bodies: [true, true],
  cutByAnother: [256, true, 1, true],
  fullDisk: [64, 48, "EFAULT"],
  replaced: [4 * 65, 0, "new"],
  deleted: [3 * 65 + 66, 0],
  cutWithinPage: [65, 0, 0, [65, 0]],
  regrown: ["back\0", 0, true],
  // Lines are decoded many at a time, and these were before the file was cut.
  iterated: ["windows", "matches", "lines", "byteLines", "linesContaining"].map((name) => [name, "EFAULT"]),
  copied: ["EFAULT", "EFAULT", "EFAULT", "EFAULT", "EFAULT", true, true, 1],
  cutWhileCopied: [true, true],
  searched: ["EFAULT", "EFAULT", "EFAULT", 1, "EFAULT", true],
}, { fullDisk: mountOnly });
