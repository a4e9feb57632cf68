/**
 * Programs that replace one built-in function after the other while regions are made, used and given back. What such
 * calls return or throw is anybody's guess; but no view may outlive its region, no byte of a file that is open for
 * reading may change, no region may stay open, and the process goes on.
 *
 * @module
 */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { bytes, char, MappedRegion, struct } from "../../../mod.ts";
import { Channel, Mutex } from "../../../src/ipc/mod.ts";
import { PAGE } from "../../helpers/mod.ts";
import { file, type Programs } from "../support.ts";

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** What is replaced: an object, and its functions. An empty list stands for all of them. */
const TARGETS: readonly (readonly [where: object, names: readonly PropertyKey[]])[] = [
  [Math, ["abs", "ceil", "clz32", "floor", "imul", "log2", "max", "min", "trunc"]],
  [Atomics, []],
  [DataView.prototype, []],
  [Array, ["from", "isArray", "of"]],
  [Array.prototype, [
    "push",
    "pop",
    "unshift",
    "slice",
    "filter",
    "map",
    "find",
    "reduce",
    "at",
    Symbol.iterator,
  ]],
  [Object.getPrototypeOf([][Symbol.iterator]()) as object, ["next"]],
  [Map.prototype, ["get", "set", "values", "forEach", "clear", "size"]],
  [Set.prototype, ["add", "delete", "forEach", "clear", "size"]],
  [WeakRef.prototype, ["deref"]],
  [ArrayBuffer.prototype, ["byteLength", "detached", "transfer", "slice"]],
  [typedArray, ["set", "subarray", "slice", "fill", "buffer", "byteLength", "byteOffset"]],
  [Function.prototype, ["call", "apply", "bind"]],
  [Number, ["isInteger", "isSafeInteger", "isFinite"]],
  [Object, ["keys", "values", "entries", "assign", "freeze"]],
  [TextEncoder.prototype, ["encode"]],
  [globalThis, ["Number", "BigInt", "Map", "Set", "WeakRef", "Math", "Atomics"]],
];

/** Calls each, whatever it does. */
function attempt(...calls: (() => unknown)[]): void {
  for (let i = 0; i < calls.length; i++) {
    try {
      calls[i]?.();
    } catch {
      // It may throw whatever it likes.
    }
  }
}

/** The regions and views that one round made. They are kept without a function that might be replaced. */
class Round {
  readonly regions: MappedRegion[] = [];
  readonly views: Uint8Array[] = [];

  open(make: () => MappedRegion, ...uses: ((region: MappedRegion) => unknown)[]): void {
    let region: MappedRegion | undefined;
    attempt(() => region = make());
    const made = region;
    if (made === undefined) return;
    this.regions[this.regions.length] = made;
    for (let i = 0; i < uses.length; i++) attempt(() => uses[i]?.(made));
    attempt(() => made.close());
  }

  keep(view: Uint8Array): Uint8Array {
    this.views[this.views.length] = view;
    return view;
  }

  run(reading: string, writing: string): void {
    this.open(
      () => MappedRegion.open(reading),
      (region) => this.keep(region.bytes)[0] = 1,
      (region) => region.read(PAGE, 10),
      (region) => region.count("A"),
      (region) => region.indexOf("AB"),
      (region) => region.cursor(3).readU32(),
      (region) => region.mismatch(new Uint8Array(9)),
      (region) => region.copyTo(new Uint8Array(4 * PAGE)),
      (region) => region.write(0, "B"),
      (region) => region.fill(66),
      (region) => region.discard({ how: "remove" }),
    );
    this.open(
      () => MappedRegion.anonymous(4 * PAGE, { capacity: 16 * PAGE }),
      (region) => this.keep(region.bytes)[0] = 1,
      (region) => region.resize(8 * PAGE),
      (region) => this.keep(region.subarray(5 * PAGE))[0] = 1,
      (region) => region.resize(PAGE),
    );
    this.open(
      () => MappedRegion.anonymous(4 * PAGE),
      (region) => this.keep(region.bytes)[0] = 1,
      (region) => region.protect("none", { offset: PAGE, length: PAGE }),
      (region) => region.handle(),
      (region) => this.keep(region.subarray(0, 10))[0] = 1,
      (region) => this.keep(region.subarray(2 * PAGE))[0] = 1,
      (region) => region.protect("read-write"),
      (region) => region.resize(9 * PAGE),
      (region) => this.keep(region.bytes)[8 * PAGE] = 1,
      (region) => region.move(0, PAGE, PAGE),
    );
    this.open(
      () => MappedRegion.open(writing, { access: "read-write" }),
      (region) => this.keep(region.bytes)[3] = 1,
      (region) => region.resize(9 * PAGE),
      (region) => this.keep(region.bytes)[8 * PAGE] = 1,
      (region) => MappedRegion.attach(region.handle()).close(),
      () => truncateSync(writing, PAGE),
      (region) => this.keep(region.bytes)[5 * PAGE] = 9,
      (region) => region.resize(6 * PAGE),
      (region) => region.read(4 * PAGE, 9),
      (region) => region.count("B"),
    );
  }
}

/** What is wrong after a round with one function replaced; none of it should be. */
function tryWithout(where: object, name: PropertyKey, replacement: () => unknown): string[] {
  const property = Object.getOwnPropertyDescriptor(where, name);
  if (property === undefined) return [];
  const reading = file(4);
  const writing = file(8);
  const round = new Round();
  const replaced = "value" in property ? { value: replacement } : { get: replacement };
  Object.defineProperty(where, name, { ...property, ...replaced });
  attempt(() => round.run(reading, writing));
  Object.defineProperty(where, name, property);

  const wrong: string[] = [];
  const what = String(name);
  for (const region of round.regions) region.close();
  for (const view of round.views) {
    for (let at = 0; at < view.length; at += PAGE) view[at] = 1; // it would fault where memory was given back
    if (view.length > 0) wrong.push(`${what}: a view of ${view.length} bytes is left`);
  }
  if (readFileSync(reading).some((byte) => byte !== 65)) wrong.push(`${what}: the file has changed`);
  writeFileSync(reading, "");
  return wrong;
}

/** Has the guard, the functions of libc and the runtime's modules that are needed be there already. */
function warmUp(): void {
  attempt(() => new Round().run(file(4), file(8)), () => MappedRegion.open("/nowhere"));
}

function tryAll(replacement: () => unknown): string[] {
  warmUp();
  return TARGETS.flatMap(([where, names]) => {
    const all = names.length === 0 ? Reflect.ownKeys(where).filter((name) => isFunction(where, name)) : names;
    return all.flatMap((name) => tryWithout(where, name, replacement));
  });
}

function isFunction(where: object, name: PropertyKey): boolean {
  return name !== "constructor" && typeof Object.getOwnPropertyDescriptor(where, name)?.value === "function";
}

export const programs = {
  undefined: () => tryAll(() => undefined),
  zero: () => tryAll(() => 0),
  throwing: () =>
    tryAll(() => {
      throw new EvalError("replaced");
    }),

  /** Array iterators that yield what they like. */
  yielding(): string[] {
    warmUp();
    const things = [0, 7 * PAGE, -1, 2 ** 40, 5n, {}, { start: 0, end: 2 ** 40, bits: 0 }, [1, 2]];
    return things.flatMap((what) =>
      tryWithout(Array.prototype, Symbol.iterator, function* (): Generator<unknown> {
        for (let count = 0; count < 9; count++) yield what;
      })
    );
  },

  /** Functions that keep the memory they are given, and transfer it away, while messages are sent and locks taken. */
  thieves(): unknown[] {
    const { transfer } = ArrayBuffer.prototype;
    const stolen: Uint8Array[] = [];
    const steal = (buffer: unknown): void => {
      if (!(buffer instanceof ArrayBuffer) || buffer.detached) return;
      stolen[stolen.length] = new Uint8Array(transfer.call(buffer));
    };
    const wrong: string[] = [];
    for (const where of [Atomics, typedArray, DataView.prototype]) {
      for (const name of Reflect.ownKeys(where).filter((name) => isFunction(where, name))) {
        const region = MappedRegion.anonymous(1 << 16, { shared: true });
        const channel = new Channel(region, { offset: 4096, capacity: 4096 });
        const mutex = new Mutex(region);
        const property = Object.getOwnPropertyDescriptor(where, name) ?? {};
        const thief = function (this: unknown, ...values: unknown[]): unknown {
          const all = [this, ...values];
          for (let i = 0; i < all.length; i++) {
            if (ArrayBuffer.isView(all[i])) steal((all[i] as DataView).buffer);
          }
          return 0;
        };
        Object.defineProperty(where, name, { ...property, value: thief });
        attempt(
          () => channel.trySend(new Uint8Array(100)),
          () => channel.tryReceive(),
          () => mutex.tryLock()?.unlock(),
          () => region.records(struct({ hash: bytes(100) })).get(1),
          () => region.cursor().readLine(),
          () => region.close(),
        );
        Object.defineProperty(where, name, property);
        region.close();
        if (!region.closed) wrong.push(String(name));
      }
    }
    for (const bytes of stolen) for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = 1;
    return wrong;
  },

  /** A Uint8Array that keeps each buffer it is given, and stores to all of them when the regions have been closed. */
  constructors(): boolean {
    const Real = Uint8Array;
    const kept: Uint8Array[] = [];
    globalThis.Uint8Array = new Proxy(Real, {
      construct(target, values, made): object {
        if (values[0] instanceof ArrayBuffer) kept[kept.length] = new Real(values[0]);
        return Reflect.construct(target, values, made) as object;
      },
    });
    const paths = [file(4), file(8)] as const;
    new Round().run(...paths);
    attempt(() => {
      using region = MappedRegion.open(paths[0]);
      region.prefault();
      region.cursor().read(5);
      region.records(struct({ text: char(99) })).get(0);
    });
    globalThis.Uint8Array = Real;
    for (const bytes of kept) for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = 1;
    return readFileSync(paths[0]).every((byte) => byte === 65);
  },

  /** The first region of a process, which brings the guard along. */
  first(): unknown[] {
    const getters = Object.getOwnPropertyNames(DataView.prototype)
      .filter((name) => name !== "constructor" && isFunction(DataView.prototype, name));
    const path = file(8);
    for (const name of getters) Object.assign(DataView.prototype, { [name]: () => 7 });
    using region = MappedRegion.open(path);
    truncateSync(path, PAGE);
    region.bytes[0] = 66;
    return [region.guarded, region.bytes[0], region.bytes[5 * PAGE], region.faults];
  },
} satisfies Programs;
