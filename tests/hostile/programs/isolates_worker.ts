/** One of the workers of `isolates.ts`: opens regions and attaches to others, and does to them what comes by chance. */
import { parentPort, workerData } from "node:worker_threads";
import { MappedRegion, type RegionHandle } from "../../../mod.ts";
import { dice } from "../dice.ts";
import { handle, isExpected } from "../letters.ts";

/** What a worker is sent: a region that another isolate has open, or the file of one. */
export type Parcel = { readonly handle: RegionHandle } | { readonly path: string };

/** What it answers: bytes that it lends or gives away, or what was wrong. */
export type Answer = { readonly bytes: Uint8Array<ArrayBuffer> } | { readonly wrong: string };

const random = dice(workerData as number);
const regions: MappedRegion[] = [];
const answer = (value: Answer, transfer: ArrayBuffer[] = []): void =>
  parentPort?.postMessage(value, transfer);

function work(parcel: Parcel): void {
  const added = "handle" in parcel
    ? MappedRegion.attach(parcel.handle)
    : MappedRegion.open(parcel.path, { access: "read-write" });
  regions.push(added);
  if (random(2) === 0) void added.bytes;
  for (let times = 0; times < 3; times++) {
    const region = regions[random(regions.length)];
    if (region === undefined || region.closed) continue;
    if (random(8) === 0) {
      const { bytes } = region;
      answer({ bytes }, random(2) === 0 ? [bytes.buffer] : []);
    } else {
      const wrong = handle(region, random);
      if (wrong !== undefined) answer({ wrong });
    }
  }
}

parentPort?.on("message", (parcel: Parcel) => {
  try {
    work(parcel);
  } catch (error) {
    if (!isExpected(error)) {
      answer({ wrong: error instanceof Error ? error.stack ?? error.message : String(error) });
    }
  }
});
