// Regions in several workers that fault, close and end at the wrong moment.
import { isEmulated } from "../helpers/mod.ts";
import { programs } from "./programs/workers.ts";
import { expectAll } from "./support.ts";

const old = ["stale", "generation", "slot", "table", "longer", "shifted"];
const bad = ["process", "prototype", "proxy", "string"];

/** For programs in which the end of a thread is noticed. */
const ENDS = { skip: isEmulated && "QEMU's user mode doesn't tell of a thread's end" };

expectAll("workers", programs, {
  fourReaders: [[65, 65, 65, 65], true, 0],
  fourWriters: 4,
  terminatedAttached: [4 * 65, 65, 0],
  terminatedWithRegions: [0, 2048],
  terminatedFaulting: [[0, 0, 0, 0, 0], true],
  buffersOfTheEnded: [0, 0, 0, 0, 0, 0, 0, 0],
  buffersOfTheLast: [true, true, 16, 0],
  buffersLetGo: [true, 16, 0],
  closedInMain: [[1e5 * 4 * 65, 0], true],
  closedInWorker: [1e7, 0, 65],
  forged: [[...old.map((name) => [name, "RegionClosedError"]), ...bad.map((name) => [name, "TypeError"])], 1],
  exaggerated: [65, 65, 65, 65, 65],
  manyWorkers: [[65, 65, 65, 65, 65, 65, 65, 65], 65],
}, {
  terminatedWithRegions: ENDS,
  buffersOfTheEnded: ENDS,
});
