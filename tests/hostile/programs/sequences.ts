// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/**
 * A region of a file and a model of both, put through random sequences of operations.
 *
 * The model: what the file holds, and which of the region's pages are cut loose from it, since they were touched when
 * the file had lost them, or stored to without the right to. Those hold what was stored to them, and zeros.
 *
 * Other sequences, by hand: `HOSTILE_SEED=2 node tests/hostile/run_program.ts sequences all`.
 */
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import process from "node:process";
import fc from "fast-check";
import { MappedRegion, MmapError } from "../../../mod.ts";
import { PAGE } from "../../helpers/mod.ts";
import { file, type Programs } from "../support.ts";

type Operation =
  | { readonly do: "open" | "close" | "sync" | "discard" | "steal" }
  | { readonly do: "protect"; readonly writable: boolean }
  | { readonly do: "resize" | "cut" | "cutElsewhere"; readonly at: number }
  | {
    readonly do: "load" | "read" | "store" | "write" | "stale" | "pwrite";
    readonly at: number;
    readonly value: number;
  };

const LONGEST = 6 * PAGE;
const at = fc.oneof(
  fc.integer({ min: 0, max: LONGEST }),
  fc.integer({ min: 0, max: 6 }).map((page) => page * PAGE),
);
const value = fc.integer({ min: 1, max: 255 });
const simple = fc.constantFrom("open", "open", "close", "sync", "discard", "steal");
const sized = fc.constantFrom("resize", "cut");
const single = fc.constantFrom("load", "load", "read", "store", "store", "write", "stale", "pwrite");
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 60, arbitrary: fc.record({ do: simple }) },
  { weight: 30, arbitrary: fc.record({ do: fc.constant("protect"), writable: fc.boolean() }) },
  { weight: 80, arbitrary: fc.record({ do: sized, at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cutElsewhere"), at }) },
  { weight: 300, arbitrary: fc.record({ do: single, at, value }) },
) as fc.Arbitrary<Operation>;

class World {
  readonly path: string = file(3);
  readonly fd: number = openSync(this.path, "r+");
  /** What the file holds. */
  model: Uint8Array = new Uint8Array(3 * PAGE).fill(65);
  region: MappedRegion | undefined;
  /** A view whose memory was taken away from the region that was open then. */
  stolen: Uint8Array | undefined;
  opened = 0;
  /** Views that have ended. */
  readonly ended: Uint8Array[] = [];
  /** The pages that are cut loose, and what they hold. */
  readonly loose = new Map<number, Uint8Array>();

  /** The file has so many bytes now. */
  sized(size: number): void {
    const next = new Uint8Array(size);
    next.set(this.model.subarray(0, size));
    this.model = next;
  }

  /** The page of an offset, if it is cut loose, as it is by being touched when it is lost or must not be stored to. */
  touch(at: number, storing: boolean): Uint8Array | undefined {
    const page = Math.floor(at / PAGE);
    const found = this.loose.get(page);
    if (found !== undefined) return found;
    const isLost = page * PAGE >= this.model.length;
    if (!isLost && !(storing && this.region?.protection === "read")) return undefined;
    const bytes = new Uint8Array(PAGE);
    bytes.set(this.model.subarray(page * PAGE, (page + 1) * PAGE));
    this.loose.set(page, bytes);
    return bytes;
  }

  load(at: number): number {
    const page = this.touch(at, false);
    return (page === undefined ? this.model[at] : page[at % PAGE]) ?? 0;
  }

  store(at: number, value: number): void {
    const page = this.touch(at, true);
    if (page === undefined) this.model[at] = value;
    else page[at % PAGE] = value;
  }

  /** Bytes behind the file's end in its last page are nobody's. */
  isNobodys(at: number): boolean {
    return at >= this.model.length && Math.floor(at / PAGE) * PAGE < this.model.length;
  }

  check(what: string, actual: unknown, expected: unknown): void {
    if (actual !== expected) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
  }

  close(): void {
    if (this.region !== undefined && this.region.protection !== "none") this.ended.push(this.region.bytes);
    this.region?.close();
    this.region = undefined;
    this.loose.clear();
    this.check("the file", Buffer.compare(readFileSync(this.path), this.model), 0);
  }

  apply(operation: Operation): void {
    if (operation.do === "open") {
      this.close();
      const capacity = this.opened++ % 2 === 0 ? {} : { capacity: 64 * PAGE };
      this.region = MappedRegion.open(this.path, { access: "read-write", ...capacity });
      return;
    }
    if (operation.do === "cut" || operation.do === "cutElsewhere") {
      if (operation.do === "cut") ftruncateSync(this.fd, operation.at);
      else execFileSync("truncate", ["-s", String(operation.at), this.path]);
      return this.sized(operation.at);
    }
    if (operation.do === "pwrite") {
      if (operation.at >= this.model.length) return;
      writeSync(this.fd, Uint8Array.of(operation.value), 0, 1, operation.at);
      this.model[operation.at] = operation.value;
      return;
    }
    if (operation.do === "stale") return this.stale(operation.at, operation.value);
    if (this.region !== undefined) this.applyTo(this.region, operation);
  }

  /** Uses views that have ended, and memory that was taken from a region that has been closed. */
  stale(at: number, value: number): void {
    for (const view of this.ended) {
      view[at] = value;
      this.check("an ended view", view[at], undefined);
    }
    this.ended.length = 0;
    if (this.region === undefined && this.stolen !== undefined && at < this.stolen.length) {
      this.stolen[at] = value;
      this.check("stolen memory", this.stolen[at], value);
    }
  }

  applyTo(region: MappedRegion, operation: Operation): void {
    switch (operation.do) {
      case "close":
        return this.close();
      case "sync":
        return this.tolerant(() => region.flushSync());
      case "discard":
        if (this.loose.size === 0) region.discard();
        return;
      case "steal":
        this.stolen = new Uint8Array(region.buffer.transfer());
        return;
      case "protect":
        if (region.length > 0) region.protect(operation.writable ? "read-write" : "read");
        return;
      case "resize":
        return this.resize(region, operation.at);
      case "load":
      case "store":
      case "read":
      case "write":
        if (operation.at < region.length && !this.isNobodys(operation.at)) this.access(region, operation);
    }
  }

  access(region: MappedRegion, { do: how, at, value }: { do: string; at: number; value: number }): void {
    if (how === "load") this.check(`load ${at}`, region.bytes[at], this.load(at));
    if (how === "read") this.tolerant(() => this.check(`read ${at}`, region.read(at, 1)[0], this.load(at)));
    if (how === "write" && region.protection === "read-write") {
      this.store(at, value);
      this.tolerant(() => region.write(at, Uint8Array.of(value)));
    }
    if (how === "store") {
      this.store(at, value);
      region.bytes[at] = value;
    }
    this.check(`${how} ${at}, loaded again`, region.bytes[at], this.load(at));
  }

  resize(region: MappedRegion, length: number): void {
    const before = region.length;
    const fileSize = this.model.length;
    if (length === before) return;
    const file = length % 2 === 0;
    const growsInPlace = region.capacity > 0 && length > before;
    if (!growsInPlace) this.ended.push(region.bytes);
    region.resize(length, { file });
    if (length > fileSize || file) this.sized(length);
    const pages = Math.ceil(length / PAGE);
    if (!growsInPlace && pages > Math.ceil(before / PAGE)) this.loose.clear(); // mapped anew
    for (const page of this.loose.keys()) if (page >= pages) this.loose.delete(page);
  }

  /** Calls what may tell of lost pages, if there are some. */
  tolerant(call: () => void): void {
    try {
      call();
    } catch (error) {
      const told = error instanceof MmapError && error.code === "EFAULT" && (this.region?.faults ?? 0) > 0;
      if (!told) throw error;
    }
  }
}

export const programs: Programs = {
  /** Puts a region through sequences of operations until 100,000 have been done. */
  all() {
    let operations = 0;
    const property = fc.property(fc.array(operation, { maxLength: 250, size: "max" }), (sequence) => {
      const world = new World();
      try {
        for (const operation of sequence) world.apply(operation);
        world.close();
      } finally {
        world.region?.close();
        closeSync(world.fd);
        operations += sequence.length;
      }
    });
    const settings = { numRuns: 900, seed: Number(process.env["HOSTILE_SEED"] ?? 1) };
    const { failed, counterexample, errorInstance, seed } = fc.check(property, settings);
    const wrong = failed ? `${String(errorInstance)} ${JSON.stringify(counterexample)} seed ${seed}` : "";
    return [operations, wrong];
  },
};
