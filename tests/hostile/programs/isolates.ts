// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/**
 * Four isolates of one process that do things by chance to regions of files and of memory, which they share: close, resize,
 * protect, read and search them, lend and give away their buffers, cut off their files, and end in the middle of it.
 *
 * Whatever the order in which that happens, there are letters and zeros in all of that memory, and no byte of anybody else;
 * each error is one that the library promises; and the process lives.
 *
 * A longer run, by hand, in any runtime:
 * `TMPDIR=/dev/shm HOSTILE_OPERATIONS=1000000 HOSTILE_SEED=1 node tests/hostile/run_program.ts isolates all`.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { MappedRegion } from "../../../mod.ts";
import { PAGE } from "../../helpers/mod.ts";
import { dice } from "../dice.ts";
import { handle, isExpected, LETTER, strange } from "../letters.ts";
import type { Programs } from "../support.ts";
import type { Answer, Parcel } from "./isolates_worker.ts";

const OPERATIONS = Number(process.env["HOSTILE_OPERATIONS"] ?? 2500);
const SEED = Number(process.env["HOSTILE_SEED"] ?? 1);

/** How many regions this isolate has at most, and how many buffers that were given to it. */
const MOST_REGIONS = 60;
const MOST_BUFFERS = 200;

const random = dice(SEED);

class Isolates {
  readonly #workers = [this.#start(), this.#start(), this.#start()];
  #regions: MappedRegion[] = [];
  readonly #given: Uint8Array[] = [];
  operations = 0;
  /** How many buffers came from workers. */
  answers = 0;
  wrong = "";

  tell(what: string): void {
    if (this.wrong === "") this.wrong = `seed ${SEED}, operation ${this.operations}: ${what}`;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./isolates_worker.ts", import.meta.url), {
      workerData: random(2 ** 30),
    });
    worker.on("message", (answer: Answer) => {
      if ("wrong" in answer) return this.tell(`in a worker: ${answer.wrong}`);
      this.answers++;
      this.#given.push(answer.bytes);
      if (this.#given.length > MOST_BUFFERS) this.#given.shift();
    });
    worker.on("error", (error) => this.tell(`a worker: ${String(error)}`));
    return worker;
  }

  #make(): void {
    const capacity = random(3) === 0 ? { capacity: 64 * PAGE } : {};
    const size = PAGE * (1 + random(30));
    if (random(3) === 0) {
      const region = MappedRegion.anonymous(size, { shared: random(2) === 0, ...capacity });
      this.#regions.push(region);
      region.fill(LETTER);
      return;
    }
    const path = join(tmpdir(), String(this.operations));
    fs.writeFileSync(path, new Uint8Array(size).fill(LETTER));
    this.#regions.push(MappedRegion.open(path, { access: "read-write", ...capacity }));
  }

  /** Touches all pages of what was given to this isolate: each is still memory. */
  #touchGiven(): void {
    for (const bytes of this.#given) {
      for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = bytes[at] ?? 0;
      const wrong = strange(bytes.subarray(0, 64));
      if (wrong !== undefined) this.tell(`given away: ${wrong}`);
    }
  }

  #forget(region: MappedRegion): void {
    region.close();
    if (region.path !== undefined) fs.rmSync(region.path, { force: true });
  }

  async #step(): Promise<void> {
    const way = random(14);
    if (way < 3) return this.#make();
    if (way === 3) return this.#touchGiven();
    const index = random(3);
    const worker = this.#workers[index];
    if (way === 4 && random(20) === 0) {
      void worker?.terminate();
      this.#workers[index] = this.#start();
      return;
    }
    const region = this.#regions[random(this.#regions.length)];
    if (region === undefined) return;
    if (way < 7) {
      const { path } = region;
      const parcel: Parcel = path === undefined || random(2) === 0 ? { handle: region.handle() } : { path };
      worker?.postMessage(parcel);
    } else if (way === 7 && region.path !== undefined) {
      if (random(4) === 0) fs.truncateSync(region.path, random(30) * PAGE);
    } else {
      const wrong = handle(region, random);
      if (wrong !== undefined) this.tell(wrong);
    }
    if (region.closed) {
      this.#regions = this.#regions.filter((each) => each !== region);
      this.#forget(region);
    }
    const [oldest] = this.#regions;
    if (oldest !== undefined && this.#regions.length > MOST_REGIONS) {
      this.#forget(this.#regions.shift() ?? oldest);
    }
    await undefined;
  }

  async run(): Promise<void> {
    for (; this.operations < OPERATIONS && this.wrong === ""; this.operations++) {
      try {
        await this.#step();
      } catch (error) {
        if (!isExpected(error)) {
          this.tell(error instanceof Error ? error.stack ?? error.message : String(error));
        }
      }
      if (this.operations % 20 === 0) await delay(0);
    }
    this.#touchGiven();
    for (const region of this.#regions) this.#forget(region);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#touchGiven();
  }
}

export const programs: Programs = {
  /** Returns how many operations there were, how many buffers came from workers, and what was wrong. */
  async all() {
    process.on("warning", () => {}); // workers end with regions open
    const isolates = new Isolates();
    await isolates.run();
    return [isolates.operations, isolates.answers, isolates.wrong];
  },
};
