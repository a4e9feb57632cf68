// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Regions in several workers that fault, close and end at the wrong moment. */
import { readFileSync, truncateSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { MappedRegion, type RegionHandle } from "../../../mod.ts";
import {
  collectGarbage,
  eventually,
  isMapped,
  LIBRARY,
  PAGE,
  type Together,
  together,
} from "../../helpers/mod.ts";
import { file, outcome, type Programs } from "../support.ts";

/** A worker with the region attached as `region`; `program` is run for each message, and its value posted. */
function attached(handle: RegionHandle, program: string): Together {
  return together(
    `
    import { parentPort, workerData } from "node:worker_threads";
    import { MappedRegion } from ${JSON.stringify(LIBRARY)};
    const region = MappedRegion.attach(workerData);
    const { bytes } = region;
    const sum = () => { let sum = 0; for (let i = 0; i < bytes.length; i += ${PAGE}) sum += bytes[i]; return sum; };
    parentPort.on("message", async (message) => parentPort.postMessage(await (async () => { ${program} })()));
    parentPort.postMessage("ready");
  `,
    handle,
  );
}

/** A worker that has transferred its buffer of a region to here, and closes the region when it is told to. */
async function givenAway(region: MappedRegion): Promise<{ worker: Together; bytes: Uint8Array }> {
  const worker = attached(
    region.handle(),
    'if (message === "close") region.close(); else parentPort.postMessage(bytes, [bytes.buffer]);',
  );
  await worker.next();
  const taken = worker.next();
  void worker.ask("buffer");
  const bytes = await taken as Uint8Array;
  await worker.next();
  return { worker, bytes };
}

export const programs: Programs = {
  /** Cuts a file while four workers read all of it. */
  async fourReaders() {
    const path = file(512);
    using region = MappedRegion.open(path);
    const all = [1, 2, 3, 4].map(() =>
      attached(
        region.handle(),
        // Each page shows the file's byte until it is taken away, and zero from then on: sooner or later all but one do.
        `for (let last, end = Date.now() + 120_000; Date.now() < end;) {
          if ((last = sum()) === 65) return last;
          if (last > 512 * 65 || last % 65 !== 0) return last;
        }
        return -1;`,
      )
    );
    await Promise.all(all.map((worker) => worker.next()));
    const sums = Promise.all(all.map((worker) => worker.ask("read")));
    await delay(50);
    truncateSync(path, PAGE);
    const found = [await sums, region.faults >= 511 && region.faults <= 4 * 511, region.bytes[PAGE]];
    await Promise.all(all.map((worker) => worker.end()));
    return found;
  },

  /** Lets four workers store to the same lost pages: no store is lost. */
  async fourWriters() {
    const path = file(64);
    using region = MappedRegion.open(path, { access: "read-write" });
    const all = [1, 2, 3, 4].map(() =>
      attached(region.handle(), "for (let i = 0; i < bytes.length; i += 64) bytes[i + message] = message;")
    );
    await Promise.all(all.map((worker) => worker.next()));
    truncateSync(path, 0);
    await Promise.all(all.map((worker, i) => worker.ask(i + 1)));
    const { bytes } = region;
    let right = 0;
    for (let i = 0; i < bytes.length; i += 64) {
      for (let n = 1; n <= 4; n++) if (bytes[i + n] === n) right++;
    }
    await Promise.all(all.map((worker) => worker.end()));
    return right / (bytes.length / 64);
  },

  /** Terminates a worker while it is attached: the region stays. */
  async terminatedAttached() {
    using region = MappedRegion.open(file(4));
    const worker = attached(region.handle(), "return sum();");
    await worker.next();
    const sum = await worker.ask("sum");
    await worker.end();
    return [sum, region.bytes[0], region.faults];
  },

  /** Terminates workers while they fault without end. */
  async terminatedFaulting() {
    const path = file(4);
    using region = MappedRegion.open(path, { access: "read-write" });
    const found: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      const worker = attached(region.handle(), "for (;;) { sum(); bytes[0]++; }");
      await worker.next();
      worker.ask("go").catch(() => {});
      truncateSync(path, 0);
      await delay(10);
      await worker.end();
      found.push(region.bytes[PAGE]);
    }
    return [found, region.faults > 0];
  },

  /** Terminates workers that have regions open, with buffers and without, attached and their own: all are given back. */
  async terminatedWithRegions() {
    const path = file(16);
    using region = MappedRegion.anonymous(PAGE, { shared: true });
    for (let i = 0; i < 5; i++) {
      const worker = together(
        `
        import { parentPort, workerData } from "node:worker_threads";
        import { MappedRegion } from ${JSON.stringify(LIBRARY)};
        const regions = [];
        for (let i = 0; i < 20; i++) regions.push(MappedRegion.open(workerData.path));
        for (const each of regions.slice(10)) each.bytes[0];
        regions.push(MappedRegion.attach(workerData.handle), MappedRegion.attach(workerData.handle));
        parentPort.on("message", () => regions);
        parentPort.postMessage(regions.length);
      `,
        { path, handle: region.handle() },
      );
      await worker.next();
      await worker.end();
    }
    const count = () =>
      readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) => line.includes(path));
    // A thread ends a little later than its worker.
    await eventually(() => {
      MappedRegion.anonymous(PAGE).close();
      return count().length === 0;
    });
    region.resize(2048);
    return [count().length, region.length];
  },

  /**
   * Takes a buffer over from workers that close their region, or are terminated, and then closes the region here, and
   * makes it shorter and longer: the buffer stays valid memory, and nobody else's.
   */
  async buffersOfTheEnded() {
    const size = 64 * PAGE;
    const ends: readonly ((region: MappedRegion) => void)[] = [
      (region) => region.close(),
      (region) => region.close({ now: true }),
      (region) => region.resize(PAGE),
      (region) => region.resize(16 * size),
    ];
    const found: unknown[] = [];
    for (const terminates of [true, false]) {
      for (const end of ends) {
        const worker = together(
          `
          import { parentPort } from "node:worker_threads";
          import { MappedRegion } from ${JSON.stringify(LIBRARY)};
          const region = MappedRegion.anonymous(${size});
          const { bytes } = region;
          parentPort.on("message", () => parentPort.postMessage(region.close()));
          parentPort.postMessage([region.handle(), bytes], [bytes.buffer]);
        `,
          undefined,
        );
        const [handle, taken] = await worker.next() as [RegionHandle, Uint8Array];
        const region = MappedRegion.attach(handle);
        if (terminates) await worker.end();
        else await worker.ask("close");
        // A thread ends a little later than its worker.
        await eventually(() => outcome(() => end(region)) !== "EBUSY");
        using others = MappedRegion.anonymous(16 * size);
        using more = MappedRegion.anonymous(size);
        for (let at = 0; at < taken.length; at += PAGE) taken[at] = 1;
        found.push(others.count(1) + more.count(1));
        region.close();
        taken[0] = 2;
        if (!terminates) await worker.end();
      }
    }
    return found;
  },

  /** Takes a buffer over from the last owner, while a view is kept of the region that was closed here; lets go of it. */
  async buffersOfTheLast() {
    const path = file(16);
    const region = MappedRegion.open(path, { access: "read-write" });
    let held: ArrayBuffer | undefined = region.buffer;
    const { worker, bytes } = await givenAway(region);
    region.close();
    await worker.ask("close");
    const isThere = [isMapped(path), held?.detached];
    held = undefined;
    for (let rounds = 0; isMapped(path) && rounds < 10; rounds++) await collectGarbage(); // Bun may hold on to it
    using other = MappedRegion.anonymous(16 * PAGE);
    for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = 1;
    await worker.end();
    return [...isThere, bytes.length / PAGE, other.count(1)];
  },

  /** Takes a buffer over from another owner, lets go of the region at once, and then of the view that was kept of it. */
  async buffersLetGo() {
    const region = MappedRegion.anonymous(16 * PAGE);
    let held: ArrayBuffer | undefined = region.buffer;
    const { worker, bytes } = await givenAway(region);
    await worker.ask("close");
    region.close({ now: true });
    const isDetached = held?.detached;
    held = undefined;
    for (let rounds = 0; rounds < 5; rounds++) await collectGarbage();
    using other = MappedRegion.anonymous(16 * PAGE);
    for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = 1;
    await worker.end();
    return [isDetached, bytes.length / PAGE, other.count(1)];
  },

  /** Closes the region in the main thread while a worker reads it. */
  async closedInMain() {
    const region = MappedRegion.open(file(4));
    const worker = attached(
      region.handle(),
      "let total = 0; for (let i = 0; i < 1e5; i++) total += sum(); region.close(); return [total, bytes.length];",
    );
    await worker.next();
    const answer = worker.ask("go");
    region.close();
    const found = await answer;
    await worker.end();
    return [found, region.closed];
  },

  /** Closes the region in a worker while the main thread reads it. */
  async closedInWorker() {
    using region = MappedRegion.open(file(4));
    const worker = attached(region.handle(), "region.close(); return bytes.length;");
    await worker.next();
    const answer = worker.ask("close");
    let total = 0;
    for (let i = 0; i < 1e7; i++) total += region.bytes[i & 4095] ?? 0;
    const found = [total / 65, await answer, region.bytes[0]];
    await worker.end();
    return found;
  },

  /** Attaches with handles that are forged, old, or of nothing. */
  forged() {
    using region = MappedRegion.anonymous(4 * PAGE);
    const handle = region.handle();
    const old = MappedRegion.anonymous(PAGE);
    const stale = old.handle();
    old.close();
    const forgeries: Readonly<Record<string, unknown>> = {
      stale,
      generation: { ...handle, generation: handle.generation + 1 },
      slot: { ...handle, slot: 2 ** 40 },
      table: { ...handle, table: 4096 },
      longer: { ...handle, length: 2 ** 40 },
      shifted: { ...handle, delta: PAGE },
      process: { ...handle, process: handle.process + 1 },
      prototype: Object.create(handle),
      proxy: new Proxy(handle, {}),
      string: JSON.stringify(handle),
    };
    const found = Object.entries(forgeries).map(([name, forgery]) => [
      name,
      outcome(() => Reflect.apply(MappedRegion.attach, MappedRegion, [forgery])),
    ]);
    region.resize(PAGE); // refused if a failed attempt had kept a reference
    return [found, region.length / PAGE];
  },

  /** Attaches with handles that claim rights, sizes of pages and flags that the region has not. */
  exaggerated() {
    const path = file(4);
    using region = MappedRegion.open(path);
    const handle = region.handle();
    const claims = [
      { ...handle, access: "read-write" as const, protections: [{ end: 4 * PAGE, bits: 3 }] },
      { ...handle, protections: [{ end: 1, bits: 3 }] },
      { ...handle, protections: [{ end: 2 ** 50, bits: 7 }] },
      { ...handle, pageSize: 2 ** 30 },
      { ...handle, flags: 1 },
    ];
    return claims.map((claim) =>
      outcome(() => {
        using same = MappedRegion.attach(claim);
        outcome(() => same.write(0, "BB"));
        const other = MappedRegion.open(path);
        const first = other.bytes[0];
        other.close();
        return first;
      })
    );
  },

  /** Attaches, faults and closes in a worker that is started and ended again and again. */
  async manyWorkers() {
    const path = file(4);
    using region = MappedRegion.open(path);
    truncateSync(path, PAGE);
    const sums: unknown[] = [];
    for (let i = 0; i < 8; i++) {
      const worker = attached(
        region.handle(),
        "const total = sum(); if (message % 2) region.close(); return total;",
      );
      await worker.next();
      sums.push(await worker.ask(i));
      await worker.end();
    }
    return [sums, region.bytes[0]];
  },
};
