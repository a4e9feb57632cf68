// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Programs that listen to the guard's signals, before and after the first region, and touch lost pages meanwhile. */
import { truncateSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { MappedRegion } from "../../../mod.ts";
import { eventually, PAGE, together } from "../../helpers/mod.ts";
import { file, type Programs } from "../support.ts";

type Signal = "SIGBUS" | "SIGSEGV";

/** Deno lets nobody listen to SIGSEGV. */
const SIGNALS: readonly Signal[] = "Deno" in globalThis && process.versions["bun"] === undefined
  ? ["SIGBUS"]
  : ["SIGBUS", "SIGSEGV"];

/** Opens a region, loses its pages and touches them; returns how many were lost. */
function lose(pages = 4): number {
  const path = file(pages);
  using region = MappedRegion.open(path);
  const bytes = region.bytes;
  truncateSync(path, 0);
  for (let at = 0; at < bytes.length; at += PAGE) if (bytes[at] !== 0) throw new Error("it is still there");
  return region.faults;
}

/** Stores to a page that is only read; returns whether the page has it, and the file not. */
function stray(): boolean {
  const path = file(1);
  using region = MappedRegion.open(path);
  region.bytes[0] = 66;
  using again = MappedRegion.open(path);
  return region.bytes[0] === 66 && again.bytes[0] === 65;
}

/** Sends a signal to this process, and waits until the listener was called. */
async function send(signal: Signal, called: () => boolean): Promise<boolean> {
  process.kill(process.pid, signal);
  return await eventually(called);
}

async function listenTo(signal: Signal, event: "on" | "once"): Promise<unknown> {
  let calls = 0;
  const listener = () => void calls++;
  process[event](signal, listener);
  const first = [lose(), stray()];
  const called = await send(signal, () => calls === 1);
  const second = [lose(), stray()];
  process.off(signal, listener);
  const third = [lose(), stray()];
  await delay(10);
  return [first, called, second, third, lose(), stray()];
}

export const programs: Programs = {
  async listensAfter() {
    lose();
    const found = [];
    for (const signal of SIGNALS) found.push(await listenTo(signal, "on"), await listenTo(signal, "once"));
    return new Set(found.map((each) => JSON.stringify(each))).size === 1 ? found[0] : found;
  },

  async listensBefore() {
    const found = [];
    for (const signal of SIGNALS) {
      let calls = 0;
      const listener = () => void calls++;
      process.on(signal, listener);
      const first = [lose(), stray()];
      const called = await send(signal, () => calls === 1);
      const second = [lose(), stray()];
      process.off(signal, listener);
      found.push([first, called, second, lose(), stray()]);
    }
    return new Set(found.map((each) => JSON.stringify(each))).size === 1 ? found[0] : found;
  },

  /** Others listen on while one goes; all go at once; again and again. */
  comeAndGo() {
    let faults = lose();
    for (let i = 0; i < 20; i++) {
      for (const signal of SIGNALS) {
        const [first, second] = [() => {}, () => {}];
        process.on(signal, first);
        process.on(signal, second);
        faults += lose();
        process.off(signal, first);
        faults += lose();
        process.removeAllListeners(signal);
        faults += lose();
        if (!stray()) return "a stray store reached the file";
      }
    }
    return faults / (1 + 60 * SIGNALS.length);
  },

  /** A signal that is sent, again and again, reaches the listener each time, and pages may be lost between. */
  async sentOften() {
    let calls = 0;
    lose();
    process.on("SIGBUS", () => void calls++);
    for (let i = 1; i <= 5; i++) {
      if (!await send("SIGBUS", () => calls === i)) return `call ${i}`;
      if (lose() !== 4 || !stray()) return `fault ${i}`;
    }
    return "well";
  },

  /** A worker has the region, and the main thread listens. */
  async worker() {
    const url = new URL("../../../mod.ts", import.meta.url).href;
    const { ask, end } = together(
      `
      import { parentPort } from "node:worker_threads";
      import { MappedRegion } from ${JSON.stringify(url)};
      let region;
      const opened = []; // what is forgotten would be warned of
      parentPort.on("message", (path) => {
        if (path !== "touch") {
          region = MappedRegion.open(path);
          opened.push(region);
          parentPort.postMessage(region.bytes[0]);
        } else {
          const bytes = region.bytes;
          for (let at = 0; at < bytes.length; at += ${PAGE}) bytes[at] + 1;
          parentPort.postMessage(region.faults);
        }
      });
      process.on("SIGBUS", () => {});
    `,
    );
    lose();
    const found = [];
    const [before, during, after] = [file(4), file(4), file(4)];
    found.push(await ask(before));
    truncateSync(before, 0);
    found.push(await ask("touch"));
    const listener = () => {};
    process.on("SIGBUS", listener);
    await ask(during);
    truncateSync(during, 0);
    found.push(await ask("touch"));
    process.off("SIGBUS", listener);
    await ask(after);
    truncateSync(after, 0);
    found.push(await ask("touch"));
    await end();
    return [...found, lose()];
  },

  /** A listener stays; the program ends all the same. */
  ends() {
    lose();
    for (const signal of SIGNALS) process.on(signal, () => {});
    return lose();
  },

  /** Sent while nobody listens, where the runtime survives that: the guard stays. */
  async sentToNobody() {
    lose();
    if (SIGNALS.length > 1) return 4;
    for (let i = 0; i < 3; i++) {
      process.kill(process.pid, "SIGBUS");
      await delay(20);
      if (lose() !== 4) return "not guarded";
    }
    return lose();
  },

  /** Traps of WebAssembly are signals, too. */
  traps() {
    lose();
    for (const signal of SIGNALS) process.on(signal, () => {});
    // (module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))
    const module = Uint8Array.from(
      atob("AGFzbQEAAAABBgFgAX8BfwMCAQAFAwEAAQcFAQFmAAAKCQEHACAAKAIACw=="),
      (character) => character.charCodeAt(0),
    );
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
    const load = exports["f"] as (at: number) => number;
    let traps = 0;
    for (let i = 0; i < 100; i++) {
      try {
        load(0x7fff_0000);
      } catch {
        traps++;
      }
    }
    return [traps, lose()];
  },

  /** Only what is sent while nobody listens any more ends the process: see the test. */
  async afterwards() {
    if (process.env["HOSTILE_GUARD"] !== "absent") lose();
    const listener = () => {};
    process.on("SIGBUS", listener);
    process.off("SIGBUS", listener);
    process.kill(process.pid, "SIGBUS");
    await delay(100);
    return "survived";
  },
};
