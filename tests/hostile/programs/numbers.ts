// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Very many regions, faults and repeats. */
import { readFileSync, truncateSync } from "node:fs";
import process from "node:process";
import { MappedRegion } from "../../../mod.ts";
import { collectGarbage, PAGE, together } from "../../helpers/mod.ts";
import { file, type Programs } from "../support.ts";

const LIBRARY = JSON.stringify(new URL("../../../mod.ts", import.meta.url).href);

/** Reads one byte of each page. */
function touch(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += PAGE) sum += bytes[at] ?? 0;
  return sum;
}

/** How many mappings this process has. */
function mappings(): number {
  return process.platform === "linux" ? readFileSync("/proc/self/maps", "utf8").split("\n").length : 0;
}

export const programs: Programs = {
  /** Opens a thousand regions, loses all of their pages, and touches each. */
  thousandRegions() {
    const path = file(4);
    const regions = Array.from({ length: 1000 }, () => MappedRegion.open(path));
    truncateSync(path, PAGE);
    const sums = regions.map(({ bytes }) => touch(bytes));
    const faults = regions.map((region) => region.faults);
    for (const region of regions) region.close();
    return [sums.every((sum) => sum === 65), faults.every((count) => count === 3), regions.length];
  },

  /** Opens, loses, touches and closes a region a thousand times. */
  thousandTimes() {
    const path = file(4);
    let right = 0;
    for (let i = 0; i < 1000; i++) {
      truncateSync(path, 4 * PAGE);
      using region = MappedRegion.open(path, { access: "read-write" });
      region.bytes[0] = 65;
      truncateSync(path, PAGE);
      region.bytes[2 * PAGE] = 9;
      if (touch(region.bytes) === 65 + 9 && region.faults === 3) right++;
    }
    return right;
  },

  /** Opens and closes 70,000 regions with a view in one synchronous loop: more than the kernel grants mappings. */
  seventyThousand() {
    let sum = 0;
    for (let i = 0; i < 70_000; i++) {
      const region = MappedRegion.anonymous(PAGE);
      region.bytes[0] = 1;
      sum += region.bytes[0] ?? 0;
      region.close();
    }
    return [sum, mappings() < 30_000];
  },

  /** Opens and closes 20,000 regions whose views have been transferred away. */
  manyStolen() {
    const stolen: Uint8Array[] = [];
    for (let i = 0; i < 20_000; i++) {
      const region = MappedRegion.anonymous(PAGE);
      stolen.push(new Uint8Array(region.buffer.transfer()));
      region.close();
    }
    for (const [i, bytes] of stolen.entries()) bytes[0] = i;
    return [stolen.every((bytes, i) => bytes[0] === (i & 255)), mappings() < 30_000];
  },

  /** Opens and closes regions in two workers, and here, while all of them fault. */
  enteringAndLeaving() {
    const path = file(4);
    truncateSync(path, PAGE);
    truncateSync(path, 4 * PAGE);
    const source = `
      import { parentPort, workerData } from "node:worker_threads";
      import { MappedRegion } from ${LIBRARY};
      let faults = 0;
      for (let i = 0; i < 2000; i++) {
        const region = MappedRegion.anonymous(4 * ${PAGE});
        region.protect("read");
        const { bytes } = region;
        for (let page = 0; page < 4; page++) bytes[page * ${PAGE}] = i;
        for (let page = 0; page < 4; page++) if (bytes[page * ${PAGE}] !== (i & 255)) throw new Error("lost a store");
        faults += region.faults;
        region.close();
      }
      parentPort.postMessage(faults);
    `;
    const workers = [1, 2, 3].map(() => together(source));
    return Promise.all(workers.map(async (worker) => {
      const faults = await worker.next();
      await worker.end();
      return faults;
    }));
  },

  /** Drops regions without closing them while their views live: the views go on. */
  async droppedWithView() {
    process.removeAllListeners("warning");
    process.on("warning", () => {});
    const views = (() => Array.from({ length: 100 }, () => MappedRegion.open(file(1)).bytes))();
    for (let i = 0; i < 3; i++) await collectGarbage();
    return [views.every((bytes) => bytes[0] === 65 && bytes.length === PAGE)];
  },

  /** Drops regions without closing them while their memory is somebody else's: no access ends the process. */
  async droppedWhileStolen() {
    process.removeAllListeners("warning");
    process.on("warning", () => {});
    const stolen = (() =>
      Array.from({ length: 100 }, () => {
        const { buffer } = MappedRegion.anonymous(PAGE);
        return new Uint8Array(structuredClone(buffer, { transfer: [buffer] }));
      }))();
    for (let i = 0; i < 3; i++) await collectGarbage();
    for (const [i, bytes] of stolen.entries()) bytes[i] = i;
    return [stolen.every((bytes, i) => bytes[i] === i && bytes.length === PAGE)];
  },
};
