// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Code of the program's own that runs in the middle of the library's, and closes what it works on. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { MappedRegion, struct } from "../../../mod.ts";
import { collectUntil, PAGE } from "../../helpers/mod.ts";
import { file, outcome, type Programs } from "../support.ts";

const open = (): MappedRegion => MappedRegion.open(file(4), { access: "read-write" });

/** An object whose properties close the region when they are read. */
function closing<T extends object>(region: MappedRegion, target: T): T {
  return new Proxy(target, {
    get: (from, key, receiver) => (region.close(), Reflect.get(from, key, receiver) as unknown),
  });
}

export const programs: Programs = {
  /** Closes the region in a getter of the options that its methods read. */
  getters() {
    const calls: Readonly<Record<string, (region: MappedRegion) => unknown>> = {
      flushSync: (region) => region.flushSync(closing(region, { offset: 0 })),
      protect: (region) => region.protect("read", closing(region, { offset: 0 })),
      advise: (region) => region.advise("normal", closing(region, { offset: 0 })),
      discard: (region) => region.discard(closing(region, { offset: 0 })),
      prefault: (region) => region.prefault(closing(region, { offset: 0 })),
      lock: (region) => region.lock(closing(region, { offset: 0 })),
      residency: (region) => region.residency(closing(region, { offset: 0 })),
      lines: (region) => [...region.lines(closing(region, { encoding: undefined }))].length,
    };
    return Object.entries(calls).map(([name, call]) => {
      const region = open();
      return [name, outcome(() => call(region)), region.closed];
    });
  },

  /** Closes the region in the getters of data that is written to it. */
  writtenData() {
    using region = open();
    const data = new Uint8Array(8);
    Object.defineProperty(data, "length", { get: () => (region.close(), 8) });
    using other = open();
    const mapped = other.bytes;
    Object.defineProperty(mapped, "length", { get: () => (other.close(), 8) });
    const outcomes = [
      outcome(() => region.write(0, data)),
      region.closed,
      outcome(() => other.write(0, mapped)),
      other.closed,
    ];
    region.close(); // lest a collection warn that they were forgotten
    other.close();
    return outcomes;
  },

  /** Closes the region in the getters of an array that it is compared with, or searched for. */
  comparedArrays() {
    const names = ["buffer", "byteOffset", "byteLength", "length"] as const;
    return names.flatMap((name) => {
      const array = new Uint8Array(4 * PAGE).fill(65);
      const region = open();
      const value = array[name];
      Object.defineProperty(array, name, { get: () => (region.close(), value) });
      const found = [outcome(() => region.mismatch(array)), outcome(() => region.indexOf(array))];
      region.close();
      return found;
    });
  },

  /** Makes setters of Object.prototype of a record's fields, which close the region. */
  recordSetters() {
    const region = open();
    const records = region.records(struct({ first: "u32", second: "u8" }));
    for (const name of ["first", "second"]) {
      Object.defineProperty(Object.prototype, name, { configurable: true, set: () => region.close() });
    }
    const record = outcome(() => ({ ...records.get(0) }));
    for (const name of ["first", "second"]) Reflect.deleteProperty(Object.prototype, name);
    const { closed } = region;
    region.close();
    return [record, closed];
  },

  /** Passes numbers that are objects which close the region when they are converted. */
  conversions() {
    const region = open();
    const number = {
      valueOf: () => (region.close(), 0),
      [Symbol.toPrimitive]: () => (region.close(), 0),
      toString: () => (region.close(), "0"),
    };
    const call = (name: "read" | "subarray" | "resize" | "windows" | "indexOf" | "protect"): unknown =>
      outcome(() => Reflect.apply(region[name], region, [number, number]));
    const ends = (["read", "subarray", "resize", "windows", "indexOf", "protect"] as const).map(call);
    const closed = region.closed;
    region.close();
    return [ends, closed];
  },

  /** Closes the region within each iterator's loop. */
  iterators() {
    const iterate: Readonly<Record<string, (region: MappedRegion) => Iterable<unknown>>> = {
      windows: (region) => region.windows({ size: PAGE }),
      matches: (region) => region.matches("A"),
      lines: (region) => region.lines(),
      byteLines: (region) => region.lines({ encoding: "bytes" }),
    };
    return Object.entries(iterate).map(([name, make]) => {
      const region = open();
      region.write(10, "\n");
      region.write(3 * PAGE, "\n");
      let steps = 0;
      const end = outcome(() => {
        for (const _ of make(region)) {
          steps++;
          region.close();
        }
      });
      return [name, steps, end];
    });
  },

  /** Resizes and protects the region between two windows. */
  windowsOfChanging() {
    using region = MappedRegion.anonymous(4 * PAGE);
    const lengths: number[] = [];
    for (const window of region.windows({ size: PAGE })) {
      lengths.push(window.length / PAGE);
      if (lengths.length === 2) region.resize(6 * PAGE);
      if (lengths.length === 3) region.protect("read");
      if (lengths.length === 5) region.resize(PAGE);
    }
    return lengths;
  },

  /** Closes the region in a species constructor, while a view copies itself. */
  species() {
    const region = open();
    const { bytes } = region;
    const constructor = {
      [Symbol.species]: function (length: number) {
        region.close();
        return new Uint8Array(length);
      },
    };
    Object.defineProperty(bytes, "constructor", { value: constructor });
    const copy = outcome(() => bytes.slice(0, 8).join());
    return [copy === "TypeError" || copy === "0,0,0,0,0,0,0,0", region.closed, bytes.length];
  },

  /** Closes the region in a comparison, while a view sorts itself. */
  sorting() {
    const region = open();
    const { bytes } = region;
    const sorted = outcome(() => bytes.sort((a, b) => (region.close(), a - b)).length);
    return [sorted, bytes.length, region.closed];
  },

  /** Closes the region in callbacks of a view's methods. */
  callbacks() {
    const ways: Readonly<Record<string, (bytes: Uint8Array, close: () => void) => unknown>> = {
      map: (bytes, close) => bytes.map((byte) => (close(), byte)).length / PAGE,
      forEach: (bytes, close) => bytes.forEach(close),
      reduce: (bytes, close) => bytes.reduce((sum, byte) => (close(), sum + (byte ?? 0)), 0) > 0,
      find: (bytes, close) => bytes.find((byte) => (close(), byte === 66)),
      filter: (bytes, close) => bytes.filter(() => (close(), false)).length,
      fill: (bytes, close) => bytes.fill({ valueOf: () => (close(), 66) } as unknown as number).length,
      set: (bytes, close) => bytes.set([{ valueOf: () => (close(), 66) } as unknown as number, 67]),
      store: (bytes, close) => (bytes[0] = { valueOf: () => (close(), 66) } as unknown as number, bytes[0]),
      atomic: (bytes, close) =>
        Atomics.store(bytes as Uint8Array<ArrayBuffer>, 0, { valueOf: () => (close(), 1) } as never),
    };
    return Object.entries(ways).map(([name, way]) => {
      const region = open();
      const { bytes } = region;
      outcome(() => way(bytes, () => region.close()));
      return [name, region.closed, bytes.length];
    });
  },

  /** Closes a region in the callback that tells of another's collection. */
  async finalizers() {
    const region = open();
    const { bytes } = region;
    const registry = new FinalizationRegistry(() => region.close());
    (() => {
      for (let i = 0; i < 10; i++) registry.register({ i }, i);
    })();
    return [await collectUntil(() => region.closed), bytes.length];
  },

  /** Closes and opens regions in a handler of the process's exit, and stores to lost memory there. */
  exitHandlers() {
    const region = open();
    const { bytes } = region;
    process.on("exit", () => {
      region.close();
      using late = MappedRegion.anonymous(PAGE);
      late.protect("read");
      late.bytes[0] = 1;
      process.stdout.write(`${JSON.stringify([bytes.length, late.faults])}\n`);
    });
  },

  /** Closes a region in timers and microtasks, while a loop that awaits goes on with its views. */
  async timers() {
    const region = open();
    const { bytes } = region;
    setTimeout(() => region.close(), 5);
    const end = Date.now() + 120_000;
    let hits = 0;
    while (bytes[0] === 65 && Date.now() < end) {
      hits++;
      await delay(1);
    }
    const other = open();
    const buffer = Buffer.from(other.buffer);
    queueMicrotask(() => other.close());
    await undefined;
    return [hits > 0, bytes.length, buffer.length, buffer.toString()];
  },

  /** Replaces ArrayBuffer.prototype.transfer, so as to keep views when their region closes. */
  transferReplaced() {
    const region = open();
    const { bytes } = region;
    ArrayBuffer.prototype.transfer = function () {
      return this;
    };
    region.close();
    return [bytes.length, bytes[0] === undefined];
  },

  /** Replaces methods of Uint8Array by ones that close the region and throw. */
  methodsReplaced() {
    using region = open();
    const { set, subarray, indexOf } = Uint8Array.prototype;
    let calls = 0;
    const replaced = function (): never {
      calls++;
      region.close();
      throw new EvalError("replaced");
    };
    Object.assign(Uint8Array.prototype, { set: replaced, subarray: replaced, indexOf: replaced });
    const found = [
      outcome(() => region.write(0, "B")),
      outcome(() => ({ ...region.read(0, 1) })),
      outcome(() => ({ ...region.subarray(0, 1) })),
    ];
    Object.assign(Uint8Array.prototype, { set, subarray, indexOf });
    return [found, calls, region.closed];
  },

  /** Puts options and other things on Object.prototype before the first options are checked: they are none. */
  polluted() {
    const path = file(2);
    const pollution = {
      polluted: 1,
      access: "read-write",
      offset: PAGE,
      capacity: 5,
      guard: false,
      type: "x",
    };
    Object.assign(Object.prototype, pollution);
    using region = MappedRegion.open(path, { length: PAGE });
    using memory = MappedRegion.anonymous(PAGE, { shared: true });
    using attached = MappedRegion.attach(region.handle());
    const found = [
      [region.access, region.length, region.fileOffset, region.capacity, region.guarded],
      [memory.length, attached.length],
      outcome(() => MappedRegion.open(path, { other: 1 } as object)),
      outcome(() => region.count("A", { length: 5 })),
      outcome(() => [...region.lines({ reverse: true })].length),
      ...Object.keys(Object.prototype).sort(),
    ];
    for (const name of Object.keys(pollution)) Reflect.deleteProperty(Object.prototype, name);
    return found;
  },

  /** Makes a getter of the options of open() open and close other regions. */
  nestedOpens() {
    const path = file(2);
    let inner = 0;
    const options = {
      get length(): number {
        using region = MappedRegion.open(path);
        inner += region.bytes[0] ?? 0;
        return PAGE;
      },
    };
    using region = MappedRegion.open(path, options);
    return [region.length / PAGE, inner % 65, inner > 0, region.bytes[0]];
  },
};
